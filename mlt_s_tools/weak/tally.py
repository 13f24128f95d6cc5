"""Counts of pixels under all thresholds at once, without a label map that is kept."""

from typing import NamedTuple

import numpy as np

from mlt_s_tools.metrics import TextMetrics
from mlt_s_tools.weak.rule import BACKGROUND, TEXT, UNCERTAIN, Thresholds, least_pixels, probabilities_in, word_region

STEPS = tuple(step / 50 for step in range(1, 50))  # the thresholds that are looked at
_CLASSES = (BACKGROUND, TEXT, UNCERTAIN)  # of the authors' label maps, as they are numbered here


class Found(NamedTuple):
    """Pixels by what a model and the authors make of them: int64 (3,) each, of background, text, uncertain of theirs.

    Attributes:
        background, text, uncertain: of the model.
    """

    background: np.ndarray
    text: np.ndarray
    uncertain: np.ndarray

    @property
    def uncertain_share(self):
        return int(self.uncertain.sum()) / int(sum(map(np.sum, self)))

    @property
    def iou_where_sure(self):
        """IoU of text, of the pixels that are uncertain on neither side."""
        right = int(self.text[1])
        return _ratio(right, right + int(self.text[0]) + int(self.background[1]))

    @property
    def text_lost(self):
        """The share of the authors' text that is background."""
        return _ratio(int(self.background[1]), int(self.background[1] + self.text[1] + self.uncertain[1]))


class Tally:
    """What becomes of pixels under all thresholds of `STEPS`, by what they are in the authors' label maps.

    Which thresholds make a pixel what depends on three probabilities of it. Each is counted by how many of `STEPS` it
    reaches, so that the counts are those of `rule.label_map` itself:

    - `sure`: text from the upper threshold on down to which it is text. Of a word the probability, but not more than
      that by which it has too little text; of several words the greatest.
    - `least`: above this upper threshold a word that it lies in has too little text. In an unreadable word always.
    - `most`: background above this lower threshold, the greatest of its words, where neither of the others holds.

    Args:
        least_share: as in `rule.Thresholds`.
    """

    def __init__(self, least_share=Thresholds.least_share):
        self._least_share = least_share
        count = len(STEPS) + 1
        self._pixels = np.zeros((count, count, count, len(_CLASSES)), np.int64)  # sure, least, most, class
        self._outside = np.zeros(len(_CLASSES), np.int64)  # of all words
        self._metrics = [TextMetrics() for _ in STEPS]

    def add(self, words, patches, label):
        """Adds an image: its words, their patches (as for `rule.label_map`), and its label map (height, width)."""
        inside, *scores = _scores(label.shape, words, patches, self._least_share)
        classes = np.searchsorted(_CLASSES, label)
        count = len(STEPS) + 1
        index = np.zeros(int(inside.sum()), np.int64)
        for score in scores:
            index = index * count + np.searchsorted(np.array(STEPS, np.float32), score[inside], side="right")
        found = np.bincount(index * len(_CLASSES) + classes[inside], minlength=self._pixels.size)
        found = found.reshape(self._pixels.shape)
        outside = np.bincount(classes[~inside], minlength=len(_CLASSES))
        self._pixels += found
        self._outside += outside
        self._add_figures(found.sum((1, 2)), outside)

    def _add_figures(self, found, outside):
        total = found.sum(0) + outside
        for at, metrics in enumerate(self._metrics):
            text = found[at + 1 :].sum(0)
            metrics.add_counts([[text[1], text[0], total[1] - text[1], total[0] - text[0]]])

    @property
    def images(self):
        return self._metrics[0].images

    @property
    def uncertain_share(self):
        """Of the authors' pixels."""
        total = self._outside + self._pixels.sum((0, 1, 2))
        return int(total[2]) / int(total.sum())

    def figures(self, upper):
        """What `TextMetrics.compute` returns, for an upper threshold by its place in `STEPS`."""
        return self._metrics[upper].compute()

    def found(self, upper):
        """A list of `Found`, one for each lower threshold up to an upper one, given by its place in `STEPS`."""
        text = self._pixels[upper + 1 :].sum((0, 1, 2))
        rest = self._pixels[: upper + 1]
        uncertain = rest[:, : upper + 1].sum((0, 1, 2))
        by_most = rest[:, upper + 1 :].sum((0, 1)).cumsum(0)
        return [
            Found(by_most[lower] + self._outside, text, uncertain + by_most[-1] - by_most[lower])
            for lower in range(upper + 1)
        ]

    def choose(self):
        """The best thresholds: places in `STEPS` of the upper and the lower one.

        The upper one is that of the greatest fgIoU. The lower one is that by which text fits best where both sides are
        sure, with no larger a share of uncertain pixels than the authors have; or, where that cannot be, the upper one.
        """
        upper = max(range(len(STEPS)), key=lambda at: self.figures(at)["fgiou"])
        found = self.found(upper)
        allowed = max(self.uncertain_share, found[upper].uncertain_share)
        lower = max(
            (at for at, one in enumerate(found) if one.uncertain_share <= allowed),
            key=lambda at: (found[at].iou_where_sure, -found[at].uncertain_share),
        )
        return upper, lower


def _scores(shape, words, patches, least_share):
    """Where words are, bool (height, width), and `sure`, `least` and `most` of `Tally`, float32 (height, width)."""
    inside = np.zeros(shape, bool)
    sure, most = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    least = np.ones(shape, np.float32)
    for word, patch in zip(words, patches):
        region = word_region(word["quad"], shape[::-1])
        if region is None:
            continue
        (left, top, right, bottom), mask = region
        place = np.s_[top:bottom, left:right]
        inside[place] |= mask
        if not word["readable"]:
            least[place][mask] = 0
            continue
        values = probabilities_in(region, patch)
        enough = _enough(values, least_share)
        sure[place][mask] = np.maximum(sure[place][mask], np.minimum(values, enough))
        least[place][mask] = np.minimum(least[place][mask], enough)
        most[place][mask] = np.maximum(most[place][mask], values)
    return inside, sure, least, most


def _enough(values, least_share):
    """The greatest upper threshold by which a word of these probabilities has enough text."""
    least = least_pixels(len(values), Thresholds(least_share=least_share))
    return np.partition(values, -least)[-least] if least else np.float32(1)


def _ratio(part, whole):
    return part / whole if whole else 0.0
