"""`mlt-s preview`, and pictures of examples: an overlay of one, a contact sheet of several.

The drawing functions take examples as `load_dataset("mlt_s", …)` yields them and return pictures. An example has
`image`, a `PIL.Image` of mode "RGB", `label`, a `PIL.Image` of mode "L" and the same size with values 0, 1 and 255, and
possibly `words`, as from `mlt_s.parse_words`. All sizes are in pixels.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mlt_s import LABEL_MAP, MltSError
from mlt_s_tools import output, writing
from mlt_s_tools.looking.choose import Choice, Source
from mlt_s_tools.looking.outline import DARK, LIGHT, outline
from mlt_s_tools.looking.page import WORD_COLORS, read_problems, write_page

if TYPE_CHECKING:
    import numpy.typing as npt

PANEL_NAMES = ("image", "label map", "overlay")
PANEL_SIZE = (256, 192)
COLUMNS = 2
STRENGTH = 0.7
OUTLINE = 1.5  # width of the lines around words
CASING = 2.75  # width of the dark casing under them, which makes them visible on bright ground too
SHADE = 0.5  # opacity of the casing
SMOOTH = 4  # lines are drawn this many times larger and reduced, because Pillow draws no smooth lines

MARGIN = 24
GAP = 4
COLUMN_GAP = 32
LEGEND_HEIGHT = 34
HEAD_HEIGHT = 30
CAPTION_HEIGHT = 40
CAPTION_MIDDLE = 15  # distance of the middle of its text from the panels
ABREAST = 4  # label maps per row, without images
LABEL_GAP = 16
LEGEND_WIDTH = 560
LEGEND_TITLE_WIDTH = 110
SIZE_WIDTH = 160  # room for an image's size after its name
FONT_SIZE = 18
SWATCH = 18

PAPER = (255, 255, 255)
CELL = (236, 238, 241)
INK = (28, 30, 34)
FAINT_INK = (104, 109, 117)

ROW_HEIGHT = PANEL_SIZE[1] + CAPTION_HEIGHT

SHEET_COUNT = 12  # pairs in a random sample by default
PAGE_COUNT = 300


def run(
    data_dir: str | os.PathLike[str],
    ids: list[str] | None = None,
    count: int | None = None,
    seed: int = 0,
    split: str | None = None,
    label_maps: str | list[str] | None = None,
    out: str | os.PathLike[str] = "preview.png",
    html: str | os.PathLike[str] | None = None,
    check: str | os.PathLike[str] | None = None,
    text_value: int = 1,
) -> None:
    """Draws a contact sheet of some pairs, or writes a page of them, and prints the path.

    Words are outlined if `data_dir` has ground truth. If the ground truth of a pair cannot be read, the pair is shown
    without words and the reason is printed to stderr.

    Args:
        data_dir: the folder of the archives, as for `load_dataset`.
        ids: ids of the pairs, a list of str; by default a random sample of `count` pairs, the same for the same seed.
        count: size of the random sample; by default 12 for a contact sheet and 300 for a page.
        split: the only split to take pairs from, "train" or "validation"; by default both.
        label_maps: the label archive, if it is not in `data_dir`.
        out: path of the PNG file to write.
        html: path of the page to write instead.
        check: path of a JSON file that `mlt-s check` wrote. The page then shows its problems, and can sort by them.
        text_value: the value of text in the label maps, as for the loader: 1 or 255.

    Raises:
        mlt_s.MltSError: nothing can be loaded, an id is unknown, or a pair cannot be read (a page shows the reason
            instead).
        OSError: the picture or page cannot be written, would replace a file that is not known to be from mlt-s, or the
            check cannot be read.
    """
    writing.check(html or out)
    replaces = Path(html or out).exists()
    problems = read_problems(check) if check else None
    source = Source(data_dir, label_maps, split, text_value)
    choices = source.find(ids) if ids else source.draw(count or (PAGE_COUNT if html else SHEET_COUNT), seed)
    if html:
        unread = write_page(html, choices, source.read, source.read_words, problems)
    else:
        unread = []
        writing.write_picture(out, contact_sheet(_rows(source, choices, unread)))
    for reason in dict.fromkeys(unread):  # all pairs of an unreadable archive have the same reason
        print(f"mlt-s: {reason}", file=sys.stderr)
    print(f"{len(choices):,} of {source.count:,} pairs: {output.written(html or out, replaces)}")


def _rows(source: Source, choices: list[Choice], unread: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Titles and examples of the choices. Appends the reasons why words could not be read to the list `unread`."""
    for choice in choices:
        example = source.read(choice)
        try:
            example["words"] = source.read_words(choice)
        except MltSError as error:
            unread.append(str(error))
        yield choice.title, example


