"""Plans a build from the directories of the archives alone: which pairs go into which Parquet file."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from collections.abc import Iterable

import mlt_s
from mlt_s_tools import origin
from mlt_s_tools.hub.layout import CONFIGS, FOLDERS, widest

SHARD_SIZE = 500_000_000  # bytes of pictures in a file, as in what `datasets` pushes to the Hub


@dataclasses.dataclass(frozen=True)
class Shard:
    """A planned Parquet file.

    Attributes:
        path: path in the repository, with forward slashes.
        split: "train" or "validation".
        config: the configuration whose columns it has.
        pairs: the examples, in order, with only the members that the columns need.
    """

    path: str
    split: str
    config: str
    pairs: tuple[mlt_s.Pair, ...]

    @property
    def size(self) -> int:
        """Bytes of the pictures and ground truth. The file is larger by a few per mille."""
        return sum(map(_size, self.pairs))


@dataclasses.dataclass(frozen=True)
class Plan:
    """A planned build.

    Attributes:
        configs: names, in the order of `CONFIGS`.
        palette: whether label maps get the published colours as a palette.
        source: a digest of the sources; changes if a file or its content changes.
        shards: the files, in the order of their paths.
        text_value: the value of text in the label maps: 1 or 255.
        has_others, is_sample: as in `layout.Built`.
    """

    configs: tuple[str, ...]
    palette: bool
    source: str
    shards: tuple[Shard, ...]
    text_value: int = 1
    has_others: bool = False
    is_sample: bool = False

    @property
    def is_remote(self) -> bool:
        return any(mlt_s.is_remote(member.address) for pair in self.shards[0].pairs for member in _members(pair))


def make(
    data_dir: str | os.PathLike[str],
    configs: str | Iterable[str] = ("segmentation",),
    label_maps: str | list[str] | None = None,
    missing_images: str = "error",
    palette: bool = False,
    text_value: int = 1,
) -> Plan:
    """Plans a build.

    Args:
        data_dir: the folder of the archives, or an fsspec address, as for the loader.
        configs: what to build, of `CONFIGS`.
        label_maps: place of the label maps, as for the loader, if they are not in `data_dir`.
        missing_images: as for the loader: "error" or "skip".
        palette: whether label maps get the published colours as a palette.
        text_value: the value of text in the label maps, as for the loader: 1 or 255.

    Raises:
        mlt_s.MltSError: a configuration is unknown, or a split is incomplete; the message is the loader's.
    """
    configs = _ordered(configs)
    # The widest configuration finds everything that any could lack, and reports it once. A label map without an image,
    # or an image without ground truth, is an error here, so the other configurations have the same pairs.
    widest_of_all = max(configs, key=lambda config: len(mlt_s.ROLES[config]))
    options = {"label_maps": label_maps, "missing_images": missing_images, "text_value": text_value}
    builder = mlt_s.MltS(config_name=widest_of_all, data_dir=data_dir, **options)
    splits = builder.pairs()
    shards = []
    for folder in sorted({FOLDERS[config] for config in configs}):
        config = widest(configs, folder)
        for split, pairs in splits.items():
            shards += _shards(folder, split, config, [_reduced(pair, config) for pair in pairs])
    has_others = origin.has_others(itertools.chain(*splits.values()), builder.config)
    is_sample = origin.is_sample(splits)
    return Plan(configs, palette, _fingerprint(splits), tuple(shards), text_value, has_others, is_sample)


def _ordered(configs: str | Iterable[str]) -> tuple[str, ...]:
    configs = (configs,) if isinstance(configs, str) else tuple(configs)
    unknown = [config for config in configs if config not in CONFIGS]
    if unknown or not configs:
        named = ", ".join(map(repr, unknown)) or "to build"
        raise mlt_s.MltSError(f"There is no configuration {named}: choose from {', '.join(CONFIGS)}.")
    return tuple(config for config in CONFIGS if config in configs)


def _reduced(pair: mlt_s.Pair, config: str) -> mlt_s.Pair:
    roles = mlt_s.ROLES[config]
    return pair._replace(image=pair.image if "image" in roles else (), words=pair.words if "words" in roles else ())


def _shards(folder: str, split: str, config: str, pairs: list[mlt_s.Pair]) -> list[Shard]:
    """The files of a split, of about equal size, in the order of the pairs."""
    total = sum(map(_size, pairs))
    count = math.ceil(total / SHARD_SIZE)
    ends = itertools.accumulate(map(_size, pairs))
    # The middle of a pair determines its file. A file that stays empty because of a large pair is dropped.
    places = [int((end - _size(pair) / 2) * count / total) for end, pair in zip(ends, pairs)]
    groups = [
        tuple(pair for _, pair in group)
        for _, group in itertools.groupby(zip(places, pairs), key=lambda entry: entry[0])
    ]
    return [
        Shard(f"{folder}/{split}-{at:05d}-of-{len(groups):05d}.parquet", split, config, group)
        for at, group in enumerate(groups)
    ]


def _members(pair: mlt_s.Pair) -> list[mlt_s.Member]:
    """The members of a pair that are read; others of the same name are copies."""
    return [copies[0] for copies in (pair.image, pair.label, pair.words) if copies]


def _size(pair: mlt_s.Pair) -> int:
    return sum(member.size for member in _members(pair))


def _fingerprint(splits: dict[str, list[mlt_s.Pair]]) -> str:
    """The fingerprint of the listing, reduced to what is built: without MLT's images without a label map, and without
    copies.
    """
    files = {
        (role, split): [(pair.image_id, getattr(pair, role)[0]) for pair in pairs if getattr(pair, role)]
        for split, pairs in splits.items()
        for role in ("image", "label", "words")
    }
    return mlt_s.Listing(files).fingerprint()
