"""Models that need no training, for comparison with a network: local thresholds, and the filled box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlt_s_tools.weak.patches import Model, Patch
from mlt_s_tools.words import shorter_side, word_box, word_region

if TYPE_CHECKING:
    from PIL import Image

    from mlt_s_tools.weak.patches import Patches
    from mlt_s_tools.words import Quad

_BINS = 256  # of the histogram in which a threshold is searched
_STEEPNESS = 4.0  # of the probability: 0.98 and 0.02 at the means of the two sides
_WINDOW = 0.5  # half the window of Sauvola's threshold, as a fraction of the word's shorter side
_LEAST_SPREAD = 1.0  # grey levels between the pixels of a word: with less, it has only one colour


class _Untrained(Model):
    """A model without training that processes one word at a time."""

    record: dict[str, Any] = {}
    trained_on: dict[str, list[str]] = {}

    def patches(self, examples: Sequence[tuple[Image.Image, Sequence[Quad]]]) -> list[Patches]:
        return [[self._patch(image, quad) for quad in quads] for image, quads in examples]

    def _patch(self, image: Image.Image, quad: Quad) -> Patch | None:
        raise NotImplementedError


class Baseline(_Untrained):
    """Divides the pixels of each word into two sides by a threshold; the side with fewer border pixels is text.

    The threshold is Otsu's, on the line along which the colours of the word vary most. The probability is 0.5 at the
    threshold, and differs more from 0.5 with the distance from it. It is 0.5 everywhere if the word has only one
    colour, or covers no pixel of the image: the rectangle around a slanted word can reach into a corner of the image
    that the word itself does not reach.
    """

    name = "baseline"

    def _patch(self, image: Image.Image, quad: Quad) -> Patch | None:
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


class FilledBox(_Untrained):
    """Predicts text in the whole word: the lower bound for any model."""

    name = "filled box"

    def _patch(self, image: Image.Image, quad: Quad) -> Patch | None:
        box = word_box(quad, image.size, 0)
        return box and Patch(box, np.ones((box[3] - box[1], box[2] - box[0]), np.float32))


class Sauvola(_Untrained):
    """The local threshold of Sauvola and Pietikäinen, from scikit-image; text is the side with fewer border pixels.

    Probabilities are 0 and 1 only.

    Raises:
        ImportError: scikit-image is not installed.
    """

    name = "Sauvola"

    def __init__(self) -> None:
        from skimage.filters import threshold_sauvola

        self._thresholds = threshold_sauvola

    def _patch(self, image: Image.Image, quad: Quad) -> Patch | None:
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


def _axis(colors: np.ndarray) -> np.ndarray:
    """The direction in which colours (pixels, 3) vary most: float32 (3,)."""
    _, vectors = np.linalg.eigh(np.cov(colors.T) if len(colors) > 1 else np.eye(3))
    return vectors[:, -1].astype(np.float32)


def _parted(values: np.ndarray) -> tuple[float, float]:
    """Otsu's threshold, and half the distance between the means below and above it."""
    counts, edges = np.histogram(values, _BINS)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    mean_below, mean_above = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    spread = below * above * (mean_above - mean_below) ** 2.0
    best = np.flatnonzero(spread >= spread.max() * (1 - 1e-9))  # between two flat colours, all thresholds are equal
    return edges[1:][best].mean(), (mean_above - mean_below)[best].mean() / 2


def _border(inside: np.ndarray) -> np.ndarray:
    """The pixels of a mask that have a neighbour outside it."""
    around = np.pad(inside, 1)
    return inside & ~(around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:])
