"""Counts a split: files, pairs, and files left over."""

from __future__ import annotations

import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import mlt_s
from mlt_s_tools.check.findings import Finding, about

if TYPE_CHECKING:
    Named = tuple[str, mlt_s.Member]  # the stem of a file, and the file

_ROLES = {"label": "label maps", "image": "images", "words": "ground truth"}


@dataclasses.dataclass
class Split:
    """The counts of a split, by name: a duplicate name counts once.

    Attributes:
        images: number of images of MLT, with or without a label map.
        images_published: number of images that MLT has.
        label_maps: number of label maps, of MLT_S and others.
        weak: number of these made by mlt-s weak.
        label_maps_published: number of label maps that MLT_S has.
        pairs: number of label maps with an image, which are loaded.
        without_image: names of the label maps without an image.
        ground_truth: number of ground truth files.
        without_ground_truth: names of the pairs without ground truth, if the split has any ground truth.
    """

    images: int
    images_published: int
    label_maps: int
    weak: int
    label_maps_published: int
    pairs: int
    without_image: list[str]
    ground_truth: int
    without_ground_truth: list[str]


@dataclasses.dataclass
class Joined:
    """A joined split.

    Attributes:
        split: its counts.
        pairs: label map and image, as the loader pairs them, with ground truth if there is any.
        singles: files that belong to an image whose image or label map is missing.
        rest: other members: further copies, and files at which the loader would stop.
        problems: names with two different contents, each once.
        notes: duplicate names.
    """

    split: Split
    pairs: list[mlt_s.Pair]
    singles: list[mlt_s.Pair]
    rest: list[mlt_s.Member]
    problems: list[Finding]
    notes: list[Finding]


def join(listing: mlt_s.Listing, split: str, text_value: int = 1, two_sets: Sequence[str] = ()) -> Joined:
    """Joins a split as the loader does, but skips the names at which the loader would stop.

    Args:
        listing: what was found.
        split: its name.
        text_value: the value of text in the label maps: 1 or 255.
        two_sets: roots of sources with two sets of label maps, of which the user has to choose one.
    """
    strangers, weak = mlt_s.take_out_strangers(listing, split), sorted(listing.weak)
    groups = {role: _grouped(listing.files.get((role, split), [])) for role in _ROLES}
    sound, problems, notes = {}, [], _strangers(strangers, split)
    for role, kind in _ROLES.items():
        sound[role, split], conflicts = _sound(groups[role], split, two_sets if role == "label" else ())
        problems += conflicts
        notes += _seen_twice(sound[role, split], f"{split}, {kind}")
    pairs, missing = mlt_s.join(mlt_s.Listing(sound), split, ("image", "label"))
    all_pairs = _all_pairs({role: mlt_s.by_name(sound[role, split]) for role in _ROLES}, text_value)
    pairs = [all_pairs.pop(mlt_s.name_key(pair.image_id)) for pair in pairs]
    singles = list(all_pairs.values())
    used = {member for pair in pairs + singles for member in pair.label + pair.image + pair.words}
    files = [file for by_name in groups.values() for group in by_name.values() for file in group]
    counts = Split(
        images=len(groups["image"]),
        images_published=mlt_s.IMAGE_COUNTS[split],
        label_maps=len(groups["label"]),
        weak=sum(all(mlt_s.is_below(file.address, weak) for _, file in group) for group in groups["label"].values()),
        label_maps_published=mlt_s.PUBLISHED_COUNTS[split],
        pairs=len(pairs),
        without_image=[stem for stem in missing.get("image", []) if mlt_s.name_key(stem) not in groups["image"]],
        ground_truth=len(groups["words"]),
        without_ground_truth=_lacking(pairs, groups["words"]),
    )
    rest = [member for _, member in files if member not in used] + strangers
    return Joined(counts, pairs, singles, rest, problems, notes + _from_elsewhere(pairs, split))


