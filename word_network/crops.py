"""Training crops: a word on a ground, as `mlt_s_tools.weak.framing` crops words from pictures.

A crop depends only on a seed, and a batch only on its number. So a resumed run gets the same crops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np

from drawing.noise import Array
from word_network.camera import photographed
from word_network.paint import Canvas, filled, paint
from word_network.pool import Pool
from word_network.texts import SHARES

# Sizes of crops (height, width) and their shares; all crops of a batch have the same size. The shorter side of a word
# is 0.6 of the crop's, because the framing leaves a margin of a third of it on either side.
SIZES = {(80, 96): 0.13, (80, 160): 0.33, (80, 256): 0.34, (160, 80): 0.12, (112, 112): 0.08}
# The probability of each effect in a hard crop. Half of the crops are easy, with 0.45 of this probability.
EFFECTS = {
    "low contrast": 0.1, "equal luminance": 0.08, "textured": 0.45, "plate": 0.45, "halves": 0.06, "pattern": 0.09,
    "lines": 0.16, "shapes": 0.12, "spots": 0.08, "shadow": 0.2, "hard shadow": 0.1, "glow": 0.06, "extruded": 0.18,
    "outlined": 0.22, "hollow": 0.07, "inline": 0.05, "neon": 0.05, "gradient": 0.2, "texture fill": 0.12,
    "many colours": 0.07, "worn": 0.08, "dots": 0.02, "translucent": 0.07, "embossed": 0.09, "relief": 0.07,
    "bevelled": 0.09, "occluded": 0.06, "cast shadow": 0.14, "uneven light": 0.12, "specular": 0.12, "curved": 0.16,
    "slanted": 0.15, "lines of text": 0.05, "fat": 0.16, "thin": 0.13, "cut": 0.12, "loose": 0.12, "crowded": 0.2,
    "tiny": 0.16, "blurred": 0.08, "blocks": 0.1,
}  # fmt: skip
HELD_OUT = ("reflection", "scan lines", "stencil")  # kept for the test
HARD = 0.5  # of all crops


@dataclass(frozen=True)
class Crop:
    """A training crop.

    Attributes:
        image: uint8 (height, width, 3), RGB.
        word: uint8 (height, width), how much of each pixel the word's quadrilateral covers.
        text: uint8 (height, width), the probability of text: 128 where strokes cover a quarter of a pixel.
    """

    image: Array
    word: Array
    text: Array


@dataclass(frozen=True)
class Source:
    """The parts of crops: words by script, and grounds (count, height, width, 3)."""

    pools: dict[str, Pool]
    textures: Array


@dataclass(frozen=True)
class Layout:
    """The place of a word in its crop: a homography from pixels of its mask, and the corners (4, 2) of its box."""

    matrix: Array
    quad: Array
    side: float


def size_of(seed: Sequence[int]) -> tuple[int, int]:
    """The size (height, width) of the crops of a step."""
    return list(SIZES)[np.random.default_rng(seed).choice(len(SIZES), p=list(SIZES.values()))]


def batch(source: Source, seed: Sequence[int], count: int, size: tuple[int, int]) -> list[Crop]:
    """Crops with visible words, drawn from a seed."""
    rng = np.random.default_rng(seed)
    crops: list[Crop] = []
    while len(crops) < count:
        crop = compose(source, rng, size)
        if is_seen(crop):
            crops.append(crop)
    return crops


def is_seen(crop: Crop) -> bool:
    """Whether text and ground in the word's box differ in mean colour or in spread."""
    inside = crop.word > 127
    text, ground = inside & (crop.text > 160), inside & (crop.text < 60)
    if min(text.sum(), ground.sum()) < max(8, 0.01 * inside.sum()):
        return False
    sides = crop.image[text].astype(np.float32), crop.image[ground].astype(np.float32)
    (mean, spread), (other_mean, other_spread) = ((side.mean(0), side.std(0)) for side in sides)
    return max(np.abs(mean - other_mean).max(), np.abs(spread - other_spread).max()) > 4


