"""Things that are painted on a surface, each a few numbers of data and one ``draw``.

Positions and sizes are in the surface's units; a box is (left, top, right, bottom).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageFont

from drawing import materials
from drawing.materials import Colour, Material
from drawing.noise import Array, blur, cloud_noise, grid, smoothstep

from .fonts import direction_of, font_of, glyphs, script_of
from .surface import Patch, Reads, Surface

Box = tuple[float, float, float, float]
WHITE, BLACK = (0.94, 0.94, 0.92), (0.07, 0.07, 0.08)


@dataclass(frozen=True)
class Fill:
    """The whole surface in one material."""

    material: Material

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        surface.paint(surface.everything(), self.material(rng, surface.shape, surface.scale))


@dataclass(frozen=True)
class Panel:
    """A board: a face of one colour or material, a rim, and the shadow it casts on what bears it."""

    box: Box
    face: Colour | Material
    radius: float = 0
    rim: Colour | None = None
    rim_width: float = 2
    inset: float = 0  # how far within the edge the rim runs
    shadow: float = 0  # strength
    depth: float = 4  # how far it stands off, in units
    own_light: float = 0
    bolts: bool = False

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        shape = surface.rect(self.box, self.radius)
        if self.shadow:
            surface.cast_shadow(shape, (self.depth * 0.7, self.depth), self.depth * 0.5, self.shadow)
        face = self.face(rng, shape.shape, surface.scale) if callable(self.face) else self.face
        surface.paint(shape, face, own_light=self.own_light)
        if self.rim:
            self._draw_rim(surface, self.rim)
        if self.bolts:
            self._draw_bolts(surface)

    def _draw_rim(self, surface: Surface, colour: Colour) -> None:
        outer = surface.rect(shrunk(self.box, self.inset), max(0, self.radius - self.inset))
        step = self.inset + self.rim_width
        hole = surface.rect(shrunk(self.box, step), max(0, self.radius - step))
        mask = outer.mask.copy()
        top, left = hole.top - outer.top, hole.left - outer.left
        mask[top : top + hole.shape[0], left : left + hole.shape[1]] *= 1 - hole.mask
        surface.paint(Patch(mask, outer.left, outer.top), colour, own_light=self.own_light)

    def _draw_bolts(self, surface: Surface) -> None:
        x0, y0, x1, y1 = self.box
        size = min(x1 - x0, y1 - y0)
        margin, radius = size * 0.09, size * 0.022
        for x in (x0 + margin, x1 - margin):
            for y in (y0 + margin, y1 - margin):
                bolt = surface.disc(x, y, radius)
                surface.cast_shadow(bolt, (radius * 0.5, radius * 0.7), radius * 0.4, 0.6)
                surface.paint(bolt, (0.62, 0.62, 0.60))
                surface.paint(surface.disc(x - radius * 0.25, y - radius * 0.3, radius * 0.45), (0.85, 0.85, 0.83))


def shrunk(box: Box, by: float) -> Box:
    x0, y0, x1, y1 = box
    return x0 + by, y0 + by, x1 - by, y1 - by


@dataclass(frozen=True)
class Text:
    """A line of words. ``y`` is its baseline, or the top of a vertical line; ``x`` its left, middle or right end.

    The finish is ``paint``, ``chalk``, ``raised`` (cut-out letters), ``neon`` or ``led``.
    """

    text: str
    x: float
    y: float
    size: float
    font: str
    colour: Colour = BLACK
    anchor: str = "m"
    vertical: bool = False
    spacing: float = 0  # between the words, added to the font's own space
    finish: str = "paint"
    own_light: float = 0
    reads: Reads = Reads.CLEARLY
    script: str | None = None  # where the characters do not tell it

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        font = font_of(self.font, max(4, round(self.size * surface.scale)))
        for word, patch in self._laid_out(surface, font):
            FINISHES[self.finish](self, surface, patch, rng)
            script = self.script or script_of(word, self.font)
            surface.record(patch, script, word, self.reads, pad=0.03 * self.size)

    def _laid_out(self, surface: Surface, font: ImageFont.FreeTypeFont) -> list[tuple[str, Patch]]:
        """Each word with its glyphs where they belong; right-to-left lines run from the right."""
        direction = direction_of(self.text, self.vertical)
        words = [self.text] if self.vertical else self.text.split(" ")
        gap = font.getlength(" ", direction=None if self.vertical else direction) + self.spacing * surface.scale
        lengths = [font.getlength(word, direction=direction) for word in words]
        whole = sum(lengths) + gap * (len(words) - 1)
        x, y = surface.pixels((self.x, self.y))
        if not self.vertical:
            x -= whole * {"l": 0, "m": 0.5, "r": 1}[self.anchor]
        if direction == "rtl":
            words, lengths = words[::-1], lengths[::-1]
        placed = []
        for word, length in zip(words, lengths):
            mask, left, top = glyphs(word, font, direction, "mt" if self.vertical else "ls")
            placed.append((word, Patch(mask, round(x) + left, round(y) + top)))
            x += length + gap
        return placed


def painted(text: Text, surface: Surface, patch: Patch, rng: np.random.Generator) -> None:
    surface.paint(patch, text.colour, 0.96, text.own_light)


def chalked(text: Text, surface: Surface, patch: Patch, rng: np.random.Generator) -> None:
    """Chalk catches on the board's grain."""
    grain = cloud_noise(rng, patch.shape, max(2.0, 0.06 * text.size * surface.scale), 3)
    surface.paint(Patch(patch.mask * (0.66 + 0.34 * smoothstep(-1.2, 0.6, grain)), patch.left, patch.top), text.colour)


