"""Lists the contents of the folder, archive by archive, so that a damaged archive does not hide others."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Optional

import fsspec  # comes with datasets

import mlt_s
from mlt_s import IMAGE_ARCHIVES, LABEL_ARCHIVE, WORDS_ARCHIVES
from mlt_s_tools.check.findings import Finding, about

if TYPE_CHECKING:
    from tqdm import tqdm

    Source = tuple[str, tuple[str, ...], str, Sequence[str]]  # as for `take`

# From open-mmlab/mmocr#1807. Nobody has published a checksum for MLT_S_labels.zip.
KNOWN_MD5 = {
    "ch8_training_images_1.zip": "7b26e10d949c00fb4411f40b4f1fce6e",
    "ch8_training_images_2.zip": "e992fb5a7621dd6329081a73e52a28e1",
    "ch8_training_images_3.zip": "044ea5fb1dcec8bbb874391c517b55ff",
    "ch8_training_images_4.zip": "344a657c1cc7cbb150547f1c76b5cc8e",
    "ch8_training_images_5.zip": "5c7ac0158e7189c0a634eaf7bdededc5",
    "ch8_training_images_6.zip": "3b479255a96d255680f51005b5232bac",
    "ch8_training_images_7.zip": "faa033fb9d2922d747bad9b0692c992e",
    "ch8_training_images_8.zip": "db8afa59ae520757151f6ce5acd489ef",
    "ch8_validation_images.zip": "3cfc7b440ab81b89a981d707786dbe83",
    "ch8_training_localization_transcription_gt_v2.zip": "2c9c3de30b5615f6846738bbd336c988",
    "ch8_validation_localization_transcription_gt_v2.zip": "ecae7d433e6f103bb31e00d37254009c",
}
EXPECTED = {
    **{name: "images" for name in IMAGE_ARCHIVES},
    LABEL_ARCHIVE: "label maps",
    **{name: "ground truth" for name in WORDS_ARCHIVES},
}
_WRITTEN = {name.lower(): name for name in EXPECTED}  # a name in any case -> as it is written
_BLOCK = 1 << 20


@dataclasses.dataclass
class Place:
    """An expected archive, or another place where files were found.

    Attributes:
        name: the name of MLT's or MLT_S's archive, or the path of the place below the given folder.
        kind: "images", "label maps", "ground truth", or "other" if no name tells.
        state: "missing", "archive", "folder", "damaged" (an archive that cannot be read), or "file" (a loose file).
        path: path of the archive, or of the first file in a folder.
        files: number of images, label maps and ground truth files in it.
        size: bytes on disk.
        md5: MD5 of the archive, if it was computed.
        md5_known: the expected MD5, second-hand.
    """

    name: str
    kind: str
    state: str = "missing"
    path: Optional[str] = None
    files: int = 0
    size: int = 0
    md5: Optional[str] = None
    md5_known: Optional[str] = None


@dataclasses.dataclass
class Inventory:
    """What was found, by place and by use.

    Attributes:
        places: the expected archives first, then other places that hold usable files.
        listing: images, label maps and ground truth, as the loader lists them.
        others: members that the loader does not use, whose CRC can still be checked.
        problems: about archives that cannot be read, and sources that hold two sets of label maps.
        two_sets: roots of these sources.
    """

    places: dict[str, Place]
    listing: mlt_s.Listing = dataclasses.field(default_factory=mlt_s.Listing)
    others: list[mlt_s.Member] = dataclasses.field(default_factory=list)
    problems: list[Finding] = dataclasses.field(default_factory=list)
    two_sets: list[str] = dataclasses.field(default_factory=list)


def take(sources: Iterable[Source], options: dict[str, Any]) -> Inventory:
    """Lists the contents of the sources.

    Args:
        sources: (root, roles, default role, what to leave out) of each, as for `mlt_s.list_source`.
        options: for the fsspec file system of remote roots.

    Raises:
        mlt_s.MltSError: a root does not exist or cannot be read, or the root of the images holds a built set.
    """
    inventory = Inventory({name: Place(name, kind, md5_known=KNOWN_MD5.get(name)) for name, kind in EXPECTED.items()})
    for root, roles, default_role, leave_out in sources:
        listing = mlt_s.Listing()
        for seen in mlt_s.survey(listing, root, roles, options, default_role, leave_out):
            if mlt_s.is_zip(seen.parts[-1]):
                _take_archive(inventory, seen)
            else:
                _take_loose(inventory, seen)
        if "image" in roles and not inventory.problems:
            mlt_s.refuse_built(listing, roles, root)
        if mixed := mlt_s.mixed_sets(listing, root):
            inventory.problems.append(Finding("two-sets", mixed))
            inventory.two_sets.append(root)
        inventory.listing.add(listing)
    return inventory


def _take_archive(inventory: Inventory, seen: mlt_s.Seen) -> None:
    place = _place_of(inventory, seen.parts[-1], "/".join(seen.parts))
    place.state, place.path, place.size = "archive", seen.file.address, place.size + seen.file.size
    place.files += len(seen.used)
    inventory.others += seen.others
    if seen.error:
        place.state = "damaged"
        inventory.problems.append(about("damaged-archive", seen.file, seen.error))
    if seen.used or seen.error:
        inventory.places.setdefault(place.name, place)


def _take_loose(inventory: Inventory, seen: mlt_s.Seen) -> None:
    *folders, name = seen.parts
    if not seen.used:
        return
    known = [f"{folder}.zip" for folder in folders if f"{folder}.zip".lower() in _WRITTEN]
    place = _place_of(inventory, known[-1] if known else "", folders[0] if folders else name)
    inventory.places.setdefault(place.name, place)
    if place.state == "missing":
        place.state, place.path = "folder" if folders else "file", seen.file.address
    place.files, place.size = place.files + 1, place.size + seen.file.size


def _place_of(inventory: Inventory, archive: str, elsewhere: str) -> Place:
    """The place of an expected archive, or another place, which is listed once usable files are found there."""
    name = _WRITTEN.get(archive.lower(), elsewhere)
    return inventory.places.get(name) or Place(name, "other")


def add_checksums(inventory: Inventory, options: dict[str, Any], bar: Callable[[int, str], tqdm]) -> None:
    """Computes the MD5 of every archive that was found.

    Args:
        bar: a function of a total and a unit that returns a progress bar.
    """
    archives = [place for place in inventory.places.values() if place.state in ("archive", "damaged")]
    with bar(sum(place.size for place in archives), "B") as progress:
        for place in archives:
            place.md5 = place.path and _md5(place.path, options, progress)


def _md5(address: str, options: dict[str, Any], progress: tqdm) -> str | None:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with fsspec.open(address, "rb", **options) if mlt_s.is_remote(address) else open(address, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                progress.update(len(block))
    except OSError:
        return None  # already reported as a problem
    return digest.hexdigest()
