"""What to do with the words of an example: a mask of their pixels, and a word cut out with its label map.

Words are what the configuration "words" yields (`mlt_s.parse_words`): `quad` is a list of four corners [x, y] in pixels
of the image, x to the right and y down from the middle of its first pixel. All functions return new objects.
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
    """Which pixels lie in a word: inside one of the quadrilaterals, or on its border.

    Box-supervised training takes it as a label of its own. To leave unreadable words out of loss and evaluation:

        unreadable = word_mask([word["quad"] for word in example["words"] if not word["readable"]], label.size)
        values = np.where(unreadable, mlt_s.LABEL_MAP.ignore_index, label)

    Where a quadrilateral folds over, both its halves count; one without area is the line of its border; what lies
    outside the image is cut off.

    Args:
        quads: a list of quadrilaterals, each of four corners (x, y) in pixels: lists, or an array (words, 4, 2).
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
    """A word cut out of an image and its label map: the upright rectangle around its quadrilateral, no pixel resampled.

    What else lies in the rectangle stays in it: `word_mask([crop["quad"]], crop["image"].size)` tells the word's own
    pixels.

    Args:
        example: a dict with `image` (`PIL.Image`) and `label` (one of the same size, or None).
        word: one of its words.
        margin: context around the rectangle in pixels, as far as the image reaches.

    Returns:
        A dict of the word with `image` and `label` (None where the example has none) of the rectangle's size, and
        `quad` in its pixels.

    Raises:
        ValueError: the word lies outside the image altogether.
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
    """How high a word is, as a rule: the shorter one of the mean lengths of its opposite sides, in pixels.

    Args:
        quad: four corners (x, y) in pixels, in their order around the word.
    """
    corners = np.asarray(quad, float)
    sides = np.hypot(*(np.roll(corners, -1, 0) - corners).T)
    return float(min(sides[0] + sides[2], sides[1] + sides[3]) / 2)


def word_box(quad: Quad, size: tuple[int, int], context: float) -> Box | None:
    """The upright rectangle around a word, with what surrounds it, as far as the image reaches.

    Args:
        quad: four corners (x, y) in pixels of the image.
        size: (width, height) of the image in pixels.
        context: by how much it is wider on each side, in parts of the word's `shorter_side`; 0 or more.

    Returns:
        (left, top, right, bottom), ints, as `PIL.Image.crop` has it; None where the word itself lies outside the image
        altogether.
    """
    inner = _within(quad, size, 0)
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        return None
    return _within(quad, size, round(context * shorter_side(quad)))


def word_region(quad: Quad, size: tuple[int, int]) -> tuple[Box, npt.NDArray[np.bool_]] | None:
    """Where in an image a word lies.

    Args:
        quad: four corners (x, y) in pixels of the image.
        size: (width, height) of the image in pixels.

    Returns:
        The upright rectangle (left, top, right, bottom) around its part in the image, and a bool array (bottom - top,
        right - left) of which of its pixels lie in the word; None where it lies outside the image.
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
