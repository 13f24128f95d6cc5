"""Bootstrap intervals of scores over images: the middle 95 % over resamples of the images, with replacement.

A resample is how often it draws each image, and its sums are matrix products of these numbers with the counts of the
images. The order of the images does not change the resamples. So scores do not depend on how images were split over
processes, and two models on the same images can be compared resample by resample.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[Any]

DRAWS = 2000
LEAST_IMAGES = 6  # for an interval: on five, one of two equal models is better on all by chance in 1 of 16 cases
_SEED = 0
IN_MEMORY = 4_000_000  # numbers of 8 bytes in memory at a time


class Difference(NamedTuple):
    """The difference of two scores, and its interval, [lower, upper], or None for too few images."""

    value: float
    interval: Optional[list[float]]

    @property
    def verdict(self) -> str:
        """ "better" or "worse" only if the interval excludes 0."""
        if self.interval is None:
            return "too few images to say"
        lower, upper = self.interval
        return "better" if lower > 0 else "worse" if upper < 0 else "no difference shown"


def resampled(columns: Numbers) -> npt.NDArray[np.float64]:
    """Sums over resamples of the images. Each resample draws as many images as there are.

    Args:
        columns: numbers (images, columns) of at least one image.

    Returns:
        float64 (`DRAWS`, columns). The order of the images does not matter.
    """
    columns = columns[np.lexsort(columns.T[::-1])].astype(np.float64)  # products of floats are faster
    return np.concatenate([drawn @ columns for drawn in _drawn(len(columns))])


def _drawn(images: int) -> Iterable[Numbers]:
    """How often each image is in each resample: (draws, images) at a time, `DRAWS` in all."""
    return [_at_once(images)] if DRAWS * images <= IN_MEMORY else _in_parts(images, max(1, IN_MEMORY // images))


@functools.lru_cache(maxsize=1)  # scores of all images and of each group of words are computed one after another
def _at_once(images: int) -> Numbers:
    return next(_in_parts(images, DRAWS))


def _in_parts(images: int, at_a_time: int) -> Iterator[Numbers]:
    random, shares = np.random.default_rng(_SEED), np.full(images, 1 / images)
    for first in range(0, DRAWS, at_a_time):
        yield random.multinomial(images, shares, min(at_a_time, DRAWS - first)).astype(np.float64)


def interval(values: Numbers) -> list[float] | None:
    """The middle 95 % of values, [lower, upper]. NaN, from resamples without pixels to count, is left out.

    Rounded to 12 decimals, so that rounding errors of equal sums do not count as above 0.
    """
    values = values[~np.isnan(values)]
    return [round(float(value), 12) for value in np.percentile(values, (2.5, 97.5))] if len(values) else None


def counting(pixels: Numbers) -> int:
    """The number of images with text, labelled or predicted.

    Args:
        pixels: counts (images, 3 or more), first true positives, false positives and false negatives.
    """
    return int(np.count_nonzero(pixels[:, :3].any(1)))


def enough(pixels: Numbers) -> bool:
    """Whether enough images have text for an interval; pixels as for `counting`."""
    return counting(pixels) >= LEAST_IMAGES


def too_few(images: int) -> str:
    """Explains why there is no interval, given the number of images with text."""
    return f"no interval: {images:,} image{' counts' if images == 1 else 's count'}, {LEAST_IMAGES} are needed"


def iou(sums: Numbers) -> npt.NDArray[np.float64]:
    """Intersection over union of pixels (..., 3 or more), as for `counting`; NaN if there are none."""
    union = sums[..., :3].sum(-1)
    return np.divide(sums[..., 0], union, out=np.full(union.shape, np.nan), where=union > 0)


def iou_interval(pixels: Numbers) -> list[float] | None:
    """The interval of the IoU over all images; None if there are too few. Pixels as for `counting`."""
    return interval(iou(resampled(pixels[:, :3]))) if enough(pixels) else None


def iou_difference(one: Numbers, other: Numbers) -> Difference:
    """The difference of the IoU over all images, `one` minus `other`, paired by image.

    Args:
        one: pixels as for `counting`.
        other: pixels of the same images, in the same order.
    """
    values = [np.nan_to_num(iou(pixels.sum(0))) for pixels in (one, other)]
    value = float(values[0] - values[1])
    if not enough(one[:, :3] + other[:, :3]):
        return Difference(value, None)
    sums = resampled(np.hstack([one[:, :3], other[:, :3]]))
    return Difference(value, interval(np.nan_to_num(iou(sums[:, :3])) - np.nan_to_num(iou(sums[:, 3:]))))