def overlay(example: Mapping[str, Any], strength: float = STRENGTH) -> Image.Image:
    """Draws the label map over the image: text red, uncertain yellow, background unchanged.

    If the image itself has a similar colour, as a red sign has, the marked pixels are outlined: white on dark ground,
    black on bright ground.

    Args:
        example: a dict with `image` (mode "RGB") and `label` (mode "L", same size).
        strength: opacity of the colour, from 0 to 1.

    Returns:
        A `PIL.Image` of mode "RGB", of the size of the image.

    Raises:
        ValueError: the example has no image or no label map, the two differ in size, the label map holds a value other
            than 0, 1 and 255, or the strength is out of range.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"The strength of an overlay must be from 0 to 1, not {strength}.")
    _check_pair(example)
    return _lay_over(example["image"], example["label"], example["image"].size, strength)


def contact_sheet(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Image.Image:
    """Draws a picture of examples, each as image, label map in the published colours, and overlay side by side.

    Words are outlined on the image, unreadable ones in another colour; the other panels have no outlines of words.

    Args:
        rows: pairs of a title (str) and an example (a dict as for `overlay`, with or without `words`), at least one.

    Returns:
        A `PIL.Image` of mode "RGB" with two examples per row, each with its title and the size of its image.

    Raises:
        ValueError: there are no rows, or `overlay` rejects an example.
    """
    with_words, small = False, []  # the panels, not the examples
    for title, example in rows:
        small.append((title, _panels(example), size_in_words(example["image"])))
        with_words = with_words or bool(example.get("words"))
    if not small:
        raise ValueError("A contact sheet needs at least one example.")
    legend = _class_legend()
    if with_words:
        legend += [("word", "", _word_swatch(True)), ("unreadable word", "", _word_swatch(False))]
    return sheet_of(small, PANEL_NAMES, [("", legend)])


def sheet_of(
    rows: Sequence[tuple[str, Sequence[Image.Image], str]],
    names: Sequence[str],
    legends: Sequence[tuple[str, Sequence[tuple[str, str, Image.Image]]]],
) -> Image.Image:
    """Draws rows of panels, two rows side by side, under legends.

    Args:
        rows: at least one tuple of a title (str), pictures that fit a panel, and the text after the title.
        names: names of the panels, one for each picture of a row.
        legends: lines, each a title (str, or "") and a list of name, value (str, or "") and swatch (a picture).

    Returns:
        A `PIL.Image` of mode "RGB".
    """
    columns = min(COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    group = group_width(len(names))
    lefts = [MARGIN + column * (group + COLUMN_GAP) for column in range(columns)]
    width = lefts[-1] + group + MARGIN
    heads = MARGIN + len(legends) * LEGEND_HEIGHT
    top = heads + HEAD_HEIGHT
    sheet = Image.new("RGB", (width, top + lines * ROW_HEIGHT + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    for line, legend in enumerate(legends):
        _draw_legend(sheet, draw, (MARGIN, MARGIN + line * LEGEND_HEIGHT), *legend)
    for left in lefts:
        _draw_heads(draw, (left, heads), names)
    for index, (title, panels, size) in enumerate(rows):
        corner = (lefts[index % columns], top + index // columns * ROW_HEIGHT)
        _draw_row(sheet, draw, corner, _shortened(draw, title, group - SIZE_WIDTH), panels, size)
    return sheet


def group_width(panels: int) -> int:
    """The width of a row of so many panels."""
    return panels * (PANEL_SIZE[0] + GAP) - GAP


def label_sheet(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Image.Image:
    """Draws a picture of label maps alone, in the published colours.

    Args:
        rows: pairs of a title (str) and an example (a dict with `label`, as for `overlay`), at least one.

    Returns:
        A `PIL.Image` of mode "RGB" with four label maps per row, each with its title.

    Raises:
        ValueError: there are no rows, or a label map has a value other than 0, 1 and 255.
    """
    small = [(title, as_picture(colored(example["label"], fitting(example["label"]))[0])) for title, example in rows]
    if not small:
        raise ValueError("A sheet needs at least one label map.")
    columns, lines = min(ABREAST, len(small)), -(-len(small) // ABREAST)
    step, top = PANEL_SIZE[0] + LABEL_GAP, MARGIN + LEGEND_HEIGHT
    width = max(2 * MARGIN + columns * step - LABEL_GAP, LEGEND_WIDTH)
    sheet = Image.new("RGB", (width, top + lines * ROW_HEIGHT + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_legend(sheet, draw, (MARGIN, MARGIN), "", _class_legend())
    for index, (title, picture) in enumerate(small):
        left, upper = MARGIN + index % columns * step, top + index // columns * ROW_HEIGHT
        _draw_panel(sheet, draw, (left, upper), picture)
        title = _shortened(draw, title, PANEL_SIZE[0])
        _draw_words(draw, (left, upper + PANEL_SIZE[1] + CAPTION_MIDDLE), title, INK)
    return sheet


def _check_pair(example: Mapping[str, Any]) -> None:
    if "image" not in example:
        raise ValueError("This example has no image. Load the configuration 'segmentation', not 'labels'.")
    image, label = example["image"], example["label"]
    if label is None:
        raise ValueError("This example has no label map: MLT_S has none for its image.")
    if image.size != label.size:
        sizes = size_in_words(image), size_in_words(label)
        raise ValueError(f"The image is {sizes[0]}, its label map {sizes[1]}; both must have the same size.")


def size_in_words(image: Image.Image) -> str:
    """Width and height of a picture in pixels, as captions show them."""
    return f"{image.width} x {image.height}"


def colored(
    label: Image.Image | npt.NDArray[np.uint8], size: tuple[int, int]
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """The label map in the published colours, as `shrunk` returns them."""
    return shrunk(LABEL_MAP.colorize(label), np.asarray(label) != 0, size)


def shrunk(
    colors: Image.Image, marked: npt.NDArray[np.bool_], size: tuple[int, int]
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
    """Resizes colours on black.

    Args:
        colors: a `PIL.Image` of mode "RGB".
        marked: bool (height, width), true where it is not black.
        size: (width, height).

    Returns:
        Colours and coverage at that size, float arrays (height, width, 3 and 1).
    """
    pixels = np.asarray(colors.resize(size, Image.Resampling.BOX))
    share = np.asarray(Image.fromarray(np.uint8(marked) * 255).resize(size, Image.Resampling.BOX))[..., None] / 255
    # A stroke thinner than a pixel of the panel covers little of it. The square root raises small coverage, so that
    # thin strokes stay visible and their edges smooth. Full and zero coverage do not change.
    coverage = np.sqrt(share)
    return pixels / np.maximum(coverage, 1 / 255), coverage


def _lay_over(image: Image.Image, label: Image.Image, size: tuple[int, int], strength: float) -> Image.Image:
    return _laid_over(image, label, *colored(label, size), size, strength)


def _laid_over(
    image: Image.Image,
    label: Image.Image,
    colors: npt.NDArray[np.floating],
    coverage: npt.NDArray[np.floating],
    size: tuple[int, int],
    strength: float,
) -> Image.Image:
    base = image.resize(size, Image.Resampling.LANCZOS)
    laid = np.asarray(base, float) * (1 - strength * coverage) + strength * colors
    line, dark = outline(base, np.asarray(label))
    line = (line * min(1, strength / STRENGTH))[..., None]
    return as_picture(laid * (1 - line) + line * np.where(dark[..., None], DARK, LIGHT))


def as_picture(values: npt.NDArray[np.floating]) -> Image.Image:
    """A `PIL.Image` of mode "RGB" from values (height, width, 3), rounded and clipped to 0 and 255."""
    return Image.fromarray(np.uint8(np.clip(np.rint(values), 0, 255)))


def _panels(example: Mapping[str, Any]) -> tuple[Image.Image, Image.Image, Image.Image]:
    """The three pictures of a row, resized to one size that fits a panel."""
    _check_pair(example)
    image, label = example["image"], example["label"]
    size = fitting(image)
    colors, coverage = colored(label, size)
    small = image.resize(size, Image.Resampling.LANCZOS)
    if example.get("words"):
        small = _outlined(small, example["words"], size[0] / image.width)
    return small, as_picture(colors), _laid_over(image, label, colors, coverage, size, STRENGTH)


def fitting(picture: Image.Image) -> tuple[int, int]:
    """The size at which a picture fits a panel."""
    scale = min(PANEL_SIZE[0] / picture.width, PANEL_SIZE[1] / picture.height)
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def _outlined(picture: Image.Image, words: Sequence[Mapping[str, Any]], scale: float) -> Image.Image:
    """The picture with the outlines of words; `scale` is its size divided by that of the stored image."""
    outlined = picture.copy()
    size = (SMOOTH * picture.width, SMOOTH * picture.height)
    casing, layers = Image.new("L", size), {name: Image.new("L", size) for name in WORD_COLORS}
    for word in words:
        # Corners are relative to the centre of the first pixel, drawing to its outer corner.
        corners = [(SMOOTH * scale * (x + 0.5), SMOOTH * scale * (y + 0.5)) for x, y in word["quad"]]
        line = corners + corners[:2]  # past the first corner, so that it is joined too
        layer = layers["word" if word["readable"] else "unreadable"]
        for drawn, width, strength in (casing, CASING, round(255 * SHADE)), (layer, OUTLINE, 255):
            ImageDraw.Draw(drawn).line(line, strength, round(SMOOTH * width), "curve")
    for color, layer in ((0, 0, 0), casing), *((WORD_COLORS[name], layer) for name, layer in layers.items()):
        outlined.paste(color, (0, 0), layer.resize(picture.size, Image.Resampling.BOX))
    return outlined


def _panel_left(left: int, panel: int) -> int:
    return left + panel * (PANEL_SIZE[0] + GAP)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=FONT_SIZE)


def _class_legend() -> list[tuple[str, str, Image.Image]]:
    return [(LABEL_MAP.int2str(value), str(value), swatch_of(color)) for value, color in LABEL_MAP.colors.items()]


def _draw_legend(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    title: str,
    entries: Sequence[tuple[str, str, Image.Image]],
) -> None:
    left, top = corner
    middle = top + SWATCH // 2
    if title:
        _draw_words(draw, (left, middle), title, FAINT_INK)
        left += LEGEND_TITLE_WIDTH
    for name, value, swatch in entries:
        sheet.paste(swatch, (left, top))
        left += SWATCH + 8
        left += _draw_words(draw, (left, middle), name, INK) + (8 if value else COLUMN_GAP)
        left += _draw_words(draw, (left, middle), value, FAINT_INK) + COLUMN_GAP if value else 0


def swatch_of(color: tuple[int, int, int]) -> Image.Image:
    """A square of one colour, for a legend."""
    swatch = Image.new("RGB", (SWATCH + 1, SWATCH + 1), color)
    ImageDraw.Draw(swatch).rectangle((0, 0, SWATCH, SWATCH), outline=FAINT_INK)
    return swatch


def _word_swatch(readable: bool) -> Image.Image:
    near, far = 2, SWATCH - 2
    word = {"quad": [(near, near), (far, near), (far, far), (near, far)], "readable": readable}
    return _outlined(Image.new("RGB", (SWATCH + 1, SWATCH + 1), CELL), [word], 1)


def _draw_heads(draw: ImageDraw.ImageDraw, corner: tuple[int, int], names: Sequence[str]) -> None:
    for panel, name in enumerate(names):
        _draw_words(draw, (_panel_left(corner[0], panel), corner[1] + HEAD_HEIGHT // 2), name, FAINT_INK)


def _draw_row(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    title: str,
    panels: Sequence[Image.Image],
    size: str,
) -> None:
    left, top = corner
    for index, panel in enumerate(panels):
        _draw_panel(sheet, draw, (_panel_left(left, index), top), panel)
    middle = top + PANEL_SIZE[1] + CAPTION_MIDDLE
    end = left + _draw_words(draw, (left, middle), title, INK)
    _draw_words(draw, (end + 14, middle), size, FAINT_INK)


def _draw_panel(sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], picture: Image.Image) -> None:
    left, top = corner
    width, height = PANEL_SIZE
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=CELL)
    sheet.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2))


def _shortened(draw: ImageDraw.ImageDraw, words: str, width: int) -> str:
    """The text as the font can draw it, cut to the width: names come from archives, and can be anything."""
    words = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words[:200])
    while draw.textlength(words, font=_font()) > width:
        words = words.rstrip("…")[:-1] + "…"
    return words


def _draw_words(draw: ImageDraw.ImageDraw, position: tuple[int, int], words: str, color: tuple[int, int, int]) -> int:
    """Draws text from the left, vertically centred at the given height, and returns its width."""
    font = _font()
    draw.text(position, words, fill=color, font=font, anchor="lm")
    return round(draw.textlength(words, font=font))
