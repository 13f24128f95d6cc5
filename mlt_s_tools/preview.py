"""Pictures of examples: an overlay of one, a contact sheet of several.

Functions of values: they take examples as `load_dataset("mlt_s", …)` yields them (`image` a `PIL.Image` of mode
"RGB", `label` one of mode "L" and the same size, holding 0, 1 and 255) and return pictures. All sizes are pixels.
"""

import numpy as np
from mlt_s import LABEL_MAP
from PIL import Image, ImageDraw, ImageFont

PANEL_NAMES = ("image", "label map", "overlay")
PANEL_SIZE = (256, 192)
COLUMNS = 2
STRENGTH = 0.7

MARGIN = 24
GAP = 4
COLUMN_GAP = 32
LEGEND_HEIGHT = 34
HEAD_HEIGHT = 30
CAPTION_HEIGHT = 40
FONT_SIZE = 18
SWATCH = 18

PAPER = (255, 255, 255)
CELL = (236, 238, 241)
INK = (28, 30, 34)
FAINT_INK = (104, 109, 117)

GROUP_WIDTH = len(PANEL_NAMES) * (PANEL_SIZE[0] + GAP) - GAP
ROW_HEIGHT = PANEL_SIZE[1] + CAPTION_HEIGHT


def overlay(example, strength=STRENGTH):
    """The image with its label map laid over it: text red, uncertain yellow, background untouched.

    Args:
        example: a dict with `image` (mode "RGB") and `label` (mode "L", same size).
        strength: how much of the colour covers the image, from 0 (none) to 1 (all).

    Returns:
        A `PIL.Image` of mode "RGB", as large as the image.

    Raises:
        ValueError: no image in the example, image and label map differ in size, the label map holds a value other
            than 0, 1 and 255, or the strength is out of range.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"The strength of an overlay lies between 0 and 1, not at {strength}.")
    _check_pair(example)
    return _lay_over(example["image"], example["label"], example["image"].size, strength)


def contact_sheet(rows):
    """A picture that shows examples as image, label map in the published colours, and overlay side by side.

    Args:
        rows: pairs of a title (str) and an example (a dict as for `overlay`), at least one.

    Returns:
        A `PIL.Image` of mode "RGB", two examples abreast, a title and the image's size under each.

    Raises:
        ValueError: no rows, or an example that `overlay` refuses.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("A contact sheet needs at least one example.")
    columns = min(COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    width = 2 * MARGIN + columns * GROUP_WIDTH + (columns - 1) * COLUMN_GAP
    top = MARGIN + LEGEND_HEIGHT + HEAD_HEIGHT
    sheet = Image.new("RGB", (width, top + lines * ROW_HEIGHT + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_legend(draw, (MARGIN, MARGIN))
    for column in range(columns):
        _draw_heads(draw, (_group_left(column), MARGIN + LEGEND_HEIGHT))
    for index, (title, example) in enumerate(rows):
        corner = (_group_left(index % columns), top + index // columns * ROW_HEIGHT)
        _draw_row(sheet, draw, corner, title, example)
    return sheet


def _check_pair(example):
    if "image" not in example:
        raise ValueError("This example has no image. Load the configuration 'segmentation', not 'labels'.")
    image, label = example["image"], example["label"]
    if image.size != label.size:
        raise ValueError(f"The image is {_size(image)}, its label map {_size(label)}; a pair has one size.")


def _size(image):
    return f"{image.width} x {image.height}"


def _colored(label, size):
    """The label map in the published colours at `size`: colours and coverage, float arrays (height, width, 3 and 1)."""
    colors = LABEL_MAP.colorize(label).resize(size, Image.Resampling.BOX)
    marked = Image.fromarray(np.uint8(np.asarray(label) != 0) * 255).resize(size, Image.Resampling.BOX)
    share = np.asarray(marked)[..., None] / 255
    # A stroke thinner than a pixel of the panel covers little of it. The square root lifts that little, so that thin
    # strokes stay visible and their edges stay smooth; what is covered fully, or not at all, stays as it is.
    coverage = np.sqrt(share)
    return np.asarray(colors) / np.maximum(coverage, 1 / 255), coverage


def _lay_over(image, label, size, strength):
    colors, coverage = _colored(label, size)
    base = np.asarray(image.resize(size, Image.Resampling.LANCZOS), float)
    return _picture(base * (1 - strength * coverage) + strength * colors)


def _picture(values):
    return Image.fromarray(np.uint8(np.clip(np.rint(values), 0, 255)))


def _panels(example):
    """The three pictures of a row, all of one size that fits a panel."""
    image, label = example["image"], example["label"]
    scale = min(PANEL_SIZE[0] / image.width, PANEL_SIZE[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    colors, _ = _colored(label, size)
    return image.resize(size, Image.Resampling.LANCZOS), _picture(colors), _lay_over(image, label, size, STRENGTH)


def _group_left(column):
    return MARGIN + column * (GROUP_WIDTH + COLUMN_GAP)


def _panel_left(left, panel):
    return left + panel * (PANEL_SIZE[0] + GAP)


def _font():
    return ImageFont.load_default(size=FONT_SIZE)


def _draw_legend(draw, corner):
    left, top = corner
    for value, color in LABEL_MAP.colors.items():
        draw.rectangle((left, top, left + SWATCH, top + SWATCH), fill=color, outline=FAINT_INK)
        left += SWATCH + 8
        left += _draw_words(draw, (left, top + SWATCH // 2), LABEL_MAP.int2str(value), INK) + 8
        left += _draw_words(draw, (left, top + SWATCH // 2), str(value), FAINT_INK) + COLUMN_GAP


def _draw_heads(draw, corner):
    for panel, name in enumerate(PANEL_NAMES):
        _draw_words(draw, (_panel_left(corner[0], panel), corner[1] + HEAD_HEIGHT // 2), name, FAINT_INK)


def _draw_row(sheet, draw, corner, title, example):
    _check_pair(example)
    left, top = corner
    for index, panel in enumerate(_panels(example)):
        cell = _panel_left(left, index)
        draw.rectangle((cell, top, cell + PANEL_SIZE[0] - 1, top + PANEL_SIZE[1] - 1), fill=CELL)
        sheet.paste(panel, (cell + (PANEL_SIZE[0] - panel.width) // 2, top + (PANEL_SIZE[1] - panel.height) // 2))
    middle = top + PANEL_SIZE[1] + 15
    end = left + _draw_words(draw, (left, middle), title, INK)
    _draw_words(draw, (end + 14, middle), _size(example["image"]), FAINT_INK)


def _draw_words(draw, position, words, color):
    """Draws words from the left, centred on the height given, and returns how wide they are."""
    font = _font()
    draw.text(position, words, fill=color, font=font, anchor="lm")
    return round(draw.textlength(words, font=font))
