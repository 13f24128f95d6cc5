"""`mlt-s evaluate`: the published figures for a folder of predicted masks.

Only figures over the whole split can be compared with published ones. If a prediction is missing or has the wrong size
or values, nothing is substituted: the report names the image, the figures are over the others, and the exit status is
1.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

import mlt_s
from mlt_s_tools import output, workers, writing
from mlt_s_tools.evaluation import plot as plots
from mlt_s_tools.evaluation import report
from mlt_s_tools.evaluation.against import Comparison, metrics_of
from mlt_s_tools.evaluation.predictions import Predictions, read_prediction
from mlt_s_tools.evaluation.worst import error_sheet
from mlt_s_tools.groups import group_counts, word_rows
from mlt_s_tools.looking.choose import TURNED, Choice, Source
from mlt_s_tools.metrics import Counts, TextMetrics, count
from mlt_s_tools.origin import made_by
from mlt_s_tools.training.transforms import MULTIPLE

if TYPE_CHECKING:
    import numpy.typing as npt

_LINKED = 12  # images on a page, unless another number is given


@dataclasses.dataclass(frozen=True)
class Result:
    """An image with its counts, or the reason why its prediction was refused. Without a prediction, it has neither.

    Attributes:
        choice: the image and its label map.
        counts: its pixels; None if its prediction is missing or refused.
        refused: why the prediction was refused.
        of_groups: what `groups.group_counts` returns, row by row; empty if words were not asked for, or are missing.
        is_weak: whether the label map is signed by `mlt-s weak`.
    """

    choice: Choice
    counts: Optional[Counts] = None
    refused: Optional[str] = None
    of_groups: Sequence[int] = ()
    is_weak: bool = False

    @property
    def image_id(self) -> str:
        return self.choice.pair.image_id

    @property
    def state(self) -> str:
        return "missing" if self.counts is None and self.refused is None else "refused" if self.refused else "counted"


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The evaluation of a split.

    Attributes:
        split: its name.
        results: one for each of its images in the folder, in the order of their numbers.
        extra: predictions that match none of these images.
        label_maps: the addresses given for label maps; empty if they are in the folder.
        not_authors: the places of label maps that are not the authors' archive or its folders.
    """

    split: str
    results: list[Result]
    extra: list[mlt_s.Member]
    label_maps: Sequence[str] = ()
    not_authors: Sequence[str] = ()

    @property
    def counted(self) -> list[Result]:
        return [result for result in self.results if result.state == "counted"]

    @property
    def missing(self) -> list[str]:
        return [result.image_id for result in self.results if result.state == "missing"]

    @property
    def refused(self) -> list[Result]:
        return [result for result in self.results if result.state == "refused"]

    @property
    def is_whole(self) -> bool:
        """Whether the figures cover all images that MLT_S has in the split."""
        return len(self.counted) == len(self.results) == mlt_s.PUBLISHED_COUNTS[self.split]

    @property
    def weak(self) -> list[str]:
        """Ids of the counted images whose label map `mlt-s weak` made or repaired."""
        return [result.image_id for result in self.counted if result.is_weak]

    @property
    def is_by_authors(self) -> bool:
        """Whether the figures use only the authors' label maps."""
        return not self.not_authors and not self.weak

    @property
    def is_as_published(self) -> bool:
        """Whether the figures can be compared with published ones."""
        return self.is_whole and self.is_by_authors

    @property
    def worst_first(self) -> list[Result]:
        """The counted results, lowest IoU of text first, then most wrong pixels; those without wrong pixels last."""
        return sorted(self.counted, key=_badness, reverse=True)

    @functools.cached_property
    def metrics(self) -> TextMetrics:
        """The metrics of the counted results."""
        return metrics_of(self.counted)

    @functools.cached_property
    def figures(self) -> dict[str, float]:
        """What `TextMetrics.compute` returns."""
        return self.metrics.compute()

    @property
    def without_words(self) -> list[str]:
        """Ids of the counted images without words, if words were asked for."""
        return [result.image_id for result in self.counted if not result.of_groups]


