"""Functions for the words of an example: a mask of their pixels, and a crop of a word with its label map.

Words are what the configuration "words" yields (`mlt_s.parse_words`). `quad` is a list of four corners [x, y] in pixels
of the image; x points right and y down, and (0, 0) is the centre of the first pixel. All functions return new objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    import numpy.typing as npt

    Quad = Sequence[Sequence[float]]
    Box = tuple[int, int, int, int]


def word_mask(
    quads: Iterable[Sequence[Sequence[float]]] | npt.NDArray[Any], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Marks the pixels inside at least one of the quadrilaterals, or on its border.

    The mask can serve as a label for box-supervised training. To exclude unreadable words from loss and evaluation:

        unreadable = word_mask([word["quad"] for word in example["words"] if not word["readable"]], label.size)
        values = np.where(unreadable, mlt_s.LABEL_MAP.ignore_index, label)

    If a quadrilateral crosses itself, both halves are marked. If it has no area, its border line is marked. Parts
    outside the image are cut off.

    Args:
        quads: quadrilaterals, each with four corners (x, y) in pixels: lists, or an array (words, 4, 2).
        size: (width, height) of the image in pixels, as `PIL.Image.size`.

    Returns:
        A bool array (height, width).
    """
    width, height = size
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    for quad in quads:
        draw.polygon([(float(x), float(y)) for x, y in quad], fill=1, outline=1)
    return np.array(mask, bool)


def crop_word(example: Mapping[str, Any], word: Mapping[str, Any], margin: int = 0) -> dict[str, Any]:
    """Crops a word out of an image and its label map: the upright rectangle around its quadrilateral, without
    resampling.

    Anything else in the rectangle stays visible. `word_mask([crop["quad"]], crop["image"].size)` marks the word's own
    pixels.

    Args:
        example: a dict with `image` (`PIL.Image`) and `label` (a `PIL.Image` of the same size, or None).
        word: one of its words.
        margin: context around the rectangle in pixels, up to the border of the image.

    Returns:
        A copy of the word's dict with `image` and `label` (None if the example has none), both of the size of the
        rectangle, and with `quad` in pixels of the rectangle.

    Raises:
        ValueError: the word lies entirely outside the image.
    """
    width, height = example["image"].size
    xs, ys = zip(*word["quad"])
    left, top = max(0, math.floor(min(xs)) - margin), max(0, math.floor(min(ys)) - margin)
    right, bottom = min(width, math.ceil(max(xs)) + 1 + margin), min(height, math.ceil(max(ys)) + 1 + margin)
    if left >= right or top >= bottom:
        raise ValueError(f"The word at {word['quad']} lies outside its image, which is {width} x {height}.")
    return {
        **word,
        "image": example["image"].crop((left, top, right, bottom)),
        "label": example["label"] and example["label"].crop((left, top, right, bottom)),
        "quad": [[x - left, y - top] for x, y in word["quad"]],
    }


def shorter_side(quad: Quad) -> float:
    """The shorter of the mean lengths of a word's opposite sides, in pixels: usually its height.

    Args:
        quad: four corners (x, y) in pixels, in order around the word.
    """
    corners = np.asarray(quad, float)
    sides = np.hypot(*(np.roll(corners, -1, 0) - corners).T)
    return float(min(sides[0] + sides[2], sides[1] + sides[3]) / 2)


def word_box(quad: Quad, size: tuple[int, int], context: float) -> Box | None:
    """The upright rectangle around a word, with context, up to the border of the image.

    Args:
        quad: four corners (x, y) in pixels of the image.
        size: (width, height) of the image in pixels.
        context: margin on each side, as a multiple of the word's `shorter_side`; 0 or more.

    Returns:
        (left, top, right, bottom), ints, as for `PIL.Image.crop`; None if the word lies entirely outside the image.
    """
    inner = _within(quad, size, 0)
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        return None
    return _within(quad, size, round(context * shorter_side(quad)))


def word_region(quad: Quad, size: tuple[int, int]) -> tuple[Box, npt.NDArray[np.bool_]] | None:
    """The region of a word in an image.

    Args:
        quad: four corners (x, y) in pixels of the image.
        size: (width, height) of the image in pixels.

    Returns:
        The upright rectangle (left, top, right, bottom) around the part of the word in the image, and a bool array
        (bottom - top, right - left) that marks the word's pixels in it; None if the word lies outside the image.
    """
    box = word_box(quad, size, 0)
    if box is None:
        return None
    left, top, right, bottom = box
    return box, word_mask([[(x - left, y - top) for x, y in quad]], (right - left, bottom - top))


def _within(quad: Quad, size: tuple[int, int], margin: int) -> Box:
    (xs, ys), (width, height) = zip(*quad), size
    return (
        max(0, math.floor(min(xs)) - margin),
        max(0, math.floor(min(ys)) - margin),
        min(width, math.ceil(max(xs)) + 1 + margin),
        min(height, math.ceil(max(ys)) + 1 + margin),
    )
