"""What a model says of a word: the probability of text in a box around it."""

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
