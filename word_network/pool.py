"""A pool of words for composing crops. Words are drawn once, as coverage masks, because shaping text is slow."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drawing.glyphs import check_shaping, face, inked
from word_network import fonts, texts

HEIGHT = 72  # pixels of a mask across the line of text
LONGEST = 1300
PER_FONT = 10  # consecutive words of the same font, so that neighbours of a word look like it
STACKED = {"chinese": 0.24, "japanese": 0.24, "korean": 0.18, "latin": 0.02}  # shares that run from top to bottom
_SPACED = ("latin", "chinese", "japanese", "korean", "cyrillic", "greek", "hebrew")  # their letters stand alone
_INDEX = [("at", "i8"), ("height", "i4"), ("width", "i4"), ("font", "i4"), ("stacked", "?"), ("held", "?")]


@dataclass(frozen=True)
class Pool:
    """The words of a script: one after another in ``ink``, described by the rows of ``index``."""

    ink: np.ndarray
    index: np.ndarray

    def mask(self, number: int) -> np.ndarray:
        """Coverage (height, width), uint8."""
        row = self.index[number]
        return self.ink[row["at"] : row["at"] + row["height"] * row["width"]].reshape(row["height"], row["width"])


def pools(cache: Path, folder: Path, seed: int, words: int, held: bool) -> dict[str, Pool]:
    """The pool of each script that the fonts of a folder support. It is stored in ``cache``, and read from there if it
    exists.

    Args:
        cache: a folder for this pool alone. A different seed, number of words or set of fonts needs a different folder.
        words: the number of words in all scripts together.
        held: whether to use the families that are kept for the test, or the others.
    """
    check_shaping()
    cache.mkdir(parents=True, exist_ok=True)
    missing = [script for script in texts.SHARES if not (cache / f"{script}.npz").exists()]
    if missing:
        families = fonts.faces_by_script(folder)
        own = [[faces for faces in families[script] if faces[0].held == held] for script in missing]
        counts = [round(words * texts.SHARES[script]) for script in missing]
        with ProcessPoolExecutor(min(8, os.cpu_count() or 1)) as executor:
            list(executor.map(partial(_draw_pool, cache, seed), own, missing, counts))
    found = {}
    for script in texts.SHARES:
        index = np.load(cache / f"{script}.npz")["index"]
        if len(index):
            found[script] = Pool(np.load(cache / f"{script}.npy", mmap_mode="r"), index)
    return found


def _draw_pool(cache: Path, seed: int, families: list[list[fonts.Face]], script: str, words: int) -> None:
    rng = np.random.default_rng((seed, list(texts.SHARES).index(script)))
    rows, masks, at = [], [], 0
    for number in range(-(-words // PER_FONT) if families else 0):
        faces = families[rng.integers(len(families))]
        chosen = faces[rng.integers(len(faces))]
        font = face(chosen.file, HEIGHT, chosen.number)
        for _ in range(PER_FONT):
            drawn = word_mask(rng, font, script)
            if drawn is not None:
                mask, stacked = drawn
                rows.append((at, *mask.shape, number, stacked, chosen.held))
                masks.append(mask.ravel())
                at += mask.size
    np.save(cache / f"{script}.npy", np.concatenate(masks) if masks else np.zeros(0, np.uint8))
    np.savez(cache / f"{script}.npz", index=np.array(rows, _INDEX))  # last, because it marks the script as complete


def word_mask(rng: np.random.Generator, font: ImageFont.FreeTypeFont, script: str) -> Optional[tuple[np.ndarray, bool]]:
    """Coverage of a drawn word, uint8, and whether it runs from top to bottom; None if the font draws no ink."""
    text = texts.word(rng, script)
    stacked = len(text) > 1 and rng.random() < STACKED.get(script, 0)
    try:
        if stacked:
            ink = _stacked(rng, font, text)
        elif script in _SPACED and len(text) > 1 and rng.random() < 0.2:
            ink = _spaced(font, text, rng.uniform(0.03, 0.5 if rng.random() < 0.3 else 0.15) * font.size)
        else:
            ink = _line(font, text)
    except OSError:  # a glyph that FreeType cannot draw
        return None
    if ink is None:
        return None
    mask = np.asarray(ink)
    across, along = mask.shape[:: -1 if stacked else 1]
    scale = HEIGHT / across if across > 0.55 * HEIGHT else 0.55  # dashes and dots stay low
    size = max(4, round(mask.shape[1] * scale)), max(4, round(mask.shape[0] * scale))
    if min(mask.shape) < 6 or max(size) > LONGEST or (mask > 127).mean() > 0.93 or along < 0.15 * across:
        return None
    return cv2.resize(mask, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), stacked


def _line(font: ImageFont.FreeTypeFont, text: str) -> Optional[Image.Image]:
    drawn = inked(text, font)
    return drawn and drawn[0]


def _spaced(font: ImageFont.FreeTypeFont, text: str, gap: float) -> Optional[Image.Image]:
    advances = [font.getlength(letter) + gap for letter in text]
    ink = Image.new("L", (int(sum(advances) + 2 * font.size), int(2.4 * font.size)))
    for letter, at in zip(text, np.cumsum([font.size / 2, *advances])):
        ImageDraw.Draw(ink).text((at, 0.5 * font.size), letter, 255, font)
    box = ink.getbbox()
    return box and ink.crop(box)


def _stacked(rng: np.random.Generator, font: ImageFont.FreeTypeFont, text: str) -> Optional[Image.Image]:
    letters = [ink for letter in text if (ink := _line(font, letter))]
    gap = round(rng.uniform(0.03, 0.3) * font.size)
    if not letters:
        return None
    width = max(letter.width for letter in letters)
    ink = Image.new("L", (width, sum(letter.height + gap for letter in letters) - gap))
    top = 0
    for letter in letters:
        ink.paste(letter, ((width - letter.width) // 2, top))
        top += letter.height + gap
    return ink