def run(
    predictions: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    split: str = "validation",
    label_maps: str | list[str] | None = None,
    per_image: bool = False,
    csv: str | os.PathLike[str] | None = None,
    worst: int | None = None,
    out: str | os.PathLike[str] = "worst.png",
    json: str | os.PathLike[str] | None = None,
    text_value: int = 1,
    against: str | os.PathLike[str] | None = None,
    by: Sequence[str] | None = None,
    plot: str | os.PathLike[str] | None = None,
) -> int:
    """Evaluates the predictions of a split, and prints the figures and the problems with the predictions.

    Args:
        predictions: folder or zip of PNG files named like the images; see `predictions.read_prediction`.
        data_dir: folder of the archives, as for `load_dataset`.
        split: "train" or "validation".
        label_maps: the label archive, if it is not in `data_dir`.
        per_image: also print one line per image.
        csv: path of a table to write, with one line per image.
        worst: number of the worst images to draw; by default none.
        out: path of the PNG file to draw them in.
        json: path of a JSON report to write.
        text_value: the value of text in the label maps, as for the loader: 1 or 255.
        against: other predictions of the same images, to compare with.
        by: what to group words by, for figures within words: "script", "height" or both.
        plot: path of a plot of the figures to write, a .png or an .html file.

    Returns:
        The exit status: 0 if the figures cover the whole split, by the authors' label maps; otherwise 1.

    Raises:
        mlt_s.MltSError: no prediction can be counted, the data cannot be read, there are no words to group by, or a
            plot is asked for and matplotlib is not installed.
        OSError: a file cannot be written, or would replace one that is not known to be from mlt-s.
    """
    if plot:
        plots.check(plot)
    writing.check(csv, json, out if worst else None, plot)
    replaces = {path: Path(path).exists() for path in (out, plot) if path}
    source, kinds = Source(data_dir, label_maps, split, text_value), tuple(dict.fromkeys(by or ()))
    predicted = [Predictions(path) for path in (predictions, against) if path is not None]
    evaluations = [evaluate(source, of, split, bool(kinds)) for of in predicted]
    for evaluation, path in zip(evaluations, (predictions, against)):
        _check_counted(evaluation, path)
    evaluation = evaluations[0]
    if kinds and len(evaluation.without_words) == len(evaluation.counted):
        raise report.no_words(data_dir)
    comparison = Comparison(*evaluations) if against is not None else None
    if comparison and not comparison.pairs:
        raise mlt_s.MltSError(f"No image has a prediction both in {predictions} and in {against}.")
    if per_image:
        print("\n".join(report.image_lines(evaluation)), end="\n\n")
    print("\n".join(report.lines(evaluation, kinds, comparison)))
    if csv:
        report.write_csv(evaluation, csv, comparison)
    if json:
        report.write_json(evaluation, json, kinds, comparison)
    if worst:
        shown = evaluation.worst_first[:worst]
        writing.write_picture(out, error_sheet(_sheet_row(source, predicted[0], result) for result in shown))
        place = output.written(out, replaces[out])
        print(f"\nThe worst {len(shown):,} of {len(evaluation.counted):,} images: {place}")
    if plot:
        pairs = plots.linked(evaluation, comparison, worst or _LINKED)
        sheets = (error_sheet(_sheet_row(source, *of) for of in zip(predicted, results)) for results in pairs)
        folders = [path for path in (predictions, against) if path is not None]
        plots.draw(plot, evaluation, kinds, comparison, pairs, sheets, folders)
        print(f"\nThe figures in a plot: {output.written(plot, replaces[plot])}")
    return 0 if all(evaluation.is_as_published for evaluation in evaluations) else 1


def evaluate(source: Source, predictions: Predictions, split: str, with_words: bool = False) -> Evaluation:
    """Counts the pixels of every image of a split that has a prediction.

    Args:
        source: the images and label maps of that split only.
        predictions: their predictions.
        split: its name.
        with_words: also count by script and height of words, if there is ground truth.

    Raises:
        mlt_s.MltSError: a label map, its image, or ground truth that is asked for cannot be read.
    """
    # Threads suffice: most of the time is spent in decoding PNG files, which releases the interpreter's lock.
    with ThreadPoolExecutor(workers.cores()) as pool:
        results = list(pool.map(lambda choice: _result(source, predictions, choice, with_words), source.choices))
    extra = predictions.extra(result.image_id for result in results)
    return Evaluation(split, results, extra, source.label_maps, source.not_authors)


