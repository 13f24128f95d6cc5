"""How sure a figure over images is: what draws of the images with replacement give, in the middle 95 % (bootstrap).

All is by matrix products of counts, image by image, with how often a draw has each image. The draws are the same for
the same images in any order, so figures do not depend on how images were dealt out to processes, and two models on the
same images are compared draw by draw.
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
LEAST_IMAGES = 6  # for an interval: with five, one model is ahead in all of them by chance in 1 of 16 cases
_SEED = 0
IN_MEMORY = 4_000_000  # numbers of draws at a time, of 8 bytes


class Difference(NamedTuple):
    """By how much a figure is greater than another one: the value, and [lower, upper] or None of too few images."""

    value: float
    interval: Optional[list[float]]

    @property
    def verdict(self) -> str:
        """ "better" or "worse" only where the interval excludes 0."""
        if self.interval is None:
            return "too few images to say"
        lower, upper = self.interval
        return "better" if lower > 0 else "worse" if upper < 0 else "no difference shown"


def resampled(columns: Numbers) -> npt.NDArray[np.float64]:
    """Sums over images that are drawn with replacement, as many as there are.

    Args:
        columns: numbers (images, columns), at least one image.

    Returns:
        float64 (`DRAWS`, columns). The order of the images makes no difference.
    """
    columns = columns[np.lexsort(columns.T[::-1])].astype(np.float64)  # products of floats are the fast ones
    return np.concatenate([drawn @ columns for drawn in _drawn(len(columns))])


def _drawn(images: int) -> Iterable[Numbers]:
    """How often each image is in a draw: (draws, images) at a time, `DRAWS` in all."""
    return [_at_once(images)] if DRAWS * images <= IN_MEMORY else _in_parts(images, max(1, IN_MEMORY // images))


@functools.lru_cache(maxsize=1)  # as figures of all images and of groups of words are asked for one after the other
def _at_once(images: int) -> Numbers:
    return next(_in_parts(images, DRAWS))


def _in_parts(images: int, at_a_time: int) -> Iterator[Numbers]:
    random, shares = np.random.default_rng(_SEED), np.full(images, 1 / images)
    for first in range(0, DRAWS, at_a_time):
        yield random.multinomial(images, shares, min(at_a_time, DRAWS - first)).astype(np.float64)


def interval(values: Numbers) -> list[float] | None:
    """The middle 95 % of values, [lower, upper]; NaN, of draws of nothing that counts, are left out.

    Rounded to 12 decimals, as what is left of equal sums of floats is not above 0.
    """
    values = values[~np.isnan(values)]
    return [round(float(value), 12) for value in np.percentile(values, (2.5, 97.5))] if len(values) else None


def counting(pixels: Numbers) -> int:
    """How many images have anything to count.

    Args:
        pixels: (images, 3 or more), of which the first are true and false positives and false negatives.
    """
    return int(np.count_nonzero(pixels[:, :3].any(1)))


def enough(pixels: Numbers) -> bool:
    """Whether so many images have anything to count that they say something of others; pixels as for `counting`."""
    return counting(pixels) >= LEAST_IMAGES


def too_few(images: int) -> str:
    """Why there is no interval, of the number of images that count."""
    return f"no interval: {images:,} image{' counts' if images == 1 else 's count'}, {LEAST_IMAGES} are needed"


def iou(sums: Numbers) -> npt.NDArray[np.float64]:
    """Intersection over union of pixels (..., 3 or more), as `counting` takes them; NaN where there are none."""
    union = sums[..., :3].sum(-1)
    return np.divide(sums[..., 0], union, out=np.full(union.shape, np.nan), where=union > 0)


def iou_interval(pixels: Numbers) -> list[float] | None:
    """The interval of the IoU of all images together; None of too few. Pixels are as `counting` takes them."""
    return interval(iou(resampled(pixels[:, :3]))) if enough(pixels) else None


def iou_difference(one: Numbers, other: Numbers) -> Difference:
    """By how much the IoU of all images together is greater in one than in the other, paired by images.

    Args:
        one: pixels as `counting` takes them.
        other: the same of the same images, in the same order.
    """
    values = [np.nan_to_num(iou(pixels.sum(0))) for pixels in (one, other)]
    value = float(values[0] - values[1])
    if not enough(one[:, :3] + other[:, :3]):
        return Difference(value, None)
    sums = resampled(np.hstack([one[:, :3], other[:, :3]]))
    return Difference(value, interval(np.nan_to_num(iou(sums[:, :3])) - np.nan_to_num(iou(sums[:, 3:]))))
