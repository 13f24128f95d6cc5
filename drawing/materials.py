"""Materials of walls, ground and goods: sRGB arrays (height, width, 3), lengths in units of the surface.

A material is a function ``material(rng, shape, scale)``, where ``scale`` is pixels per unit. A scene can bind settings
of its own: ``partial(masonry, block=(60, 20))``.
"""

from collections.abc import Callable, Sequence

import numpy as np

from drawing.noise import Array, blur, cloud_noise, grid, relief, resized, smoothstep

Colour = tuple[float, float, float]
Material = Callable[..., Array]


def tinted(colour: Colour, tone: Array) -> Array:
    """A colour multiplied by a tone (height, width)."""
    return np.asarray(colour, np.float32) * tone[..., None]


def masonry(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    block: tuple[float, float] = (64, 21),
    bond: float = 0.5,
    joint: float = 2.5,
    colours: Sequence[Colour] = ((0.55, 0.27, 0.20),),
    joint_colour: Colour = (0.62, 0.58, 0.53),
    variety: float = 0.10,
    rough: float = 0.05,
    bevel: float = 1.2,
) -> Array:
    """Bricks, ashlar or tiles: blocks of (width, height), each of one of the colours, between joints."""
    rows, columns = (index / scale for index in grid(shape))
    wobble = cloud_noise(rng, shape, 30 * scale, 3) * 0.25 * joint
    course = np.floor(rows / block[1]).astype(int)
    shifted = columns + block[0] * bond * (course % 2) + wobble
    number = np.floor(shifted / block[0]).astype(int)
    kinds = rng.integers(len(colours), size=(course.max() + 2, number.max() + 2))
    tones = 1 + variety * rng.standard_normal(kinds.shape + (1,)) + 0.012 * rng.standard_normal(kinds.shape + (3,))
    blocks = (np.asarray(colours)[kinds] * tones).astype(np.float32)[course, number]
    across, down = shifted % block[0], (rows + wobble * 0.6) % block[1]
    edge = np.minimum(np.minimum(across, block[0] - across), np.minimum(down, block[1] - down))
    solid = smoothstep(joint * 0.35, joint * 0.75, edge)
    grain = cloud_noise(rng, shape, 9 * scale, 4)
    mortar = tinted(joint_colour, 1 + 0.05 * grain)
    colour = mortar + (blocks * (1 + rough * grain)[..., None] - mortar) * solid[..., None]
    height = solid * bevel + grain * rough * 4
    stains = 1 + 0.06 * cloud_noise(rng, shape, (120 * scale, 160 * scale), 4)
    return colour * relief(blur(height, 0.25 * scale), 0.28) * stains[..., None]


def plaster(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    colour: Colour = (0.80, 0.74, 0.62),
    rough: float = 0.35,
    stains: float = 0.05,
    streaks: float = 0.018,
) -> Array:
    """A rendered wall: grainy relief, clouds of dirt, and streaks left by rain."""
    grain = cloud_noise(rng, shape, 7 * scale, 3)
    clouds = cloud_noise(rng, shape, (140 * scale, 180 * scale), 5)
    rain = cloud_noise(rng, shape, (200 * scale, 14 * scale), 3)
    tone = 1 + 0.015 * grain + stains * clouds + streaks * rain
    return tinted(colour, tone) * relief(grain, 0.16 * rough)


def planks(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    colour: Colour = (0.45, 0.31, 0.20),
    plank: float = 46,
    upright: bool = False,
) -> Array:
    """Boards with grain, each with its own tone, and dark gaps between them."""
    if upright:
        return planks(rng, shape[::-1], scale, colour=colour, plank=plank).transpose(1, 0, 2)
    rows, columns = (index / scale for index in grid(shape))
    board = np.floor(rows / plank).astype(int)
    boards = board.max() + 1
    tones = (1 + 0.12 * rng.standard_normal((boards, 1)) + 0.03 * rng.standard_normal((boards, 3)))[board]
    fibre = cloud_noise(rng, shape, (6 * scale, 160 * scale), 4)
    rings = np.sin(rows * 0.9 + 2.6 * cloud_noise(rng, shape, (40 * scale, 400 * scale), 2))
    within = rows % plank
    gap = smoothstep(0.3, 1.8, np.minimum(within, plank - within))
    tone = (1 + 0.07 * fibre + 0.04 * rings) * (0.25 + 0.75 * gap)
    return np.asarray(colour, np.float32) * tones.astype(np.float32) * tone[..., None]


def shutter(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    colour: Colour = (0.55, 0.58, 0.60),
    slat: float = 9,
) -> Array:
    """A rolled-down shutter: level slats, each catching the light at its top."""
    rows, _ = (index / scale for index in grid(shape))
    within = (rows % slat) / slat
    tone = 0.72 + 0.30 * np.sin(np.pi * within) - 0.35 * (within < 0.12)
    dirt = 1 + 0.05 * cloud_noise(rng, shape, (90 * scale, 30 * scale), 4)
    return tinted(colour, tone * dirt)


def asphalt(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, *, colour: Colour = (0.33, 0.33, 0.34)
) -> Array:
    """A road surface: fine grit and worn patches."""
    grit = rng.standard_normal(shape, dtype=np.float32)
    worn = cloud_noise(rng, shape, (50 * scale, 200 * scale), 5)
    return tinted(colour, 1 + 0.09 * blur(grit, 0.6) + 0.07 * worn)


