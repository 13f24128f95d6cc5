"""One HTML file for browsing pairs: `mlt-s preview --html`.

The file holds its pictures, its style (page.css) and its script (page.js), and needs no network: its content security
policy forbids network access. Background is transparent in label maps, so the browser can lay them over their images at
any opacity. Words are polygons over the images, in pixels of the stored image. Names and transcriptions come from
archives that anyone may have made, so all text is escaped, and the policy allows no script except page.js.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import records
from mlt_s_tools.looking.outline import DARK, LIGHT, outline
from mlt_s_tools.writing import whole

if TYPE_CHECKING:
    import numpy.typing as npt

    from mlt_s_tools.looking.choose import Choice

LONGEST = 800  # pixels of a picture's longer side: a pair takes 40 to 60 KB, so hundreds stay around 20 MB
# Of the words of ground truth, as red, green, blue: no colour of a label map. A word takes some 120 bytes.
WORD_COLORS = {"word": (0, 200, 255), "unreadable": (255, 90, 240)}
QUALITY = 60
OUTSIDE = (
    0.05  # share of a label map's text outside all words from which it is shown; below, strokes just exceed their boxes
)
LEVELS = 7  # levels of coverage of a pixel by a class; with two classes and background, a palette of 4 bits

# The parts of a check's report that are shown.
_FINDING: records.Shape = {"split": (None, str), "image_id": (None, str), "text": str}
_OUTSIDE: records.Shape = {"split": str, "image_id": str, "share": float}
_REPORT: records.Shape = {"problems": [_FINDING], "notes": [_FINDING], "pixels": (None, {"outside?": [_OUTSIDE]})}

_FOLDER = Path(__file__).parent
_POLICY = (
    "default-src 'none'; img-src data:; style-src '{style}'; script-src '{script}'; base-uri 'none'; form-action 'none'"
)
_CARD = """\
<li class="pair" id="pair-{number}" data-name="{name}" data-split="{split}" data-text="{text:.6f}" \
data-uncertain="{uncertain:.6f}" data-problems="{weight:.3f}">\
<button type="button" tabindex="-1"><span class="stage">{picture}</span>\
<span class="caption"><span class="title"><span class="name">{name}</span> {split}{size}</span>\
<span class="facts">{facts}</span></span></button>{problems}</li>
"""
_PICTURE = (
    '<span class="picture"><img class="image" width="{width}" height="{height}" alt="{split} {name}" src="{image}">'
    '<img class="label" width="{width}" height="{height}" alt="" src="{label}">{outline}{words}</span>'
)
_OUTLINE = '<img class="outline" width="{}" height="{}" alt="" src="{}">'
# Corners are relative to the centre of the first pixel. The picture may be scaled slightly more in one direction.
_WORDS = '<svg class="words" viewBox="-0.5 -0.5 {} {}" preserveAspectRatio="none">{}</svg>'
_WORD = '<polygon{kind} points="{points}" data-script="{script}" data-transcription="{transcription}"/>'
_SIZE = '<span class="size"> · {} × {}</span>'
_FACTS = '<span class="text">{text:.1%} text</span><span class="uncertain">{uncertain:.1%} uncertain</span>'


class Problem(NamedTuple):
    """What is wrong with a pair, and its weight when pairs are sorted by problems."""

    text: str
    weight: float


def write_page(
    path: str | os.PathLike[str],
    choices: Sequence[Choice],
    read: Callable[[Choice], Mapping[str, Any]],
    read_words: Callable[[Choice], list[dict[str, Any]] | None],
    problems: Mapping[tuple[str, str], Sequence[Problem]] | None = None,
) -> list[str]:
    """Writes the page, one pair at a time.

    For a pair that cannot be read, the page shows the reason instead of pictures. For a pair whose words cannot be
    read, it shows the pictures and the reason.

    Args:
        path: path of the HTML file, which is replaced once the page is complete.
        choices: the pairs, a list of `mlt_s_tools.looking.choose.Choice`.
        read: returns the example of a choice; raises `mlt_s.MltSError` if it cannot be read.
        read_words: returns the words of a choice, a list as from `mlt_s.parse_words`, or None; raises `mlt_s.MltSError`
            if they cannot be read.
        problems: (split, image_id) -> list of `Problem`, the findings of a check; None without a check.

    Returns:
        The reasons (str) why pairs or words could not be read.

    Raises:
        OSError: the file cannot be written.
    """
    head, tail = _template(f"MLT_S, {len(choices):,} pairs", _checked(choices, problems))
    unread = []
    # A name may be invalid Unicode: its bytes are then shown as escapes.
    with whole(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(head)
        for number, choice in enumerate(tqdm(choices, "pairs", unit="pair", disable=None)):
            found = list((problems or {}).get((choice.split, choice.pair.image_id), ()))
            example = words = None
            try:
                example = read(choice)
                words = read_words(choice)
            except mlt_s.MltSError as error:
                unread.append(str(error))
                found.insert(0, Problem(str(error), 1))
            file.write(_card(number, choice, example, words, found))
        file.write(tail)
    return unread


def read_problems(path: str | os.PathLike[str]) -> dict[tuple[str, str], list[Problem]]:
    """The problems that a check found in single pairs: (split, image_id) -> list of `Problem`.

    Args:
        path: path of the JSON file that `mlt-s check --json` wrote.

    Raises:
        OSError: the file cannot be read.
        mlt_s.MltSError: it is not such a file.
    """
    found = defaultdict(list)
    try:
        report = records.read(path, {"error?": str})
        if "error" in report:
            raise mlt_s.MltSError(f"{path} is from a check that could not run: {report['error']}")
        records.check(report, _REPORT)
    except ValueError as error:
        raise mlt_s.MltSError(f"{path} was not written by mlt-s check --json: {error}.") from error
    for finding in report["problems"] + report["notes"]:
        if finding["image_id"] is not None:
            found[finding["split"], finding["image_id"]].append(Problem(finding["text"], 1))
    for one in (report["pixels"] or {}).get("outside", ()):
        if one["share"] >= OUTSIDE:
            text = f"{one['share']:.0%} of its text lies outside all words of the ground truth."
            found[one["split"], one["image_id"]].append(Problem(text, float(one["share"])))
    return dict(found)


def _checked(choices: Sequence[Choice], problems: Mapping[tuple[str, str], Sequence[Problem]] | None) -> str:
    """The line above the pairs if a check was given but has no problem of them; otherwise nobody would see that there
    was one.
    """
    if problems is None or any((choice.split, choice.pair.image_id) in problems for choice in choices):
        return ""
    said = "The check found no problem in any pair."
    if problems:
        split, image_id = next(iter(problems))
        others = f"{len(problems):,} {'pair' if len(problems) == 1 else 'pairs'}"
        said = f"The check found no problem in these pairs, but in {others} not shown here, such as {split} {image_id}."
    return f'<p id="checked">{html.escape(said)}</p>\n'


def _template(title: str, checked: str) -> tuple[str, str]:
    """The parts of the page before and after the pairs."""
    colors = {mlt_s.LABEL_MAP.int2str(value): color for value, color in mlt_s.LABEL_MAP.colors.items()}
    variables = " ".join(f"--{name}: rgb{color};" for name, color in {**colors, **WORD_COLORS}.items())
    style = _source("page.css").replace("{{colors}}", variables)
    script = _source("page.js")
    page = _source("page.html").replace("{{title}}", html.escape(title))
    page = page.replace("{{policy}}", _POLICY.format(style=_hash(style), script=_hash(script)))
    head, tail = page.replace("{{style}}", style).replace("{{script}}", script).split("{{pairs}}")
    return head.replace("{{checked}}", checked), tail  # last, because it holds names, which can be anything


def _source(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def _card(
    number: int,
    choice: Choice,
    example: Mapping[str, Any] | None,
    words: list[dict[str, Any]] | None,
    problems: Sequence[Problem],
) -> str:
    known: dict[str, Any] = {"name": html.escape(choice.pair.image_id), "split": html.escape(choice.split)}
    if example is None:
        known.update(text=0, uncertain=0, size="", facts="", picture='<span class="unread">cannot be read</span>')
    else:
        label = example["label"]
        counts = label.histogram()
        text, uncertain = (counts[value] / sum(counts) for value in mlt_s.LABEL_MAP.str2int(["text", "uncertain"]))
        size = _size(example["image"].size)
        known.update(text=text, uncertain=uncertain, size=_SIZE.format(*example["image"].size))
        small = example["image"].resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        known.update(
            width=size[0], height=size[1], image=_uri(small, "webp", quality=QUALITY), label=_label_uri(label, size)
        )
        known.update(outline=_outline_drawing(small, label))
        known.update(words="" if words is None else _words_drawing(words, example["image"].size))
        known.update(picture=_PICTURE.format(**known), facts=_FACTS.format(**known))
        known["facts"] += "" if words is None else _words_facts(words)
    items = "".join(f"<li>{html.escape(problem.text)}</li>" for problem in problems)
    if items:
        noun = "problem" if len(problems) == 1 else "problems"
        known["facts"] += f'<span class="found">{len(problems)} {noun}</span>'
        items = f'<ul class="problems">{items}</ul>'
    return _CARD.format(**known, number=number, weight=sum(problem.weight for problem in problems), problems=items)


def _words_drawing(words: list[dict[str, Any]], size: tuple[int, int]) -> str:
    return _WORDS.format(*size, "".join(map(_word, words)))


def _word(word: Mapping[str, Any]) -> str:
    return _WORD.format(
        kind="" if word["readable"] else ' class="unreadable"',
        points=" ".join(f"{x:.0f},{y:.0f}" for x, y in word["quad"]),
        script=mlt_s.SCRIPTS[word["script"]] if word["script"] >= 0 else "unknown",
        transcription=html.escape(word["transcription"]),
    )


def _words_facts(words: list[dict[str, Any]]) -> str:
    facts = f'<span class="words-count">{len(words):,} {"word" if len(words) == 1 else "words"}</span>'
    unreadable = sum(not word["readable"] for word in words)
    return facts + (f'<span class="unreadable-count">{unreadable:,} unreadable</span>' if unreadable else "")


def _size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1, LONGEST / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _label_uri(label: Image.Image, size: tuple[int, int]) -> str:
    """A PNG file in the published colours; the less of a pixel is marked, the more transparent it is."""
    text, uncertain = mlt_s.LABEL_MAP.str2int(["text", "uncertain"])
    shares = [_share(label, value, size) for value in (text, uncertain)]
    # As in the contact sheet, the square root raises the coverage of strokes thinner than a pixel.
    level = np.ceil(LEVELS * np.sqrt(np.minimum(sum(shares), 1))).astype(np.uint8)
    index = level + LEVELS * ((shares[1] > shares[0]) & (level > 0)).astype(np.uint8)
    picture = Image.frombytes("P", size, index.tobytes())
    colors = [mlt_s.LABEL_MAP.colors[value] for value in (0, *[text] * LEVELS, *[uncertain] * LEVELS)]
    picture.putpalette([channel for color in colors for channel in color])
    return _layer_uri(picture)


def _outline_drawing(picture: Image.Image, label: Image.Image) -> str:
    """The outline of classes that are hard to see on the picture, as a separate layer; "" if none is needed."""
    line, dark = outline(picture, np.asarray(label))
    level = np.rint(LEVELS * line).astype(np.uint8)
    if not level.any():
        return ""
    layer = Image.frombytes("P", picture.size, (level + LEVELS * (dark & (level > 0))).astype(np.uint8).tobytes())
    colors = [DARK, *[LIGHT] * LEVELS, *[DARK] * LEVELS]
    layer.putpalette([channel for color in colors for channel in color])
    return _OUTLINE.format(*picture.size, _layer_uri(layer))


def _layer_uri(layer: Image.Image) -> str:
    """A PNG file of 4-bit indices: 0, and twice the levels of opacity."""
    alphas = [round(255 * level / LEVELS) for level in range(1, LEVELS + 1)]
    return _uri(layer, "png", bits=4, optimize=True, transparency=bytes([0, *alphas, *alphas]))


def _share(label: Image.Image, value: int, size: tuple[int, int]) -> npt.NDArray[np.floating]:
    mask = label.point([255 * (other == value) for other in range(256)])
    return np.asarray(mask.resize(size, Image.Resampling.BOX)) / 255


def _uri(picture: Image.Image, format: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return f"data:image/{format};base64,{base64.b64encode(file.getvalue()).decode()}"
