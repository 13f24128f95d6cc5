"""A picture of predictions and their errors: image, label map, and prediction with its errors in colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from mlt_s import LABEL_MAP
from mlt_s_tools.looking import preview
from mlt_s_tools.metrics import TEXT, UNCERTAIN

if TYPE_CHECKING:
    import numpy.typing as npt

PANEL_NAMES = ("image", "label map", "prediction")
GROUND = (0, 0, 0)
# The colour of each kind of pixel of a prediction; they differ in brightness too, for colour-blind readers.
ERROR_COLORS = {
    "found": (150, 150, 150),
    "missed": (255, 40, 160),
    "wrong": (0, 190, 255),
    "on uncertain ground, not counted": (150, 130, 0),
}


def error_sheet(rows: Iterable[tuple[str, Mapping[str, Any], npt.NDArray[np.bool_]]]) -> Image.Image:
    """Draws images, their label maps and their predictions side by side, in two columns.

    Args:
        rows: at least one row: a title, an example (a dict with `image`, mode "RGB", and `label`, mode "L", of the same
            size) and a prediction, bool (height, width). Only one row is in memory at a time.

    Returns:
        A `PIL.Image` of mode "RGB".
    """
    small = [
        (title, _panels(example, prediction), preview.size_in_words(example["image"]))
        for title, example, prediction in rows
    ]
    names = {LABEL_MAP.int2str(value): color for value, color in LABEL_MAP.colors.items()}
    legends = [
        (panel, [(name, "", preview.swatch_of(color)) for name, color in colors.items()])
        for panel, colors in (("label map", names), ("prediction", ERROR_COLORS))
    ]
    return preview.sheet_of(small, PANEL_NAMES, legends)


def colored_errors(prediction: npt.NDArray[np.bool_], label: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Paints a prediction in the colours of `ERROR_COLORS`, on black.

    Args:
        prediction: bool (height, width).
        label: uint8 (height, width) of 0, 1 and 255.

    Returns:
        uint8 (height, width, 3).
    """
    text = label == TEXT
    places = {
        "found": prediction & text,
        "missed": ~prediction & text,
        "wrong": prediction & (label == 0),
        "on uncertain ground, not counted": prediction & (label == UNCERTAIN),
    }
    colors = np.full((*label.shape, 3), GROUND, np.uint8)
    for name, place in places.items():
        colors[place] = ERROR_COLORS[name]
    return colors


def _panels(
    example: Mapping[str, Any], prediction: npt.NDArray[np.bool_]
) -> tuple[Image.Image, Image.Image, Image.Image]:
    """The three pictures of a row, all in the size that fits a panel."""
    image, label = example["image"], np.asarray(example["label"])
    size = preview.fitting(image)
    errors = Image.fromarray(colored_errors(prediction, label))
    return (
        image.resize(size, Image.Resampling.LANCZOS),
        preview.as_picture(preview.colored(label, size)[0]),
        preview.as_picture(preview.shrunk(errors, prediction | (label == TEXT), size)[0]),
    )
