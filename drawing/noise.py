"""Seeded noise, and array filters for drawing.

Arrays are float32 of shape (height, width) or (height, width, 3); lengths are pixels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

Array = np.ndarray


def resized(array: Array, shape: tuple[int, int]) -> Array:
    """A (h, w) array resampled to ``shape`` (height, width), smoothly."""
    height, width = shape
    picture = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def cloud_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: float | tuple[float, float], octaves: int = 4
) -> Array:
    """Fractal noise of zero mean and unit deviation; ``cell`` is the largest blobs' size, or (height, width)."""
    cell_height, cell_width = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        grid = (
            max(2, round(shape[0] / cell_height * 2**octave) + 2),
            max(2, round(shape[1] / cell_width * 2**octave) + 2),
        )
        if grid[0] > 2 * shape[0] and grid[1] > 2 * shape[1]:
            break
        total += resized(rng.standard_normal(grid, dtype=np.float32), shape) * 0.55**octave
    return (total - total.mean()) / (total.std() + 1e-6)


def blur(array: Array, sigma: float) -> Array:
    """Gaussian blur in pixels; edges repeat outwards."""
    if sigma < 0.9:
        return soften(soften(array, sigma**2 / 2, axis=0), sigma**2 / 2, axis=1)
    if sigma > 8:
        return blurred_small(array, sigma)
    # Three boxes of this radius have the wanted variance: 3 * ((2r + 1)^2 - 1) / 12 = sigma^2.
    radius = max(1, round((np.sqrt(4 * sigma**2 + 1) - 1) / 2))
    for _ in range(3):
        array = box_blur(box_blur(array, radius, axis=0), radius, axis=1)
    return array


def soften(array: Array, share: float, axis: int) -> Array:
    """Gives ``share`` of each pixel to each neighbour along an axis: a blur of variance ``2 * share``."""
    inner = np.moveaxis(array, axis, 0)
    before, after = np.concatenate([inner[:1], inner[:-1]]), np.concatenate([inner[1:], inner[-1:]])
    return np.moveaxis((1 - 2 * share) * inner + share * (before + after), 0, axis).astype(np.float32)


def blurred_small(array: Array, sigma: float) -> Array:
    """A wide blur, computed on a reduced array: it looks the same, and is many times faster."""
    shrink = int(sigma / 3)
    rows, columns = array.shape[:2]
    pad = [(0, -rows % shrink), (0, -columns % shrink)] + [(0, 0)] * (array.ndim - 2)
    padded = np.pad(array, pad, mode="edge")
    blocks = padded.reshape(padded.shape[0] // shrink, shrink, padded.shape[1] // shrink, shrink, *array.shape[2:])
    small = blur(blocks.mean((1, 3), dtype=np.float32), sigma / shrink)
    layers = small[..., None] if array.ndim == 2 else small
    large = np.stack([resized(layers[..., k], padded.shape[:2]) for k in range(layers.shape[2])], axis=-1)
    return large.reshape(padded.shape)[:rows, :columns]


def box_blur(array: Array, radius: int, axis: int) -> Array:
    """The mean over ``2 * radius + 1`` pixels along one axis."""
    pad = [(0, 0)] * array.ndim
    pad[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(array, pad, mode="edge"), axis=axis, dtype=np.float64)
    size = 2 * radius + 1
    sums = np.moveaxis(sums, axis, 0)
    means = (sums[size:] - sums[:-size]) / size
    return np.moveaxis(means, 0, axis).astype(np.float32)


def smear(array: Array, length: float, angle: float) -> Array:
    """Motion blur: the mean of copies moved along a line of ``length`` pixels at ``angle`` degrees."""
    steps = int(length) + 1
    if steps < 2:
        return array
    along = np.linspace(-0.5, 0.5, steps) * length
    moved = [
        np.roll(array, (round(t * np.sin(np.radians(angle))), round(t * np.cos(np.radians(angle)))), axis=(0, 1))
        for t in along
    ]
    return np.asarray(np.mean(moved, axis=0, dtype=np.float32))


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def relief(height: Array, strength: float) -> Array:
    """Shading factor of a height field lit from the upper left; about 1 in flat places."""
    down, right = np.gradient(height)
    return np.clip(1 + strength * (down + right), 0.3, 1.8)[..., None]


def grid(shape: tuple[int, int]) -> tuple[Array, Array]:
    """Row and column index of each pixel, float32."""
    rows, columns = np.indices(shape, dtype=np.float32)
    return rows, columns
