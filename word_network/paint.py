"""Paints a word: its colours, and effects behind, in and in front of its letters. Each effect is one function.

Lengths are in parts of the canvas's ``side``, the word's shorter side in pixels; colours are about 0 to 255.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Optional

import cv2
import numpy as np
from numpy.typing import ArrayLike

from drawing.noise import Array, grid

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass
class Canvas:
    """A crop while it is painted.

    Attributes:
        ink: coverage (height, width) of the glyphs, including neighbouring words, float32 from 0 to 1.
        matrix: homography from pixels of the word's mask, ``size`` = (width, height), to the crop's.
        effects: names of the effects to paint.
        texture: returns a ground (height, width, 3) of the crop's size.
        text: coverage of the text, which is the paint of the letters; in a hollow letter, the outline.
    """

    rng: np.random.Generator
    ink: Array
    matrix: Array
    size: tuple[int, int]
    side: float
    effects: set[str]
    texture: Callable[[], Array]
    image: Array = field(init=False)
    text: Array = field(init=False)
    colour: Array = field(init=False)  # of the letters
    ground: Array = field(init=False)  # mean colour around them
    contrast: float = field(init=False)

    @property
    def shape(self) -> tuple[int, int]:
        return self.ink.shape

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def pixels(self, low: float, high: float, least: int = 1) -> int:
        """A random length between two, which are given as fractions of the side."""
        return max(least, round(self.between(low, high) * self.side))

    def lay(self, colour: Array, cover: Array) -> None:
        """Paint over the picture."""
        self.image += (colour - self.image) * cover[..., None]

    def polygon(self, points: ArrayLike) -> Array:
        """Coverage of a polygon, whose points (n, 2) are given in pixels of the word's mask."""
        at = cv2.perspectiveTransform(np.asarray(points, np.float32)[None], self.matrix)[0]
        return filled(self.shape, at)

    def any_colour(self, unlike: Optional[Array] = None) -> Array:
        """A random colour, which usually differs from a given one."""
        for _ in range(6):
            colour = colour_of(self.rng, self.between(0, 255))
            if unlike is None or np.abs(colour - unlike).max() > 45:
                break
        return colour

    def waves(self, cells: int = 3) -> Array:
        """Smooth noise (height, width) of about unit deviation."""
        coarse = self.rng.standard_normal((self.rng.integers(2, cells + 1), self.rng.integers(2, cells + 2)))
        return cv2.resize(np.float32(coarse), self.shape[::-1], interpolation=cv2.INTER_CUBIC)


def filled(shape: tuple[int, int], points: Array) -> Array:
    """Coverage (height, width) of a polygon, float32."""
    cover = np.zeros(shape, np.uint8)
    cv2.fillPoly(cover, [np.int32(np.clip(points, -4000, 4000) * 16)], 255, cv2.LINE_AA, 4)
    return cover.astype(np.float32) / 255


def colour_of(rng: np.random.Generator, luminance: float) -> Array:
    """A random colour of a given luminance; grey in three of ten cases."""
    hue = rng.random() * 6
    pure = 255 * np.clip(np.abs((hue - np.array([0, 2, 4], np.float32) + 3) % 6 - 3) * -1 + 2, 0, 1)
    level = float(pure @ _LUMINANCE)
    darker, paler = luminance / max(level, 1), (luminance - level) / (255.1 - level)
    pure = pure * darker if level > luminance else pure + (255 - pure) * paler
    saturation = 0 if rng.random() < 0.3 else rng.random() ** 0.7
    return np.clip(luminance + (pure - luminance) * saturation, 0, 255).astype(np.float32)


def grown(cover: Array, pixels: int) -> Array:
    return cv2.dilate(cover, _disc(pixels))


def shrunk(cover: Array, pixels: int) -> Array:
    return cv2.erode(cover, _disc(pixels))


def _disc(pixels: int) -> Array:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))


def soft(cover: Array, sigma: float) -> Array:
    return cv2.GaussianBlur(cover, (0, 0), max(0.3, sigma))


def moved(cover: Array, dx: float, dy: float) -> Array:
    return cv2.warpAffine(
        cover, np.array([[1, 0, dx], [0, 1, dy]], np.float32), cover.shape[::-1], flags=cv2.INTER_LINEAR
    )


def lit(height: Array, angle: float) -> Array:
    """How much a relief faces a light, from -1 to 1."""
    right, down = cv2.Sobel(height, cv2.CV_32F, 1, 0), cv2.Sobel(height, cv2.CV_32F, 0, 1)
    facing = right * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle))
    return facing / (np.abs(facing).max() + 1e-3)


