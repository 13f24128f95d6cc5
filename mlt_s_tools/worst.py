"""A picture of predictions and what is wrong in them: image, label map, and prediction with its errors in colours."""

import numpy as np
from PIL import Image, ImageDraw

from mlt_s import LABEL_MAP
from mlt_s_tools import preview
from mlt_s_tools.metrics import TEXT, UNCERTAIN

PANEL_NAMES = ("image", "label map", "prediction")
GROUND = (0, 0, 0)
# What a pixel of a prediction is, and its colour: apart in brightness too, for eyes that do not tell all colours.
ERROR_COLORS = {
    "found": (150, 150, 150),
    "missed": (255, 40, 160),
    "wrong": (0, 190, 255),
    "on uncertain ground, not counted": (150, 130, 0),
}


def error_sheet(rows):
    """A picture that shows images, their label maps and their predictions side by side, two abreast.

    Args:
        rows: at least one triple of a title (str), an example (a dict with `image`, mode "RGB", and `label`, mode "L",
            of one size) and a prediction (bool, (height, width)); all are let go of before the next one.

    Returns:
        A `PIL.Image` of mode "RGB".
    """
    small = [
        (title, _panels(example, prediction), preview._size(example["image"])) for title, example, prediction in rows
    ]
    columns = min(preview.COLUMNS, len(small))
    lines = -(-len(small) // columns)
    width = 2 * preview.MARGIN + columns * preview.GROUP_WIDTH + (columns - 1) * preview.COLUMN_GAP
    heads = preview.MARGIN + 2 * preview.LEGEND_HEIGHT  # one of the label map, one of the prediction
    top = heads + preview.HEAD_HEIGHT
    sheet = Image.new("RGB", (width, top + lines * preview.ROW_HEIGHT + preview.MARGIN // 2), preview.PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_legends(draw)
    for column in range(columns):
        for panel, name in enumerate(PANEL_NAMES):
            left = preview._panel_left(preview._group_left(column), panel)
            preview._draw_words(draw, (left, heads + preview.HEAD_HEIGHT // 2), name, preview.FAINT_INK)
    for index, row in enumerate(small):
        corner = (preview._group_left(index % columns), top + index // columns * preview.ROW_HEIGHT)
        preview._draw_row(sheet, draw, corner, *row)
    return sheet


def colored_errors(prediction, label):
    """A prediction in the colours of `ERROR_COLORS`, on black.

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


def _panels(example, prediction):
    """The three pictures of a row, all of one size that fits a panel."""
    image, label = example["image"], np.asarray(example["label"])
    scale = min(preview.PANEL_SIZE[0] / image.width, preview.PANEL_SIZE[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return (
        image.resize(size, Image.Resampling.LANCZOS),
        _shrunk(np.asarray(LABEL_MAP.colorize(label)), label != 0, size),
        _shrunk(colored_errors(prediction, label), prediction | (label == TEXT), size),
    )


def _shrunk(colors, marked, size):
    """Colours on black at `size`. As in `preview`, the square root of a stroke's share keeps thin ones visible."""
    small = np.asarray(Image.fromarray(colors).resize(size, Image.Resampling.BOX))
    share = np.asarray(Image.fromarray(np.uint8(marked) * 255).resize(size, Image.Resampling.BOX))[..., None] / 255
    return preview._picture(small / np.maximum(np.sqrt(share), 1 / 255))


def _draw_legends(draw):
    """A line of the label map's colours, and under it one of the prediction's."""
    names = {LABEL_MAP.int2str(value): color for value, color in LABEL_MAP.colors.items()}
    for line, (panel, colors) in enumerate((("label map", names), ("prediction", ERROR_COLORS))):
        left, top = preview.MARGIN, preview.MARGIN + line * preview.LEGEND_HEIGHT
        middle = top + preview.SWATCH // 2
        preview._draw_words(draw, (left, middle), panel, preview.FAINT_INK)
        left += 110
        for name, color in colors.items():
            draw.rectangle(
                (left, top, left + preview.SWATCH, top + preview.SWATCH), fill=color, outline=preview.FAINT_INK
            )
            left += preview.SWATCH + 8
            left += preview._draw_words(draw, (left, middle), name, preview.INK) + preview.COLUMN_GAP
