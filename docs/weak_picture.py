"""Draws weak.png: words of the bundled sample, their label maps, and those that mlt-s weak makes and repairs.

python docs/weak_picture.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

import mlt_s
from mlt_s_tools import SAMPLE
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.weak import open_model
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.repair import SURE, repaired
from mlt_s_tools.weak.rule import Thresholds, label_map

OUT = Path(__file__).with_name("weak.png")
SCRIPTS = ("Arabic", "Bangla", "Chinese", "Japanese", "Korean", "Latin")
COLUMNS = ("image", "label map", "mlt-s weak label", "mlt-s weak repair")
CELL, GAP, HEAD, SCALE = (300, 84), 10, 34, 2  # pixels of the picture before it is scaled
GROUND, INK, PANEL = (255, 255, 255), (40, 44, 52), (236, 238, 241)


def rows() -> Iterator[tuple[str, list[Image.Image]]]:
    """Of each script, the word that is largest: its name, and the four pictures of it."""
    source, model = Source(str(SAMPLE)), open_model()
    largest: dict[str, tuple[float, list[Image.Image]]] = {}
    for choice in source.choices:
        example, words = source.read(choice), source.read_words(choice) or []
        ((patches,)) = of_readable(model, [(example["image"], words)])
        before, size = np.asarray(example["label"]), example["image"].size
        made = label_map(size, words, patches, Thresholds())
        mended, _ = repaired(before, words, patches, Thresholds(SURE, 1 - SURE))
        pictures = [example["image"], *(mlt_s.LABEL_MAP.colorize(values) for values in (before, made, mended))]
        for word in words:
            script = mlt_s.SCRIPTS[word["script"]]
            box = around(word["quad"], size)
            shown = min(CELL[0] / (box[2] - box[0]), CELL[1] / (box[3] - box[1]), 1)
            area = (box[2] - box[0]) * (box[3] - box[1]) * shown**2
            if word["readable"] and area > largest.get(script, (0,))[0]:
                largest[script] = area, [picture.crop(box) for picture in pictures]
    for script in SCRIPTS:
        if script in largest:
            yield script, largest[script][1]


def around(quad: list, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The upright box of a word with a little around it, within the image."""
    xs, ys = np.transpose(quad)
    margin = 0.12 * min(np.ptp(xs), np.ptp(ys))
    left, top = max(0, int(xs.min() - margin)), max(0, int(ys.min() - margin))
    return left, top, min(size[0], int(xs.max() + margin)), min(size[1], int(ys.max() + margin))


def draw() -> Image.Image:
    found = list(rows())
    left = 92
    width = left + len(COLUMNS) * (CELL[0] + GAP)
    sheet = Image.new("RGB", (SCALE * width, SCALE * (HEAD + len(found) * (CELL[1] + GAP))), GROUND)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 15 * SCALE)
    for column, name in enumerate(COLUMNS):
        pen.text((SCALE * (left + column * (CELL[0] + GAP)), SCALE * 9), name, INK, font)
    for row, (script, pictures) in enumerate(found):
        top = HEAD + row * (CELL[1] + GAP)
        pen.text((SCALE * 10, SCALE * (top + CELL[1] / 2)), script, INK, font, anchor="lm")
        for column, picture in enumerate(pictures):
            corner = left + column * (CELL[0] + GAP)
            pen.rectangle([SCALE * corner, SCALE * top, SCALE * (corner + CELL[0]), SCALE * (top + CELL[1])], PANEL)
            scale = SCALE * min(CELL[0] / picture.width, CELL[1] / picture.height)
            size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
            shown = picture.resize(size, Image.Resampling.BOX if column else Image.Resampling.LANCZOS)
            middle = SCALE * (corner + CELL[0] / 2), SCALE * (top + CELL[1] / 2)
            sheet.paste(shown, (int(middle[0] - shown.width / 2), int(middle[1] - shown.height / 2)))
    return sheet


if __name__ == "__main__":
    draw().quantize(256).save(OUT, optimize=True)
    print(OUT)
