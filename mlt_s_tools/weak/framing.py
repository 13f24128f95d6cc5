"""Crops words for the network, and maps its output back to the pixels of the image.

Words differ in size and slant. The crops are alike: the shorter side has `SIDE` pixels, slanted words are rotated to
the nearest axis, and colours are normalised by those of the word. Positions refer to the edges of pixels: the first
pixel of an image extends from 0 to 1, and the corner (x, y) of a word is the centre of a pixel, (x + 0.5, y + 0.5).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from mlt_s_tools.weak.network import MULTIPLE
from mlt_s_tools.words import shorter_side

if TYPE_CHECKING:
    from mlt_s_tools.words import Box, Quad

SIDE = 48  # pixels of the shorter side of a word in its crop
CONTEXT = 0.33  # margin around the word, as a fraction of `SIDE`
LEVEL = math.radians(3.5)  # a word that slants by less is not rotated, because rotation blurs
LONGEST, MOST_PIXELS = 2048, 1 << 19  # of a crop: larger ones are scaled down to save memory
_LEAST = 2 * MULTIPLE  # pixels of a side of a crop
_OVERSAMPLED = 4  # lines per pixel, to measure coverage
_FAR = 64.0  # how far a word may extend beyond its image before it is cut off, as a multiple of the image's sides
_LEAST_SPREAD, _MOST_DEVIATION = 4.0, 5.0  # grey levels; standard deviations
_LEAST_SEEN = 2**-7  # pixels of the image to sample if a crop covers almost none of it
_BILINEAR, _BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


class Frame(NamedTuple):
    """The place of a crop in its image.

    Attributes:
        matrix: float64 (2, 3), maps positions (x, y, 1) in the image to positions in the crop.
        size: (width, height) in pixels, multiples of `MULTIPLE`.
        is_level: whether the crop is only scaled, not rotated.
        corners: float64 (4, 2), the corners of the word in the crop.
    """

    matrix: np.ndarray
    size: tuple[int, int]
    is_level: bool
    corners: np.ndarray


def frame(quad: Quad | np.ndarray, size: tuple[int, int]) -> Frame:
    """The frame of a word's crop.

    Args:
        quad: four corners (x, y) in pixels of the image, in their order around the word.
        size: (width, height) of the image.
    """
    sides = np.asarray(size, float)
    corners = np.clip(np.asarray(quad, float) + 0.5, -_FAR * sides, (1 + _FAR) * sides)
    turn = _turn(corners)
    scale = SIDE / max(1.0, shorter_side(corners.tolist()))
    cosine, sine = math.cos(turn), math.sin(turn)
    turned = corners @ np.array([[cosine, sine], [-sine, cosine]]).T
    extent = scale * np.ptp(turned, 0) + 2 * CONTEXT * SIDE
    fit = min(1.0, LONGEST / extent.max(), math.sqrt(MOST_PIXELS / extent.prod()))
    linear = fit * scale * np.array([[cosine, sine], [-sine, cosine]])
    width, height = (max(_LEAST, math.ceil(fit * side / MULTIPLE) * MULTIPLE) for side in extent)
    middle = fit * scale * (turned.max(0) + turned.min(0)) / 2
    shift = np.array([width, height]) / 2 - middle
    return Frame(np.column_stack([linear, shift]), (width, height), turn == 0, corners @ linear.T + shift)


def _turn(corners: np.ndarray) -> float:
    """The angle between a word and the nearest axis of the image; 0 if it is less than `LEVEL`."""
    along = (corners[1] - corners[0] + corners[2] - corners[3]) / 2
    across = (corners[3] - corners[0] + corners[2] - corners[1]) / 2
    x, y = along if np.hypot(*along) >= np.hypot(*across) else across
    angle = math.atan2(y, x)
    slant = angle - round(angle / (math.pi / 2)) * (math.pi / 2)
    return slant if abs(slant) >= LEVEL else 0.0


def crop(image: Image.Image, of: Frame) -> np.ndarray:
    """The network's input for a word: float32 (height, width, 4), normalised colours and coverage from 0 to 1.

    Args:
        image: `PIL.Image` of mode "RGB".
    """
    colors = resampled(image, of)
    covered = _coverage(of)
    weights = covered.ravel() / max(float(covered.sum()), 1.0)
    deviations = colors - weights @ colors.reshape(-1, 3)
    spread = max(_LEAST_SPREAD, math.sqrt((weights @ np.square(deviations).reshape(-1, 3)).mean()))
    seen = np.empty((*covered.shape, 4), np.float32)
    np.clip(deviations / np.float32(spread), -_MOST_DEVIATION, _MOST_DEVIATION, out=seen[..., :3])
    seen[..., 3] = covered
    return seen


def resampled(image: Image.Image, of: Frame) -> np.ndarray:
    """A picture (`PIL.Image` of mode "RGB") resampled to the pixels of a crop: float32 (height, width, 3).

    Beyond the border of the image, its border pixels are repeated.
    """
    return (_scaled if of.is_level else _turned)(image, of)


def _coverage(of: Frame) -> np.ndarray:
    width, height = of.size
    picture = Image.new("L", (width * _OVERSAMPLED, height * _OVERSAMPLED))
    ImageDraw.Draw(picture).polygon([tuple(corner) for corner in of.corners * _OVERSAMPLED], fill=255)
    return np.asarray(picture.reduce(_OVERSAMPLED), np.float32) / 255


def _scaled(image: Image.Image, of: Frame) -> np.ndarray:
    """`resampled` for a level crop."""
    scale, shift = of.matrix[0, 0], of.matrix[:, 2]
    ends = np.array([shift, shift + scale * np.array(image.size)])  # of the image, in the crop
    first = np.clip(np.ceil(ends[0] - 1e-6), 0, np.array(of.size) - 1).astype(int)
    last = np.clip(np.floor(ends[1] + 1e-6), first + 1, of.size).astype(int)
    box = np.clip((np.array([first, last]) - shift) / scale, 0, image.size)
    box[0] = np.minimum(box[0], np.array(image.size) - _LEAST_SEEN)
    box[1] = np.maximum(box[1], box[0] + _LEAST_SEEN)
    within = np.asarray(image.resize(tuple(last - first), _BILINEAR, box=tuple(box.ravel())), np.float32)
    return _padded(within, first, np.array(of.size) - last)


def _turned(image: Image.Image, of: Frame) -> np.ndarray:
    """`resampled` for a rotated crop."""
    inverse = np.linalg.inv(np.vstack([of.matrix, [0, 0, 1]]))
    width, height = of.size
    reach = (inverse @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]]))[:2]
    low, high = np.floor(reach.min(1)) - 2, np.ceil(reach.max(1)) + 2
    left, top = np.clip(low, 0, np.array(image.size) - 1).astype(int)
    right, bottom = np.clip(high, [left + 1, top + 1], image.size).astype(int)
    region = np.array([right - left, bottom - top])
    # Reduced first, because the rotation interpolates between only four pixels.
    factor = min(1.0, float(np.hypot(*of.matrix[0, :2])))
    reduced = np.maximum(1, np.rint(region * factor)).astype(int)
    small = image.resize(tuple(reduced), _BILINEAR, box=(left, top, right, bottom))
    ratio = reduced / region
    before = np.ceil(np.maximum(0, np.array([left, top]) - low) * ratio).astype(int)
    after = np.ceil(np.maximum(0, high - np.array([right, bottom])) * ratio).astype(int)
    whole = Image.fromarray(_padded(np.asarray(small), before, after))
    to = np.diag(ratio) @ inverse[:2]
    to[:, 2] += before - ratio * np.array([left, top])
    return np.asarray(whole.transform(of.size, Image.Transform.AFFINE, tuple(to.ravel()), _BILINEAR), np.float32)


def _padded(values: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """An array with its border repeated, by numbers of pixels (x, y) before and after it."""
    if not before.any() and not after.any():
        return values
    margins = [(before[1], after[1]), (before[0], after[0]), (0, 0)]
    return np.pad(values, margins[: values.ndim], mode="edge")


def restored(logits: np.ndarray, of: Frame, box: Box) -> np.ndarray:
    """Probabilities at the image's own pixels, from the logits of a crop.

    Args:
        logits: float32 (height, width), of the crop.
        of: its frame.
        box: (left, top, right, bottom) in pixels of the image.

    Returns:
        float32 (bottom - top, right - left); 0.5 where a logit is not a number.
    """
    logits = np.nan_to_num(logits, nan=0.0, posinf=30.0, neginf=-30.0)
    linear = of.matrix[:, :2]
    start = linear @ np.array(box[:2]) + of.matrix[:, 2]
    size = (box[2] - box[0], box[3] - box[1])
    if not of.is_level:
        to = (*linear[0], start[0], *linear[1], start[1])
        picture = Image.fromarray(logits).transform(size, Image.Transform.AFFINE, to, _BICUBIC)
        return probabilities(np.asarray(picture))
    scale, end = linear[0, 0], start + linear[0, 0] * np.array(size)
    before = np.ceil(np.maximum(0, -start)).astype(int)
    after = np.ceil(np.maximum(0, end - of.size)).astype(int)
    place = tuple(np.concatenate([start + before, end + before]))
    if scale > 1:  # reduced: probabilities can be averaged, but logits may cancel out
        values = Image.fromarray(_padded(probabilities(logits), before, after))
        return np.asarray(values.resize(size, _BILINEAR, box=place))
    return probabilities(np.asarray(Image.fromarray(_padded(logits, before, after)).resize(size, _BICUBIC, box=place)))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The sigmoid, float32."""
    return (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