def raised(text: Text, surface: Surface, patch: Patch, rng: np.random.Generator) -> None:
    """Cut-out letters stand off the wall: a shadow below, a lit upper edge."""
    depth = 0.07 * text.size
    surface.cast_shadow(patch, (depth, depth * 1.4), depth * 0.4, 0.65)
    surface.paint(patch, text.colour, own_light=text.own_light)
    lower = np.roll(patch.mask, (1, 1), axis=(0, 1)) * patch.mask
    surface.shade(Patch(patch.mask - lower, patch.left, patch.top), 1.25)


def neon(text: Text, surface: Surface, patch: Patch, rng: np.random.Generator) -> None:
    """A tube: white-hot in its middle, its colour at the rim and around it."""
    surface.glow(patch, text.colour, 0.55 * text.size, 0.55)
    surface.glow(patch, text.colour, 0.08 * text.size, 0.60)
    within = blur(np.pad(patch.mask, 4), 0.022 * text.size * surface.scale)[4:-4, 4:-4]
    core = smoothstep(0.72, 1.0, within)[..., None]
    colour = np.asarray(text.colour, np.float32)
    surface.paint(patch, colour + (1 - colour) * 0.80 * core, own_light=0.8)


def led(text: Text, surface: Surface, patch: Patch, rng: np.random.Generator) -> None:
    """A board of lamps: the glyph seen as dots."""
    rows, columns = grid(patch.shape)
    pitch = max(2.0, 0.075 * text.size * surface.scale)
    dots = np.cos(np.pi * rows / pitch) ** 2 * np.cos(np.pi * columns / pitch) ** 2
    surface.glow(patch, text.colour, 0.12 * text.size, 0.22)
    surface.paint(patch, tuple(0.80 * np.asarray(text.colour)), own_light=0.55)
    surface.paint(Patch(patch.mask * np.sqrt(dots), patch.left, patch.top), text.colour, own_light=1)


FINISHES = {"paint": painted, "chalk": chalked, "raised": raised, "neon": neon, "led": led}


@dataclass(frozen=True)
class Mark:
    """A painted polygon (an arrow, a lozenge, a cross) of points in units; ``word`` records it as that symbol."""

    points: Sequence[tuple[float, float]]
    colour: Colour
    own_light: float = 0
    word: str | None = None
    glow: float = 0  # reach in units

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        shape = surface.polygon(self.points)
        if self.glow:
            surface.glow(shape, self.colour, self.glow, 0.5)
        surface.paint(shape, self.colour, own_light=self.own_light)
        if self.word:
            surface.record(shape, "Symbols", self.word, Reads.CLEARLY, pad=1)


@dataclass(frozen=True)
class Stroke:
    """A line of some thickness through points."""

    points: Sequence[tuple[float, float]]
    thickness: float
    colour: Colour
    own_light: float = 0
    shadow: float = 0

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        line = surface.stroke(self.points, self.thickness)
        if self.shadow:
            surface.cast_shadow(line, (self.thickness, self.thickness), self.thickness * 0.5, self.shadow)
        surface.paint(line, self.colour, own_light=self.own_light)


