"""One HTML file to leaf through pairs in a browser: `mlt-s preview --html`.

The file holds its pictures, its style (page.css) and its script (page.js), and needs no network: its content security
policy forbids any. Label maps are transparent where background is, so that the browser lays them over their images at
any strength. Words are polygons over them, in pixels of the stored image. Names and transcriptions come from archives
that anyone may have made, so all text is escaped, and the policy lets no script run but page.js.
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
OUTSIDE = 0.05  # of a label map's text outside every word, from which on it is shown: strokes swell past their boxes
LEVELS = 7  # of how much of a pixel a class covers; with two classes and background, a palette of 4 bits

# What of a check's report is shown.
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
# Corners count from the middle of the first pixel. The picture may be scaled by a hair's breadth more on one side.
_WORDS = '<svg class="words" viewBox="-0.5 -0.5 {} {}" preserveAspectRatio="none">{}</svg>'
_WORD = '<polygon{kind} points="{points}" data-script="{script}" data-transcription="{transcription}"/>'
_SIZE = '<span class="size"> · {} × {}</span>'
_FACTS = '<span class="text">{text:.1%} text</span><span class="uncertain">{uncertain:.1%} uncertain</span>'


class Problem(NamedTuple):
    """What is wrong with a pair, and how much that counts where pairs are sorted by their problems."""

    text: str
    weight: float


def write_page(
    path: str | os.PathLike[str],
    choices: Sequence[Choice],
    read: Callable[[Choice], Mapping[str, Any]],
    read_words: Callable[[Choice], list[dict[str, Any]] | None],
    problems: Mapping[tuple[str, str], Sequence[Problem]] | None = None,
) -> list[str]:
    """Writes the page, a pair at a time. A pair that cannot be read stands in it with the reason in place of pictures,
    one whose words cannot be read with the reason and without words.

    Args:
        path: of the HTML file, which is replaced once the page is whole.
        choices: the pairs, a list of `mlt_s_tools.looking.choose.Choice`.
        read: gives the example of a choice; an `mlt_s.MltSError` means that it cannot be read.
        read_words: gives the words of a choice, a list as `mlt_s.parse_words` has it, or None; an `mlt_s.MltSError`
            means the same.
        problems: (split, image_id) -> list of `Problem`, what a check found; None where there was no check.

    Returns:
        The reasons (str) why pairs or words could not be read.

    Raises:
        OSError: the file cannot be written.
    """
    head, tail = _template(f"MLT_S, {len(choices):,} pairs", _checked(choices, problems))
    unread = []
    # A name may hold what is no valid Unicode: it is shown with the bytes spelled out.
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
    """What a check found of single pairs: (split, image_id) -> list of `Problem`.

    Args:
        path: of the JSON file that `mlt-s check --json` wrote.

    Raises:
        OSError: the file cannot be read.
        mlt_s.MltSError: it is of another kind.
    """
    found = defaultdict(list)
    try:
        report = records.read(path, {"error?": str})
        if "error" in report:
            raise mlt_s.MltSError(f"{path} is of a check that could not look: {report['error']}")
        records.check(report, _REPORT)
    except ValueError as error:
        raise mlt_s.MltSError(f"{path} is not what mlt-s check --json writes: {error}.") from error
    for finding in report["problems"] + report["notes"]:
        if finding["image_id"] is not None:
            found[finding["split"], finding["image_id"]].append(Problem(finding["text"], 1))
    for one in (report["pixels"] or {}).get("outside", ()):
        if one["share"] >= OUTSIDE:
            text = f"{one['share']:.0%} of its text lies outside every word of the ground truth."
            found[one["split"], one["image_id"]].append(Problem(text, float(one["share"])))
    return dict(found)


def _checked(choices: Sequence[Choice], problems: Mapping[tuple[str, str], Sequence[Problem]] | None) -> str:
    """What stands over the pairs where a check was given and has nothing to say of them: else one would not see it."""
    if problems is None or any((choice.split, choice.pair.image_id) in problems for choice in choices):
        return ""
    said = "The check found no problem of a single pair."
    if problems:
        split, image_id = next(iter(problems))
        others = f"{len(problems):,} {'pair' if len(problems) == 1 else 'pairs'}"
        said = f"The check found no problem of these pairs, but of {others} not shown here, such as {split} {image_id}."
    return f'<p id="checked">{html.escape(said)}</p>\n'


def _template(title: str, checked: str) -> tuple[str, str]:
    """What stands before and after the pairs."""
    colors = {mlt_s.LABEL_MAP.int2str(value): color for value, color in mlt_s.LABEL_MAP.colors.items()}
    variables = " ".join(f"--{name}: rgb{color};" for name, color in {**colors, **WORD_COLORS}.items())
    style = _source("page.css").replace("{{colors}}", variables)
    script = _source("page.js")
    page = _source("page.html").replace("{{title}}", html.escape(title))
    page = page.replace("{{policy}}", _POLICY.format(style=_hash(style), script=_hash(script)))
    head, tail = page.replace("{{style}}", style).replace("{{script}}", script).split("{{pairs}}")
    return head.replace("{{checked}}", checked), tail  # last, as names in it can be anything


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
    """A PNG of a few colours: the published ones, the less opaque the less of a pixel is marked."""
    text, uncertain = mlt_s.LABEL_MAP.str2int(["text", "uncertain"])
    shares = [_share(label, value, size) for value in (text, uncertain)]
    # As in the contact sheet, the square root lifts strokes thinner than a pixel.
    level = np.ceil(LEVELS * np.sqrt(np.minimum(sum(shares), 1))).astype(np.uint8)
    index = level + LEVELS * ((shares[1] > shares[0]) & (level > 0)).astype(np.uint8)
    picture = Image.frombytes("P", size, index.tobytes())
    colors = [mlt_s.LABEL_MAP.colors[value] for value in (0, *[text] * LEVELS, *[uncertain] * LEVELS)]
    picture.putpalette([channel for color in colors for channel in color])
    return _layer_uri(picture)


def _outline_drawing(picture: Image.Image, label: Image.Image) -> str:
    """The line around classes that the picture's colours hide, as a layer of its own; "" where none is needed."""
    line, dark = outline(picture, np.asarray(label))
    level = np.rint(LEVELS * line).astype(np.uint8)
    if not level.any():
        return ""
    layer = Image.frombytes("P", picture.size, (level + LEVELS * (dark & (level > 0))).astype(np.uint8).tobytes())
    colors = [DARK, *[LIGHT] * LEVELS, *[DARK] * LEVELS]
    layer.putpalette([channel for color in colors for channel in color])
    return _OUTLINE.format(*picture.size, _layer_uri(layer))


def _layer_uri(layer: Image.Image) -> str:
    """A PNG of indices of 4 bits: 0, and twice the levels of how opaque a pixel is."""
    alphas = [round(255 * level / LEVELS) for level in range(1, LEVELS + 1)]
    return _uri(layer, "png", bits=4, optimize=True, transparency=bytes([0, *alphas, *alphas]))


def _share(label: Image.Image, value: int, size: tuple[int, int]) -> npt.NDArray[np.floating]:
    mask = label.point([255 * (other == value) for other in range(256)])
    return np.asarray(mask.resize(size, Image.Resampling.BOX)) / 255


def _uri(picture: Image.Image, format: str, **options: Any) -> str:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return f"data:image/{format};base64,{base64.b64encode(file.getvalue()).decode()}"
