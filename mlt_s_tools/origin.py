"""Tells who made a label map: the authors of MLT_S, or `mlt-s weak`, which signs its label maps.

The signature is a text chunk of the PNG file, under the keyword that the PNG specification defines for the program that
made a picture. So it stays with the file, and `example["label"].info["Software"]` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import mlt_s
from mlt_s_tools import SAMPLE

if TYPE_CHECKING:
    import PIL.Image

KEYWORD, MAKER = mlt_s.SIGNATURE.decode("ascii").split("\0")
# What precedes the name of the model: in a repair of the authors' label maps, and in a repair of others.
REPAIRED, REPAIRED_OTHERS = "repair by", "repair of others by"
RECORD = mlt_s.WEAK_RECORD


def is_signature(kind: bytes, payload: bytes) -> bool:
    """Whether a chunk of a PNG file, given as its type and content (bytes), is a signature."""
    return kind == b"tEXt" and payload.startswith(mlt_s.SIGNATURE)


def is_signed(label: bytes) -> bool:
    """Whether `mlt-s weak` made a label map, given as the bytes of its PNG file. Decodes no pixels."""
    return mlt_s.is_signed(label)


def is_repair_of_others(label: bytes) -> bool:
    """Whether `mlt-s weak` repaired a label map, given as the bytes of its PNG file, in a run with label maps that were
    not the authors'.
    """
    mark = f"{MAKER} {REPAIRED_OTHERS} ".encode("ascii")
    return any(is_signature(kind, payload) and mark in payload for kind, payload, _ in mlt_s.png_chunks(label))


def made_by(label: PIL.Image.Image) -> str:
    """The model by which `mlt-s weak` made a label map, given as the loader yields it (`PIL.Image`); "" if another
    program made it.
    """
    signature = str(label.info.get(KEYWORD, ""))
    return signature[len(MAKER) :].strip() or "?" if signature.startswith(MAKER) else ""


def has_others(pairs: Iterable[mlt_s.Pair], config: mlt_s.MltSConfig) -> bool:
    """Whether, judging by the names of their archives or folders, some label maps are not the authors'.

    Label maps that `mlt-s weak` signed do not count, wherever they are, unless it repaired label maps that were not the
    authors'.

    Args:
        pairs: pairs, each with a label map.
        config: the configuration that found them.

    Raises:
        mlt_s.MltSError: a label map cannot be read. Only one per archive or folder is read.
    """
    places: dict[str, mlt_s.Member] = {}  # one per archive is enough, because mlt-s weak signs all of an archive
    for member in (pair.label[0] for pair in pairs):
        places.setdefault(mlt_s.place_of(member), member)
    if config.label_sources:
        relevant = [place for source in config.label_sources for place in places_in(source, places)]
    else:
        relevant = [place for place in places if mlt_s.is_below(place, [mlt_s.absolute_address(config.data_dir)])]
    return any(_is_other(places.get(place), config) for place in relevant if not mlt_s.is_authors(place))


def is_sample(splits: Mapping[str, Sequence[mlt_s.Pair]]) -> bool:
    """Whether pairs are those of the bundled sample, whose files are named like MLT's and the authors'.

    Args:
        splits: split -> pairs. They are recognised by the names and sizes of their images, or if there are none, of
            their label maps, so also in a copied or unpacked sample.
    """
    role = "image" if any(pair.image for pairs in splits.values() for pair in pairs) else "label"
    listed = mlt_s.list_source(str(SAMPLE), ("image", "label"), {}).files
    drawn = {
        (split, stem, member.size) for (of, split), files in listed.items() if of == role for stem, member in files
    }
    return all(
        (split, pair.image_id, getattr(pair, role)[0].size) in drawn
        for split, pairs in splits.items()
        for pair in pairs
    )


def places_in(source: str, places: Iterable[str]) -> list[str]:
    """The archives and folders of label maps that are in a source.

    If none is, the source itself, which was then downloaded, or is a built set.
    """
    return [place for place in places if mlt_s.is_below(place, [source])] or [source]


def _is_other(member: mlt_s.Member | None, config: mlt_s.MltSConfig) -> bool:
    """Whether a place that is not named like the authors' holds label maps of others, judging by one of them."""
    if member is None:
        return True
    label = mlt_s.read_member(member, config.remote_options)
    return not is_signed(label) or is_repair_of_others(label)
