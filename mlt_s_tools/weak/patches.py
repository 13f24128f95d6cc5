"""The interface of models, and their output for a word: the probability of text in a box around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Protocol

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from mlt_s_tools.words import Box, Quad

    Words = Sequence[dict[str, Any]]  # as `mlt_s.parse_words` returns them
    Patches = list[Optional["Patch"]]  # one per word


class Patch(NamedTuple):
    """The probability of text for each pixel of an upright rectangle in an image.

    Attributes:
        box: (left, top, right, bottom), ints, in pixels of the stored image, as for `PIL.Image.crop`; within the image,
            and not empty.
        values: float32 (bottom - top, right - left), each from 0 to 1.
    """

    box: Box
    values: np.ndarray


class Model(Protocol):
    """A model that predicts the probability of text in words.

    Attributes:
        name: part of the signature of each label map made with it.
        record: JSON values of everything that determines its output; part of the record of each archive made with it.
        trained_on: split -> ids of the images that it was trained on.
    """

    name: str
    record: dict[str, Any]
    trained_on: dict[str, list[str]]

    def probabilities(self, examples: Sequence[tuple[Image.Image, Sequence[Quad]]]) -> list[Patches]:
        """A `Patch` for each word, or None for a word outside the image.

        Args:
            examples: images (`PIL.Image` of mode "RGB", their stored pixels), each with its quadrilaterals.

        Returns:
            One list per image, in the order of its quadrilaterals.
        """
        ...


def of_readable(model: Model, examples: Sequence[tuple[Image.Image, Words]]) -> list[Patches]:
    """A model's output for the readable words, which are all that the rule needs.

    Args:
        model: any `Model`.
        examples: images (`PIL.Image`, mode "RGB") and their words, dicts with `quad` and `readable`.

    Returns:
        One list per image: a `Patch` for each word, or None for a word that is unreadable or outside the image.
    """
    asked = [(image, [word["quad"] for word in words if word["readable"]]) for image, words in examples]
    answers = map(iter, model.probabilities(asked))
    return [
        [next(answer) if word["readable"] else None for word in words] for (_, words), answer in zip(examples, answers)
    ]
