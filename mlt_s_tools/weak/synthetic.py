"""Words drawn on backgrounds, with label maps that are exact: the authors of MLT_S trained on such words too.

Glyphs are text, and nothing else is: not the plate that a word may stand on, nor an outline, a shadow or a glow, nor
what else a local threshold takes for text: joints of tiles, a lit spot, the lines of a frame. A pixel is text where
glyphs cover the half of it, and as in MLT_S, what lies right around strokes is uncertain. Without that rim a network
learns to find strokes too thin: of the pixels to which the baseline gives 0.5 to 0.7, 33 % would be text, and with it
they are 60 %; on the labelled words of the bundled sample, 75 %.

Everything is decided by the `random.Random` that is handed in, and by the fonts of the machine.
"""

import functools
import io
import string
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from mlt_s_tools.weak.rule import BACKGROUND, TEXT, UNCERTAIN
from mlt_s_tools.words import word_mask

_SUPERSAMPLING = 3  # glyphs are drawn this much larger, so that their share of a pixel is known after warping too
_HEIGHTS = (14, 90)  # of fonts, in pixels
_LENGTHS = (1, 9)  # of words made up
_TRIES = 8  # to find a place without words in an image
_RIM = 2  # pixels around strokes that are uncertain
_LOOSEST = 0.15  # how far a quad reaches beyond the glyphs, in parts of their height
_NO_CHARACTER = "\U0010ffff"  # which no font has: it is drawn as whatever stands for what is missing


class Drawn(NamedTuple):
    """A word's glyphs, before they have a colour.

    Attributes:
        coverage: `PIL.Image` of mode "L": 255 where glyphs fill the pixel, 0 where they do not touch it.
        quad: four corners [x, y] in pixels of it, clockwise from the word's upper left.
    """

    coverage: Image.Image
    quad: list


def synthetic_word(image, words, rng):
    """A word drawn on a part of an image in which there is none, or on made-up colours where there is no such part.

    Args:
        image: `PIL.Image` of mode "RGB".
        words: its words, a list of dicts with `quad`, `transcription` and `readable`. What is drawn is one of them in a
            font that has all its characters, or else Latin letters and digits.
        rng: a `random.Random`, which alone decides what comes out.

    Returns:
        A dict as of a word cut out of an image: `image` (`PIL.Image`, "RGB"), `label` (`PIL.Image`, "L", of its size,
        0, 1 and 255), and `quad` (four corners [x, y] in its pixels).
    """
    drawn = _drawn(*_text_and_font(words, rng), rng)
    ground = _plated(_background(image, words, drawn.coverage.size, rng), drawn, rng)
    seen = _seen(_painted(ground, drawn.coverage, rng), rng)
    return {"image": seen, "label": _label(drawn.coverage), "quad": drawn.quad}


def _label(coverage):
    grown = coverage.filter(ImageFilter.MaxFilter(2 * _RIM + 1))
    label = np.where(np.asarray(grown) > 127, UNCERTAIN, BACKGROUND)
    return Image.fromarray(np.where(np.asarray(coverage) > 127, TEXT, label).astype(np.uint8))


# --- The glyphs -----------------------------------------------------------------------------------------------------


@functools.cache
def font_files():
    """The paths of the fonts of the system, sorted; none where matplotlib, which knows where they lie, is missing."""
    try:
        from matplotlib.font_manager import findSystemFonts
    except ImportError:
        return ()
    return tuple(sorted(path for path in findSystemFonts() if _opens(path)))


def _opens(path):
    try:
        return bool(_missing(path)) or True
    except OSError:  # a bitmap font, or none at all
        return False


@functools.lru_cache(256)
def _font(path, pixels):
    """A font of the system, or, for None, the one that Pillow brings."""
    return ImageFont.truetype(path, pixels) if path else ImageFont.load_default(pixels)


@functools.cache
def _missing(path):
    return bytes(_font(path, 32).getmask(_NO_CHARACTER))


@functools.lru_cache(1 << 16)
def has_glyph(path, character):
    """Whether a font draws a character as itself, and not as the box that stands for what it has not."""
    ink = bytes(_font(path, 32).getmask(character))
    return any(ink) and ink != _missing(path)


def _text_and_font(words, rng):
    fonts = font_files() or (None,)
    text = rng.choice([word["transcription"] for word in words if word["readable"]] or [""])
    able = [path for path in fonts if text and all(has_glyph(path, character) for character in text)]
    if able and rng.random() < 0.7:
        return text, rng.choice(able)
    path = rng.choice([path for path in fonts if has_glyph(path, "a")] or [None])
    letters = rng.choice((string.ascii_letters, string.ascii_uppercase, string.ascii_letters + string.digits))
    return "".join(rng.choices(letters, k=rng.randint(*_LENGTHS))), path