def paint(canvas: Canvas, easy: bool) -> None:
    """Paint a crop from its ``ink``: ``image`` (height, width, 3), float32, and ``text``."""
    canvas.text = canvas.ink
    _choose_colours(canvas, easy)
    _lay_ground(canvas)
    for stage in (GROUND, BEHIND):
        for name, effect in stage.items():
            if name in canvas.effects:
                effect(canvas)
    _lay_letters(canvas)
    for name, effect in BEFORE.items():
        if name in canvas.effects:
            effect(canvas)


def _choose_colours(canvas: Canvas, easy: bool) -> None:
    kind = canvas.rng.random()
    contrast = canvas.between(100, 225)
    if kind < (0 if easy else 0.14):
        contrast = canvas.between(20, 45)
    elif kind < (0.35 if easy else 0.5):
        contrast = canvas.between(38, 100)
    low = "low contrast" in canvas.effects
    if low:
        contrast = canvas.between(9, 28)
    light = canvas.between(0, 255 - contrast)
    if low and canvas.chance(0.4):  # pale on white
        light = canvas.between(205, 253 - contrast)
    levels = (light, light + contrast) if canvas.chance(0.5) else (light + contrast, light)
    if "neon" in canvas.effects or "glow" in canvas.effects and canvas.chance(0.6):
        levels = canvas.between(5, 70), canvas.between(150, 250)
    canvas.ground, canvas.colour = (colour_of(canvas.rng, level) for level in levels)
    if low:  # nearly one hue
        canvas.colour = canvas.ground + (levels[1] - levels[0]) + canvas.rng.normal(0, 2, 3).astype(np.float32)
    if "equal luminance" in canvas.effects:
        canvas.colour = colour_of(canvas.rng, level := canvas.between(50, 190))
        for _ in range(12):
            canvas.ground = colour_of(canvas.rng, level + canvas.between(-12, 12))
            if np.abs(canvas.colour - canvas.ground).max() > 50:
                break
    canvas.contrast = max(9.0, float(np.abs(canvas.colour - canvas.ground).max()))


def _lay_ground(canvas: Canvas) -> None:
    texture = canvas.texture()
    texture = texture - texture.mean((0, 1))
    spread = float(texture.std()) + 1
    amount = canvas.between(0, 0.2) * canvas.contrast if canvas.chance(0.75) else 0
    if "textured" in canvas.effects:
        amount = canvas.between(0.22, 0.75) * canvas.contrast
    canvas.image = canvas.ground + texture * min(1, amount / spread)
    if canvas.chance(0.3):
        tint = 1 if canvas.chance(0.5) else canvas.rng.random(3, dtype=np.float32)
        canvas.image += canvas.waves()[..., None] * (canvas.between(0, 0.2) * canvas.contrast) * tint
    canvas.image = np.ascontiguousarray(canvas.image, np.float32)


# ---- on the ground


def plate(canvas: Canvas) -> None:
    """The ground ends near the word. Around it is often the colour of the letters, so the box touches that colour."""
    like_letters = canvas.colour + canvas.rng.normal(0, 10, 3).astype(np.float32)
    around = like_letters if canvas.chance(0.5) else canvas.any_colour()
    if canvas.chance(0.6):
        texture = canvas.texture()
        around = around + (texture - texture.mean((0, 1))) * min(1, canvas.between(0, 40) / (texture.std() + 1))
    narrow = canvas.chance(0.6)
    margins = [canvas.side * (canvas.between(-0.04, 0.2) if narrow else canvas.between(0.1, 0.9)) for _ in range(4)]
    if canvas.chance(0.3):
        margins = margins[:1] * 4
    (width, height), (left, top, right, bottom) = canvas.size, margins
    corners = [(-left, -top), (width + right, -top), (width + right, height + bottom), (-left, height + bottom)]
    cover = canvas.polygon(corners)
    if canvas.chance(0.4):  # rounded corners
        cover = np.clip((soft(cover, canvas.between(0, 0.24) * canvas.side) - 0.43) * 6, 0, 1)
    canvas.lay(around, 1 - cover)
    if canvas.chance(0.4):
        inner = shrunk(cover, canvas.pixels(0.03, 0.12)) if canvas.chance(0.5) else cover
        line = inner - shrunk(inner, canvas.pixels(0.02, 0.1))
        canvas.lay(canvas.colour if canvas.chance(0.5) else canvas.any_colour(), line)


