"""The interface of models, and their output for a word: the probability of text in a box around it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np
from PIL import Image

if TYPE_CHECKING:
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


class Model(ABC):
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
        """The probability of text for each pixel of a rectangle around each word.

        Args:
            examples: images (`PIL.Image` of mode "RGB", their stored pixels), each with the quadrilaterals of its
                words: four corners (x, y) in pixels of the image, in order around the word; lists, or an array
                (words, 4, 2).

        Returns:
            One list per image. It has one item per quadrilateral, in their order: a `Patch`, with `box` (left, top,
            right, bottom), ints, and `values`, float32 (bottom - top, right - left), from 0 to 1; or None for a word
            that lies entirely outside the image.

        Raises:
            ValueError: an image is not an RGB image of Pillow, or a quadrilateral is not four finite corners.
        """
        examples = list(examples)  # a generator could be read only once
        for number, (image, quads) in enumerate(examples):
            _check(number, image, quads)
        return self.patches(examples)

    @abstractmethod
    def patches(self, examples: Sequence[tuple[Image.Image, Sequence[Quad]]]) -> list[Patches]:
        """What `probabilities` returns for these examples, which it has checked."""


def _check(number: int, image: Image.Image, quads: Sequence[Quad]) -> None:
    if not isinstance(image, Image.Image):
        raise ValueError(
            f"Image {number} is of type {type(image).__name__}: a model takes images of Pillow, of mode RGB. "
            "PIL.Image.fromarray makes one of an array."
        )
    if image.mode != "RGB":
        # Pillow cuts values of more than 8 bits off at 255.
        scaled = "" if image.mode[0] not in "IF" else ", after scaling its values to 0 to 255"
        raise ValueError(
            f"Image {number} has mode {image.mode}: a model takes images of mode RGB. Give "
            f'image.convert("RGB"){scaled}.'
        )
    for place, quad in enumerate(quads):
        if not _is_quad(quad):
            raise ValueError(
                f"Quadrilateral {place} of image {number} is {quad!r}: expected the four corners of a word, finite "
                "numbers [x, y] in pixels, such as [[20, 20], [150, 20], [150, 60], [20, 60]]."
            )


def _is_quad(quad: Any) -> bool:
    try:
        corners = np.asarray(quad)
    except (TypeError, ValueError):  # such as corners of two and three numbers
        return False
    return corners.dtype.kind in "iuf" and corners.shape == (4, 2) and bool(np.isfinite(corners).all())


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
