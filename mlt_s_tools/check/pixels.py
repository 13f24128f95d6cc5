"""Reads all files on all cores: the CRC of each file, the pixels of each picture, and whether the files of a pair
match.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, TypeVar

import numpy as np

import mlt_s
from mlt_s import LABEL_MAP
from mlt_s_tools import workers
from mlt_s_tools.check.findings import Finding, about
from mlt_s_tools.check.ground_truth import SplitWords, Words, counted
from mlt_s_tools.origin import is_signed
from mlt_s_tools.words import word_mask

if TYPE_CHECKING:
    import PIL.Image

Found = TypeVar("Found")

_TEXT = LABEL_MAP.label2id["text"]


class Work(NamedTuple):
    """The work of one call: a pair, complete or not, or a file that is only read.

    Attributes:
        split: split of the pair; None for a file that is only read.
        pair: the label map, the image and the ground truth, as far as they exist.
        file: the file that is only read.
    """

    split: Optional[str] = None
    pair: Optional[mlt_s.Pair] = None
    file: Optional[mlt_s.Member] = None

    def members(self) -> tuple[mlt_s.Member, ...]:
        """The files that the call reads."""
        if self.pair:
            return self.pair.label + self.pair.image + self.pair.words
        return (self.file,) if self.file else ()


class Outside(NamedTuple):
    """A label map with text outside the words of the ground truth."""

    share: float
    split: str
    image_id: str
    text: int  # pixels
    orientation: int


class Inspection(NamedTuple):
    """The result of one call. Counts are of pixels unless stated otherwise."""

    split: str = ""  # like image_id, empty for a file that was only read
    image_id: str = ""
    files: int = 1
    image_kind: Optional[str] = None  # format and mode of the file, such as "JPEG RGB"
    label_kind: Optional[str] = None
    orientation: int = 1
    turned: bool = False  # whether the label map was turned back to the frame of the stored image
    weak: bool = False  # the label map is signed by mlt-s weak
    values: Optional[tuple[int, int, int]] = None  # background, text, uncertain
    words: Optional[Words] = None
    outside: Optional[int] = None  # text outside all words
    problems: Sequence[Finding] = ()
    notes: Sequence[Finding] = ()


@dataclasses.dataclass
class Shares:
    """Pixels of a split's label maps, by class."""

    label_maps: int = 0
    background: int = 0
    text: int = 0
    uncertain: int = 0

    def add(self, values: tuple[int, int, int]) -> None:
        self.label_maps += 1
        self.background += values[0]
        self.text += values[1]
        self.uncertain += values[2]


@dataclasses.dataclass
class Totals:
    """The totals of all calls so far.

    Attributes:
        files: number of files to read.
        looked: number of files read.
        image_kinds, label_kinds: format and mode of the files -> number of files.
        orientations: orientation of the image -> number of images.
        turned: orientation of the image -> number of label maps that were turned back to the stored frame.
        weak: number of label maps signed by mlt-s weak.
        shares: split -> its pixels by class.
        no_text: split -> names of the label maps with no text pixel.
        words: split -> its ground truth.
        with_words: number of pairs with ground truth.
        text_with_words: number of their text pixels.
        text_outside: number of these outside all words.
        outside: one item per pair with text outside all words.
    """

    files: int
    looked: int = 0
    image_kinds: Counter[str] = dataclasses.field(default_factory=Counter)
    label_kinds: Counter[str] = dataclasses.field(default_factory=Counter)
    orientations: Counter[int] = dataclasses.field(default_factory=Counter)
    turned: Counter[int] = dataclasses.field(default_factory=Counter)
    weak: int = 0
    shares: dict[str, Shares] = dataclasses.field(
        default_factory=lambda: {split: Shares() for split in mlt_s.PUBLISHED_COUNTS}
    )
    no_text: dict[str, list[str]] = dataclasses.field(
        default_factory=lambda: {split: [] for split in mlt_s.PUBLISHED_COUNTS}
    )
    words: dict[str, SplitWords] = dataclasses.field(
        default_factory=lambda: {split: SplitWords() for split in mlt_s.PUBLISHED_COUNTS}
    )
    with_words: int = 0
    text_with_words: int = 0
    text_outside: int = 0
    outside: list[Outside] = dataclasses.field(default_factory=list)

    def add(self, inspection: Inspection) -> None:
        self.looked += inspection.files
        if inspection.image_kind:
            self.image_kinds[inspection.image_kind] += 1
            self.orientations[inspection.orientation] += 1
        if inspection.turned:
            self.turned[inspection.orientation] += 1
        if inspection.label_kind:
            self.label_kinds[inspection.label_kind] += 1
            self.weak += inspection.weak
        if inspection.values:
            self.shares[inspection.split].add(inspection.values)
            if not inspection.values[1]:
                self.no_text[inspection.split].append(inspection.image_id)
        if inspection.words:
            self.words[inspection.split].add(inspection.image_id, inspection.words, inspection.orientation)
        if inspection.values and inspection.outside is not None:
            self._add_outside(inspection, inspection.values[1], inspection.outside)

    def _add_outside(self, inspection: Inspection, text: int, outside: int) -> None:
        self.with_words += 1
        self.text_with_words += text
        self.text_outside += outside
        if outside:
            share = outside / text
            self.outside.append(Outside(share, inspection.split, inspection.image_id, text, inspection.orientation))

    def sort(self) -> None:
        """Sorts by severity, and by name what came in the order of the processes."""
        self.outside.sort(key=lambda one: (-one.share, one.split, one.image_id))
        for names in self.no_text.values():
            names.sort(key=mlt_s.number_order)
        for words in self.words.values():
            words.sort()


