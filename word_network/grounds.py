"""The grounds of words: drawn textures, and pieces of the bundled sample's pictures.

Each kind is a function ``kind(rng)`` that returns an array (GROUND + (3,)), float32, about 0 to 255. Words are composed
on recoloured pieces of these, so their structure matters: edges, grain, and shapes as large as letters.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import SupportsIndex

import cv2
import numpy as np

from drawing import materials
from drawing.noise import grid, smoothstep
from mlt_s import PUBLISHED_COUNTS, join, list_source
from mlt_s_tools import SAMPLE
from mlt_s_tools.weak.label import read_pair
from mlt_s_tools.words import word_mask

GROUND = (224, 320)
Kind = Callable[[np.random.Generator], np.ndarray]
_ROWS, _COLUMNS = grid(GROUND)


def cloud(rng: np.random.Generator, octaves: SupportsIndex, fall: float) -> np.ndarray:
    """Fractal noise of unit deviation; a greater ``fall`` makes it rougher."""
    total = np.zeros(GROUND, np.float32)
    for octave in range(octaves):
        cells = 2 ** (octave + 1)
        coarse = rng.standard_normal((GROUND[0] * cells // GROUND[1] + 2, cells + 1), dtype=np.float32)
        total += fall**octave * cv2.resize(coarse, GROUND[::-1], interpolation=cv2.INTER_CUBIC)
    return total / (total.std() + 1e-6)


def colours(rng: np.random.Generator, count: SupportsIndex) -> np.ndarray:
    hsv = np.stack([rng.uniform(0, 180, count), 220 * rng.random(count) ** 1.4, rng.uniform(15, 255, count)], -1)
    return cv2.cvtColor(hsv.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)


def _mixed(rng: np.random.Generator, share: np.ndarray) -> np.ndarray:
    """A mixture of two colours; where ``share`` is 1, it is the second."""
    first, second = colours(rng, 2)
    return first + (second - first) * np.clip(share, 0, 1)[..., None]


def clouds(rng: np.random.Generator) -> np.ndarray:
    return _mixed(rng, 1 / (1 + np.exp(-rng.uniform(0.5, 3) * cloud(rng, rng.integers(3, 8), rng.uniform(0.4, 0.95)))))


def grain(rng: np.random.Generator) -> np.ndarray:
    speck = cv2.GaussianBlur(rng.standard_normal(GROUND, dtype=np.float32), (0, 0), rng.uniform(0.4, 2))
    return _mixed(rng, 0.5 + rng.uniform(0.1, 0.7) * speck)


def gradient(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    along = (_COLUMNS * np.cos(angle) + _ROWS * np.sin(angle)) / GROUND[1]
    return _mixed(rng, 0.5 + rng.uniform(0.3, 2) * along + rng.uniform(0, 0.1) * cloud(rng, 7, 0.8))


def stripes(rng: np.random.Generator) -> np.ndarray:
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 60)
    wave = np.sin((_COLUMNS * np.cos(angle) + _ROWS * np.sin(angle)) / period * 2 * np.pi)
    return _mixed(rng, wave * rng.uniform(0.5, 12) + rng.uniform(-0.7, 0.7) + 0.5)


def lattice(rng: np.random.Generator) -> np.ndarray:
    """Crossing lines, as in a grille, tiles or squared paper."""
    down, right = rng.uniform(6, 60, 2)
    thick = rng.uniform(0.8, 6)
    skew = rng.uniform(-0.6, 0.6) if rng.random() < 0.4 else 0
    lines = np.minimum((_ROWS + skew * _COLUMNS) % down, (_COLUMNS - skew * _ROWS) % right)
    return _mixed(rng, thick - lines) + 6 * rng.random() * cloud(rng, 7, 0.9)[..., None]


def checks(rng: np.random.Generator) -> np.ndarray:
    down, right = rng.uniform(6, 40, 2)
    return _mixed(rng, ((_ROWS // down + _COLUMNS // right) % 2))


def dots(rng: np.random.Generator) -> np.ndarray:
    period = rng.uniform(5, 40)
    radius = np.hypot(_ROWS % period - period / 2, (_COLUMNS + _ROWS // period % 2 * period / 2) % period - period / 2)
    return _mixed(rng, period * rng.uniform(0.15, 0.45) - radius)


def stained(rng: np.random.Generator) -> np.ndarray:
    stain = smoothstep(0.5, rng.uniform(0.6, 2.5), cloud(rng, 6, rng.uniform(0.5, 0.9)))
    return _mixed(rng, 0.3 + 0.1 * cloud(rng, 7, 0.8) + rng.uniform(-0.6, 0.6) * stain)


def bokeh(rng: np.random.Generator) -> np.ndarray:
    """Lights out of focus, usually on a dark ground."""
    image = np.zeros(GROUND + (3,), np.float32) + colours(rng, 1) * rng.uniform(0.1, 1)
    for colour in colours(rng, rng.integers(8, 40)):
        disc = np.zeros(GROUND, np.float32)
        cv2.circle(disc, _point(rng), int(rng.uniform(3, 30)), 1, -1 if rng.random() < 0.8 else 2, cv2.LINE_AA)
        image += (255 - image) * disc[..., None] * colour / 255 * rng.uniform(0.2, 1)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 4))


def _point(rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.uniform(0, GROUND[1])), int(rng.uniform(0, GROUND[0]))


def heap(
    rng: np.random.Generator, shapes: Sequence[str] = ("ellipse", "polygon", "box"), largest: float = 90
) -> np.ndarray:
    """Overlapping things, few large ones and many small ones, so that edges are distributed as in photographs.

    The colour of each is near one of a few. Each has its own grain and shading.
    """
    base, grains = colours(rng, rng.integers(2, 6)), [cloud(rng, 8, fall) for fall in (0.6, 0.8, 0.97)]
    image = np.zeros(GROUND + (3,), np.float32) + base[0]
    rough = np.zeros(GROUND, np.float32)
    shape, wild = rng.choice(shapes), rng.uniform(5, 60)
    for _ in range(rng.integers(15, 220)):
        size = min(largest, 5 / (rng.random() + 0.03) ** rng.uniform(0.6, 1.1))
        colour = base[rng.integers(len(base))] + rng.normal(0, wild * 0.5) + rng.normal(0, wild * 0.5, 3)
        points = _outline(rng, str(shape), size)
        cv2.fillPoly(image, [points], colour.tolist(), cv2.LINE_AA)
        cv2.fillPoly(rough, [points], float(rng.uniform(0, 0.25) ** 2 * 4))
        if rng.random() < 0.3:
            cv2.polylines(image, [points], True, (colour * rng.uniform(0.3, 1.5)).tolist(), 1, cv2.LINE_AA)
    image *= (1 + rough * grains[rng.integers(3)] + rng.uniform(0, 0.15) * grains[0])[..., None]
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 4)) if rng.random() < 0.6 else image


def _outline(rng: np.random.Generator, shape: str, size: float) -> np.ndarray:
    across = size * rng.uniform(0.2, 1)
    turn = 0 if shape == "box" and rng.random() < 0.8 else rng.uniform(0, np.pi)
    if shape == "polygon":
        points = rng.uniform(-1, 1, (rng.integers(3, 7), 2))
    elif shape == "box":
        points = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    else:
        angles = np.linspace(0, 2 * np.pi, 14)
        points = np.stack([np.cos(angles), np.sin(angles) * (abs(np.sin(angles)) if shape == "leaf" else 1)], -1)
    points = points * (size, across) @ np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    return (points + _point(rng)).astype(np.int32)


def material(
    rng: np.random.Generator,
    names: Sequence[str] = ("masonry", "plaster", "planks", "asphalt", "paper", "enamel", "glass", "sky"),
) -> np.ndarray:
    """One of the materials of the drawn pictures, in a random colour."""
    name, (colour, other, third) = str(rng.choice(names)), (tuple(colour / 255) for colour in colours(rng, 3))
    options = {
        "masonry": dict(colours=(colour, other), joint_colour=third),
        "sky": dict(top=colour),
        "glass": dict(inside=colour),
    }.get(name, dict(colour=colour))
    return 255 * getattr(materials, name)(rng, GROUND, float(np.exp(rng.uniform(-0.7, 1.1))), **options)


def facade(rng: np.random.Generator) -> np.ndarray:
    """Two grounds, one of them in panes in front of the other: windows, shelves, signs without text."""
    kinds = np.array([clouds, material, stained, gradient, heap])
    image, panes = (kind(rng) for kind in rng.choice(kinds, 2))
    down, right = rng.uniform(25, 120, 2)
    edge = np.minimum(_ROWS % down - rng.uniform(2, down / 2), _COLUMNS % right - rng.uniform(2, right / 2))
    return image + (panes - image) * np.clip(edge, 0, 1)[..., None]


def picture(rng: np.random.Generator) -> np.ndarray:
    """A piece of a drawn picture without words."""
    while True:
        image, taken = _pictures()[rng.integers(len(_pictures()))]
        height = int(min(GROUND[0] * np.exp(rng.uniform(-1.5, 0.4)), image.shape[0] - 1, image.shape[1] * 0.69))
        width = height * GROUND[1] // GROUND[0]
        top, left = rng.integers(image.shape[0] - height), rng.integers(image.shape[1] - width)
        if not taken[top : top + height, left : left + width].any():
            return cv2.resize(image[top : top + height, left : left + width], GROUND[::-1]).astype(np.float32)


@cache
def _pictures() -> list[tuple[np.ndarray, np.ndarray]]:
    """The pictures of the sample that have words, and the places of these words."""
    listing, pictures = list_source(str(SAMPLE), ("image", "words"), {}), []
    for split in PUBLISHED_COUNTS:
        for pair in join(listing, split, ("label", "image", "words"), unlabelled=True)[0]:
            example = read_pair(pair)
            quads = [word["quad"] for word in example["words"]]
            pictures.append((np.asarray(example["image"]), word_mask(quads, example["image"].size)))
    return pictures


# The relative frequency of each kind. Those held out are used only in the test.
KINDS = {
    clouds: 8, grain: 4, gradient: 7, stripes: 6, lattice: 6, checks: 3, dots: 3, stained: 6, bokeh: 5, heap: 26,
    material: 16, facade: 8, picture: 12,
}  # fmt: skip
HELD_OUT = {
    partial(material, names=("shutter", "slate", "light_box", "meadow")): 3,
    partial(heap, shapes=("leaf",), largest=24): 1,
}


def textures(path: Path, seed: int, count: int, held: bool) -> np.ndarray:
    """Grounds (count, height, width, 3), uint8. They are stored in a file, and read from it if it exists."""
    if not path.exists():
        kinds = HELD_OUT if held else KINDS
        shares = np.array(list(kinds.values())) / sum(kinds.values())
        chosen = np.random.default_rng(seed).choice(len(kinds), count, p=shares)
        tasks = [(list(kinds)[number], (seed, at)) for at, number in enumerate(chosen)]
        with ProcessPoolExecutor() as executor:
            drawn = np.stack(list(executor.map(_draw, *zip(*tasks), chunksize=20)))
        np.save(path.with_suffix(".part.npy"), drawn)
        path.with_suffix(".part.npy").replace(path)
    return np.load(path, mmap_mode="r")


def _draw(kind: Kind, seed: Sequence[int]) -> np.ndarray:
    return np.clip(kind(np.random.default_rng(seed)), 0, 255).astype(np.uint8)
