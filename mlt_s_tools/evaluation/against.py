"""Compares two folders of predictions on the same images: their differences, with intervals."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mlt_s_tools.bootstrap import Difference, enough, interval, iou_difference, resampled
from mlt_s_tools.metrics import TextMetrics, score_columns, scores

if TYPE_CHECKING:
    from mlt_s_tools.evaluation.evaluate import Evaluation, Result


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two evaluations of one split, paired by image. Only images that are counted in both are compared.

    Attributes:
        one, other: the two evaluations. Differences are `one` minus `other`.
    """

    one: Evaluation
    other: Evaluation

    @functools.cached_property
    def pairs(self) -> list[tuple[Result, Result]]:
        """The results of each image that is counted in both, in the order of the images."""
        pairs = zip(self.one.results, self.other.results)
        return [(one, other) for one, other in pairs if one.counts and other.counts]

    @functools.cached_property
    def metrics(self) -> tuple[TextMetrics, TextMetrics]:
        """The metrics of both evaluations, over `pairs`."""
        ones, others = zip(*self.pairs)
        return metrics_of(ones), metrics_of(others)

    @functools.cached_property
    def figures(self) -> tuple[dict[str, float], dict[str, float]]:
        """What `TextMetrics.compute` returns for both evaluations, over `pairs`."""
        one, other = self.metrics
        return one.compute(), other.compute()

    @functools.cached_property
    def differences(self) -> dict[str, Difference]:
        """Differences in the published figures, `fgiou` and `f_score`."""
        counts = [metrics.counts() for metrics in self.metrics]
        one, other = self.figures
        intervals: dict[str, list[float] | None] = dict.fromkeys(("fgiou", "f_score"))
        if enough(counts[0] + counts[1]):
            columns = [score_columns(of) for of in counts]
            drawn = np.hsplit(resampled(np.hstack(columns)), 2)
            of_one, of_other = (scores(sums, len(self.pairs)) for sums in drawn)
            intervals = {
                name: interval(np.nan_to_num(of_one[name]) - np.nan_to_num(of_other[name])) for name in intervals
            }
        return {name: Difference(one[name] - other[name], found) for name, found in intervals.items()}

    def by(self, kind: str) -> dict[str, Difference]:
        """Differences in fgIoU within words, for each script or height that occurs; `kind` is "script" or "height"."""
        one, other = self.metrics
        return {
            name: iou_difference(one.group_counts(kind, name), other.group_counts(kind, name)) for name in one.by(kind)
        }

    @functools.cached_property
    def images(self) -> dict[str, int]:
        """The number of images that are "better", "worse" and "equal" in `one`, by the IoU of their text."""
        tests: dict[str, Callable[[float], bool]] = {
            "better": lambda value: value > 0,
            "worse": lambda value: value < 0,
            "equal": lambda value: value == 0,
        }
        return {name: sum(map(test, self._gains)) for name, test in tests.items()}

    @property
    def _gains(self) -> list[float]:
        return [gain(*pair) for pair in self.pairs]

    @property
    def most_different_first(self) -> list[tuple[Result, Result]]:
        """The pairs that differ in IoU, greatest difference first."""
        pairs = [pair for pair in self.pairs if gain(*pair)]
        return sorted(pairs, key=lambda pair: abs(gain(*pair)), reverse=True)


def gain(one: Result, other: Result) -> float:
    """The IoU of an image's text in `one` minus that in `other`; both have to be counted."""
    assert one.counts and other.counts, "only counted results are compared"
    return one.counts.iou - other.counts.iou


def metrics_of(results: list[Result] | tuple[Result, ...]) -> TextMetrics:
    """The metrics of the counted results."""
    metrics = TextMetrics()
    for result in results:
        if result.counts:
            metrics.add_counts([[*result.counts, *result.of_groups]])
    return metrics
