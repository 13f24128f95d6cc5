"""Where a random crop lies. It is drawn once for image and label map, and cut from each with its own filter.

Sizes and boxes are as in Pillow: (width, height), and (left, top, right, bottom), in pixels.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

_BLOCK = 1 << 16  # pixels


class Crop(NamedTuple):
    """A box of the source that is resized to `size` and put at `place` (left, top) of the crop. The rest is padding."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]
    place: tuple[int, int]

    def of(self, picture: Image.Image, resample: Image.Resampling) -> Image.Image:
        """The part of a `PIL.Image` that the crop shows, resized to `size`. Only this part is resized, at any scale."""
        return picture.resize(self.size, resample, box=self.box)

    def put(self, part: npt.NDArray[Any], frame: tuple[int, int], fill: int) -> npt.NDArray[Any]:
        """Places `part`, an array (..., height, width), in an array of `frame` (height, width) that is filled with
        `fill`.

        A part that fills the frame, as most do, is returned as it is.
        """
        (left, top), (width, height) = self.place, self.size
        if (height, width) == frame:
            return part
        canvas = np.full((*part.shape[:-2], *frame), fill, part.dtype)
        canvas[..., top : top + height, left : left + width] = part
        return canvas


def random_crop(
    source: tuple[int, int],
    size: tuple[int, int],
    scale: float,
    rng: random.Random,
    target: tuple[int, int] | None = None,
) -> Crop:
    """A random crop of an image, or a random crop that shows a given pixel.

    An image that is narrower or lower than the crop is shown whole in that direction, at a random place.

    Args:
        source: the size of the image.
        size: the size of the crop.
        scale: pixels of the crop per pixel of the image, up to rounding.
        rng: a `random.Random`.
        target: (x, y) of the pixel to show. At scales of 1 and above, nearest-neighbour resizing keeps every pixel of
            the box.
    """
    at = target or (None, None)
    axes = [_random_span(source[axis], size[axis], scale, rng, at[axis]) for axis in (0, 1)]
    starts, ends, sizes, places = zip(*axes)
    return Crop((*starts, *ends), sizes, places)


def _random_span(
    length: int, wanted: int, scale: float, rng: random.Random, target: int | None
) -> tuple[int, int, int, int]:
    """One axis of a crop: start and end in the image, length and place in the crop."""
    covered, shown = max(1, round(wanted / scale)), wanted
    if covered > length:
        covered, shown = length, min(wanted, max(1, round(length * scale)))
    first, last = 0, length - covered
    if target is not None:
        first, last = max(first, target - covered + 1), min(last, target)
    start = first + int(rng.random() * (last - first + 1))
    return start, start + covered, shown, int(rng.random() * (wanted - shown + 1))


def random_pixel(mask: npt.NDArray[np.bool_], rng: random.Random) -> tuple[int, int] | None:
    """(x, y) of a random pixel where `mask`, a bool array (height, width), is true; None if there is none."""
    # Only the pixels of one block are listed. Counting per block takes a fifth of the time of listing all.
    blocks = np.split(mask.ravel(), range(_BLOCK, mask.size, _BLOCK))
    counts = np.cumsum([np.count_nonzero(block) for block in blocks])
    if not counts[-1]:
        return None
    at = int(rng.random() * int(counts[-1]))
    block = int(np.searchsorted(counts, at, side="right"))
    place = np.flatnonzero(blocks[block])[at - int(counts[block])]  # negative: from the last one of the block
    y, x = divmod(block * _BLOCK + int(place), mask.shape[1])
    return x, y
