"""Shapes text with fonts, and draws the coverage of its glyphs."""

from __future__ import annotations

import os
from typing import Any

from PIL import Image, ImageDraw, ImageFont, features

_MARGIN = 10  # pixels around the box that a font reports, because some glyphs extend beyond it
_LONGEST = 4000  # pixels: a few old fonts report larger lengths, which are wrong


def check_shaping() -> None:
    """Checks that Pillow can shape Arabic and Bangla.

    Raises:
        RuntimeError: Pillow cannot; the message names the package to install.
    """
    # Pillow's wheels include Raqm but load FriBiDi from the system. Without it, they silently draw unshaped text.
    for library, package in (("raqm", "libraqm0"), ("fribidi", "libfribidi0")):
        if not features.check(library):
            raise RuntimeError(
                f"Pillow finds no {library}, which shapes Arabic and Bangla; install {package} (Debian)."
            )


def face(file: str | os.PathLike[str], pixels: int, number: int = 0) -> ImageFont.FreeTypeFont:
    """Opens a face of a font file, by its index in the file.

    Raises:
        OSError: the file does not exist, or is not a font.
    """
    return ImageFont.truetype(file, pixels, index=number, layout_engine=ImageFont.Layout.RAQM)


def inked(text: str, font: ImageFont.FreeTypeFont, **layout: Any) -> tuple[Image.Image, int, int] | None:
    """The ink of a text, or None if there is no ink.

    Args:
        text: a word or a letter.
        font: what `face` returns.
        layout: `anchor` and `direction`, as Pillow takes them.

    Returns:
        Coverage from 0 to 255, an image of mode "L" that fits the ink, and its offset (left, top) from the anchor.

    Raises:
        OSError: FreeType cannot draw a glyph.
    """
    left, top, right, bottom = font.getbbox(text, **layout)
    if not 0 < right - left < _LONGEST:
        return None
    ink = Image.new("L", (int(right - left) + 2 * _MARGIN, int(bottom - top) + 2 * _MARGIN))
    ImageDraw.Draw(ink).text((_MARGIN - left, _MARGIN - top), text, 255, font, **layout)
    box = ink.getbbox()
    return box and (ink.crop(box), int(left) - _MARGIN + box[0], int(top) - _MARGIN + box[1])
