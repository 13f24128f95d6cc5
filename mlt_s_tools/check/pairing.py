"""Counts a split: what there is, what belongs together, and what is left over."""

import dataclasses
from collections import defaultdict

import mlt_s
from mlt_s_tools.check.findings import Finding, about

# Of MLT's images, as its download page counts them; most of them have a label map.
IMAGE_COUNTS = {"train": 7200, "validation": 1800}


@dataclasses.dataclass
class Split:
    """The counts of a split, by name: a name that is there twice counts once.

    Attributes:
        images: of MLT, with a label map or without.
        images_published: of MLT.
        label_maps: of MLT_S.
        label_maps_published: of MLT_S.
        pairs: label maps with their image, which is what is loaded.
        without_image: names of the label maps that have none.
    """

    images: int
    images_published: int
    label_maps: int
    label_maps_published: int
    pairs: int
    without_image: list[str]


@dataclasses.dataclass
class Joined:
    """A split, joined.

    Attributes:
        split: its counts.
        pairs: of label map and image, as the loader makes them.
        singles: pairs that lack the one or the other.
        rest: members that are neither: further copies, and what the loader would stop at.
        problems: names of two contents, each once.
        notes: names seen twice.
    """

    split: Split
    pairs: list[mlt_s.Pair]
    singles: list[mlt_s.Pair]
    rest: list[mlt_s.Member]
    problems: list[Finding]
    notes: list[Finding]


def join(listing, split):
    """Joins a split as the loader does, around the names that the loader would stop at."""
    labels, images = (_grouped(listing.placed.get((role, split), [])) for role in ("label", "image"))
    sound_labels, label_problems = _sound(labels, split)
    sound_images, image_problems = _sound(images, split)
    sound = mlt_s.Listing({("label", split): sound_labels, ("image", split): sound_images})
    pairs, missing = mlt_s.join(sound, split, with_images=True)
    paired = {pair.image_id.lower() for pair in pairs}
    single_labels = [of for name, of in mlt_s._by_name(sound_labels).items() if name not in paired]
    single_images = [of for name, of in mlt_s._by_name(sound_images).items() if name not in paired]
    singles = [mlt_s.Pair(stem, label, ()) for stem, label in single_labels]
    singles += [mlt_s.Pair(stem, (), image) for stem, image in single_images]
    used = {member for pair in pairs + singles for member in pair.label + pair.image}
    files = [file for group in (*labels.values(), *images.values()) for file in group]
    counts = Split(
        images=len(images),
        images_published=IMAGE_COUNTS[split],
        label_maps=len(labels),
        label_maps_published=mlt_s.PUBLISHED_COUNTS[split],
        pairs=len(pairs),
        without_image=[stem for stem in missing if stem.lower() not in images],
    )
    return Joined(
        counts,
        pairs,
        singles,
        [member for _, member in files if member not in used],
        label_problems + image_problems,
        [*_seen_twice(sound_labels, f"{split}, label maps"), *_seen_twice(sound_images, f"{split}, images")],
    )


def _grouped(files):
    groups = defaultdict(list)
    for stem, member in files:
        groups[stem.lower()].append((stem, member))
    return groups


def _sound(groups, split):
    """The files without those whose name has two contents, and a finding about each such name."""
    sound, conflicts = [], []
    for group in groups.values():
        try:
            mlt_s._copies([member for _, member in group])
            sound += group
        except mlt_s.MltSError as error:
            conflicts.append(about("two-contents", group[0][1], error)._replace(split=split, image_id=group[0][0]))
    return sound, conflicts


def _seen_twice(files, what):
    """Notes on the names that several files have, apart for those known to be equal and those that may be."""
    named = {"copies": [], "maybe-copies": []}
    for group in _grouped(files).values():
        if len(group) > 1:
            kind = "copies" if all(member.crc is not None for _, member in group) else "maybe-copies"
            named[kind].append(f"{group[0][0]} ({group[0][1]} and {group[1][1]})")
    for kind, names in named.items():
        if names:
            yield Finding(kind, f"{what}: {mlt_s._count(names, 'name')}: {mlt_s._first(names)}")
