"""Fonts by a short name, and the glyphs of words as coverage masks."""

import unicodedata
from functools import cache

import numpy as np
from PIL import ImageFont

from drawing.glyphs import check_shaping, face, inked

CJK, CORE, EXTRA = "fonts-noto-cjk", "fonts-noto-core", "fonts-noto-extra"

# name: file, face in the collection, Debian package
FONTS = {
    "sans": ("NotoSans-Medium.ttf", 0, EXTRA),
    "sans bold": ("NotoSans-Bold.ttf", 0, CORE),
    "sans black": ("NotoSans-Black.ttf", 0, EXTRA),
    "sans italic": ("NotoSans-BoldItalic.ttf", 0, CORE),
    "narrow": ("NotoSans-CondensedSemiBold.ttf", 0, EXTRA),
    "narrow black": ("NotoSans-ExtraCondensedBlack.ttf", 0, EXTRA),
    "serif": ("NotoSerif-Regular.ttf", 0, CORE),
    "serif bold": ("NotoSerif-Bold.ttf", 0, CORE),
    "serif italic": ("NotoSerif-Italic.ttf", 0, CORE),
    "display italic": ("NotoSerifDisplay-BoldItalic.ttf", 0, CORE),
    "mono": ("NotoSansMono-Black.ttf", 0, EXTRA),
    "kufi": ("NotoKufiArabic-Bold.ttf", 0, CORE),
    "naskh": ("NotoNaskhArabic-Bold.ttf", 0, CORE),
    "arabic": ("NotoSansArabic-Bold.ttf", 0, CORE),
    "bangla": ("NotoSansBengali-Bold.ttf", 0, CORE),
    "bangla medium": ("NotoSansBengali-Medium.ttf", 0, EXTRA),
    "bangla serif": ("NotoSerifBengali-Bold.ttf", 0, CORE),
    "japanese": ("NotoSansCJK-Bold.ttc", 0, CJK),
    "japanese light": ("NotoSansCJK-Regular.ttc", 0, CJK),
    "japanese serif": ("NotoSerifCJK-Bold.ttc", 0, CJK),
    "korean": ("NotoSansCJK-Bold.ttc", 1, CJK),
    "korean light": ("NotoSansCJK-Regular.ttc", 1, CJK),
    "korean serif": ("NotoSerifCJK-Bold.ttc", 1, CJK),
    "chinese": ("NotoSansCJK-Bold.ttc", 2, CJK),
    "chinese light": ("NotoSansCJK-Regular.ttc", 2, CJK),
    "chinese serif": ("NotoSerifCJK-Bold.ttc", 2, CJK),
    "arrows": ("NotoSansMath-Regular.ttf", 0, CORE),
}

# The first word of a character's Unicode name tells its script; a Han character's depends on who reads it.
SCRIPT_OF_NAME = {
    "ARABIC": "Arabic",
    "BENGALI": "Bangla",
    "CJK": "Han",
    "HANGUL": "Korean",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "KATAKANA-HIRAGANA": "Japanese",
    "LATIN": "Latin",
}


def check_fonts() -> None:
    """Checks that text can be shaped and that all fonts are installed; the error names the package to install."""
    check_shaping()
    for name in FONTS:
        font_of(name, 20)


@cache
def font_of(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    file, number, package = FONTS[name]
    try:
        return face(file, pixels, number)
    except OSError as error:
        raise RuntimeError(f"The font {file} is missing; install {package} (Debian).") from error


def script_of(word: str, font_name: str) -> str:
    """MLT's script of a word: the script of its letters, or Mixed if there are several; digits alone count as Latin."""
    names = [unicodedata.name(character, "").split(" ")[0] for character in word]
    scripts = {SCRIPT_OF_NAME[name] for name in names if name in SCRIPT_OF_NAME}
    if "Han" in scripts:
        scripts = scripts - {"Han", "Japanese"} | {"Japanese" if font_name.startswith("japanese") else "Chinese"}
    if len(scripts) > 1:
        return "Mixed"
    if not scripts:
        return "Latin" if any(character.isdigit() for character in word) else "Symbols"
    return scripts.pop()


def direction_of(text: str, vertical: bool) -> str:
    if vertical:
        return "ttb"
    return "rtl" if any(unicodedata.bidirectional(character) == "AL" for character in text) else "ltr"


def glyphs(word: str, font: ImageFont.FreeTypeFont, direction: str, anchor: str) -> tuple[np.ndarray, int, int]:
    """Coverage (h, w) from 0 to 1 of a word's ink, and the offset (left, top) of the mask from the anchor point."""
    ink = inked(word, font, direction=direction, anchor=anchor)
    if ink is None:
        raise ValueError(f"{word!r} has no ink in {font.getname()}")
    mask, left, top = ink
    return np.asarray(mask, dtype=np.float32) / 255, left, top
