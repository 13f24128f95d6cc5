"""The rule that turns probabilities of text in word boxes into a label map, as in the making of MLT_S."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

import numpy as np

from mlt_s import LABEL_MAP
from mlt_s_tools.words import word_region

if TYPE_CHECKING:
    from mlt_s_tools.weak.patches import Patch, Patches, Words
    from mlt_s_tools.words import Box

BACKGROUND, TEXT = LABEL_MAP.str2int(["background", "text"])
UNCERTAIN = LABEL_MAP.ignore_index

# Each word gives its pixels a rank. Where words overlap, the greatest rank counts.
_VALUE_OF_RANK = np.array([BACKGROUND, UNCERTAIN, TEXT], np.uint8)
_UNCERTAIN_RANK, _TEXT_RANK = 1, 2


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """The thresholds for text and background, and the least share of text in a word.

    The defaults are ours, because the authors published no numbers that we could confirm.

    Attributes:
        upper: probabilities from `upper` on are text.
        lower: probabilities below `lower` are background; those in between are uncertain.
        least_share: the share of a word's pixels that must be text; otherwise the whole word is uncertain.

    Raises:
        ValueError: not 0 <= lower <= upper <= 1, or a share outside 0 to 1.
    """

    upper: float = 0.7
    lower: float = 0.3
    least_share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.lower <= self.upper <= 1:
            raise ValueError(
                "Thresholds must be probabilities with 0 <= lower <= upper <= 1, not lower "
                f"{self.lower} and upper {self.upper}."
            )
        if not 0 <= self.least_share <= 1:
            raise ValueError(f"The least share of text in a word must be from 0 to 1, not {self.least_share}.")


def label_map(size: tuple[int, int], words: Words, patches: Patches, thresholds: Thresholds) -> np.ndarray:
    """Makes the label map of an image from a model's output for its words.

    | place of the pixel | class |
    | --- | --- |
    | in no word | background |
    | in an unreadable word | uncertain |
    | in a word with too little text | uncertain |
    | in any other word | text, background or uncertain, by its probability |
    | in several words | text if one of them makes it text, else uncertain if one does, else background |

    A word is its quadrilateral with the border (`words.word_mask`), not the rectangle around it.

    Args:
        size: (width, height) of the image in pixels.
        words: dicts with `quad` and `readable`, as `mlt_s.parse_words` returns them, in any order.
        patches: for each word a `Patch` that covers its part in the image, or None if the word is unreadable or
            outside the image.
        thresholds: `Thresholds`.

    Returns:
        uint8 (height, width) of 0, 1 and 255.

    Raises:
        ValueError: there are more or fewer patches than words, or a patch does not cover its word.
    """
    ranks = np.zeros(size[::-1], np.uint8)
    for _, place, mask, values in located(words, patches, size):
        within = ranks[place]
        within[mask] = np.maximum(within[mask], _ranks(values, thresholds))
    return _VALUE_OF_RANK[ranks]


def counted(label: np.ndarray) -> dict[str, int]:
    """Pixels of a label map by class: "background", "text" and "uncertain"."""
    values = {"background": BACKGROUND, "text": TEXT, "uncertain": UNCERTAIN}
    return {name: int(np.count_nonzero(label == value)) for name, value in values.items()}


class Located(NamedTuple):
    """A word that lies at least partly in the image.

    Attributes:
        word: a dict with `quad` and `readable`.
        place: the rectangle around its part in the image, as an index into arrays (height, width).
        mask: the word's pixels in this rectangle, bool.
        values: their probabilities, float32 (pixels), in the order of the mask; None if the word is unreadable.
    """

    word: dict[str, Any]
    place: tuple[slice, slice]
    mask: np.ndarray
    values: Optional[np.ndarray]


def located(words: Words, patches: Patches, size: tuple[int, int]) -> Iterator[Located]:
    """The words that lie in the image; arguments and errors are those of `label_map`."""
    if len(words) != len(patches):
        raise ValueError(f"Expected one patch per word, got {len(patches)} patches and {len(words)} words.")
    for word, patch in zip(words, patches):
        if region := word_region(word["quad"], size):
            box, mask = region
            values = _cut_out(patch, box)[mask] if word["readable"] else None
            yield Located(word, np.s_[box[1] : box[3], box[0] : box[2]], mask, values)


def _cut_out(patch: Patch | None, box: Box) -> np.ndarray:
    """The probabilities in a box, float32 (height, width)."""
    if patch is None:
        raise ValueError(f"There is no patch for the readable word in {box}, which lies in the image.")
    left, top, right, bottom = box
    (patch_left, patch_top, patch_right, patch_bottom), values = patch
    if values.shape != (patch_bottom - patch_top, patch_right - patch_left):
        raise ValueError(f"A patch for the box {patch.box} cannot have the shape {values.shape}.")
    if left < patch_left or top < patch_top or right > patch_right or bottom > patch_bottom:
        raise ValueError(f"The patch for the box {patch.box} does not cover its word, which lies in {box}.")
    return values[top - patch_top : bottom - patch_top, left - patch_left : right - patch_left]


def count_too_little(size: tuple[int, int], words: Words, patches: Patches, thresholds: Thresholds) -> int:
    """The number of readable words with too little text; arguments and errors are those of `label_map`."""
    values_of_words = (word.values for word in located(words, patches, size))
    return sum(_is_too_little(values, thresholds) for values in values_of_words if values is not None)


def _is_too_little(values: np.ndarray, thresholds: Thresholds) -> bool:
    return int(np.count_nonzero(_is_text(values, thresholds))) < math.ceil(thresholds.least_share * len(values))


def _is_text(values: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    # Compared in float32, the type of probabilities, so that a probability of 0.7 reaches a threshold of 0.7.
    return values >= np.float32(thresholds.upper)


def _ranks(values: np.ndarray | None, thresholds: Thresholds) -> np.ndarray | int:
    """The ranks of a word's pixels, from `Located.values`, or one rank for all of them."""
    if values is None or _is_too_little(values, thresholds):
        return _UNCERTAIN_RANK
    others = np.where(values < np.float32(thresholds.lower), 0, _UNCERTAIN_RANK)
    return np.where(_is_text(values, thresholds), _TEXT_RANK, others).astype(np.uint8)
