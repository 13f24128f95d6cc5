"""A flat surface (a wall, a sign, the sky) that is painted and written on before the camera looks at it.

Lengths on a surface are its own units; ``scale`` is pixels per unit. Colours are sRGB from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from drawing.materials import Colour
from drawing.noise import Array, blur

EDGE_SUPERSAMPLING = 3


class Reads(Enum):
    """How well a word can be read, which decides its label and its transcription."""

    CLEARLY = "its strokes are labelled"
    BARELY = "transcribed, but its whole quad is uncertain"
    NOT = "transcribed as ###, its whole quad uncertain"


@dataclass(frozen=True)
class Word:
    """A word and its place: ``quad`` is (4, 2), x and y, clockwise from the text's top left."""

    quad: Array
    script: str
    transcription: str
    reads: Reads


@dataclass(frozen=True)
class Patch:
    """Coverage (h, w) from 0 to 1 of a painted shape, with the pixel of its upper left corner."""

    mask: Array
    left: int
    top: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.mask.shape


class Surface:
    """Layers of (height, width) pixels: colour, opacity, own light (a multiple of the colour) and readable ink.

    The layers reach ``bleed`` units beyond the surface on every side, so that a wall can run out of the picture.
    """

    def __init__(self, width: float, height: float, scale: float, bleed: float = 0) -> None:
        self.width, self.height, self.scale, self.bleed = width, height, scale, bleed
        shape = (round((height + 2 * bleed) * scale), round((width + 2 * bleed) * scale))
        self.colour = np.full(shape + (3,), 0.5, np.float32)
        self.opacity = np.zeros(shape, np.float32)
        self.own_light = np.zeros(shape, np.float32)
        self.ink = np.zeros(shape, np.float32)
        self.words: list[Word] = []

    @property
    def shape(self) -> tuple[int, int]:
        return self.ink.shape

    def pixels(self, points: ArrayLike) -> Array:
        """Points in units as pixels of the layers, (..., 2)."""
        return (np.asarray(points, float) + self.bleed) * self.scale

    def corners(self) -> Array:
        """The surface's corners as pixels of its layers, (4, 2), clockwise from the top left."""
        return self.pixels([(0, 0), (self.width, 0), (self.width, self.height), (0, self.height)])

    def everything(self) -> Patch:
        return Patch(np.ones(self.shape, np.float32), 0, 0)

    def polygon(self, points: ArrayLike) -> Patch:
        """The inside of a polygon given in units."""
        return self._shape(points, lambda draw, at: draw.polygon([tuple(p) for p in at], fill=255))

    def disc(self, x: float, y: float, radius: float) -> Patch:
        return self.rect((x - radius, y - radius, x + radius, y + radius), radius)

    def rect(self, box: tuple[float, float, float, float], radius: float = 0) -> Patch:
        """A rectangle (left, top, right, bottom), its corners rounded by ``radius``, all in units."""
        round_by = radius * self.scale * EDGE_SUPERSAMPLING

        def draw_it(draw: ImageDraw.ImageDraw, at: Array) -> None:
            (x0, y0), (x1, y1) = at
            draw.rounded_rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), round_by, fill=255)

        return self._shape((box[:2], box[2:]), draw_it)

    def stroke(self, points: ArrayLike, thickness: float) -> Patch:
        """A line through the points; all in units."""
        pixels = max(1, round(thickness * self.scale * EDGE_SUPERSAMPLING))
        return self._shape(points, lambda draw, at: draw.line([tuple(p) for p in at], 255, pixels, "curve"), thickness)

    def _shape(
        self, points: ArrayLike, draw_it: Callable[[ImageDraw.ImageDraw, Array], None], margin: float = 0
    ) -> Patch:
        """Draw enlarged within the points' bounds (in units) and shrink, for smooth edges."""
        at = self.pixels(points)
        low = np.floor(at.min(0) - margin * self.scale).astype(int) - 1
        high = np.ceil(at.max(0) + margin * self.scale).astype(int) + 1
        width, height = (high - low).tolist()
        drawn = Image.new("L", (width * EDGE_SUPERSAMPLING, height * EDGE_SUPERSAMPLING))
        draw_it(ImageDraw.Draw(drawn), (at - low) * EDGE_SUPERSAMPLING)
        mask = np.asarray(drawn.reduce(EDGE_SUPERSAMPLING), dtype=np.float32) / 255
        return Patch(mask, int(low[0]), int(low[1]))

    def _window(self, patch: Patch) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Where a patch meets the surface: slices of the surface, slices of the patch."""
        (height, width), (rows, columns) = self.shape, patch.shape
        top, left = max(0, patch.top), max(0, patch.left)
        bottom, right = max(top, min(height, patch.top + rows)), max(left, min(width, patch.left + columns))
        here = slice(top, bottom), slice(left, right)
        there = slice(top - patch.top, bottom - patch.top), slice(left - patch.left, right - patch.left)
        return here, there

    def paint(self, patch: Patch, colour: ArrayLike, opacity: float = 1, own_light: float = 0) -> None:
        """Paints over the surface; ``colour`` is one colour or an array of the patch's shape."""
        here, there = self._window(patch)
        cover = patch.mask[there] * opacity
        colour = np.asarray(colour, np.float32)
        if colour.ndim == 3:
            colour = colour[there]
        self.colour[here] += (colour - self.colour[here]) * cover[..., None]
        self.own_light[here] += (own_light - self.own_light[here]) * cover
        self.opacity[here] = np.maximum(self.opacity[here], cover)
        self.ink[here] *= 1 - cover

    def shade(self, patch: Patch, factor: ArrayLike) -> None:
        """Multiplies the colour by a number, or an array of the patch's shape, where the patch covers it."""
        here, there = self._window(patch)
        factor = np.asarray(factor, np.float32)
        if factor.ndim >= 2:
            factor = factor[there]
        if factor.ndim == 2:
            factor = factor[..., None]
        self.colour[here] *= 1 + (factor - 1) * patch.mask[there][..., None]

    def cast_shadow(self, patch: Patch, offset: tuple[float, float], softness: float, strength: float) -> None:
        """Darkens the surface with the shadow of an object of the patch's shape, ``offset`` units away."""
        margin = int(3 * softness * self.scale) + 1
        soft = blur(np.pad(patch.mask, margin), softness * self.scale)
        dx, dy = (round(d * self.scale) for d in offset)
        self.shade(Patch(soft, patch.left + dx - margin, patch.top + dy - margin), 1 - strength)

    def glow(self, patch: Patch, colour: Colour, reach: float, strength: float) -> None:
        """Light that a luminous object of the patch's shape casts on the surface around it, keeping the texture."""
        margin = int(3 * reach * self.scale) + 1
        mask = np.clip(blur(np.pad(patch.mask, margin), reach * self.scale) * strength, 0, 1)
        halo = Patch(mask, patch.left - margin, patch.top - margin)
        here, there = self._window(halo)
        grey = self.colour[here].mean(axis=2, keepdims=True)
        texture = np.clip(grey / (blur(grey, reach * self.scale) + 0.02), 0.4, 1.3)
        lit = np.clip(np.asarray(colour, np.float32) * texture, 0, 1)
        self.colour[here] += (lit - self.colour[here]) * halo.mask[there][..., None]
        self.own_light[here] = np.maximum(self.own_light[here], halo.mask[there])

    def record(self, patch: Patch, script: str, transcription: str, reads: Reads, pad: float) -> None:
        """Records a word: its ink if it reads clearly, and its quad, ``pad`` units around the ink."""
        if reads is Reads.CLEARLY:
            here, there = self._window(patch)
            self.ink[here] = np.maximum(self.ink[here], patch.mask[there])
        rows, columns = patch.shape
        pad *= self.scale
        left, top = patch.left - pad, patch.top - pad
        right, bottom = patch.left + columns + pad, patch.top + rows + pad
        quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        transcription = "###" if reads is Reads.NOT else transcription
        self.words.append(Word(quad, script, transcription, reads))
