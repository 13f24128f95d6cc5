"""Who made a label map: the authors of MLT_S, or `mlt-s weak`, which signs its own.

The signature is a text chunk of the PNG file, under the keyword that PNG's specification has for the program that made
a picture. So it goes wherever the file goes, and `example["label"].info["Software"]` shows it to whoever looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import mlt_s
from mlt_s_tools import SAMPLE

if TYPE_CHECKING:
    import PIL.Image

KEYWORD, MAKER = mlt_s.SIGNATURE.decode("ascii").split("\0")
REPAIRED, REPAIRED_OTHERS = "repair by", "repair of others by"  # before the model's name: of the authors', or of others
RECORD = mlt_s.WEAK_RECORD


def is_signature(kind: bytes, payload: bytes) -> bool:
    """Whether a chunk of a PNG file, given by its type and content (bytes), is a signature."""
    return kind == b"tEXt" and payload.startswith(mlt_s.SIGNATURE)


def is_signed(label: bytes) -> bool:
    """Whether a label map, given as the bytes of its PNG file, was made by `mlt-s weak`. Decodes no pixel."""
    return mlt_s.is_signed(label)


def is_repair_of_others(label: bytes) -> bool:
    """Whether `mlt-s weak` made a label map, given as the bytes of its PNG file, of one that was not the authors'."""
    mark = f"{MAKER} {REPAIRED_OTHERS} ".encode("ascii")
    return any(is_signature(kind, payload) and mark in payload for kind, payload, _ in mlt_s.png_chunks(label))


def made_by(label: PIL.Image.Image) -> str:
    """By what `mlt-s weak` made a label map, given as the loader yields it (`PIL.Image`); "" where it did not."""
    signature = str(label.info.get(KEYWORD, ""))
    return signature[len(MAKER) :].strip() or "?" if signature.startswith(MAKER) else ""


def has_others(pairs: Iterable[mlt_s.Pair], config: mlt_s.MltSConfig) -> bool:
    """Whether some label maps lie elsewhere than the authors' do, by name.

    Those that `mlt-s weak` signed are known, wherever they lie, unless it repaired others than the authors'.

    Args:
        pairs: with a label map each.
        config: by which they were found.

    Raises:
        mlt_s.MltSError: a label map cannot be read, one of each archive or folder.
    """
    places: dict[str, mlt_s.Member] = {}  # of an archive of mlt-s weak, every label map is signed
    for member in (pair.label[0] for pair in pairs):
        places.setdefault(mlt_s.place_of(member), member)
    if config.label_sources:
        found = [place for source in config.label_sources for place in places_in(source, places)]
    else:
        found = [place for place in places if mlt_s.is_below(place, [mlt_s.absolute_address(config.data_dir)])]
    return any(_is_other(places.get(place), config) for place in found if not mlt_s.is_authors(place))


def is_sample(splits: Mapping[str, Sequence[mlt_s.Pair]]) -> bool:
    """Whether pairs are those of the bundled sample, which lie under names of MLT's and of the authors'.

    Args:
        splits: split -> pairs. They are told by the names and sizes of their images, or where there are none, of their
            label maps: whoever unpacked or copied the sample has these.
    """
    role = "image" if any(pair.image for pairs in splits.values() for pair in pairs) else "label"
    placed = mlt_s.list_source(str(SAMPLE), ("image", "label"), {}).placed
    drawn = {
        (split, stem, member.size) for (of, split), files in placed.items() if of == role for stem, member in files
    }
    return all(
        (split, pair.image_id, getattr(pair, role)[0].size) in drawn
        for split, pairs in splits.items()
        for pair in pairs
    )


def places_in(source: str, places: Iterable[str]) -> list[str]:
    """Of archives and folders that label maps lie in, those in a source.

    Where none is, the source itself: it was downloaded, or is a built set.
    """
    return [place for place in places if mlt_s.is_below(place, [source])] or [source]


def _is_other(member: mlt_s.Member | None, config: mlt_s.MltSConfig) -> bool:
    """Whether a place that is not named as the authors' holds label maps of others, by one of them, if there is one."""
    if member is None:
        return True
    label = mlt_s.read_member(member, config.remote_options)
    return not is_signed(label) or is_repair_of_others(label)