def compose(
    source: Source,
    rng: np.random.Generator,
    size: tuple[int, int],
    script: Optional[str] = None,
    effect: Optional[str] = None,
) -> Crop:
    """One crop, with only the given ``effect``, or by default with a random choice of effects."""
    easy = effect is not None or rng.random() > HARD
    share = 0.45 if easy else 1
    effects = {effect} if effect else {name for name, often in EFFECTS.items() if rng.random() < often * share}
    pool = source.pools[script or _script(rng, source)]
    upright = size[0] > 1.2 * size[1]
    number = _word(rng, pool, size, upright)
    stacked = bool(pool.index[number]["stacked"])
    turned = upright and not stacked  # a horizontal line of text, rotated by 90 degrees
    height, width = size[::-1] if turned else size
    masks = _shaped(rng, pool, number, (height, width), effects)
    layout = _layout(rng, masks[0][0].shape, (height, width), stacked, effects)
    ink = np.zeros((height, width), np.uint8)
    for mask, x, y in masks:
        matrix = layout.matrix @ np.array([(1, 0, x), (0, 1, y), (0, 0, 1.0)])
        ink = np.maximum(ink, cv2.warpPerspective(mask, matrix, (width, height)))
    canvas = Canvas(
        rng, ink.astype(np.float32) / 255, layout.matrix, masks[0][0].shape[::-1], layout.side, effects,
        lambda: _texture(rng, source.textures, (height, width)),
    )  # fmt: skip
    paint(canvas, easy)
    image, text = photographed(rng, canvas.image, canvas.text, layout.side, canvas.contrast, effects, easy)
    word = (255 * filled((height, width), layout.quad)).astype(np.uint8)
    layers = [image, word, (255 * text).astype(np.uint8)]
    if turned:
        quarter = 1 if rng.random() < 0.5 else 3
        layers = [np.ascontiguousarray(np.rot90(layer, quarter)) for layer in layers]
    return Crop(*layers)


def _script(rng: np.random.Generator, source: Source) -> str:
    """A random script for which there are fonts."""
    shares = np.array([SHARES[script] for script in source.pools])
    return list(source.pools)[rng.choice(len(shares), p=shares / shares.sum())]


def _word(rng: np.random.Generator, pool: Pool, size: tuple[int, int], upright: bool) -> int:
    """The index of a word that about fills a crop."""
    room = 1.6 * max(size) / min(size)
    stacked = pool.index["stacked"].any() and rng.random() < (0.7 if upright else 0.2 if size[0] == size[1] else 0)
    numbers, misfits = np.flatnonzero(pool.index["stacked"] == stacked), []
    for _ in range(4):
        number = int(numbers[rng.integers(len(numbers))])
        row = pool.index[number]
        aspect = row["height"] / row["width"] if stacked else row["width"] / row["height"]
        if 0.35 * room < aspect < 1.25 * room:
            return number
        misfits.append((abs(np.log(aspect / room)), number))
    return min(misfits)[1]


def _shaped(
    rng: np.random.Generator, pool: Pool, number: int, size: tuple[int, int], effects: set[str]
) -> list[tuple[Array, float, float]]:
    """Masks at the crop's scale with their offsets (x, y): first that of the word, then those of its neighbours."""
    row = pool.index[number]
    stacked, mask = bool(row["stacked"]), np.ascontiguousarray(pool.mask(number))
    if "lines of text" in effects and not stacked:
        mask = _lines(rng, [mask, pool.mask(_near(rng, pool, number))])
    side = min(size) * rng.uniform(*((0.2, 0.42) if "slanted" in effects and not stacked else (0.46, 0.74)))
    squeeze = rng.uniform(0.75, 1.3) if rng.random() < 0.85 else rng.uniform(0.5, 0.75)
    if not stacked and row["height"] < 45:  # dashes and low words
        side *= rng.uniform(0.5, 0.9)
    across = mask.shape[1] if stacked else mask.shape[0]
    scale = (side / across * squeeze, side / across) if stacked else (side / across, side / across * squeeze)
    mask = _scaled(mask, *scale)
    masks = [(mask, 0.0, 0.0)]
    if "curved" in effects and not stacked and mask.shape[1] > 1.5 * mask.shape[0]:
        masks = [(_bent(rng, mask), 0.0, 0.0)]
    else:
        masks += _neighbours(rng, pool, number, mask.shape, scale, effects)
    return [(_weighed(mask, pixels), x, y) for pixels in [_weight(rng, effects, side)] for mask, x, y in masks]