def slate(
    rng: np.random.Generator, shape: tuple[int, int], scale: float, *, colour: Colour = (0.13, 0.14, 0.14)
) -> Array:
    """A blackboard with clouds of wiped-off chalk."""
    wiped = cloud_noise(rng, shape, (40 * scale, 110 * scale), 5)
    dust = cloud_noise(rng, shape, 5 * scale, 3)
    return tinted(colour, np.ones(shape, np.float32)) + (0.035 * np.maximum(wiped + 0.4, 0) + 0.008 * dust)[..., None]


def paper(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    colour: Colour = (0.90, 0.88, 0.82),
    crumple: float = 0.5,
) -> Array:
    """A sheet that has been folded and rained on."""
    creases = np.abs(cloud_noise(rng, shape, 70 * scale, 3))
    yellowed = cloud_noise(rng, shape, 120 * scale, 4)
    tone = 1 + 0.02 * yellowed
    return tinted(colour, tone) * relief(blur(creases, scale), 0.5 * crumple)


def enamel(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    colour: Colour = (0.08, 0.20, 0.45),
    dirt: float = 0.04,
) -> Array:
    """Painted or enamelled metal: a slow sheen, and dirt towards the foot."""
    rows, columns = (index / length for index, length in zip(grid(shape), shape))
    sheen = 0.06 * np.exp(-(((columns + 0.35 * rows) - 0.45) ** 2) / 0.03)
    clouds = cloud_noise(rng, shape, 60 * scale, 5)
    streaks = cloud_noise(rng, shape, (120 * scale, 8 * scale), 2)
    return tinted(colour, 1 - 0.08 * rows + dirt * (clouds + 0.3 * streaks)) + sheen[..., None]


def light_box(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    colour: Colour = (0.95, 0.93, 0.85),
    tubes: int = 3,
) -> Array:
    """Translucent plastic lit from behind by level tubes."""
    rows, columns = (index / length for index, length in zip(grid(shape), shape))
    tone = 0.90 + 0.08 * np.cos(2 * np.pi * tubes * (rows - 0.5 / tubes))
    ends = smoothstep(0, 0.06, np.minimum(columns, 1 - columns))
    return tinted(colour, tone * (0.86 + 0.14 * ends))


def sky(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    top: Colour = (0.24, 0.46, 0.78),
    foot: Colour = (0.74, 0.85, 0.93),
    clouds: float = 0.6,
    cloud_colour: Colour = (0.97, 0.97, 0.98),
) -> Array:
    """A sky that gets paler downwards, with clouds that get flatter towards the horizon."""
    rows, _ = (index / length for index, length in zip(grid(shape), shape))
    fade = (rows**0.8)[..., None]
    blue = np.asarray(top, np.float32) * (1 - fade) + np.asarray(foot, np.float32) * fade
    low = (max(2, shape[0] // 3), max(2, shape[1] // 3))
    billows = resized(cloud_noise(rng, low, (low[0] / 4, low[1] / 2.5), 7), shape)
    cover = smoothstep(0.2, 1.6, billows + 1.6 * clouds - 0.8) * min(1, clouds * 1.6)
    shadow = 1 - 0.13 * smoothstep(-0.5, 2.2, np.roll(billows, -shape[0] // 30, axis=0))
    return blue * (1 - cover[..., None]) + tinted(cloud_colour, shadow) * cover[..., None]


def meadow(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    colour: Colour = (0.36, 0.44, 0.19),
    dry: Colour = (0.60, 0.52, 0.30),
) -> Array:
    """Grass towards the camera: finer at the top, coarser at the bottom, partly dry."""
    rows, _ = (index / length for index, length in zip(grid(shape), shape))
    far = cloud_noise(rng, shape, (3 * scale, 14 * scale), 4)
    near = cloud_noise(rng, shape, (13 * scale, 9 * scale), 4)
    blades = far * (1 - rows) + near * rows
    dryness = smoothstep(-0.4, 1.6, cloud_noise(rng, shape, (30 * scale, 220 * scale), 4))[..., None]
    colours = np.asarray(colour, np.float32) * (1 - dryness) + np.asarray(dry, np.float32) * dryness
    return colours * (1 + 0.16 * blades)[..., None]


def glass(
    rng: np.random.Generator,
    shape: tuple[int, int],
    scale: float,
    *,
    inside: Colour = (0.10, 0.10, 0.11),
    sky_colour: Colour = (0.52, 0.60, 0.68),
    lamps: float = 0.5,
) -> Array:
    """A window by day: the reflection of a skyline over a dark room with warm lamps."""
    rows, columns = (index / length for index, length in zip(grid(shape), shape))
    room = tinted(inside, 1.1 - 0.4 * rows + 0.10 * cloud_noise(rng, shape, (90 * scale, 40 * scale), 1))
    for _ in range(4):
        y, x, size = rng.uniform(0.1, 0.7), rng.uniform(0.05, 0.95), rng.uniform(0.03, 0.10)
        spot = np.exp(-(((rows - y) * shape[0] / shape[1]) ** 2 + (columns - x) ** 2) / size**2)
        room = room + lamps * rng.uniform(0.2, 0.7) * tinted((1.0, 0.72, 0.42), spot)
    roofs = 0.48 + 0.09 * np.repeat(rng.standard_normal(5), -(-shape[1] // 5))[: shape[1]]
    above = blur((roofs[None, :] + 0.15 * columns > rows).astype(np.float32), 4 * scale)
    mirrored = tinted(sky_colour, 0.34 + 0.45 * above * (1 - 0.5 * rows))
    return room + 0.55 * mirrored