def _strangers(members: list[mlt_s.Member], split: str) -> list[Finding]:
    """A note on the images of other data sets."""
    text = f"{split}: {mlt_s.counted(members, 'image')}: {mlt_s.first_few(members)}"
    return [Finding("stranger", text)] * bool(members)


def _from_elsewhere(pairs: list[mlt_s.Pair], split: str) -> list[Finding]:
    """A note if some images come from MLT's archives and others do not."""
    others = mlt_s.images_from_elsewhere(pairs)
    places = mlt_s.first_few(sorted(set(map(mlt_s.place_of, others))))
    text = f"{split}: {len(pairs) - len(others):,} from MLT's archives, {len(others):,} from {places}"
    return [Finding("elsewhere-images", text)] * bool(others)


def _grouped(files: Iterable[Named]) -> dict[str, list[Named]]:
    groups = defaultdict(list)
    for stem, member in files:
        groups[mlt_s.name_key(stem)].append((stem, member))
    return groups


def _all_pairs(
    files: dict[str, dict[str, tuple[str, tuple[mlt_s.Member, ...]]]], text_value: int
) -> dict[str, mlt_s.Pair]:
    """Files that belong together by name, complete or not, from role -> name -> (stem, members)."""
    stems: dict[str, str] = {}
    for by_name in files.values():
        for name, (stem, _) in by_name.items():
            stems.setdefault(name, stem)
    label, image, words = (
        {name: members for name, (_, members) in files[role].items()} for role in ("label", "image", "words")
    )
    return {
        name: mlt_s.Pair(stem, label.get(name, ()), image.get(name, ()), words.get(name, ()), text_value)
        for name, stem in stems.items()
    }


def _lacking(pairs: list[mlt_s.Pair], ground_truth: Mapping[str, object]) -> list[str]:
    """Names of the pairs without ground truth. Empty if there is no ground truth at all, which is not a problem."""
    return [pair.image_id for pair in pairs if ground_truth and mlt_s.name_key(pair.image_id) not in ground_truth]


def _sound(
    groups: dict[str, list[Named]], split: str, two_sets: Sequence[str] = ()
) -> tuple[list[Named], list[Finding]]:
    """The files without those whose name has two different contents, and a finding for each such name.

    There is no finding for a name that has one content in each of two sets, between which the user chooses.
    """
    sound, conflicts = [], []
    for group in groups.values():
        try:
            mlt_s.agreeing_copies([member for _, member in group])
            sound += group
        except mlt_s.MltSError as error:
            if not _differs_by_set([member for _, member in group], two_sets):
                conflicts.append(about("two-contents", group[0][1], error)._replace(split=split, image_id=group[0][0]))
    return sound, conflicts


def _differs_by_set(members: list[mlt_s.Member], roots: Sequence[str]) -> bool:
    """Whether files of one name have one content once one of the two sets of their source is chosen."""
    sets: dict[bool, list[mlt_s.Member]] = {True: [], False: []}
    for member in members:
        root = next((root for root in roots if mlt_s.is_below(member.address, [root])), None)
        if root is None:
            return False
        base = os.path.dirname(root) if mlt_s.is_zip(root) else root
        sets[mlt_s.is_corrected(str(member)[len(base) :])].append(member)
    try:
        return all([mlt_s.agreeing_copies(files) for files in sets.values() if files]) and all(sets.values())
    except mlt_s.MltSError:
        return False


def _seen_twice(files: list[Named], what: str) -> Iterator[Finding]:
    """Notes on duplicate names, separately for copies known to be equal and possible copies."""
    named: dict[str, list[str]] = {"copies": [], "maybe-copies": []}
    for group in _grouped(files).values():
        if len(group) > 1:
            kind = "copies" if all(member.crc is not None for _, member in group) else "maybe-copies"
            named[kind].append(f"{group[0][0]} ({group[0][1]} and {group[1][1]})")
    for kind, names in named.items():
        if names:
            yield Finding(kind, f"{what}: {mlt_s.counted(names, 'name')}: {mlt_s.first_few(names)}")