# --- One call ------------------------------------------------------------------------------------------------------


def look(work: Work, options: dict[str, Any]) -> Inspection:
    """Checks a pair, or reads a file. Problems are returned as findings, never raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's warnings about size and EXIF; what matters is found below
        inspection = _read_only(work.file, options) if work.file else look_at(work, options)
    return inspection._replace(problems=_of_pair(work, inspection.problems), notes=_of_pair(work, inspection.notes))


def _of_pair(work: Work, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    image_id = work.pair and work.pair.image_id
    return tuple(finding._replace(split=work.split, image_id=image_id) for finding in findings)


class _KeptWarnings(logging.Handler):
    """Keeps the loader's warnings instead of printing them, which would break the progress bar."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def __enter__(self) -> _KeptWarnings:
        self.propagate, mlt_s.logger.propagate = mlt_s.logger.propagate, False
        mlt_s.logger.addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        mlt_s.logger.removeHandler(self)
        mlt_s.logger.propagate = self.propagate


def _read_only(file: mlt_s.Member, options: dict[str, Any]) -> Inspection:
    try:
        mlt_s.read_member(file, options)
    except mlt_s.MltSError as error:
        return Inspection(problems=(about("unreadable-file", file, error),))
    return Inspection()


def look_at(work: Work, options: dict[str, Any]) -> Inspection:
    """Reads the files of a `Work`, and returns the findings as `Inspection`."""
    pair = work.pair
    assert pair and work.split, "a file that belongs to no pair is read, and not looked at"
    problems: list[Finding] = []
    notes: list[Finding] = []
    image = _attempt(problems, pair.image, lambda: _image(pair.image, options, notes))
    label = _attempt(problems, pair.label, lambda: _label(pair.label, pair.text_value, options))
    words = _attempt(problems, pair.words, lambda: _words(pair.words, image and image.picture.size, options))
    inspection = Inspection(work.split, pair.image_id, len(work.members()))
    if image:
        inspection = inspection._replace(image_kind=image.kind, orientation=image.orientation)
    if words:
        size = image and image.picture.size
        inspection = inspection._replace(words=counted(words.parsed, words.data, size, inspection.orientation))
    if label:
        inspection = inspection._replace(label_kind=label.kind, weak=is_signed(label.data))
        values, strange = _by_class(label.picture)
        if strange:
            problems.append(about("label-values", pair.label[0], f"{pair.label[0]} holds {strange}"))
        else:
            inspection = inspection._replace(values=values)
    if image and label:
        framed = _attempt(problems, pair.label, lambda: _in_frame(label, image, pair))
        if framed:
            inspection = inspection._replace(turned=framed is not label)
            if words and inspection.values:
                inspection = inspection._replace(outside=_text_outside(framed.picture, words.parsed))
    return inspection._replace(problems=problems, notes=notes)


class _Picture(NamedTuple):
    kind: str
    picture: PIL.Image.Image
    data: bytes
    orientation: int


class _Words(NamedTuple):
    parsed: list[dict[str, Any]]
    data: bytes


class _Wrong(Exception):
    """Carries a finding up the call stack."""


def _attempt(problems: list[Finding], files: tuple[mlt_s.Member, ...], call: Callable[[], Found]) -> Found | None:
    """The result of the call, or None if it found something wrong, or if there is nothing to check."""
    if not files:
        return None
    try:
        return call()
    except _Wrong as wrong:
        problems.append(wrong.args[0])
    return None