def halves(canvas: Canvas) -> None:
    """The ground changes within the word."""
    width, height = canvas.size
    at, far = canvas.between(0.2, 0.8) * width, 5 * canvas.side
    slant = canvas.between(-1, 1) * canvas.side
    other = canvas.ground + (canvas.any_colour() - canvas.ground) * canvas.between(0.1, 0.5)
    cover = canvas.polygon([(at, -far), (width + far, -far), (width + far, height + far), (at + slant, height + far)])
    if canvas.chance(0.3):
        cover = soft(cover, 0.5 * canvas.side)
    canvas.lay(other, cover)


def pattern(canvas: Canvas) -> None:
    """Stripes or a grid in the letters' colour."""
    rows, columns = grid(canvas.shape)
    angle, period = canvas.between(0, np.pi), canvas.side * canvas.between(0.12, 0.9)
    along = columns * np.float32(np.cos(angle)) + rows * np.float32(np.sin(angle))
    across = rows * np.float32(np.cos(angle)) - columns * np.float32(np.sin(angle))
    thick = max(0.7, canvas.between(0.08, 0.4) * period)
    where = np.minimum(along % period, across % period) if canvas.chance(0.4) else along % period
    colour = canvas.colour if canvas.chance(0.7) else canvas.any_colour()
    canvas.lay(colour, np.clip(thick - where, 0, 1) * canvas.between(0.4, 1))


def lines(canvas: Canvas) -> None:
    """Strokes under, beside or across the word."""
    (width, height), side = canvas.size, canvas.side
    for _ in range(canvas.rng.integers(1, 4)):
        off, kind = canvas.between(-0.06, 0.2) * side, canvas.rng.random()
        ends = [(canvas.between(-1, 0.5) * side, height + off), (width + canvas.between(-0.5, 1) * side, height + off)]
        if kind > 0.8:
            ends = [(canvas.between(0, width), -side), (canvas.between(0, width), height + side)]
        elif kind > 0.6:
            ends = [(width + off, -side), (width + off, height + side)]
        elif kind > 0.4:
            ends = [(-off, -side), (-off, height + side)]
        elif kind > 0.2:
            ends = [(x, height - y) for x, y in ends]
        at = np.clip(cv2.perspectiveTransform(np.array([ends], np.float32), canvas.matrix)[0], -3000, 3000).astype(int)
        cover = np.zeros(canvas.shape, np.float32)
        cv2.line(cover, at[0].tolist(), at[1].tolist(), 1, canvas.pixels(0.02, 0.12), cv2.LINE_AA)
        canvas.lay(canvas.colour if canvas.chance(0.55) else canvas.any_colour(), cover)


def shapes(canvas: Canvas) -> None:
    """Signs, bullets and ornaments beside the word."""
    (width, height), side = canvas.size, canvas.side
    for _ in range(canvas.rng.integers(1, 4)):
        x = canvas.between(-0.6, 0) * side if canvas.chance(0.5) else width + canvas.between(0, 0.6) * side
        at = cv2.perspectiveTransform(np.array([[(x, canvas.between(0, height))]], np.float32), canvas.matrix)[0, 0]
        cover, reach = np.zeros(canvas.shape, np.float32), canvas.pixels(0.05, 0.45)
        x, y = np.clip(at, -500, 2500).astype(int).tolist()
        if canvas.chance(0.4):
            cv2.circle(cover, (x, y), reach, 1, -1 if canvas.chance(0.6) else canvas.pixels(0.03, 0.12), cv2.LINE_AA)
        else:
            points = np.int32(canvas.rng.uniform(-reach, reach, (canvas.rng.integers(3, 7), 2)) + (x, y))
            cv2.fillPoly(cover, [points], 1, cv2.LINE_AA)
        canvas.lay(canvas.colour if canvas.chance(0.5) else canvas.any_colour(), cover)


def spots(canvas: Canvas) -> None:
    cover = np.zeros(canvas.shape, np.float32)
    for _ in range(canvas.rng.integers(2, 16)):
        x, y = canvas.rng.uniform(0, 1, 2) * canvas.shape[::-1]
        cv2.circle(cover, (int(x), int(y)), canvas.pixels(0.01, 0.08), canvas.between(0.3, 1), -1, cv2.LINE_AA)
    canvas.lay(canvas.colour if canvas.chance(0.5) else canvas.any_colour(), cover)


# ---- behind the letters


