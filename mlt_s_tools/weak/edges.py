"""Aligns probabilities with the edges of the image, by a guided filter (He, Sun and Tang, 2013), and calibrates them.

The network works at another resolution than the image. In each window of the image, the filter makes probabilities a
linear function of the colours, so they change where the colours do. For large words, whose windows have many pixels,
the functions are fitted to a reduced picture (He and Sun, 2015).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

_REACH = 0.08  # radius of a window, as a fraction of the word's shorter side
_SMOOTHNESS = 0.015  # variance of the normalised colours below which they hardly count
_LEAST_RADIUS = 3  # radius of a window in a reduced picture, in pixels
_LEAST_SPREAD = 4.0  # grey levels
# A linear function of the logits calibrates probabilities (Guo et al., 2017), and makes 0.5 the best threshold.
_SLOPE, _SHIFT = 2.0, 0.5
_SUREST = 0.998  # the greatest probability
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))  # of colours, in the order of `_fitted`


def sharpened(colors: np.ndarray, values: np.ndarray, side: float) -> np.ndarray:
    """Aligns the edges of probabilities with those of the picture, and calibrates them.

    Args:
        colors: uint8 (height, width, 3).
        values: float32 (height, width), probabilities.
        side: the word's shorter side in pixels.

    Returns:
        float32 (height, width).
    """
    radius = max(1, round(min(_REACH * side, max(values.shape))))
    factor = max(1, radius // _LEAST_RADIUS)
    guide = np.ascontiguousarray(colors.transpose(2, 0, 1), np.float32)
    guide -= guide.mean((1, 2), keepdims=True)
    guide /= max(_LEAST_SPREAD, float(np.sqrt((guide**2).mean())))
    small = np.stack([_reduced(plane, factor) for plane in (*guide, values)])
    slopes = window_means(_fitted(small[:3], small[3], round(radius / factor)), round(radius / factor))
    red, green, blue, constant = (_enlarged(plane, values.shape, factor) for plane in slopes)
    sharp = red * guide[0] + green * guide[1] + blue * guide[2] + constant
    sharp = np.clip(sharp, 1 - _SUREST, _SUREST)
    return (1 / (1 + np.exp(-calibrated(np.log(sharp / (1 - sharp)))))).astype(np.float32)


def calibrated(logits: Any) -> Any:
    """Calibrates the logits of the network, an array or a tensor."""
    return _SLOPE * logits + _SHIFT


def _fitted(guide: np.ndarray, values: np.ndarray, radius: int) -> np.ndarray:
    """The linear function that fits each window best: float32 (4, height, width), three slopes and a constant."""
    products = [guide[one] * guide[other] for one, other in _PAIRS]
    means = window_means(np.stack([*guide, values, *(guide * values), *products]), radius)
    color, value, with_value = means[:3], means[3], means[4:7] - means[:3] * means[3]
    rr, rg, rb, gg, gb, bb = (
        means[7 + at] - color[one] * color[other] + (_SMOOTHNESS if one == other else 0)
        for at, (one, other) in enumerate(_PAIRS)
    )
    # The inverse of a symmetric matrix, by its cofactors.
    rows = [
        [gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg],
        [rb * gb - rg * bb, rr * bb - rb * rb, rb * rg - rr * gb],
        [rg * gb - rb * gg, rb * rg - rr * gb, rr * gg - rg * rg],
    ]
    determinant = rr * rows[0][0] + rg * rows[0][1] + rb * rows[0][2]
    slopes = [sum(of * to for of, to in zip(row, with_value)) / determinant for row in rows]
    return np.stack([*slopes, value - sum(slope * mean for slope, mean in zip(slopes, color))])


def window_means(planes: np.ndarray, radius: int) -> np.ndarray:
    """Means over windows of (2 * radius + 1) pixels a side, smaller at the border: float32 (planes, height, width)."""
    for axis in (1, 2):
        length = planes.shape[axis]
        at = np.arange(length)
        counts = np.minimum(at + radius, length - 1) - np.maximum(at - radius, 0) + 1
        margins = [(radius, radius) if one == axis else (0, 0) for one in range(3)]
        sums = _sums(np.pad(planes, margins), 2 * radius + 1, axis)
        planes = sums / counts.astype(np.float32).reshape([-1 if one == axis else 1 for one in range(3)])
    return planes


def _sums(planes: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Sums of `count` neighbours along an axis, built from sums of 1, 2, 4, ... of them."""

    def part(values: np.ndarray, start: int, stop: int | None) -> np.ndarray:
        return values[(slice(None),) * axis + (slice(start, stop),)]

    length = planes.shape[axis] - count + 1
    total: Any = None
    offset, width = 0, 1
    while True:
        if count & width:
            term = part(planes, offset, offset + length)
            total, offset = term if total is None else total + term, offset + width
        if 2 * width > count:
            return total
        planes = part(planes, 0, -width) + part(planes, width, None)
        width *= 2


def _reduced(plane: np.ndarray, factor: int) -> np.ndarray:
    return plane if factor == 1 else np.asarray(Image.fromarray(plane).reduce(factor))


def _enlarged(plane: np.ndarray, shape: tuple[int, int], factor: int) -> np.ndarray:
    """Enlarges a reduced plane to full size. Its last row and column may cover fewer pixels than the others."""
    if factor == 1:
        return plane
    height, width = shape
    box = (0, 0, width / factor, height / factor)
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR, box=box))
