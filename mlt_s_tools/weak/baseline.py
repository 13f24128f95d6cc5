"""Text in the box of a word without any training: what differs from the border of the box.

It is what a network is to be compared with, as are `Sauvola` and, the least that any of them has to beat, `FilledBox`.
"""

import numpy as np

from mlt_s_tools.weak.patches import Patch
from mlt_s_tools.words import shorter_side, word_box, word_region

_BINS = 256  # of the histogram that a threshold is looked for in
_STEEPNESS = 4.0  # of the probability: in the middle of each side it is 0.98 and 0.02
_WINDOW = 0.5  # of Sauvola's threshold to each side, in parts of a word's shorter side
_LEAST_SPREAD = 1.0  # grey levels between the pixels of a word: with less, there are no two sides


class Baseline:
    """A local threshold: the pixels of a word fall into two sides, and that of its border is background.

    The colours of a word spread along one line more than along any other; on it Otsu's threshold parts them. Text is
    the side that has less of the border. The probability is 0.5 at the threshold, and the surer the farther away; in a
    word of one colour it is 0.5 throughout, as in one that covers no pixel of the image: the rectangle around a turned
    word can reach into a corner that the word itself does not.
    """

    name = "baseline"
    record = {}
    trained_on = {}

    def probabilities(self, examples):
        """As in `mlt_s_tools.weak`."""
        return [[_patch(image, quad) for quad in quads] for image, quads in examples]


class FilledBox:
    """All of a word is text: what the boxes tell without a look at the image."""

    name = "filled box"
    record = {}
    trained_on = {}

    def probabilities(self, examples):
        """As in `mlt_s_tools.weak`."""
        return [[_filled(image, quad) for quad in quads] for image, quads in examples]


class Sauvola:
    """The local threshold of Sauvola and Pietikäinen, by scikit-image; text is the side that has less of the border.

    Raises:
        ImportError: scikit-image is not installed.
    """

    name = "Sauvola"
    record = {}
    trained_on = {}

    def __init__(self):
        from skimage.filters import threshold_sauvola

        self._thresholds = threshold_sauvola

    def probabilities(self, examples):
        """As in `mlt_s_tools.weak`; 0 and 1 alone."""
        return [[self._patch(image, quad) for quad in quads] for image, quads in examples]

    def _patch(self, image, quad):
        region = word_region(quad, image.size)
        if region is None:
            return None
        box, inside = region
        grey = np.asarray(image.crop(box).convert("L"))
        window = max(3, 2 * round(_WINDOW * shorter_side(quad)) + 1)
        sides = grey > self._thresholds(np.pad(grey, window, mode="edge"), window)[window:-window, window:-window]
        border = _border(inside)
        text = ~sides if border.any() and sides[border].mean() > 0.5 else sides
        return Patch(box, text.astype(np.float32))


def _filled(image, quad):
    box = word_box(quad, image.size, 0)
    return box and Patch(box, np.ones((box[3] - box[1], box[2] - box[0]), np.float32))


def _patch(image, quad):
    region = word_region(quad, image.size)
    if region is None:
        return None
    box, inside = region
    colors = np.asarray(image.crop(box), np.float32)
    values = colors @ _axis(colors[inside])
    if not inside.any() or np.ptp(values[inside]) < _LEAST_SPREAD:
        return Patch(box, np.full(inside.shape, 0.5, np.float32))
    threshold, distance = _parted(values[inside])
    sides = (values - threshold) / distance
    if (sides[_border(inside)] > 0).mean() > 0.5:
        sides = -sides
    return Patch(box, (1 / (1 + np.exp(-_STEEPNESS * np.clip(sides, -9, 9)))).astype(np.float32))


def _axis(colors):
    """The direction in which colours (pixels, 3) differ most: float32 (3,)."""
    _, vectors = np.linalg.eigh(np.cov(colors.T) if len(colors) > 1 else np.eye(3))
    return vectors[:, -1].astype(np.float32)


def _parted(values):
    """Otsu's threshold of values, and half the distance of the means of what lies below it and above it."""
    counts, edges = np.histogram(values, _BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    mean_below, mean_above = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    spread = below * above * (mean_above - mean_below) ** 2.0
    best = np.flatnonzero(spread >= spread.max() * (1 - 1e-9))  # of two flat colours, all thresholds between them
    return edges[1:][best].mean(), (mean_above - mean_below)[best].mean() / 2


def _border(inside):
    """Of a mask, the pixels that have one beside, above or below them that is not in it."""
    around = np.pad(inside, 1)
    return inside & ~(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])