def shadow(canvas: Canvas) -> None:
    dx, dy = canvas.between(-0.16, 0.16) * canvas.side, canvas.between(-0.05, 0.2) * canvas.side
    colour = canvas.ground * canvas.between(0.15, 0.7) if canvas.chance(0.85) else canvas.any_colour()
    cover = soft(moved(canvas.ink, dx, dy), canvas.between(0.02, 0.12) * canvas.side)
    canvas.lay(colour, cover * canvas.between(0.35, 1))


def hard_shadow(canvas: Canvas) -> None:
    """A shadow as sharp as the letters, of the same shape, and often with as much contrast to the ground."""
    angle, far = canvas.between(0, 2 * np.pi), canvas.between(0.04, 0.16) * canvas.side
    cover = moved(canvas.ink, far * np.cos(angle), far * np.sin(angle))
    canvas.lay(canvas.any_colour(unlike=canvas.colour), cover)
    if canvas.chance(0.3):  # separated from the letters by a line of the ground
        canvas.lay(canvas.ground, grown(canvas.ink, canvas.pixels(0.01, 0.05)))


def glow(canvas: Canvas) -> None:
    halo = np.minimum(1, soft(canvas.ink, canvas.between(0.06, 0.35) * canvas.side) * canvas.between(1, 2.4))
    colour = canvas.colour * 0.6 + 102 if canvas.chance(0.6) else colour_of(canvas.rng, canvas.between(120, 250))
    canvas.lay(colour, halo * canvas.between(0.3, 0.95))


def extruded(canvas: Canvas) -> None:
    """Letters with depth. Their sides, lit or shaded by their direction, are not text."""
    angle = canvas.between(0.1, 0.9) * np.pi if canvas.chance(0.6) else canvas.between(0, 2 * np.pi)
    depth = canvas.between(0.04, 0.24) * canvas.side
    reach = int(np.ceil(depth))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    end = round(reach - depth * np.cos(angle)), round(reach - depth * np.sin(angle))
    cv2.line(kernel, (reach, reach), end, 1, 1)
    sides = cv2.dilate(canvas.ink, kernel)
    kind = canvas.rng.random()
    colour = canvas.any_colour(unlike=canvas.colour)
    if kind < 0.5:
        colour = canvas.colour * canvas.between(0.25, 0.75)
    elif kind < 0.65:
        colour = canvas.colour + (255 - canvas.colour) * canvas.between(0.3, 0.8)
    elif kind < 0.8:
        colour = canvas.ground * canvas.between(0.3, 0.75)
    if np.abs(colour - canvas.colour).max() < 22:
        colour = colour - 42 if canvas.colour.mean() > 90 else colour + 45
    if canvas.chance(0.25):
        canvas.lay(canvas.any_colour(), grown(sides, 1))
    shading = canvas.between(0, 0.7) * lit(soft(sides, 1.2), canvas.between(0, 2 * np.pi)) if canvas.chance(0.6) else 0
    canvas.lay(np.clip(colour * (1 + np.expand_dims(shading, -1)), 0, 255), sides)


def outlined(canvas: Canvas) -> None:
    """One or two lines around filled letters, which are not text."""
    for reach in ((0.08, 0.16), (0.03, 0.07)) if canvas.chance(0.25) else ((0.02, 0.11),):
        colour = canvas.any_colour(unlike=canvas.colour)
        if canvas.chance(0.35):
            black_or_white = np.full(3, 255 * (canvas.colour.mean() < 128), np.float32)
            colour = black_or_white if canvas.chance(0.7) else 255 - black_or_white
        if np.abs(colour - canvas.colour).max() < 30:
            continue
        canvas.lay(colour, grown(canvas.ink, canvas.pixels(*reach)))


def reflection(canvas: Canvas) -> None:
    """A fading mirror image below the word."""
    width, height = canvas.size
    mirror = canvas.matrix @ np.array([[1, 0, 0], [0, -1, 2 * height], [0, 0, 1]]) @ np.linalg.inv(canvas.matrix)
    cover = cv2.warpPerspective(canvas.ink, mirror, canvas.shape[::-1])
    canvas.lay(canvas.colour, cover * canvas.between(0.2, 0.6))


# ---- the letters