def _content(copies: tuple[mlt_s.Member, ...], options: dict[str, Any]) -> bytes:
    """The bytes of a file, after checking that its copies are equal."""
    data = _or_finding("unreadable-file", copies[0], mlt_s.read_member, copies[0], options)
    return data if len(copies) == 1 else _or_finding("two-contents", copies[0], mlt_s.read_copies, copies, options)


def _image(copies: tuple[mlt_s.Member, ...], options: dict[str, Any], notes: list[Finding]) -> _Picture:
    data = _content(copies, options)
    with _KeptWarnings() as warned:
        stored, _, orientation = _or_finding("broken-image", copies[0], mlt_s.stored_image, data, copies[0])
    notes += [about("exif", copies[0], text) for text in warned.texts]
    picture = _or_finding("broken-image", copies[0], _decoded, stored)
    _or_finding("broken-image", copies[0], picture.convert, "RGB")  # as the loader does
    return _Picture(f"{picture.format} {picture.mode}", picture, stored, orientation)


def _label(copies: tuple[mlt_s.Member, ...], text_value: int, options: dict[str, Any]) -> _Picture:
    data = _content(copies, options)
    if text_value != 1:  # to tell damage from other values
        _or_finding("broken-label-map", copies[0], _decoded, data)
    kind = "broken-label-map" if text_value == 1 else "text-value"
    indexed = _or_finding(kind, copies[0], mlt_s.indexed_label, data, copies[0], text_value)
    picture = _or_finding("broken-label-map", copies[0], _decoded, indexed)
    stored = picture if indexed is data else _opened(data)
    return _Picture(f"{stored.format} {stored.mode}", picture, indexed, 1)


def _words(copies: tuple[mlt_s.Member, ...], size: tuple[int, int] | None, options: dict[str, Any]) -> _Words:
    data = _content(copies, options)
    with _KeptWarnings():  # warnings about scripts that MLT does not have, which are counted
        words = _or_finding("no-word", copies[0], mlt_s.parse_words, data, copies[0])
    if size:
        _or_finding("no-word", copies[0], mlt_s.refuse_piled, words, size, copies[0])
    return _Words(words, data)


def _in_frame(label: _Picture, image: _Picture, pair: mlt_s.Pair) -> _Picture:
    size = image.picture.size
    data = _or_finding(
        "size", pair.label[0], mlt_s.label_in_frame, label.data, pair.label[0], pair.image[0], size, image.orientation
    )
    return label if data is label.data else label._replace(picture=_decoded(data), data=data)


def _or_finding(kind: str, member: mlt_s.Member, call: Callable[..., Found], *arguments: object) -> Found:
    try:
        return call(*arguments)
    except mlt_s.MltSError as error:
        raise _Wrong(about(kind, member, error)) from error
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises a dozen types for damaged files
        raise _Wrong(
            about(kind, member, f"{member} cannot be decoded: {error or type(error).__name__}. Fetch it again.")
        ) from error


def _opened(data: bytes) -> PIL.Image.Image:
    import PIL.Image

    return PIL.Image.open(io.BytesIO(data))


def _decoded(data: bytes) -> PIL.Image.Image:
    picture = _opened(data)
    picture.load()
    return picture


def _by_class(label: PIL.Image.Image) -> tuple[tuple[int, int, int], str]:
    """Number of pixels of (background, text, uncertain), and a description of other values, if there are any."""
    counts = label.histogram()
    strange = [
        f"the value {value} ({mlt_s.counted(count, 'pixel')})"
        for value, count in enumerate(counts)
        if count and value not in LABEL_MAP.colors
    ]
    background, text, uncertain = (counts[value] for value in LABEL_MAP.colors)
    return (background, text, uncertain), mlt_s.first_few(strange, 5)


def _text_outside(label: PIL.Image.Image, words: list[dict[str, Any]]) -> int:
    """The number of text pixels of a label map outside all words."""
    text = np.asarray(label) == _TEXT
    return int(np.count_nonzero(text & ~word_mask([word["quad"] for word in words], label.size)))


# --- All calls -----------------------------------------------------------------------------------------------------


def look_at_all(works: list[Work], jobs: int, options: dict[str, Any]) -> Generator[Inspection, None, None]:
    """Makes all calls in that many processes, and yields the results in any order.

    Raises:
        concurrent.futures.process.BrokenProcessPool: a process was killed, as the system does when memory runs out.
    """
    if jobs == 1:
        for work in works:
            yield look(work, options)
        return
    remote = any(mlt_s.is_remote(member.address) for work in works[:1] for member in work.members())
    yield from workers.results(functools.partial(look, options=options), works, jobs, workers.context(remote))
