"""Drawn words of the kinds that a network has to get right: of each a picture, a mask of its text, and its box."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SIZE = (320, 150)


class Case(NamedTuple):
    """A picture (`PIL.Image`, "RGB"), its text (bool, height x width) and the corners of its word."""

    picture: Image.Image
    text: np.ndarray
    quad: list


def _mask(text="Exit 24", font=60, at=(50, 38), size=SIZE):
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).text(at, text, 255, font=ImageFont.load_default(font))
    return mask


def _box(mask, grow=0.06):
    left, top, right, bottom = mask.getbbox()
    margin = round(grow * min(right - left, bottom - top))
    left, top, right, bottom = left - margin, top - margin, right + margin - 1, bottom + margin - 1
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def _paint(ground, mask, ink):
    """The ground, a colour or a picture, with ink where the mask is."""
    picture = ground.copy() if isinstance(ground, Image.Image) else Image.new("RGB", mask.size, ground)
    picture.paste(ink if isinstance(ink, Image.Image) else Image.new("RGB", mask.size, ink), (0, 0), mask)
    return picture


def _case(picture, mask, quad=None):
    """A picture as a camera gives it: a little blurred, and with noise."""
    noise = np.random.default_rng(0).normal(0, 3, (*picture.size[::-1], 3))
    values = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.7)), float) + noise
    picture = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    return Case(picture, np.asarray(mask) > 100, quad or _box(mask))


def _grown(mask, pixels):
    return mask.filter(ImageFilter.MaxFilter(2 * pixels + 1))


def _moved(mask, x, y):
    return ImageChops.offset(mask, x, y)


def plate():
    """A plate that touches the border of the word's box, in a wall of the colour of its letters."""
    mask = _mask()
    picture = Image.new("RGB", SIZE, (230, 225, 210))
    left, top, right, bottom = mask.getbbox()
    ImageDraw.Draw(picture).rectangle((left - 5, top - 5, right + 4, bottom + 4), (20, 60, 130))
    return _case(_paint(picture, mask, (228, 224, 212)), mask, _box(mask, 0.12))


def filled():
    """A box that strokes fill more than their ground does."""
    mask = _grown(_mask("MEHL", 64), 3)
    return _case(_paint((240, 230, 90), mask, (150, 20, 30)), mask, _box(mask, 0))