def _lay_letters(canvas: Canvas) -> None:
    cover = _shaped(canvas)
    canvas.text = cover
    fill = np.broadcast_to(canvas.colour, canvas.image.shape)
    for name, effect in FILL.items():
        if name in canvas.effects:
            fill = effect(canvas, fill)
    if "relief" in canvas.effects:  # raised letters in the colour of the ground, visible only by their shading
        fill = canvas.image + canvas.rng.normal(0, 4)
    if "worn" in canvas.effects:
        small = [max(2, length // int(canvas.rng.integers(1, 6))) for length in canvas.shape]
        speck = cv2.resize(canvas.rng.standard_normal(small, dtype=np.float32), canvas.shape[::-1])
        cover = cover * np.clip(3 * (speck + canvas.between(0.9, 1.9)), canvas.between(0, 0.4), 1)
    if "dots" in canvas.effects or "scan lines" in canvas.effects:
        rows, columns = grid(canvas.shape)
        period = canvas.between(3, 6)
        distance = (rows % period - period / 2) ** 2
        if "dots" in canvas.effects:
            distance = distance + (columns % period - period / 2) ** 2
        cover = cover * np.clip(1.7 - distance / (0.33 * period) ** 2, 0, 1)
    if "translucent" in canvas.effects:
        cover = cover * canvas.between(0.4, 0.85)
    canvas.lay(np.clip(fill, 0, 255), cover)
    _light_letters(canvas, cover)


def _shaped(canvas: Canvas) -> Array:
    """The painted part of the glyphs: all of it, the outline, or all but a line within them or bars across them."""
    ink, side = canvas.ink, canvas.side
    if "hollow" in canvas.effects or "neon" in canvas.effects and canvas.chance(0.5):
        thick = canvas.pixels(0.02, 0.06)
        inner = shrunk(ink, thick)
        if inner.sum() > 0.2 * ink.sum():  # otherwise strokes are too thin to be hollow
            return grown(ink, max(0, thick // 2)) - inner
    if "neon" in canvas.effects:
        thin = shrunk(ink, canvas.pixels(0.01, 0.05))
        return thin if thin.sum() > 0.3 * ink.sum() else ink
    if "inline" in canvas.effects:
        core = shrunk(ink, canvas.pixels(0.03, 0.06))
        line = core - shrunk(core, canvas.pixels(0.01, 0.04)) if canvas.chance(0.5) else core
        return ink - line * (line.sum() < 0.7 * ink.sum())
    if "stencil" in canvas.effects:
        (width, height), bars = canvas.size, np.zeros(canvas.shape, np.float32)
        step, bridge = canvas.between(0.3, 0.6) * side, 0.06 * side
        for x in np.arange(canvas.between(0, step), width, step):
            bars = np.maximum(bars, canvas.polygon([(x, 0), (x + bridge, 0), (x + bridge, height), (x, height)]))
        return ink * (1 - bars)
    return ink


def _light_letters(canvas: Canvas, cover: Array) -> None:
    """Lit and shaded edges."""
    angle, side = canvas.between(0, 2 * np.pi), canvas.side
    if "embossed" in canvas.effects or "relief" in canvas.effects:
        strength = canvas.between(30, 120) if "relief" in canvas.effects else canvas.between(25, 110)
        light = lit(soft(canvas.text, canvas.between(0.02, 0.07) * side + 0.4), angle) * strength
        if canvas.chance(0.5):  # only the dark or only the bright edge is visible
            light = np.minimum(light, 0) if canvas.chance(0.6) else np.maximum(light, 0)
        canvas.image += light[..., None]
    if "bevelled" in canvas.effects:
        distance = cv2.distanceTransform(np.uint8(canvas.text > 0.5), cv2.DIST_L2, 3)
        slope = lit(soft(np.minimum(distance, canvas.between(0.04, 0.2) * side), 0.7), angle)
        canvas.image += (slope * canvas.text * canvas.between(25, 110))[..., None]
    if "neon" in canvas.effects:
        canvas.lay(np.full(3, 255, np.float32), soft(cover, 0.5) ** 2 * canvas.between(0.2, 0.9))
        halo = soft(cover, canvas.between(0.08, 0.4) * side) * canvas.between(0.5, 1.6)
        canvas.image += (255 - canvas.image).clip(0) * (canvas.colour / 255) * np.minimum(halo, 0.8)[..., None]
    if canvas.chance(0.05):  # a rim within the letters
        rim = np.clip(cover - cv2.erode(cover, np.ones((3, 3), np.uint8)), 0, 1)
        canvas.lay(canvas.any_colour(), rim * canvas.between(0.3, 0.7))


def gradient(canvas: Canvas, fill: Array) -> Array:
    other = canvas.colour + (canvas.colour - canvas.ground) * canvas.between(-0.45, 0.6)
    if canvas.chance(0.4):
        other = canvas.any_colour(unlike=canvas.ground)
    axis = 0 if canvas.chance(0.6) else 1
    along = np.linspace(-0.5, 0.5, canvas.shape[axis], dtype=np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
    return fill + (other - fill) * np.clip(along * canvas.between(1, 2.5) + 0.5, 0, 1)[..., None]


def texture_fill(canvas: Canvas, fill: Array) -> Array:
    texture = canvas.texture()
    amount = min(1, canvas.between(0.1, 0.42) * canvas.contrast / (texture.std() + 1))
    return fill + (texture - texture.mean((0, 1))) * amount


def many_colours(canvas: Canvas, fill: Array) -> Array:
    (width, height), far, fill = canvas.size, 6 * canvas.side, np.array(fill)
    for at in np.sort(canvas.rng.uniform(0, width, canvas.rng.integers(2, 7))):
        cover = canvas.polygon([(at, -far), (width + far, -far), (width + far, height + far), (at, height + far)])
        fill += (canvas.any_colour(unlike=canvas.ground) - fill) * cover[..., None]
    return fill


# ---- in front of the letters


def occluded(canvas: Canvas) -> None:
    """Something in front of the word. Only the visible part is text."""
    height, width = canvas.shape
    for _ in range(canvas.rng.integers(1, 3)):
        cover = np.zeros(canvas.shape, np.float32)
        x, y = canvas.between(0, width), canvas.between(0, height)
        if canvas.chance(0.5):
            angle = canvas.between(0, np.pi)
            dx, dy = width * np.cos(angle), width * np.sin(angle)
            ends = (int(x - dx), int(y - dy)), (int(x + dx), int(y + dy))
            cv2.line(cover, *ends, 1, canvas.pixels(0.02, 0.14), cv2.LINE_AA)
        else:
            points = np.int32(canvas.rng.normal(0, 0.3 * canvas.side, (5, 2)) + (x, y))
            cv2.fillConvexPoly(cover, cv2.convexHull(points), 1, cv2.LINE_AA)
        canvas.lay(canvas.any_colour() + (canvas.texture() - 128) * canvas.between(0, 0.4), cover)
        canvas.text = canvas.text * (1 - cover)


def cast_shadow(canvas: Canvas) -> None:
    """The edge of a shadow, or of sunlight, across the word."""
    height, width = canvas.shape
    cover = np.zeros(canvas.shape, np.float32)
    for _ in range(canvas.rng.integers(1, 4)):
        points = canvas.rng.uniform(-0.4, 1.4, (canvas.rng.integers(3, 7), 2)) * (width, height)
        cv2.fillPoly(cover, [np.int32(points)], 1, cv2.LINE_AA)
    if canvas.chance(0.6):
        cover = soft(cover, canvas.between(0.5, 6))
    canvas.image *= 1 - cover[..., None] * canvas.between(0.3, 0.75)
    canvas.image *= canvas.between(1, 1.5) if canvas.chance(0.4) else 1


def uneven_light(canvas: Canvas) -> None:
    """Strong light that fades across the word, to burnt-out white on one side."""
    canvas.image *= np.exp(canvas.waves(2) * canvas.between(0.2, 0.7))[..., None]


def specular(canvas: Canvas) -> None:
    cover = np.zeros(canvas.shape, np.float32)
    centre = (int(canvas.between(0, canvas.shape[1])), int(canvas.between(0, canvas.shape[0])))
    axes = canvas.pixels(0.1, 1.8) + 2, canvas.pixels(0.05, 0.8) + 2
    cv2.ellipse(cover, centre, axes, canvas.between(0, 180), 0, 360, 1, -1)
    cover = soft(cover, canvas.between(0.08, 0.6) * canvas.side)
    canvas.lay(np.full(3, 255, np.float32), cover / (cover.max() + 1e-3) * canvas.between(0.2, 0.8))


# In the order in which they are painted.
GROUND = {"plate": plate, "halves": halves, "pattern": pattern, "lines": lines, "shapes": shapes, "spots": spots}
BEHIND = {
    "reflection": reflection, "shadow": shadow, "hard shadow": hard_shadow, "glow": glow, "extruded": extruded,
    "outlined": outlined,
}  # fmt: skip
FILL = {"gradient": gradient, "texture fill": texture_fill, "many colours": many_colours}
BEFORE = {"occluded": occluded, "cast shadow": cast_shadow, "uneven light": uneven_light, "specular": specular}
