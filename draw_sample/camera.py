"""The camera: planes in perspective, light, lens and sensor; and the label map the lens would see.

A photo is worked on ``SUPERSAMPLING`` times larger than it ends up, in linear light.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from drawing.noise import Array, blur, cloud_noise, grid, resized, smear, smoothstep

from .surface import Reads, Surface, Word

SUPERSAMPLING = 2
FOCAL_LENGTH = 1.3  # in picture widths, as a phone's
LARGEST_SURFACE = 3000  # pixels
LAMP = 2.2  # how much brighter than white paper a fully lit thing is

BACKGROUND, TEXT, UNCERTAIN = 0, 1, 255
SOLID_COVERAGE = 0.66  # a pixel is text where ink covers this much of it
TRACE_COVERAGE = 0.12  # and background where ink covers less than this


@dataclass(frozen=True)
class Pose:
    """Where a plane stands: its centre and width in picture pixels, and its turns in degrees.

    Yaw turns it about its upright axis, pitch about its level axis, roll within the picture.
    """

    x: float
    y: float
    width: float
    yaw: float = 0
    pitch: float = 0
    roll: float = 0

    def corners(self, aspect: float, picture_width: float) -> Array:
        """Where the corners of a plane of ``aspect`` (height / width) come to lie: (4, 2) picture pixels."""
        half = np.array([(-1, -aspect, 0), (1, -aspect, 0), (1, aspect, 0), (-1, aspect, 0)]) * self.width / 2
        turned = half @ rotation(self.yaw, self.pitch, self.roll).T
        depth = 1 + turned[:, 2:] / (FOCAL_LENGTH * picture_width)
        return turned[:, :2] / depth + (self.x, self.y)


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """The (3, 3) matrix that turns by roll, then pitch, then yaw; in degrees."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(np.radians((yaw, pitch, roll))), np.sin(np.radians((yaw, pitch, roll)))
    about_y = np.array([(cy, 0, sy), (0, 1, 0), (-sy, 0, cy)])
    about_x = np.array([(1, 0, 0), (0, cp, -sp), (0, sp, cp)])
    about_z = np.array([(cr, -sr, 0), (sr, cr, 0), (0, 0, 1)])
    return about_y @ about_x @ about_z


def homography(source: Array, target: Array) -> Array:
    """The (3, 3) homography that takes four points, (4, 2), to four others."""
    rows = []
    for (x, y), (u, v) in zip(source, target):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
    return np.append(np.linalg.solve(np.array(rows, float), np.ravel(target)), 1).reshape(3, 3)


def project(matrix: Array, points: Array) -> Array:
    """Points (n, 2) taken through a homography."""
    lifted = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    return lifted[:, :2] / lifted[:, 2:]


@dataclass(frozen=True)
class Shadow:
    """What a plane casts on the things behind it; lengths in picture pixels."""

    dx: float = 5
    dy: float = 8
    softness: float = 5
    strength: float = 0.55