def _drawn(text, path, rng):
    """The glyphs of a word, slightly turned and in perspective, in the middle of a canvas with room around them."""
    pixels = round(_HEIGHTS[0] * (_HEIGHTS[1] / _HEIGHTS[0]) ** rng.random())
    font = _font(path, pixels * _SUPERSAMPLING)
    left, top, right, bottom = font.getbbox(text)
    width, height = right - left, bottom - top
    room = round(0.8 * min(width, height)) + 2 * _SUPERSAMPLING
    canvas = Image.new("L", (width + 2 * room, height + 2 * room))
    ImageDraw.Draw(canvas).text((room - left, room - top), text, 255, font)
    corners = _rectangle(room, room, room + width, room + height)
    seen = _turned(corners, rng)
    warped = canvas.transform(canvas.size, Image.Transform.PERSPECTIVE, _homography(seen, corners), Image.BICUBIC)
    loose = seen + np.sign(seen - seen.mean(0)) * min(width, height) * rng.uniform(0, _LOOSEST)
    return Drawn(warped.reduce(_SUPERSAMPLING), (loose / _SUPERSAMPLING).tolist())


def _rectangle(left, top, right, bottom):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def _turned(corners, rng):
    """Corners (4, 2) turned by some degrees, and each moved a little; they stay where there is room for them."""
    middle, extent = corners.mean(0), np.ptp(corners, 0)
    angle = np.arctan(rng.uniform(-0.35, 0.35) * min(extent) / max(extent))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    moved = np.array([[rng.uniform(-0.08, 0.08) for _ in range(2)] for _ in range(4)]) * min(extent)
    return (corners - middle) @ turn + middle + moved


def _homography(source, target):
    """The eight numbers by which `Image.transform` finds for a pixel where it comes from."""
    rows = []
    for (x, y), (u, v) in zip(source, target):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.linalg.solve(np.array(rows), target.reshape(-1)).tolist()


# --- What lies under them -------------------------------------------------------------------------------------------