@dataclass(frozen=True)
class Disc:
    """A filled circle."""

    x: float
    y: float
    radius: float
    colour: Colour
    own_light: float = 0

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        surface.paint(surface.disc(self.x, self.y, self.radius), self.colour, own_light=self.own_light)


@dataclass(frozen=True)
class Pole:
    """A round post: bright along one side."""

    x: float
    top: float
    foot: float
    width: float
    colour: Colour = (0.55, 0.57, 0.58)

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        post = surface.rect((self.x - self.width / 2, self.top, self.x + self.width / 2, self.foot))
        across = (np.arange(post.shape[1], dtype=np.float32) + 0.5) / post.shape[1]
        tone = 0.45 + 0.75 * np.exp(-(((across - 0.32) / 0.25) ** 2))
        surface.paint(post, materials.tinted(self.colour, np.broadcast_to(tone, post.shape)))


@dataclass(frozen=True)
class Window:
    """A pane in a frame, with a sill's shadow; ``bars`` is how many panes across and down."""

    box: Box
    frame: Colour = (0.20, 0.17, 0.15)
    frame_width: float = 5
    bars: tuple[int, int] = (1, 1)
    glass: Material = materials.glass
    own_light: float = 0

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        outer = surface.rect(self.box)
        surface.cast_shadow(outer, (2, 3), 2, 0.4)
        surface.paint(outer, self.frame)
        pane = surface.rect(shrunk(self.box, self.frame_width))
        surface.paint(pane, self.glass(rng, pane.shape, surface.scale), own_light=self.own_light)
        x0, y0, x1, y1 = self.box
        for k in range(1, self.bars[0]):
            x = x0 + (x1 - x0) * k / self.bars[0]
            surface.paint(surface.rect((x - self.frame_width / 3, y0, x + self.frame_width / 3, y1)), self.frame)
        for k in range(1, self.bars[1]):
            y = y0 + (y1 - y0) * k / self.bars[1]
            surface.paint(surface.rect((x0, y - self.frame_width / 3, x1, y + self.frame_width / 3)), self.frame)
        head = surface.rect((x0, y0, x1, y0 + (y1 - y0) * 0.12))
        fade = np.linspace(0.45, 1, head.shape[0], dtype=np.float32)[:, None]
        surface.shade(head, np.broadcast_to(fade, head.shape))


@dataclass(frozen=True)
class Awning:
    """A striped canvas roof seen from the front, its valance scalloped, its shadow on the wall below."""

    box: Box
    colours: tuple[Colour, Colour]
    stripes: int = 14
    spread: float = 20  # how much wider its foot is than its head
    valance: float = 26
    scallops: bool = True

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        x0, y0, x1, y1 = self.box
        roof = surface.polygon([(x0, y0), (x1, y0), (x1 + self.spread, y1), (x0 - self.spread, y1)])
        under = surface.rect((x0 - self.spread, y1, x1 + self.spread, y1 + self.valance))
        surface.cast_shadow(under, (10, 46), 16, 0.62)
        self._draw_stripes(surface, roof, rng)
        self._draw_valance(surface)

    def _draw_stripes(self, surface: Surface, roof: Patch, rng: np.random.Generator) -> None:
        x0, y0, x1, y1 = self.box
        rows, columns = (index / surface.scale for index in grid(roof.shape))
        widen = self.spread * np.clip(rows / (y1 - y0), 0, 1)
        across = (columns - (self.spread - widen)) / (x1 - x0 + 2 * widen) * self.stripes
        odd = smoothstep(-0.03, 0.03, np.sin(np.pi * across))[..., None]
        tone = 1.05 - 0.25 * rows / (y1 - y0) + 0.03 * cloud_noise(rng, roof.shape, 60 * surface.scale, 3)
        sag = 1 - 0.10 * np.abs(np.sin(np.pi * across / 2))
        cloth = np.asarray(self.colours[0]) * odd + np.asarray(self.colours[1]) * (1 - odd)
        surface.paint(roof, cloth * (tone * sag)[..., None])

    def _draw_valance(self, surface: Surface) -> None:
        x0, y1, x1 = self.box[0] - self.spread, self.box[3], self.box[2] + self.spread
        step = (x1 - x0) / self.stripes
        for k in range(self.stripes):
            colour = np.asarray(self.colours[k % 2]) * 0.88
            left, right = x0 + k * step, x0 + (k + 1) * step
            foot = y1 + self.valance * (0.72 if self.scallops else 1)
            surface.paint(surface.rect((left, y1, right, foot)), colour)
            if self.scallops:
                surface.paint(surface.disc((left + right) / 2, foot, step / 2), colour)
        fold = surface.rect((x0, y1 - 1.5, x1, y1 + 1.5))
        surface.shade(fold, 0.72)


