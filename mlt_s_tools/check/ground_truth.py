"""Counts the words in the ground truth of images, and checks where they lie in the image."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import mlt_s

if TYPE_CHECKING:
    Quad = Sequence[Sequence[float]]

_SMALLEST = 0.5  # pixels: the smallest area above 0 of a quad with integer coordinates
_SCRIPT = 8  # the field of a line, after the coordinates
_LONGEST_NAME = 40  # characters of a script that MLT does not have


class Words(NamedTuple):
    """The counted words of an image.

    Attributes:
        words: number of words.
        unreadable: number of words that nobody could read.
        by_script: script -> number of words; a script that MLT does not have is named as in the file.
        outside: number of words with a corner outside the stored image.
        inside_if_turned: of these, the number that would lie inside if the image were turned by its orientation tag.
        folded: number of words whose outline crosses itself.
        without_area: number of other words that are a line or a point.
    """

    words: int
    unreadable: int
    by_script: Counter[str]
    outside: int
    inside_if_turned: int
    folded: int
    without_area: int


class OutsideImage(NamedTuple):
    """An image with words that lie partly or entirely outside it."""

    image_id: str
    words: int  # number with a corner outside the stored image
    inside_if_turned: int  # number of these that the orientation tag would turn inside
    orientation: int


class Misshapen(NamedTuple):
    """An image with words whose outline crosses itself or has no area."""

    image_id: str
    folded: int
    without_area: int


@dataclasses.dataclass
class SplitWords:
    """The counted words of a split.

    Attributes:
        files: number of files that were read and parsed.
        words: number of words in them.
        unreadable: number of words that nobody could read.
        by_script: script -> number of words, in MLT's order.
        unknown_scripts: name -> number of words, of scripts that MLT does not have.
        outside: one item per image with words outside.
        misshapen: one item per image with words that cross themselves or have no area.
    """

    files: int = 0
    words: int = 0
    unreadable: int = 0
    by_script: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(mlt_s.SCRIPTS, 0))
    unknown_scripts: Counter[str] = dataclasses.field(default_factory=Counter)
    outside: list[OutsideImage] = dataclasses.field(default_factory=list)
    misshapen: list[Misshapen] = dataclasses.field(default_factory=list)

    def add(self, image_id: str, of_image: Words, orientation: int) -> None:
        self.files += 1
        self.words += of_image.words
        self.unreadable += of_image.unreadable
        for script, count in of_image.by_script.items():
            (self.by_script if script in self.by_script else self.unknown_scripts)[script] += count
        if of_image.outside:
            self.outside.append(OutsideImage(image_id, of_image.outside, of_image.inside_if_turned, orientation))
        if of_image.folded or of_image.without_area:
            self.misshapen.append(Misshapen(image_id, of_image.folded, of_image.without_area))

    def sort(self) -> None:
        """Sorts images by name and unknown scripts by number, so that the order of processes does not matter."""
        for images in (self.outside, self.misshapen):
            images.sort(key=lambda image: mlt_s.number_order(image.image_id))
        self.unknown_scripts = Counter(dict(sorted(self.unknown_scripts.items(), key=lambda one: (-one[1], one[0]))))


def counted(
    words: list[dict[str, Any]], data: bytes, size: tuple[int, int] | None = None, orientation: int = 1
) -> Words:
    """Counts the words of an image.

    Args:
        words: as `mlt_s.parse_words` returns them.
        data: the file that they were parsed from.
        size: (width, height) of the stored image; None if there is no image.
        orientation: value of its orientation tag, 1 to 8.
    """
    quads = [word["quad"] for word in words]
    outside = [quad for quad in quads if size and not _is_inside(quad, size)]
    shapes = Counter(map(_shape, quads))
    return Words(
        words=len(words),
        unreadable=sum(not word["readable"] for word in words),
        by_script=Counter(_scripts(words, data)),
        outside=len(outside),
        # Tags from 5 on swap width and height; the others keep the size.
        inside_if_turned=sum(orientation >= 5 and _is_inside(quad, size[::-1]) for quad in outside if size),
        folded=shapes["folded"],
        without_area=shapes["without area"],
    )


def _is_inside(quad: Quad, size: tuple[int, int]) -> bool:
    """Whether all corners lie in an image of that size, including its far edges, which some tools count as one pixel
    more.
    """
    width, height = size
    return all(0 <= x <= width and 0 <= y <= height for x, y in quad)


def _shape(quad: Quad) -> str:
    """The shape of a word's outline: folded if its corners are not in order around it, so that sides cross."""
    a, b, c, d = quad
    if _cross(a, b, c, d) or _cross(b, c, d, a):
        return "folded"
    area = abs(_turn(a, b, c) + _turn(a, c, d)) / 2
    return "without area" if area < _SMALLEST else "sound"


def _cross(a: Sequence[float], b: Sequence[float], c: Sequence[float], d: Sequence[float]) -> bool:
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _turn(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> float:
    """Twice the area of a triangle, negative if its corners run in the other direction."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _scripts(words: list[dict[str, Any]], data: bytes) -> Iterator[str]:
    """The script of each word, read from the file: the parser keeps no name of a script that MLT does not have."""
    lines = (line for line in mlt_s.LINE_END.split(data.decode("utf-8-sig")) if line.strip())
    for word, line in zip(words, lines):
        known = word["script"] != mlt_s.UNKNOWN_SCRIPT
        yield mlt_s.SCRIPTS[word["script"]] if known else line.split(",", _SCRIPT + 1)[_SCRIPT].strip()[:_LONGEST_NAME]
