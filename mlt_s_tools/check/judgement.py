"""Decides which findings are problems and which are notes.

A problem keeps a pair of MLT_S from loading, or makes it wrong: the whole data set has no problem, and a data set that
lacks a part has one. Everything else is a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import mlt_s
from mlt_s import LABEL_ARCHIVE, WORDS_ARCHIVES
from mlt_s_tools.check.findings import Finding, about

if TYPE_CHECKING:
    from mlt_s_tools.check.ground_truth import Misshapen, OutsideImage, SplitWords
    from mlt_s_tools.check.inventory import Inventory, Place
    from mlt_s_tools.check.pairing import Split
    from mlt_s_tools.check.pixels import Totals

_SUSPICIOUS = 0.5  # share of a label map's text outside all words


def of_inventory(inventory: Inventory, splits: dict[str, Split]) -> tuple[list[Finding], list[Finding]]:
    """Findings about archives and about files that fit nowhere. Marks archives that were found elsewhere.

    Args:
        inventory: an `Inventory`.
        splits: split -> `Split`.

    Returns:
        Problems and notes.
    """
    unreadable = [Finding("damaged-archive", text) for text in sorted(inventory.listing.left_out.get("needed", ()))]
    problems, notes = [*inventory.problems, *unreadable], []
    for place in inventory.places.values():
        if place.state == "missing" and place.kind == "images":
            _, split = mlt_s.role_and_split((place.name,))
            if splits[split].images >= splits[split].images_published:
                place.state = "elsewhere"
                notes.append(Finding("elsewhere", place.name, place.name))
            else:
                problems.append(Finding("missing-archive", place.name, place.name))
        if place.md5 and place.md5_known and place.md5 != place.md5_known:
            notes.append(Finding("md5", f"{place.name}: {place.md5}, not {place.md5_known}", place.path))
    for name in WORDS_ARCHIVES:
        _, split = mlt_s.role_and_split((name,))
        if inventory.places[name].state == "missing" and splits[split].ground_truth:
            inventory.places[name].state = "elsewhere"
    problems += _no_label_maps(inventory.places[LABEL_ARCHIVE], splits)
    notes += _left_out(inventory.listing.left_out, is_complete=not problems)
    return problems, notes + _unplaced(inventory.listing.unplaced, problems)


def _left_out(left_out: Mapping[str, Iterable[str]], is_complete: bool) -> Iterator[Finding]:
    """Notes on files that were left out, by reason; some matter only if something is missing."""
    for reason in mlt_s.LEFT_OUT:
        places = sorted(left_out.get(reason, ()))
        if places and not (is_complete and reason in mlt_s.ONLY_IF_MISSING):
            yield Finding(reason, mlt_s.first_few(places, 8))


def _no_label_maps(place: Place, splits: dict[str, Split]) -> list[Finding]:
    if any(split.label_maps for split in splits.values()):
        if place.state == "missing":
            place.state = "elsewhere"
    elif place.state != "damaged":
        lacking = "is missing" if place.state == "missing" else "holds no label map"
        return [Finding("no-label-maps", f"{LABEL_ARCHIVE} {lacking}", place.name)]
    return []


def _unplaced(unplaced: list[tuple[str, mlt_s.Member]], problems: list[Finding]) -> list[Finding]:
    """Notes on files of unknown split. Label maps among them become problems, because the loader stops at them."""
    labels = [member for role, member in unplaced if role == "label"]
    words = [member for role, member in unplaced if role == "words"]
    images = [member for role, member in unplaced if role not in ("label", "words")]
    notes = []
    if labels:
        text = f"{mlt_s.counted(labels, 'label map')}: {mlt_s.first_few(labels)}"
        problems.append(Finding("unplaced-label-map", text))
    if images:
        notes.append(Finding("unplaced-image", f"{mlt_s.counted(images, 'image')}: {mlt_s.first_few(images)}"))
    if words:
        notes.append(Finding("unplaced-ground-truth", f"{mlt_s.counted(words, 'file')}: {mlt_s.first_few(words)}"))
    return notes


def of_counts(inventory: Inventory, splits: dict[str, Split]) -> tuple[list[Finding], list[Finding]]:
    """Findings on the counts of the splits: problems and notes."""
    problems, notes = [], []
    any_of_authors = any(split.label_maps > split.weak for split in splits.values())
    incomplete = {
        mlt_s.role_and_split((place.name,))[1]
        for place in inventory.places.values()
        if place.kind == "images" and place.state in ("missing", "damaged")
    }
    for name, split in splits.items():
        if split.weak:
            notes.append(Finding("weak", f"{name}: {split.weak:,} of {split.label_maps:,}"))
        authors = split.label_maps - split.weak
        if any_of_authors and authors != split.label_maps_published:
            text = f"{name}: {authors:,}; published are {split.label_maps_published:,}"
            problems.append(Finding("label-map-count", text))
        if split.without_image:
            names = split.without_image
            text = f"{name}: {mlt_s.counted(names, 'label map')}: {mlt_s.first_few(names)}"
            problems.append(Finding("label-map-without-image", text))
        if split.without_ground_truth:
            names = split.without_ground_truth
            text = f"{name}: {mlt_s.counted(names, 'pair')}: {mlt_s.first_few(names)}"
            problems.append(Finding("pair-without-ground-truth", text))
        if name not in incomplete and split.images != split.images_published:
            notes.append(Finding("image-count", f"{name}: {split.images:,}; MLT has {split.images_published:,}"))
    return problems, notes + _no_ground_truth(splits)


def of_text_value(split: str, misread: mlt_s.Misread, text_value: int) -> Finding:
    """The problem of an `mlt_s.Misread`."""
    if misread.is_text_255:
        count = mlt_s.counted(misread.looked, "label map")
        text = f"{misread.source}: none of {count} looked at holds 1. {misread.member}: {misread.reason}"
        return Finding("text-value", f"{split}: {text}", misread.source, split=split)
    kind = "text-value" if text_value == 255 else "label-values"
    return about(kind, misread.member, f"{misread.member}: {misread.reason}")._replace(split=split)


def _no_ground_truth(splits: dict[str, Split]) -> list[Finding]:
    """A note on a split without ground truth if the other split has some: the user may want it for both."""
    with_any = [name for name, split in splits.items() if split.ground_truth]
    lacking = [name for name, split in splits.items() if split.pairs and not split.ground_truth]
    return [Finding("no-ground-truth", f"{name}: none, and {with_any[0]} has some") for name in lacking if with_any]


def after_reading(problems: list[Finding], notes: list[Finding]) -> list[Finding]:
    """The notes, with possible copies now reported as copies, because reading found no difference."""
    if any(problem.kind == "two-contents" for problem in problems):
        return [note for note in notes if note.kind != "maybe-copies"]
    return [note._replace(kind="copies") if note.kind == "maybe-copies" else note for note in notes]


def of_pixels(totals: Totals) -> list[Finding]:
    """Notes on all pixels together. Problems of single files were found when they were read."""
    notes = [
        Finding("no-text", f"{split}: {mlt_s.counted(names, 'label map')}: {mlt_s.first_few(names)}")
        for split, names in totals.no_text.items()
        if names
    ]
    for split in totals.shares:
        names = [one.image_id for one in totals.outside if one.split == split and one.share > _SUSPICIOUS]
        if names:
            count = mlt_s.counted(names, "label map")
            notes.append(Finding("outside-words", f"{split}: {count}: {mlt_s.first_few(names, 10)}"))
    return notes + [note for split, words in totals.words.items() for note in _of_words(split, words)]


def _of_words(split: str, words: SplitWords) -> Iterator[Finding]:
    """Notes on the ground truth of a split."""
    if words.unknown_scripts:
        named = [f"{name!r} ({mlt_s.counted(count, 'word')})" for name, count in words.unknown_scripts.items()]
        yield Finding("unknown-script", f"{split}: {mlt_s.first_few(named, 10)}")
    if words.outside:
        count = mlt_s.counted(sum(one.words for one in words.outside), "word")
        inside = sum(one.inside_if_turned for one in words.outside) or "none"
        yield Finding(
            "word-outside-image",
            f"{split}: {count} in {_images(words.outside)}; {inside} of them would lie inside if the image were turned "
            "by its orientation tag",
        )
    if words.misshapen:
        folded = sum(one.folded for one in words.misshapen)
        flat = sum(one.without_area for one in words.misshapen)
        counts = [
            mlt_s.counted(count, f"{shape} word") for shape, count in (("folded", folded), ("flat", flat)) if count
        ]
        yield Finding("misshapen-word", f"{split}: {' and '.join(counts)} in {_images(words.misshapen)}")


def _images(ones: Sequence[OutsideImage] | Sequence[Misshapen]) -> str:
    names = [one.image_id for one in ones]
    return f"{mlt_s.counted(names, 'image')}: {mlt_s.first_few(names, 10)}"