@dataclass(frozen=True)
class Foliage:
    """Leaves in clumps, dark ones behind and lit ones before, within a box."""

    box: Box
    leaf: float = 7
    count: int = 2600
    colour: Colour = (0.25, 0.38, 0.14)
    clumps: int = 26

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        x0, y0, x1, y1 = self.box
        middles = rng.uniform((x0, y0), (x1, y1), (self.clumps, 2))
        sizes = rng.uniform(0.12, 0.26, self.clumps) * min(x1 - x0, y1 - y0)
        for k in range(self.count):
            clump = rng.integers(self.clumps)
            x, y = middles[clump] + sizes[clump] * rng.standard_normal(2) * 0.75
            lit = k / self.count * 0.75 + 0.25 * (middles[clump][1] - y) / sizes[clump]
            tone = np.clip(0.30 + 0.85 * lit + 0.10 * rng.standard_normal(), 0.18, 1.45)
            hue = (1 + 0.10 * rng.standard_normal(), 1, 1 - 0.15 * rng.random())
            self._draw_leaf(surface, rng, x, y, np.asarray(self.colour) * tone * hue)

    def _draw_leaf(self, surface: Surface, rng: np.random.Generator, x: float, y: float, colour: Array) -> None:
        length, angle = self.leaf * rng.uniform(0.6, 1.3), rng.uniform(0, 2 * np.pi)
        along = np.array([np.cos(angle), np.sin(angle)]) * length
        aside = np.array([-along[1], along[0]]) * 0.38
        at = np.array([x, y])
        surface.paint(surface.polygon([at - along, at + aside, at + along, at - aside]), colour)


@dataclass(frozen=True)
class Fruit:
    """A heap of round fruit, row before row, each a shaded ball."""

    box: Box
    radius: float
    colour: Colour
    variety: float = 0.08

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        x0, y0, x1, y1 = self.box
        ground = surface.rect(self.box)
        surface.paint(ground, np.asarray(self.colour) * 0.18)
        for y in np.arange(y0 + self.radius * 0.6, y1, self.radius * 1.15):
            for x in np.arange(x0 + self.radius * rng.uniform(0.3, 1.8), x1, self.radius * 1.7):
                jitter = rng.normal(0, self.radius * 0.22, 2)
                tint = np.asarray(self.colour) * (1 + self.variety * rng.standard_normal(3))
                self._draw_ball(surface, x + jitter[0], y + jitter[1], self.radius * rng.uniform(0.9, 1.08), tint)

    def _draw_ball(self, surface: Surface, x: float, y: float, radius: float, colour: Array) -> None:
        ball = surface.disc(x, y, radius)
        surface.cast_shadow(ball, (0, radius * 0.15), radius * 0.15, 0.5)
        rows, columns = (2 * (index + 0.5) / length - 1 for index, length in zip(grid(ball.shape), ball.shape))
        up = np.sqrt(np.clip(1 - rows**2 - columns**2, 0, 1))
        facing = np.clip(0.55 * up - 0.62 * rows - 0.35 * columns, 0, 1)
        gleam = np.exp(-((rows + 0.45) ** 2 + (columns + 0.3) ** 2) / 0.025)
        surface.paint(ball, materials.tinted(tuple(colour), 0.35 + 0.8 * facing) + 0.35 * gleam[..., None])


