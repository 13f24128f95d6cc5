"""Counts the pixels of each image by their predicted probability, and computes figures from these counts."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from mlt_s_tools.groups import height_of
from mlt_s_tools.metrics import Counts
from mlt_s_tools.weak import edges
from mlt_s_tools.weak.rule import TEXT, UNCERTAIN, Located, located

if TYPE_CHECKING:
    from mlt_s_tools.weak.patches import Patches, Words

Group = Union[str, tuple[str, str]]

STEPS = tuple(step / 50 for step in range(1, 50))  # the candidate thresholds
ALL, INNER, WORDS = "all", "without outlines", "words"  # groups of pixels in every image
_BINS = len(STEPS) + 1  # of probability, between the thresholds
_UNSURE = tuple(map(STEPS.index, (0.3, 0.7)))
_BOUNDS = np.array(STEPS, np.float32)


class Tally:
    """Counts of pixels by group, class and the number of `STEPS` that their probability reaches, for each image.

    The probability of a pixel is the greatest among the readable words that it lies in, and 0 outside all words.
    Pixels that are uncertain in the label map, or lie in an unreadable word, are not counted.

    The groups are `ALL` pixels; `INNER`, without those within one pixel of an outline of the text; `WORDS`, those in
    words; and the pixels in words by script, ("script", name), and by height, ("height", name of `HEIGHTS` in
    `mlt_s_tools.groups`).

    Attributes:
        images: number of images added.
    """

    def __init__(self) -> None:
        self.images = 0
        self._words: dict[Group, Counter[int]] = {}  # group -> image -> number of words, for scripts and heights
        # group -> image -> int64 (2, _BINS), of background and text
        self._counts: dict[Group, dict[int, np.ndarray]] = {}
        self._sums: list[np.ndarray] = []  # image -> float64 (_BINS), sums of the probabilities of pixels in words

    def add(self, words: Words, patches: Patches, label: np.ndarray) -> None:
        """Adds an image.

        Args:
            words: dicts with `quad`, `readable` and `script` (its name).
            patches: as for `rule.label_map`.
            label: uint8 (height, width) of 0, 1 and 255.
        """
        words_in_image = list(located(words, patches, (label.shape[1], label.shape[0])))
        values, inside, counts = _joined(words_in_image, label)
        text = label == TEXT
        reached = np.searchsorted(_BOUNDS, values, side="right")
        self._add(ALL, reached, text, counts)
        self._add(INNER, reached, text, counts & ~_outlines(text))
        self._add(WORDS, reached, text, counts & inside)
        judged = counts & inside
        self._sums.append(np.bincount(reached[judged], values[judged], _BINS))
        for word in words_in_image:
            if word.values is not None:
                self._add_word(word, word.values, text, counts)
        self.images += 1

    def _add_word(self, of: Located, values: np.ndarray, text: np.ndarray, counts: np.ndarray) -> None:
        reached = np.zeros(of.mask.shape, np.int64)
        reached[of.mask] = np.searchsorted(_BOUNDS, values, side="right")
        judged = counts[of.place] & of.mask
        for group in ("script", of.word["script"]), ("height", height_of(of.word["quad"])):
            self._add(group, reached, text[of.place], judged)
            self._words.setdefault(group, Counter())[self.images] += int(judged.any())

    def _add(self, group: Group, reached: np.ndarray, text: np.ndarray, which: np.ndarray) -> None:
        counts = np.bincount(reached[which] + _BINS * text[which], minlength=2 * _BINS)
        of_group = self._counts.setdefault(group, {})
        of_group[self.images] = of_group.get(self.images, 0) + counts.reshape(2, -1)

    @property
    def groups(self) -> list[Group]:
        """All groups that occur, whether their pixels count or not."""
        return list(self._counts)

    def pixels(self, group: Group, threshold: int, which: slice = slice(None)) -> np.ndarray:
        """Counts (images, 4), int64: true positives, false positives, false negatives, true negatives.

        Args:
            group: one of `groups`.
            threshold: index of the threshold in `STEPS`.
            which: the images to count.
        """
        counts = self._counts_of(group, which)
        text, rest = counts[:, :, threshold + 1 :].sum(2), counts[:, :, : threshold + 1].sum(2)
        return np.stack([text[:, 1], text[:, 0], rest[:, 1], rest[:, 0]], 1)

    def _counts_of(self, group: Group, which: slice) -> np.ndarray:
        """Counts (images, 2, _BINS), int64, of background and text."""
        none = np.zeros((2, _BINS), np.int64)
        return np.stack([self._counts.get(group, {}).get(at, none) for at in range(self.images)])[which]

    def words(self, group: Group, which: slice = slice(None)) -> int:
        """The number of words of a script or a height. A word counts if one of its pixels does.

        Args:
            group: one of `groups`.
            which: the images whose words to count.
        """
        of_group = self._words.get(group, Counter())
        return sum(of_group[at] for at in range(self.images)[which])

    def best_threshold(self, which: slice) -> int:
        """The index in `STEPS` of the threshold with the greatest fgIoU on these images."""
        return max(range(len(STEPS)), key=lambda at: iou(self.pixels(ALL, at, which).sum(0)))

    def unsure_share(self, which: slice = slice(None)) -> float:
        """The share of the text in words whose probability is from 0.3 to 0.7; NaN without such text."""
        text = self._counts_of(WORDS, which)[:, 1].sum(0)
        lower, upper = _UNSURE
        return float(text[lower + 1 : upper + 1].sum() / text.sum()) if text.any() else math.nan

    def calibration(self, which: slice = slice(None)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each bin of probability: the number of pixels in words, their mean probability, and the share of text."""
        counts = self._counts_of(WORDS, which).sum(0)
        total = np.maximum(1, counts.sum(0))
        return counts.sum(0), np.sum(self._sums[which], 0) / total, counts[1] / total

    def calibration_error(self, which: slice = slice(None)) -> float:
        """The expected calibration error over the pixels in words; NaN if none counts."""
        pixels, predicted, actual = self.calibration(which)
        return float((pixels * np.abs(predicted - actual)).sum() / pixels.sum()) if pixels.any() else math.nan


def iou(pixels: Any) -> float:
    """Intersection over union of text, from four counts as in a row of `Tally.pixels`; 0 if there is no text."""
    return Counts(*map(int, pixels)).iou


def _joined(words: list[Located], label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrays (height, width): probabilities, float32, and two masks, of pixels in readable words and of pixels that
    count.
    """
    values = np.zeros(label.shape, np.float32)
    inside, counts = np.zeros(label.shape, bool), label != UNCERTAIN
    for _, place, mask, of_word in words:
        if of_word is None:
            counts[place] &= ~mask
        else:
            inside[place] |= mask
            values[place][mask] = np.maximum(values[place][mask], of_word)
    return values, inside, counts


def _outlines(text: np.ndarray) -> np.ndarray:
    """The pixels within one pixel of a border of text."""
    (share,) = edges.window_means(text[None].astype(np.float32), 1)
    return (share > 0.01) & (share < 0.99)
