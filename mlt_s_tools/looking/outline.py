"""Outlines label maps where their colours are like the picture's: red text on a red sign would be invisible otherwise.

There is no outline elsewhere, so that thin strokes stay thin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from mlt_s import LABEL_MAP

if TYPE_CHECKING:
    import numpy.typing as npt

_VALUES = LABEL_MAP.str2int(["text", "uncertain"])
LIGHT, DARK = (255, 255, 255), (0, 0, 0)  # the line on dark and on bright grounds
NEAR, FAR = 200, 320  # colour distances: the line is fully drawn up to the first, and not drawn from the second on
STRENGTH = 0.8  # greatest coverage of a pixel: words stay coloured even if letters are as small as the line
_SIDES = 400  # pixels of a picture's longer side per pixel of the line
_BRIGHT = 0.4  # luma, from 0 to 1


def outline(
    picture: Image.Image, label: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.bool_]]:
    """The line around text and uncertain pixels.

    Args:
        picture: a `PIL.Image` of mode "RGB", at the size at which it is shown.
        label: uint8 (height, width) of 0, 1 and 255, of any size.

    Returns:
        The coverage of each pixel of the picture by the line, float32 (height, width) from 0 to 1, and whether the line
        is `DARK` there rather than `LIGHT`, bool (height, width).
    """
    wide = 2 * max(1, round(max(picture.size) / _SIDES)) + 1
    # As in drawing the label map, the square root raises the coverage of strokes thinner than a pixel.
    covered = {value: np.sqrt(_resized((label == value).astype(np.uint8) * 255, picture.size)) for value in _VALUES}
    everywhere = np.maximum(*covered.values())
    line = np.zeros(picture.size[::-1], np.float32)
    for value, coverage in covered.items():
        around = np.clip(_filtered(coverage, ImageFilter.MaxFilter(wide)) - everywhere, 0, 1)
        # The line is needed where the ground on either side of it is like the colour of the class.
        alike = _filtered(_likeness(picture, LABEL_MAP.colors[value]), ImageFilter.BoxBlur(wide))
        line = np.maximum(line, around * np.minimum(2 * alike, 1))
    return STRENGTH * line, _is_bright(picture, everywhere, ImageFilter.BoxBlur(3 * wide))


def _is_bright(
    picture: Image.Image, covered: npt.NDArray[np.floating], blur: ImageFilter.Filter
) -> npt.NDArray[np.bool_]:
    """Whether the ground near a pixel is bright, not counting ground covered by letters."""
    ground = 1 - covered
    luma = np.asarray(picture.convert("L")).astype(np.float32) / 255
    return _filtered(luma * ground, blur) >= _BRIGHT * _filtered(ground, blur)


def _likeness(picture: Image.Image, color: tuple[int, int, int]) -> npt.NDArray[np.floating]:
    """Similarity from 0 to 1, by a distance that weights channels like the eye ("redmean",
    www.compuphase.com/cmetric.htm).
    """
    pixels = np.asarray(picture).astype(np.float32)
    red = (pixels[..., 0] + color[0]) / 2
    weights = np.stack([2 + red / 256, np.full_like(red, 4), 2 + (255 - red) / 256], axis=-1)
    distance = np.sqrt((weights * (pixels - np.array(color, np.float32)) ** 2).sum(axis=-1))
    return np.clip((FAR - distance) / (FAR - NEAR), 0, 1)


def _resized(values: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.floating]:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BOX)).astype(np.float32) / 255


def _filtered(values: npt.NDArray[np.floating], kernel: ImageFilter.Filter) -> npt.NDArray[np.floating]:
    return np.asarray(Image.fromarray(np.uint8(np.rint(255 * values))).filter(kernel)).astype(np.float32) / 255
