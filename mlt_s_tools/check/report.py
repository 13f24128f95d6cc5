"""The report of a check: text to read, JSON for programs, and the exit status."""

from __future__ import annotations

import dataclasses
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Optional, TextIO, Union

import mlt_s
from mlt_s_tools.check.findings import NOTES, PROBLEMS, Finding
from mlt_s_tools.check.inventory import Place
from mlt_s_tools.check.pixels import Totals
from mlt_s_tools.output import size
from mlt_s_tools.terminal import printable

if TYPE_CHECKING:
    from mlt_s_tools.check.ground_truth import SplitWords
    from mlt_s_tools.check.pairing import Split

    Cell = Union[str, tuple[str, Optional[str]]]  # a text, or one and its style

SHOWN = 10  # findings per kind; JSON has all of them
_WIDTH = 100  # columns, if there is no terminal
_NARROWEST, _WIDEST = 72, 120  # the width that the tables need, and the longest line that is easy to read


@dataclasses.dataclass
class Report:
    """The result of a check.

    Attributes:
        data_dir, label_maps, text_value: as they were checked.
        places: the expected archives, and other places where files were found.
        splits: split -> `Split`.
        pixels: the contents of the files, if they were read.
        problems, notes: see `findings`.
        stopped: why the check ended early.
        status: exit status: 0 no problems, 1 problems, 2 not everything could be checked, 130 interrupted.
    """

    data_dir: str
    label_maps: list[str] = dataclasses.field(default_factory=list)
    text_value: int = 1
    places: list[Place] = dataclasses.field(default_factory=list)
    splits: dict[str, Split] = dataclasses.field(default_factory=dict)
    pixels: Optional[Totals] = None
    problems: list[Finding] = dataclasses.field(default_factory=list)
    notes: list[Finding] = dataclasses.field(default_factory=list)
    stopped: Optional[str] = None
    stopped_status: int = 0

    @property
    def status(self) -> int:
        return self.stopped_status or int(bool(self.problems))

    def add(self, problems: Iterable[Finding] = (), notes: Iterable[Finding] = ()) -> None:
        """Adds findings, with paths relative to the folder. A path in quotes, which is to be pasted, stays whole."""
        self.problems += [self._shortened(finding) for finding in problems]
        self.notes += [self._shortened(finding) for finding in notes]

    def sort(self) -> None:
        """Sorts by pair and file, because processes finish in any order."""
        for findings in (self.problems, self.notes):
            findings.sort(key=_place_in_order)

    def stop(self, reason: str, status: int) -> None:
        self.stopped, self.stopped_status = reason, status

    def _shortened(self, finding: Finding) -> Finding:
        # The loader's errors have no secrets, so the folder is looked for in that form.
        root, text = (mlt_s.without_secrets(part) for part in (self.data_dir.rstrip("/") + "/", finding.text))
        archive = mlt_s.without_secrets(finding.archive).replace(root, "", 1) if finding.archive else None
        return finding._replace(text=re.sub(f'(?<!"){re.escape(root)}', "", text), archive=archive)


def _place_in_order(finding: Finding) -> tuple[str, list[Any], str, str]:
    return finding.split or "", mlt_s.number_order(finding.image_id or ""), finding.archive or "", finding.member or ""


# --- For a program -------------------------------------------------------------------------------------------------


def as_json(report: Report) -> dict[str, Any]:
    """The report as a value for `json.dump`; `mlt-s check --help` explains the keys."""
    return {
        "status": report.status,
        "complete": report.stopped is None,
        "stopped": report.stopped,
        "data_dir": report.data_dir,
        "label_maps": report.label_maps,
        "text_value": report.text_value,
        "archives": [dataclasses.asdict(place) for place in report.places],
        "splits": {name: dataclasses.asdict(split) for name, split in report.splits.items()},
        "pixels": _pixels_as_json(report.pixels) if report.pixels else None,
        "problems": [_finding_as_json(finding, PROBLEMS) for finding in report.problems],
        "notes": [_finding_as_json(finding, NOTES) for finding in report.notes],
    }


