"""From probabilities of text in the boxes of words to a label map: the rule by which MLT_S was made."""

import dataclasses
import math

import numpy as np

from mlt_s import LABEL_MAP
from mlt_s_tools.words import word_region

BACKGROUND, TEXT = LABEL_MAP.str2int(["background", "text"])
UNCERTAIN = LABEL_MAP.ignore_index

# What a pixel is by one of the words that it lies in, as ranks: where words overlap, the greatest one holds.
_VALUE_OF_RANK = np.array([BACKGROUND, UNCERTAIN, TEXT], np.uint8)
_UNCERTAIN_RANK, _TEXT_RANK = 1, 2


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Which probability is text, which is background, and how much text a word has at least.

    The defaults are ours, as the authors publish no numbers that we could confirm; `mlt-s weak evaluate` chooses others
    by label maps of theirs.

    Attributes:
        upper: a probability from here on is text.
        lower: one below is background. What is between the two is uncertain; where they are equal, nothing is.
        least_share: the share of a word's pixels that has to be text; with less of it, all of the word is uncertain.

    Raises:
        ValueError: not 0 <= lower <= upper <= 1, or a share that is not from 0 to 1.
    """

    upper: float = 0.7
    lower: float = 0.3
    least_share: float = 0.05

    def __post_init__(self):
        if not 0 <= self.lower <= self.upper <= 1:
            raise ValueError(
                "Thresholds are probabilities, the lower one not above the upper one: "
                f"0 <= lower <= upper <= 1, not lower {self.lower} and upper {self.upper}."
            )
        if not 0 <= self.least_share <= 1:
            raise ValueError(f"The least share of text in a word is from 0 to 1, not {self.least_share}.")


def label_map(size, words, patches, thresholds):
    """The label map of an image, from what a model says of its words.

    | where | what |
    | --- | --- |
    | in no word | background |
    | in a word that is not readable | uncertain |
    | in a word with too little text | uncertain |
    | in another word | text, background or uncertain, by its probability |
    | in several words | text if it is by one of them, else uncertain if by one, else background |

    In a word is what lies inside its quadrilateral or on its border (`words.word_mask`), not all of the rectangle
    around it.

    Args:
        size: (width, height) of the image in pixels.
        words: a list of dicts with `quad` and `readable`, as `mlt_s.parse_words` has them, in any order.
        patches: of each word a `Patch`, which covers what of the quadrilateral lies in the image, or None: of a word
            that lies outside it, or that is not readable.
        thresholds: `Thresholds`.

    Returns:
        uint8 (height, width) of 0, 1 and 255.

    Raises:
        ValueError: not as many patches as words, or one that does not cover its word.
    """
    if len(words) != len(patches):
        raise ValueError(f"There are patches of {len(patches)} words, but {len(words)} words.")
    ranks = np.zeros(size[::-1], np.uint8)
    for word, patch in zip(words, patches):
        region = word_region(word["quad"], size)
        if region is None:
            continue
        (left, top, right, bottom), inside = region
        found = _ranks(word, patch, region, thresholds)
        within = ranks[top:bottom, left:right]
        within[inside] = np.maximum(within[inside], found)
    return _VALUE_OF_RANK[ranks]


def counted(label: np.ndarray) -> dict:
    """Pixels of a label map by class: a dict of "background", "text" and "uncertain"."""
    values = {"background": BACKGROUND, "text": TEXT, "uncertain": UNCERTAIN}
    return {name: int(np.count_nonzero(label == value)) for name, value in values.items()}


def probabilities_in(region, patch):
    """The probabilities of a word's pixels: float32 (pixels), in the order of the region's mask.

    Args:
        region: what `word_region` returns, of a word in the image.
        patch: its `Patch`.

    Raises:
        ValueError: the patch does not cover the word, or has not the shape of its box.
    """
    (left, top, right, bottom), inside = region
    (patch_left, patch_top, patch_right, patch_bottom), values = patch
    if values.shape != (patch_bottom - patch_top, patch_right - patch_left):
        raise ValueError(f"A patch of the box {patch.box} has not the shape {values.shape}.")
    if left < patch_left or top < patch_top or right > patch_right or bottom > patch_bottom:
        raise ValueError(f"A patch of the box {patch.box} does not cover its word, which lies in {region[0]}.")
    return values[top - patch_top : bottom - patch_top, left - patch_left : right - patch_left][inside]


def least_pixels(count, thresholds):
    """How many of the `count` pixels of a word have to be text, lest the whole of it be uncertain."""
    return math.ceil(thresholds.least_share * count)


def count_too_little(size, words, patches, thresholds):
    """In how many readable words too little text is found; arguments and errors are those of `label_map`."""
    readable = [(word_region(word["quad"], size), patch) for word, patch in zip(words, patches) if word["readable"]]
    return sum(_is_too_little(probabilities_in(*found), thresholds) for found in readable if found[0])


def _is_too_little(values, thresholds):
    return int(np.count_nonzero(_is_text(values, thresholds))) < least_pixels(len(values), thresholds)


def _is_text(values, thresholds):
    # At the precision of the probabilities, in which a threshold of 0.7 is what a probability of 0.7 is.
    return values >= np.float32(thresholds.upper)


def _ranks(word, patch, region, thresholds):
    """The ranks of a word's pixels, in the order of the region's mask; or one for all of them."""
    if not word["readable"]:
        return _UNCERTAIN_RANK
    if patch is None:
        raise ValueError(f"There is no patch of the readable word at {word['quad']}, which lies in the image.")
    values = probabilities_in(region, patch)
    if _is_too_little(values, thresholds):
        return _UNCERTAIN_RANK
    others = np.where(values < np.float32(thresholds.lower), 0, _UNCERTAIN_RANK)
    return np.where(_is_text(values, thresholds), _TEXT_RANK, others).astype(np.uint8)