def _background(image, words, size, rng):
    """A picture of `size` without words: a part of the image, or made-up colours."""
    if rng.random() < 0.6:
        box = _free_box(image.size, words, size, rng)
        if box is not None:
            return image.resize(size, Image.Resampling.BILINEAR, box=box)
    coarse = np.array([[_color(rng) for _ in range(3)] for _ in range(2)], np.uint8)
    softness = rng.random()  # how far the six colours differ
    mixed = coarse * softness + coarse[:1, :1] * (1 - softness)
    return Image.fromarray(mixed.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def _free_box(frame, words, size, rng):
    """A box in an image of `frame` that no word reaches into, of `size` or of a half of it or of a third."""
    for trial in range(_TRIES):
        width, height = (max(1, length // (1 + trial // 3)) for length in size)
        if width > frame[0] or height > frame[1]:
            continue
        left, top = rng.randint(0, frame[0] - width), rng.randint(0, frame[1] - height)
        moved = [[(x - left, y - top) for x, y in word["quad"]] for word in words]
        if not word_mask(moved, (width, height)).any():
            return left, top, left + width, top + height
    return None


def _plated(ground, drawn, rng):
    """A background, at times with a plate of one colour under the word, whose edges are what a sign has around it."""
    if rng.random() < 0.5:
        return ground
    corners, middle = np.array(drawn.quad), np.mean(drawn.quad, 0)
    length = min(np.ptp(corners, 0))
    grown = corners + np.sign(corners - middle) * length * rng.uniform(0.05, 0.4)
    points = [tuple(point) for point in grown]
    plate = Image.new("L", ground.size)
    ImageDraw.Draw(plate).polygon(points, fill=255)
    ground = Image.composite(Image.new("RGB", ground.size, _color(rng)), ground, plate)
    if rng.random() < 0.4:
        ImageDraw.Draw(ground).polygon(points, outline=_color(rng), width=max(1, round(length * rng.uniform(0, 0.08))))
    return ground


# --- Colour ---------------------------------------------------------------------------------------------------------


def _color(rng):
    return tuple(rng.randint(0, 255) for _ in range(3))


def _painted(ground, coverage, rng):
    """The word in a colour that stands out, over what may surround it: see `_AROUND`."""
    under = _mean_color(ground, coverage)
    color = _contrasting(under, rng)
    length = min(coverage.size)
    for probability, around in _AROUND:
        if rng.random() < probability:
            mask, tone = around(coverage, length, under, color, rng)
            ground = Image.composite(Image.new("RGB", ground.size, tone), ground, mask)
    ink = Image.new("RGB", ground.size, color)
    if rng.random() < 0.4:  # lit unevenly
        light = Image.linear_gradient("L").rotate(rng.choice((0, 90, 180, 270))).resize(ground.size)
        ink = Image.composite(ink, Image.new("RGB", ground.size, _towards(color, _color(rng), 0.3)), light)
    opacity = rng.uniform(0.75, 1)
    return Image.composite(ink, ground, coverage.point(lambda value: value * opacity))


def _mean_color(picture, mask):
    return np.asarray(picture, float)[np.asarray(mask) > 127].reshape(-1, 3).mean(0) if mask.getbbox() else np.zeros(3)


def _contrasting(under, rng):
    """A colour that is at least so different from another one that the word can be read."""
    color = max((_color(rng) for _ in range(rng.randint(2, 5))), key=lambda one: np.abs(np.subtract(one, under)).max())
    if np.abs(np.subtract(color, under)).max() < 50:
        return (0, 0, 0) if np.mean(under) > 127 else (255, 255, 255)
    return color


def _towards(color, other, share):
    return tuple(int(a + (b - a) * share) for a, b in zip(color, other))


def _shadow(coverage, length, under, color, rng):
    """A darker copy of the word, moved and perhaps blurred; or, not moved but much blurred, its glow."""
    if rng.random() < 0.3:
        glow = coverage.filter(ImageFilter.GaussianBlur(length * rng.uniform(0.03, 0.12)))
        return glow.point(lambda value: min(255, value * 2)), _towards(under, color, rng.uniform(0.3, 0.7))
    offset = [round(length * rng.uniform(-0.06, 0.06)) or 1 for _ in range(2)]
    moved = ImageChops.offset(coverage, *offset)
    moved = moved.filter(ImageFilter.GaussianBlur(length * rng.uniform(0, 0.02)))
    opacity = rng.uniform(0.4, 1)
    return moved.point(lambda value: value * opacity), _towards(under, (0, 0, 0), rng.uniform(0.4, 0.9))


def _outline(coverage, length, under, color, rng):
    """The word made bolder by some pixels, in a colour of its own."""
    width = 2 * max(1, round(length * rng.uniform(0.005, 0.03))) + 1
    return coverage.filter(ImageFilter.MaxFilter(width)), _contrasting(color, rng)


def _joints(coverage, length, under, color, rng):
    """Thin lines side by side, at times crossed by others: the joints of tiles, bricks or planks."""
    mask = Image.new("L", coverage.size)
    angle, width = rng.uniform(-0.2, 0.2), max(1, round(length * rng.uniform(0, 0.05)))
    for turn in (0, np.pi / 2) if rng.random() < 0.6 else (rng.choice((0, np.pi / 2)),):
        _draw_lines(mask, angle + turn, length * rng.uniform(0.15, 0.8), width, rng)
    return mask, _towards(under, color, rng.uniform(0.3, 1))


def _draw_lines(mask, angle, distance, width, rng):
    reach, middle = sum(mask.size), np.array(mask.size) / 2
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    for at in np.arange(rng.uniform(0, distance) - reach, reach, distance):
        start, end = (middle + across * at + along * far for far in (-reach, reach))
        ImageDraw.Draw(mask).line([*start, *end], 255, width)


def _spot(coverage, length, under, color, rng):
    """A spot without edges in which the ground comes near to the word's colour: a lamp, or its reflection."""
    mask = Image.new("L", coverage.size)
    width, height = (round(length * rng.uniform(0.5, 2)) for _ in range(2))
    spot = ImageChops.invert(Image.radial_gradient("L")).resize((width, height))
    spot = spot.point(lambda value: max(0, value - 75) * 1.4)  # 0 along its border
    mask.paste(spot, (rng.randint(0, mask.width) - width // 2, rng.randint(0, mask.height) - height // 2))
    return mask, _towards(under, color, rng.uniform(0.3, 1))


def _frame(coverage, length, under, color, rng):
    """The lines of a frame so near that the box of the word reaches over them."""
    mask = Image.new("L", coverage.size)
    left, top, right, bottom = coverage.getbbox() or (0, 0, *coverage.size)
    gap, width = length * rng.uniform(0, 0.08), max(1, round(length * rng.uniform(0.01, 0.05)))
    away = gap + width
    ImageDraw.Draw(mask).rectangle((left - away, top - away, right + away, bottom + away), outline=255, width=width)
    return mask, _towards(under, color, rng.uniform(0.5, 1))


_AROUND = ((0.3, _joints), (0.15, _spot), (0.15, _frame), (0.35, _shadow), (0.15, _outline))  # how often a word has one


# --- The camera -----------------------------------------------------------------------------------------------------


def _seen(picture, rng):
    """A picture with blur, noise and the traces of JPEG, each at times."""
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.02 * min(picture.size) + 0.4)))
    if rng.random() < 0.5:
        noise = np.random.default_rng(rng.getrandbits(64)).normal(0, rng.uniform(1, 14), (*picture.size[::-1], 3))
        picture = Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=rng.randint(30, 95))
        picture = Image.open(stream).convert("RGB")
    return picture