@dataclass(frozen=True)
class Bokeh:
    """Lamps far out of focus: soft discs of light."""

    box: Box
    count: int
    radius: tuple[float, float]
    colours: Sequence[Colour]
    strength: float = 0.55

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        x0, y0, x1, y1 = self.box
        for _ in range(self.count):
            x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
            disc = surface.disc(x, y, rng.uniform(*self.radius))
            colour = self.colours[int(rng.integers(len(self.colours)))]
            surface.paint(disc, colour, self.strength * rng.uniform(0.35, 1), own_light=0.9)


@dataclass(frozen=True)
class Houses:
    """A row of houses with windows, to stand blurred behind a sign."""

    box: Box
    count: int = 5
    colours: Sequence[Colour] = ((0.72, 0.64, 0.54), (0.60, 0.50, 0.42), (0.78, 0.74, 0.68), (0.55, 0.56, 0.58))
    lit: float = 0  # share of lit windows

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        x0, y0, x1, y1 = self.box
        edges = np.sort(rng.uniform(x0, x1, self.count - 1) * 0.35 + np.linspace(x0, x1, self.count + 1)[1:-1] * 0.65)
        for left, right in zip([x0, *edges], [*edges, x1]):
            roof = y0 + rng.uniform(0, 0.3) * (y1 - y0)
            wall = surface.rect((left, roof, right, y1))
            colour = self.colours[int(rng.integers(len(self.colours)))]
            surface.paint(wall, materials.plaster(rng, wall.shape, surface.scale, colour=colour))
            self._draw_windows(surface, rng, (left, roof, right, y1))

    def _draw_windows(self, surface: Surface, rng: np.random.Generator, box: Box) -> None:
        x0, y0, x1, y1 = box
        step = (x1 - x0) / max(2, round((x1 - x0) / 42))
        for x in np.arange(x0 + step * 0.25, x1 - step * 0.5, step):
            for y in np.arange(y0 + 24, y1 - 30, 62):
                pane = surface.rect((x, y, x + step * 0.5, y + 38))
                bright = rng.random() < self.lit
                surface.paint(pane, (0.98, 0.78, 0.45) if bright else (0.20, 0.23, 0.27), own_light=0.6 * bright)
                surface.paint(surface.rect((x - 2, y + 38, x + step * 0.5 + 2, y + 41)), (0.82, 0.80, 0.76))


@dataclass(frozen=True)
class Shade:
    """A soft darkening of a box, as under an eave."""

    box: Box
    strength: float = 0.5
    softness: float = 12

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        surface.cast_shadow(surface.rect(self.box), (0, 0), self.softness, self.strength)


@dataclass(frozen=True)
class Lamp:
    """A glow of light on the surface, as from a lamp out of sight."""

    x: float
    y: float
    reach: float
    colour: Colour
    strength: float = 0.6

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        surface.glow(surface.disc(self.x, self.y, self.reach * 0.4), self.colour, self.reach, self.strength)


@dataclass(frozen=True)
class Lantern:
    """A paper lantern: ribs, lit from inside, a dark cap at either end."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour = (0.92, 0.20, 0.12)

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        half_width, half_height = self.width / 2, self.height / 2
        box = (self.x - half_width, self.y - half_height, self.x + half_width, self.y + half_height)
        body = surface.rect(box, half_width * 0.8)
        surface.glow(body, self.colour, self.width * 0.35, 0.35)
        rows, columns = (2 * (index + 0.5) / length - 1 for index, length in zip(grid(body.shape), body.shape))
        ribs = 1 - 0.16 * (np.abs(np.sin(rows * self.height / self.width * 9)) < 0.25)
        tone = (1.05 - 0.55 * np.abs(columns) ** 2.2 - 0.15 * rows) * ribs
        surface.paint(body, np.clip(materials.tinted(self.colour, tone), 0, 1), own_light=0.55)
        for y in (box[1], box[3]):
            cap_width, cap_height = 0.45 * half_width, 0.035 * self.height
            cap = surface.rect((self.x - cap_width, y - cap_height, self.x + cap_width, y + cap_height), 1)
            surface.paint(cap, (0.08, 0.06, 0.05))


@dataclass(frozen=True)
class Tape:
    """A strip of sticky tape across a paper's corner."""

    points: Sequence[tuple[float, float]]
    width: float = 14

    def draw(self, surface: Surface, rng: np.random.Generator) -> None:
        strip = surface.stroke(self.points, self.width)
        surface.paint(strip, (0.86, 0.80, 0.62), opacity=0.55)