def _pixels_as_json(totals: Totals) -> dict[str, Any]:
    shares = {split: dataclasses.asdict(of) for split, of in totals.shares.items()}
    words = {split: _words_as_json(of) for split, of in totals.words.items()}
    return {**vars(totals), "shares": shares, "words": words, "outside": [one._asdict() for one in totals.outside]}


def _words_as_json(words: SplitWords) -> dict[str, Any]:
    outside, misshapen = ([one._asdict() for one in ones] for ones in (words.outside, words.misshapen))
    return {**vars(words), "outside": outside, "misshapen": misshapen}


def _finding_as_json(finding: Finding, kinds: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {**finding._asdict(), "advice": kinds[finding.kind][1]}


def by_pair(written: dict[str, Any]) -> dict[tuple[str, str], list[str]]:
    """The findings about single pairs in a report as JSON: (split, image_id) -> list of str."""
    found: dict[tuple[str, str], list[str]] = {}
    for finding in written.get("problems", []) + written.get("notes", []):
        if finding["image_id"]:
            found.setdefault((finding["split"], finding["image_id"]), []).append(finding["text"])
    seen = written.get("pixels") or {}
    for one in seen.get("outside", []):
        text = f"{one['share']:.1%} of its text lies outside all words of the ground truth"
        found.setdefault((one["split"], one["image_id"]), []).append(text)
    for split, words in seen.get("words", {}).items():
        for one in words["outside"]:
            text = f"{mlt_s.counted(one['words'], 'word')} with a corner outside the image"
            found.setdefault((split, one["image_id"]), []).append(text)
        for one in words["misshapen"]:
            count = mlt_s.counted(one["folded"] + one["without_area"], "word")
            found.setdefault((split, one["image_id"]), []).append(f"{count} with crossing sides or without area")
    return found


# --- For the eye ---------------------------------------------------------------------------------------------------

_STATES = {"archive": "zip", "missing": "missing", "damaged": "damaged"}
_PASTED = re.compile(r'="(?:[^"\\]|\\.)*"')  # an option with its value, as `mlt_s.quoted` writes it
_CODES = {"bold": "1", "faint": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Page:
    """Lines of text as wide as the terminal, in colour if wanted."""

    def __init__(self, width: int, colored: bool) -> None:
        self.width, self.colored = width, colored
        self.lines: list[str] = []

    def add(self, line: str = "", *styles: str) -> None:
        self.lines.append(self.styled(printable(line), *styles))

    def wrap(self, text: str, indent: int = 0, *styles: str, hanging: int | None = None) -> None:
        """Adds a text, wrapped at spaces and indented, with further lines indented by `hanging`.

        It is not wrapped within a path that is to be pasted.
        """
        hanging = indent if hanging is None else hanging
        lines = textwrap.wrap(
            _PASTED.sub(lambda found: found[0].replace(" ", "\0"), printable(text)),
            self.width,
            initial_indent=" " * indent,
            subsequent_indent=" " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.lines += [self.styled(line.replace("\0", " "), *styles) for line in lines]

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Adds rows of cells under headings: the first column left-aligned, the others right-aligned.

        A cell is a text, or a pair of a text and a style. On a narrow page, the first column is shortened.
        """
        texts = [[printable(cell[0] if isinstance(cell, tuple) else cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(heads, *texts)]
        widths[0] = max(len(heads[0]), min(widths[0], self.width - sum(widths[1:]) - 2 * len(widths[1:])))
        self.lines.append(self.styled(_row(heads, widths), "faint"))
        for row, cells in zip(rows, texts):
            styles = [cell[1] if isinstance(cell, tuple) else None for cell in row]
            self.lines.append(_row(cells, widths, [self._style_of(style) for style in styles]))

    def _style_of(self, style: str | None) -> Callable[[str], str]:
        return lambda text: self.styled(text, style) if style else text

    def styled(self, text: str, *styles: str) -> str:
        if not self.colored or not styles or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def _row(cells: Sequence[str], widths: Sequence[int], styles: Sequence[Callable[[str], str]] | None = None) -> str:
    padded = [_elided(cells[0], widths[0]).ljust(widths[0])] + [c.rjust(w) for c, w in zip(cells[1:], widths[1:])]
    return "  ".join(style(cell) for style, cell in zip(styles or [str] * len(padded), padded)).rstrip()


def _elided(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    head = (width - 3) // 2
    return f"{text[:head]}...{text[len(text) - (width - 3 - head) :]}"


def as_text(report: Report, width: int | None = None, colored: bool = False) -> list[str]:
    """The report as lines of text, problems last.

    Args:
        width: columns of the terminal; None without a terminal.
        colored: whether to write colours as terminal control sequences.
    """
    page = Page(min(max(width or _WIDTH, _NARROWEST), _WIDEST), colored)
    page.add(report.data_dir, "bold")
    for source in report.label_maps:
        page.add(f"label maps: {source}")
    if report.text_value != 1:
        page.add(f"text in label maps: {report.text_value}")
    if report.places:
        _write_places(page, report.places)
    if report.splits:
        _write_splits(page, report.splits)
        _write_ground_truth(page, report.splits)
    if report.pixels:
        _write_pixels(page, report.pixels)
    _write_findings(page, "Notes", report.notes, NOTES, "yellow")
    _write_findings(page, "Problems", report.problems, PROBLEMS, "red")
    page.add()
    _write_verdict(page, report)
    return page.lines


def _write_places(page: Page, places: list[Place]) -> None:
    with_md5 = any(place.md5 for place in places)
    rows: list[list[Cell]] = []
    for place in places:
        faint = place.kind == "ground truth" and place.state == "missing"
        state = "not there" if faint else _STATES.get(place.state, place.state)
        style = "faint" if faint else "red" if place.state in ("missing", "damaged") else None
        known = [f"{place.files:,}", size(place.size)] if place.path else ["", ""]
        rows.append([(place.name, style), (state, style), *known, *[_md5(place)] * with_md5])
    page.add()
    page.table(["Archive", "found", "files", "size"] + ["MD5"] * with_md5, rows)


def _md5(place: Place) -> Cell:
    if not place.md5:
        return ""
    if not place.md5_known:
        return "no value"
    return "same" if place.md5 == place.md5_known else ("differs", "yellow")


def _write_splits(page: Page, splits: dict[str, Split]) -> None:
    rows: list[list[Cell]] = []
    for name, split in splits.items():
        labels, missing = split.label_maps, len(split.without_image)
        label_style = None if labels - split.weak in (0, split.label_maps_published) else "red"
        rows.append(
            [
                name,
                f"{split.images:,}",
                f"{split.images_published:,}",
                (f"{labels:,}", label_style),
                f"{split.label_maps_published:,}",
                f"{split.pairs:,}",
                (f"{missing:,}", "red" if missing else None),
            ]
        )
    page.add()
    page.table(["Split", "images", "of MLT", "label maps", "published", "pairs", "without image"], rows)


def _write_ground_truth(page: Page, splits: dict[str, Split]) -> None:
    if not any(split.ground_truth for split in splits.values()):
        return  # it is optional
    rows: list[list[Cell]] = []
    for name, split in splits.items():
        lacking = len(split.without_ground_truth)
        pairs_with = split.pairs - lacking if split.ground_truth else 0
        style = "red" if lacking else None
        rows.append([name, f"{split.ground_truth:,}", f"{pairs_with:,}", (f"{split.pairs - pairs_with:,}", style)])
    page.add()
    page.table(["Ground truth", "files", "pairs with it", "pairs without"], rows)


def _write_pixels(page: Page, totals: Totals) -> None:
    page.add()
    page.table(["Label maps", "read", "background", "text", "uncertain", "no text"], list(_share_rows(totals)))
    page.add()
    for title, kinds in (("Images", totals.image_kinds), ("Label maps", totals.label_kinds)):
        counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        page.wrap(f"{title + ':':<13}{counts or 'none'}", hanging=13)
    if totals.weak:
        page.wrap(f"{'Signed:':<13}{mlt_s.counted(totals.weak, 'label map')}, by mlt-s weak", hanging=13)
    _write_orientations(page, totals)
    _write_words(page, totals)
    _write_outside(page, totals)


def _share_rows(totals: Totals) -> Iterator[list[str]]:
    both = type(next(iter(totals.shares.values())))()
    for shares in totals.shares.values():
        both.label_maps += shares.label_maps
        both.background += shares.background
        both.text += shares.text
        both.uncertain += shares.uncertain
    for name, shares in [*totals.shares.items(), ("both", both)]:
        pixels = (shares.background, shares.text, shares.uncertain)
        percent = [f"{count / sum(pixels):.2%}" if any(pixels) else "" for count in pixels]
        no_text = len(totals.no_text[name]) if name in totals.no_text else sum(map(len, totals.no_text.values()))
        yield [name, f"{shares.label_maps:,}", *percent, f"{no_text:,}"]


def _write_orientations(page: Page, totals: Totals) -> None:
    tagged = {tag: count for tag, count in sorted(totals.orientations.items()) if tag != 1}
    turned = mlt_s.counted(sum(totals.turned.values()), "label map")
    counts = ", ".join(f"{mlt_s.counted(count, 'image')} with tag {tag}" for tag, count in tagged.items())
    done = f"{counts}: the loader sets it to 1 and changes no pixel; {turned} turned back to the stored frame"
    page.wrap(f"Orientation: {done if tagged else 'no image has a tag'}", hanging=13)


def _write_words(page: Page, totals: Totals) -> None:
    """Words by script, with the splits side by side, because a line has no room for all scripts."""
    if not any(words.files for words in totals.words.values()):
        return
    splits = list(totals.words.values())
    rows = [_word_row(script, [words.by_script[script] for words in splits]) for script in mlt_s.SCRIPTS]
    unknown = [sum(words.unknown_scripts.values()) for words in splits]
    rows += [_word_row("not a script of MLT", unknown, "yellow")] * any(unknown)
    rows.append(_word_row("all", [words.words for words in splits], "bold"))
    rows.append(_word_row("unreadable", [words.unreadable for words in splits]))
    page.add()
    page.table(["Words", *totals.words, "both"], rows)


def _word_row(name: str, counts: Sequence[int], style: str | None = None) -> list[Cell]:
    return [(cell, style) for cell in (name, *(f"{count:,}" for count in (*counts, sum(counts))))]


def _write_outside(page: Page, totals: Totals) -> None:
    if not totals.with_words:
        return
    share = totals.text_outside / max(1, totals.text_with_words)
    page.add()
    page.wrap(
        f"{share:.2%} of the text lies outside all words of the ground truth "
        f"({mlt_s.counted(totals.with_words, 'pair')} with ground truth)"
    )
    if totals.outside:
        rows = [
            [f"{one.split}  {one.image_id}", f"{one.share:.1%}", f"{one.text:,}", str(one.orientation)]
            for one in totals.outside[:SHOWN]
        ]
        page.add()
        page.table(["Worst", "outside", "text pixels", "orientation"], rows)


def _write_findings(
    page: Page, title: str, findings: list[Finding], kinds: dict[str, tuple[str, str]], style: str
) -> None:
    if not findings:
        return
    page.add()
    page.add(f"{title}: {len(findings):,}", "bold", style)
    for kind, (head, advice) in kinds.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        if of_kind:
            page.add()
            page.wrap(head, 0, "bold")
            for finding in of_kind[:SHOWN]:
                page.wrap(finding.text, 4, hanging=6)
            if len(of_kind) > SHOWN:
                page.add(f"    and {len(of_kind) - SHOWN:,} more: --json FILE has them all")
            page.wrap(advice, 2, "cyan")


def _write_verdict(page: Page, report: Report) -> None:
    if report.stopped:
        page.wrap(f"{report.stopped} The report above is incomplete.", 0, "bold", "yellow")
    elif report.problems:
        page.add(f"{mlt_s.counted(report.problems, 'problem')}, {mlt_s.counted(report.notes, 'note')}.", "bold", "red")
    elif report.pixels:
        page.add("All well.", "bold", "green")
    else:
        page.add("No problems, judging by names and sizes. --pixels reads the files.", "bold", "green")


def terminal_width(stream: TextIO) -> int | None:
    return shutil.get_terminal_size().columns if stream.isatty() else None