@dataclass(frozen=True)
class Light:
    """Daylight or lamplight on a whole scene. ``falloff`` darkens along ``angle`` (degrees, 0 is rightwards)."""

    level: float = 1.0
    colour: tuple[float, float, float] = (1, 1, 1)
    falloff: float = 0.2
    angle: float = 60
    leaf_shadow: float = 0  # how dark the dappled shadow of a tree is
    edge_shadow: float = 0  # how dark the shadow of a roof edge across the picture is
    edge_at: float = 0.5  # where along ``angle`` that edge lies

    def on(self, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
        """The light (height, width, 3) that falls on each pixel."""
        rows, columns = grid(shape)
        down, right = np.sin(np.radians(self.angle)), np.cos(np.radians(self.angle))
        along = (rows / shape[0] - 0.5) * down + (columns / shape[1] - 0.5) * right + 0.5
        light = 1 - self.falloff * along
        if self.leaf_shadow:
            leaves = resized(cloud_noise(rng, (shape[0] // 4, shape[1] // 4), shape[1] / 34, 3), shape)
            crown = resized(cloud_noise(rng, (shape[0] // 8, shape[1] // 8), shape[1] / 24, 2), shape)
            light *= 1 - self.leaf_shadow * smoothstep(-0.35, 0.35, leaves + 0.9 * crown + 0.3)
        if self.edge_shadow:
            light *= 1 - self.edge_shadow * smoothstep(-0.006, 0.006, along - self.edge_at)
        return (self.level * light)[..., None] * np.asarray(self.colour, np.float32)


@dataclass(frozen=True)
class Lens:
    """What the camera adds; blur and motion in pixels of the finished picture."""

    blur: float = 0.28
    motion: float = 0
    motion_angle: float = 0
    vignette: float = 0.25
    bloom: float = 0.12
    noise: float = 0.010


class Photo:
    """Planes seen by the camera, back to front, and the words on them in picture pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        shape = (height * SUPERSAMPLING, width * SUPERSAMPLING)
        self.albedo = np.zeros(shape + (3,), np.float32)
        self.own_light = np.zeros(shape, np.float32)
        self.glare = np.zeros(shape + (3,), np.float32)
        self.ink = np.zeros(shape, np.float32)
        self.words: list[Word] = []

    def surface(self, size: tuple[float, float], corners: Array, bleed: float = 0) -> Surface:
        """An empty surface of ``size`` units, with about a pixel for each working pixel it will cover."""
        width, height = size
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
        scale = SUPERSAMPLING * max(sides[[0, 2]].max() / width, sides[[1, 3]].max() / height)
        return Surface(width, height, min(scale, LARGEST_SURFACE / max(width, height)), bleed)

    def place(self, surface: Surface, corners: Array, defocus: float = 0, shadow: Shadow | None = None) -> None:
        """Put a surface before what is there; ``defocus`` is in picture pixels."""
        matrix = homography(surface.corners(), corners * SUPERSAMPLING)
        colour, opacity, own_light, ink = self._seen(surface, matrix)
        if shadow:
            down, right = round(shadow.dy * SUPERSAMPLING), round(shadow.dx * SUPERSAMPLING)
            cast = np.roll(blur(opacity, shadow.softness * SUPERSAMPLING), (down, right), axis=(0, 1))
            self.albedo *= (1 - shadow.strength * cast)[..., None]
        if defocus:
            sigma = defocus * SUPERSAMPLING
            colour, opacity, own_light = (blur(layer, sigma) for layer in (colour, opacity, own_light))
        self.albedo += (colour - self.albedo) * opacity[..., None]
        self.own_light += (own_light - self.own_light) * opacity
        self.ink = self.ink * (1 - opacity) + ink
        for word in surface.words:
            quad = project(matrix, word.quad) / SUPERSAMPLING
            self.words.append(Word(quad, word.script, word.transcription, word.reads))

    def _seen(self, surface: Surface, matrix: Array) -> tuple[Array, Array, Array, Array]:
        """A surface's layers in the picture's frame, its colour made linear."""
        back = np.linalg.inv(matrix)
        coefficients = (back / back[2, 2]).ravel()[:8].tolist()
        size = (self.albedo.shape[1], self.albedo.shape[0])

        def warped(layer: Array) -> Array:
            image = Image.fromarray(np.uint8(np.clip(layer, 0, 1) * 255 + 0.5))
            seen = image.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
            return np.asarray(seen, dtype=np.float32) / 255

        return warped(surface.colour) ** 2.2, warped(surface.opacity), warped(surface.own_light), warped(surface.ink)

    def wet_ground(self, horizon: int, strength: float) -> None:
        """Mirror what is lit above the ``horizon`` (a row of the picture) in the ground below, drawn out downwards."""
        row = horizon * SUPERSAMPLING
        rows = self.albedo.shape[0] - row
        lamps = (self.albedo * self.own_light[..., None])[max(0, row - 2 * rows) : row][::-1]
        lamps = lamps[: 2 * (len(lamps) // 2)].reshape(-1, 2, *lamps.shape[1:]).mean(1)
        ripples = smear(blur(lamps, 3.0 * SUPERSAMPLING), 36 * SUPERSAMPLING, 90)
        near = smoothstep(0, 0.12, np.linspace(0, 1, rows, dtype=np.float32))[:, None, None]
        self.glare[row : row + len(ripples)] += strength * LAMP * ripples[:rows] * near[: len(ripples)]

    def developed(self, rng: np.random.Generator, light: Light, lens: Lens) -> Image.Image:
        """The finished picture, RGB."""
        radiance = self.albedo * (light.on(rng, self.own_light.shape) + LAMP * self.own_light[..., None]) + self.glare
        radiance = smear(radiance, lens.motion * SUPERSAMPLING, lens.motion_angle)
        radiance = blur(radiance, lens.blur * SUPERSAMPLING)
        small = radiance.reshape(self.height, SUPERSAMPLING, self.width, SUPERSAMPLING, 3).mean((1, 3))
        small = small + lens.bloom * blur(np.maximum(small - 0.75, 0), self.width / 60)
        small *= self._vignette(lens.vignette)[..., None]
        small += sensor_noise(rng, small, lens.noise)
        return Image.fromarray(np.uint8(np.clip(tone_mapped(small), 0, 1) * 255 + 0.5))

    def _vignette(self, strength: float) -> Array:
        rows, columns = grid((self.height, self.width))
        distance = np.hypot(rows / self.height - 0.5, columns / self.width - 0.5)
        return 1 - strength * smoothstep(0.25, 0.8, distance)

    def label_map(self) -> Array:
        """The label map (height, width), uint8: 0, 1 and 255."""
        cover = self.ink.reshape(self.height, SUPERSAMPLING, self.width, SUPERSAMPLING).mean((1, 3))
        labels = np.full(cover.shape, BACKGROUND, np.uint8)
        labels[cover >= TRACE_COVERAGE] = UNCERTAIN
        labels[cover >= SOLID_COVERAGE] = TEXT
        veil = Image.new("L", (self.width, self.height))
        for word in self.words:
            if word.reads is not Reads.CLEARLY:
                ImageDraw.Draw(veil).polygon([tuple(point) for point in word.quad.round().tolist()], fill=255)
        labels[np.asarray(veil) > 0] = UNCERTAIN
        return labels


def tone_mapped(linear: Array) -> Array:
    """Linear light to sRGB values: a soft shoulder above 0.6, then the display's gamma and a little contrast."""
    bright = np.maximum(linear, 0)
    soft = np.where(bright > 0.6, 0.6 + 0.4 * (1 - np.exp(-(bright - 0.6) / 0.4)), bright)
    value = soft ** (1 / 2.2)
    return value + 0.10 * (smoothstep(0, 1, value) - value)


def sensor_noise(rng: np.random.Generator, linear: Array, strength: float) -> Array:
    """Noise that grows with the root of the light, a bit softer than a pixel, as after demosaicing."""
    grain = rng.standard_normal(linear.shape[:2] + (1,), dtype=np.float32)
    speckle = blur(rng.standard_normal(linear.shape, dtype=np.float32), 1.0) * 0.8
    return strength * np.sqrt(np.maximum(linear, 0) + 0.02) * (grain + speckle)