def _scaled(mask: Array, down: float, right: float) -> Array:
    size = min(1600, max(6, round(mask.shape[1] * right))), min(900, max(6, round(mask.shape[0] * down)))
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA if size[1] < mask.shape[0] else cv2.INTER_LINEAR)


def _near(rng: np.random.Generator, pool: Pool, number: int) -> int:
    """A random word of the same font, perhaps the same word."""
    other = min(max(0, number + int(rng.integers(-5, 6))), len(pool.index) - 1)
    same = all(pool.index[other][name] == pool.index[number][name] for name in ("font", "stacked"))
    return other if same else number


def _lines(rng: np.random.Generator, masks: list[Array]) -> Array:
    """Several lines of text, one below another."""
    width = max(mask.shape[1] for mask in masks)
    rows = []
    for mask in masks:
        left = (width - mask.shape[1]) // 2 if rng.random() < 0.6 else 0
        rows += [np.pad(mask, ((0, 0), (left, width - mask.shape[1] - left)))]
    gap = np.zeros((int(rng.uniform(0.1, 0.5) * masks[0].shape[0]), width), np.uint8)
    return np.vstack([rows[0], gap, *rows[1:]])


def _neighbours(
    rng: np.random.Generator,
    pool: Pool,
    number: int,
    shape: tuple[int, int],
    scale: tuple[float, float],
    effects: set[str],
) -> list[tuple[Array, float, float]]:
    """Words on the left and right, above and below. In crowded places, they reach into the word's box."""
    crowded, (height, width) = "crowded" in effects, shape
    stacked, side = bool(pool.index[number]["stacked"]), min(shape)
    found = []
    for place in range(4):
        if rng.random() > (0.5 if crowded else (0.28, 0.28, 0.15, 0.15)[place]):
            continue
        mask = _scaled(pool.mask(_near(rng, pool, number)), *scale)
        gap = side * (rng.uniform(-0.08, 0.2) if crowded else rng.uniform(0.1, 0.6))
        along = rng.uniform(-0.3, 0.3) * side - rng.uniform(0, 0.5) * max(0, max(mask.shape) - max(shape))
        level, plumb = (along, 0) if stacked else (0, along)
        places = (
            (-mask.shape[1] - gap, level), (width + gap, level), (plumb, -mask.shape[0] - gap), (plumb, height + gap),
        )  # fmt: skip
        found.append((mask, *places[place]))
    return found


def _bent(rng: np.random.Generator, mask: Array) -> Array:
    """A word along an arc or a wave."""
    height, width = mask.shape
    bow = rng.uniform(0.12, 0.5) * height * min(1.5, width / height / 3) * (1 if rng.random() < 0.5 else -1)
    columns = np.arange(width, dtype=np.float32)
    offsets = bow * (1 - 2 * ((columns - rng.uniform(0.35, 0.65) * width) / (0.6 * width)) ** 2)
    if rng.random() < 0.3:
        offsets = bow * np.sin(columns / width * rng.uniform(3, 7) + rng.uniform(0, 6))
    offsets -= offsets.mean()
    margin = int(np.abs(offsets).max()) + 2
    padded = np.pad(mask, ((margin, margin), (0, 0)))
    rows = np.arange(len(padded), dtype=np.float32)[:, None] + np.float32(offsets)
    bent = cv2.remap(padded, np.broadcast_to(columns, padded.shape).copy(), rows, cv2.INTER_LINEAR)
    inked = np.flatnonzero(bent.max(1) > 60)
    return np.ascontiguousarray(bent[inked[0] : inked[-1] + 1]) if len(inked) else mask


