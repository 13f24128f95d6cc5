"""What a model says of a word: the probability of text in a box around it."""

import math
from typing import NamedTuple

import numpy as np


class Patch(NamedTuple):
    """The probability of text, pixel by pixel, in an upright rectangle of an image.

    Attributes:
        box: (left, top, right, bottom), ints, in pixels of the stored image, as `PIL.Image.crop` has it; within the
            image, and not empty.
        values: float32 (bottom - top, right - left), each from 0 to 1.
    """

    box: tuple
    values: np.ndarray


def shorter_side(quad):
    """How high a word is, as a rule: the shorter one of the mean lengths of its opposite sides, in pixels.

    Args:
        quad: four corners (x, y) in pixels, in their order around the word.
    """
    corners = np.asarray(quad, float)
    sides = np.hypot(*(np.roll(corners, -1, 0) - corners).T)
    return float(min(sides[0] + sides[2], sides[1] + sides[3]) / 2)


def word_box(quad, size, context):
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


def _within(quad, size, margin):
    (xs, ys), (width, height) = zip(*quad), size
    return (
        max(0, math.floor(min(xs)) - margin),
        max(0, math.floor(min(ys)) - margin),
        min(width, math.ceil(max(xs)) + 1 + margin),
        min(height, math.ceil(max(ys)) + 1 + margin),
    )


def of_readable(model, examples):
    """What a model says of the words that the rule asks for: those that are readable.

    Args:
        model: see `mlt_s_tools.weak`.
        examples: a list of images (`PIL.Image`, mode "RGB") and their words (a list of dicts with `quad` and
            `readable`).

    Returns:
        Of each example a list, of each word a `Patch`; or None, of one that is not readable or lies outside the image.
    """
    asked = [(image, [word["quad"] for word in words if word["readable"]]) for image, words in examples]
    answers = map(iter, model.probabilities(asked))
    return [
        [next(answer) if word["readable"] else None for word in words] for (_, words), answer in zip(examples, answers)
    ]