def solid():
    """Letters with depth, of which one side is shaded."""
    mask = _mask()
    picture = Image.new("RGB", SIZE, (120, 150, 175))
    for step in range(9, 0, -1):
        picture = _paint(picture, _moved(mask, step, step // 2), (70, 40, 20))
    return _case(_paint(picture, mask, (235, 160, 40)), mask)


def outlined():
    mask = _mask()
    return _case(_paint(_paint((90, 140, 90), _grown(mask, 3), "black"), mask, "white"), mask)


def shadowed():
    mask = _mask()
    shadow = _moved(mask, 5, 6).filter(ImageFilter.GaussianBlur(2)).point(lambda value: value * 0.6)
    return _case(_paint(_paint((210, 200, 180), shadow, "black"), mask, (190, 30, 40)), mask)


def glowing():
    mask = _mask()
    glow = mask.filter(ImageFilter.GaussianBlur(7)).point(lambda value: min(255, value * 1.4))
    return _case(_paint(_paint((15, 15, 30), glow, (200, 60, 130)), mask, (255, 225, 240)), mask)


def pale():
    """Light grey on white."""
    mask = _mask()
    return _case(_paint((250, 250, 250), mask, (215, 215, 215)), mask)


def lit():
    """Strong light across the word: its dark end is as dark as text in the light."""
    mask = _mask()
    light = np.linspace(0.25, 1, SIZE[0])[None, :, None]
    values = np.asarray(_paint((245, 240, 230), mask, (75, 70, 65)), float) * light
    return _case(Image.fromarray(values.astype(np.uint8)), mask)


def thin():
    large = _mask(font=240, at=(200, 152), size=(1280, 600)).filter(ImageFilter.MinFilter(13))
    mask = large.resize(SIZE, Image.Resampling.BOX)
    return _case(_paint((225, 225, 220), mask, (30, 40, 90)), mask.point(lambda value: min(255, 2 * value)))


def vertical():
    mask = Image.new("L", (120, 330))
    draw, face = ImageDraw.Draw(mask), ImageFont.load_default(56)
    for place, letter in enumerate("HOTEL"):
        draw.text((60, 40 + 62 * place), letter, 255, font=face, anchor="mm")
    return _case(_paint((160, 25, 30), mask, (245, 240, 220)), mask)


def curved():
    mask = Image.new("L", SIZE)
    face = ImageFont.load_default(46)
    for place, letter in enumerate("PIZZERIA"):
        tile = Image.new("L", SIZE)
        ImageDraw.Draw(tile).text((160, 60), letter, 255, font=face, anchor="mm")
        angle = 14 * (3.5 - place)
        mask = ImageChops.lighter(mask, tile.rotate(angle, Image.Resampling.BICUBIC, center=(160, 215)))
    return _case(_paint((240, 240, 230), mask, (20, 110, 60)), mask)


def crowded():
    """Lines above and below, whose letters reach into the box: of these, what lies in the box is text too."""
    mask = _mask(at=(50, 40))
    others = ImageChops.lighter(_mask("quays", 60, (60, -22)), _mask("Hall 6", 60, (60, 100)))
    return _case(
        _paint((235, 235, 225), ImageChops.lighter(mask, others), (40, 40, 60)),
        ImageChops.lighter(mask, others),
        _box(mask, 0.2),
    )


def small():
    """Ten pixels high."""
    mask = _mask("Exit 24", 13, (12, 9), (80, 34))
    return _case(_paint((245, 245, 240), mask, (30, 30, 40)), mask)


def cut():
    """A box that leaves out the ends of its letters."""
    mask = _mask()
    left, top, right, bottom = mask.getbbox()
    quad = [[left + 9, top + 5], [right - 10, top + 5], [right - 10, bottom - 6], [left + 9, bottom - 6]]
    return _case(_paint((240, 215, 60), mask, (30, 30, 30)), mask, quad)


def loose():
    """A box that is a fifth too large on every side, in a wall of bricks."""
    mask = _mask()
    wall = Image.new("RGB", SIZE, (170, 95, 75))
    for y in range(0, SIZE[1], 14):
        ImageDraw.Draw(wall).line((0, y, SIZE[0], y), (205, 195, 185), 2)
        for x in range(14 * (y // 14 % 2), SIZE[0], 28):
            ImageDraw.Draw(wall).line((x, y, x, y + 14), (205, 195, 185), 2)
    return _case(_paint(wall, mask, (25, 25, 35)), mask, _box(mask, 0.2))


def blocks():
    """As a JPEG of the worst quality."""
    case = loose()
    file = io.BytesIO()
    case.picture.save(file, "JPEG", quality=12)
    return case._replace(picture=Image.open(file).convert("RGB"))


KINDS = (
    plate,
    filled,
    solid,
    outlined,
    shadowed,
    glowing,
    pale,
    lit,
    thin,
    vertical,
    curved,
    crowded,
    small,
    cut,
    loose,
    blocks,
)


def iou(model, case) -> float:
    """Intersection over union of text in the word."""
    from mlt_s_tools.words import word_mask

    ((patch,),) = model.probabilities([(case.picture, [case.quad])])
    left, top, right, bottom = patch.box
    found = np.zeros(case.text.shape, bool)
    found[top:bottom, left:right] = patch.values >= 0.5
    inside = word_mask([case.quad], case.picture.size)
    return np.count_nonzero(found & case.text & inside) / np.count_nonzero((found | case.text) & inside)