def _weight(rng: np.random.Generator, effects: set[str], side: float) -> int:
    """The number of pixels by which strokes are thickened, or thinned if it is negative."""
    if "fat" in effects:
        return max(1, round(rng.uniform(0.04, 0.14) * side))
    return -1 if "thin" in effects else 0


def _weighed(mask: Array, pixels: int) -> Array:
    if not pixels:
        return mask
    if pixels < 0:
        thin = cv2.erode(mask, np.ones((2, 2), np.uint8))
        return thin if thin.sum() > 0.45 * mask.sum() else mask
    fat = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (pixels + 1, pixels + 1)))
    return fat if fat.mean() < 170 or pixels < 2 else mask


def _layout(
    rng: np.random.Generator, shape: tuple[int, int], size: tuple[int, int], stacked: bool, effects: set[str]
) -> Layout:
    (height, width), (rows, columns) = shape, size
    side = float(min(shape))
    angle = np.radians(rng.normal(0, 3) if rng.random() < 0.85 else rng.uniform(-14, 14))
    angle *= min(1, 3.5 * side / max(shape))
    upright = "slanted" in effects and not stacked
    if upright:  # as far as there is room in the crop; the box stays upright
        room = max(0, 0.74 * min(size) - height) / max(width, 1)
        angle = np.arcsin(min(0.5, room)) * rng.uniform(0.4, 1) * (1 if rng.random() < 0.5 else -1)
    centre = np.array([columns / 2, rows / 2]) + rng.uniform(-0.065, 0.065, 2) * (columns, rows)
    for axis, (length, space) in enumerate(((width, columns), (height, rows))):
        if length > 0.9 * space:  # the word is longer than the crop: any piece of it
            centre[axis] = space / 2 + rng.uniform(-0.5, 0.5) * (length - 0.6 * space)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    around = corners - (width / 2, height / 2)
    around[:, 0] -= around[:, 1] * (rng.uniform(-0.25, 0.25) if rng.random() < 0.25 else 0)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    target = around @ turn + centre + rng.normal(0, (0.05 if rng.random() < 0.4 else 0.012) * side, (4, 2))
    matrix = cv2.getPerspectiveTransform(np.float32(corners), np.float32(target))
    quad = _box(rng, corners, side, effects)
    quad = cv2.perspectiveTransform(quad.astype(np.float32)[None], matrix)[0] + rng.normal(0, 0.02 * side, (4, 2))
    if upright or rng.random() < 0.08:
        (left, top), (right, bottom) = quad.min(0), quad.max(0)
        quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return Layout(matrix, quad, side)


def _box(rng: np.random.Generator, corners: Array, side: float, effects: set[str]) -> Array:
    """The corners of a box as an annotator would draw them: tight, loose, or through the letters."""
    low, high = (-0.02, 0.06) if rng.random() < 0.5 else (-0.05, 0.15)
    if "cut" in effects:
        low, high = -0.16, 0.04
    elif "loose" in effects:
        low, high = 0.04, 0.28
    left, top, right, bottom = rng.uniform(low, high, 4) * side
    return corners + [(-left, -top), (right, -top), (right, bottom), (-left, bottom)]


def _texture(rng: np.random.Generator, textures: Array, size: tuple[int, int]) -> Array:
    """A piece of a ground at the crop's size, float32, perhaps mirrored, rotated, inverted or recoloured."""
    ground = textures[rng.integers(len(textures))]
    height = max(24, int(ground.shape[0] * np.exp(rng.uniform(-1.05, 0))))
    width = max(24, min(ground.shape[1], int(height * size[1] / size[0] * rng.uniform(0.7, 1.3))))
    top, left = rng.integers(0, ground.shape[0] - height + 1), rng.integers(0, ground.shape[1] - width + 1)
    piece = ground[top : top + height, left : left + width]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    if rng.random() < 0.2:
        piece = piece.transpose(1, 0, 2)
    piece = cv2.resize(np.ascontiguousarray(piece), size[::-1]).astype(np.float32)
    if rng.random() < 0.25:
        piece = piece[..., rng.permutation(3)]
    return 255 - piece if rng.random() < 0.3 else piece