def _result(source: Source, predictions: Predictions, choice: Choice, with_words: bool) -> Result:
    member = predictions.find(choice.pair.image_id)
    if member is None:
        return Result(choice)
    picture = source.label(choice)
    label = np.asarray(picture)
    try:
        prediction = read_prediction(member)
    except mlt_s.MltSError as error:
        return Result(choice, refused=str(error))
    if prediction.shape != label.shape:
        return Result(choice, refused=_misfit(source, choice, member, prediction.shape, label.shape))
    try:
        counts = count(prediction, label)
    except ValueError as error:
        raise mlt_s.MltSError(f"{choice.pair.label[0]}: {error} Fetch its archive again.") from None
    words = source.read_words(choice) if with_words else None
    of_groups = [] if words is None else group_counts(prediction, label, word_rows(words)).ravel().tolist()
    return Result(choice, counts, of_groups=of_groups, is_weak=bool(made_by(picture)))


def _misfit(
    source: Source, choice: Choice, member: mlt_s.Member, shape: tuple[int, ...], wanted: tuple[int, ...]
) -> str:
    """Explains why the (height, width) of a prediction differs from that of the label map, as far as is known."""
    reasons, namesakes = [], source.namesakes(choice)
    if shape == wanted[::-1] and source.orientation(choice) in TURNED:
        reasons.append("your reader rotated the image by its EXIF orientation; load images with mlt_s")
    elif all(side % MULTIPLE == 0 and side >= least for side, least in zip(shape, wanted)):
        reasons.append(
            "the image seems to have been padded; predict(logits, given) crops it, given what EvalTransform returned"
        )
    for other in namesakes:
        if _label_shape(source, other) == shape:
            reasons.append(f"it has the size of the {other.split} image of that name; see --split {other.split}")
    if not reasons:
        reasons.append("resize the logits, not the mask, to the image's own size, and then threshold them")
    if not namesakes:
        others = " or ".join(f"--split {name}" for name in mlt_s.PUBLISHED_COUNTS if name != choice.split)
        reasons.append(f"or it belongs to the other split, which has the same names ({others})")
    return f"{member} is {_size(shape)}, its label map {_size(wanted)} (width x height): {'; '.join(reasons)}."


def _label_shape(source: Source, choice: Choice) -> tuple[int, ...] | None:
    """(height, width) of a label map that is read only for an explanation; None if it cannot be read."""
    try:
        return source.read_label(choice).shape
    except mlt_s.MltSError:
        return None


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _badness(result: Result) -> tuple[bool, float, int]:
    counts = result.counts
    assert counts, "only counted results are sorted"
    wrong = counts.fp + counts.fn
    return (wrong > 0, 1 - counts.iou, wrong)


def _sheet_row(
    source: Source, predictions: Predictions, result: Result
) -> tuple[str, dict[str, Any], npt.NDArray[np.bool_]]:
    counts, member = result.counts, predictions.find(result.image_id)
    assert counts and member, "only counted results are drawn"
    title = f"{result.image_id}   IoU {100 * counts.iou:.1f} %, pixels: {counts.fn:,} missed, {counts.fp:,} wrong"
    return title, source.read(result.choice), read_prediction(member)


def _check_counted(evaluation: Evaluation, predictions: str | os.PathLike[str] | None) -> None:
    if evaluation.counted:
        return
    if evaluation.refused:
        first = evaluation.refused[0].refused
        raise mlt_s.MltSError(
            f"No prediction in {predictions} fits its image. The first of {len(evaluation.refused):,}: {first}"
        )
    raise mlt_s.MltSError(
        f"No prediction in {predictions} is named like an image of the {evaluation.split} split. It holds "
        f"{report.name_of(evaluation.extra[0])}; expected names such as {evaluation.missing[0]}.png."
    )
