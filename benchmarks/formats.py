"""The same pairs in the formats that people convert to: written from the zips, read, shuffled, resumed.

Of each library, what its own documentation shows. Each import stands where it is used: a format that is not asked for
needs no package, and `steps` runs those of mosaicml-streaming and litdata by another Python where it has to.
"""

import contextlib
import functools
import io
import math
import os
import re
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.group import Figures, Sources, Transform
from benchmarks.plain import BareLoop, PlainDataset, decoded
from benchmarks.unpacking import unpack, write_metadata

# Pairs of full size in 64 MB: the shards of MDS are as large by default, and litdata's documentation takes it as well.
PAIRS_OF_A_SHARD = 80
SEED = 0


class Format(NamedTuple):
    """A way to keep the pairs.

    Attributes:
        title: as tables call it.
        convert: writes them; takes `sources`, a dict of split -> arguments of `BareLoop`, and an empty folder.
        load: takes the folder, a function of an example, a dict of `image_id`, `image` and `label`, and whether the
            order is shuffled. Returns what the loader goes over: the training pairs, as the function has them.
        loader: takes that, `resumable`, `shuffle`, and options of a `DataLoader`. Its batches are dicts with a list,
            `pairs`. It has `state_dict` and `load_state_dict` where `resumable` is asked for.
        needs: packages without which it is left out.
        ours: whether it is this project.
        in_order: whether it is not shuffled to be resumed.
    """

    title: str
    convert: Callable[[Sources, str], None]
    load: Callable[[Any, Transform, bool], Any]
    loader: Callable[..., Any]
    needs: tuple[str, ...] = ()
    ours: bool = False
    in_order: bool = False


def shard_size(pairs: int) -> int:
    """How many pairs a shard has: a number of shards that two workers share evenly, of at most `PAIRS_OF_A_SHARD`."""
    return math.ceil(pairs / (2 * math.ceil(pairs / (2 * PAIRS_OF_A_SHARD))))


def collate(batch: list[Any]) -> dict[str, list[Any]]:
    """A dict, by whose values StreamingDataLoader of mosaicml-streaming counts what it has handed over."""
    return {"pairs": batch}


def _torch_loader(dataset: Any, resumable: bool = False, shuffle: bool = False, **options: Any) -> Any:
    from torch.utils.data import DataLoader, IterableDataset

    if resumable:
        from torchdata.stateful_dataloader import StatefulDataLoader as DataLoader  # noqa: F811
    if not isinstance(dataset, IterableDataset) and hasattr(dataset, "__len__"):
        options["shuffle"] = shuffle  # streams are shuffled where they are loaded
    return DataLoader(dataset, collate_fn=collate, **options)


def _keep_zips(sources: Sources, folder: str) -> None:
    """Nothing is converted: the archives are where they were, and the folder says where."""
    os.symlink(os.path.dirname(sources["train"][1]), os.path.join(folder, "zips"))


def _load_stream(folder: str, transform: Transform, shuffled: bool) -> Any:
    import datasets

    import mlt_s  # noqa: F401, makes the name known to `datasets`

    stream = datasets.load_dataset("mlt_s", data_dir=_zips(folder), split="train", streaming=True)
    if shuffled:
        stream = stream.shuffle(seed=SEED, buffer_size=1)
    return stream.map(transform, remove_columns=stream.column_names)


def _load_archive_dataset(folder: str, transform: Transform, shuffled: bool) -> Any:
    from mlt_s_tools.training import ArchiveDataset

    return ArchiveDataset(_zips(folder), "train", transform)


def _zips(folder: str) -> str:
    return os.path.realpath(os.path.join(folder, "zips"))


def _build(sources: Sources, folder: str) -> None:
    import mlt_s_tools

    with contextlib.redirect_stdout(io.StringIO()):
        mlt_s_tools.build(os.path.dirname(sources["train"][1]), os.path.join(folder, "built"), verify=False, jobs=1)


def _load_built(folder: str, transform: Transform, shuffled: bool) -> Any:
    import datasets

    data_dir = os.path.join(folder, "built")
    stream = datasets.load_dataset("parquet", data_dir=data_dir, split="train", streaming=True)
    if shuffled:
        stream = stream.shuffle(seed=SEED)
    return stream.map(transform, remove_columns=stream.column_names)


def _unzip(sources: Sources, folder: str) -> None:
    unpack(sources, os.path.join(folder, "tree"))


def _load_plain(folder: str, transform: Transform, shuffled: bool) -> Any:
    return PlainDataset(os.path.join(folder, "tree"), "train", transform)


def _convert_imagefolder(sources: Sources, folder: str) -> None:
    _unzip_with_metadata(sources, folder)
    _imagefolder(folder)


def _unzip_with_metadata(sources: Sources, folder: str) -> None:
    _unzip(sources, folder)
    write_metadata(os.path.join(folder, "tree"))


def _imagefolder(folder: str) -> Any:
    import datasets

    tree, cache = os.path.join(folder, "tree"), os.path.join(folder, "cache")
    return datasets.load_dataset("imagefolder", data_dir=tree, cache_dir=cache, split="train")


def _load_imagefolder(folder: str, transform: Transform, shuffled: bool) -> Any:
    return _Mapped(_imagefolder(folder), transform)


class _Mapped:
    """A transform of an example in place of one of a batch, as `set_transform` has it."""

    def __init__(self, dataset: Any, transform: Transform) -> None:
        self._dataset, self._transform = dataset, transform

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        return self._transform(self._dataset[index])


def _convert_webdataset(sources: Sources, folder: str) -> None:
    import webdataset

    for split, source in sources.items():
        os.mkdir(os.path.join(folder, split))
        pairs = BareLoop(*source)
        pattern = os.path.join(folder, split, "%06d.tar")
        with webdataset.ShardWriter(pattern, maxcount=shard_size(len(pairs)), verbose=0) as writer:
            for image_id, image, label in pairs.files():
                writer.write({"__key__": image_id, "jpg": image, "png": label})


def _load_webdataset(folder: str, transform: Transform, shuffled: bool) -> Any:
    folder = os.path.join(folder, "train")
    return webdataset_of([os.path.join(folder, name) for name in sorted(os.listdir(folder))], transform, shuffled)


def webdataset_of(addresses: list[str], transform: Transform, shuffled: bool = False) -> Any:
    """The pairs of tar files, which may be URLs, by WebDataset."""
    import webdataset

    samples = webdataset.WebDataset(addresses, shardshuffle=100 if shuffled else False, seed=SEED)
    if shuffled:
        samples = samples.shuffle(1000, seed=SEED)
    return samples.map(lambda sample: transform(decoded(sample["__key__"], sample["jpg"], sample["png"])))


def _convert_mds(sources: Sources, folder: str) -> None:
    from streaming import MDSWriter

    columns = {"image_id": "str", "image": "bytes", "label": "bytes"}
    for split, source in sources.items():
        pairs = BareLoop(*source)
        size = max(1, shard_size(len(pairs)) * pairs.size // len(pairs))
        with MDSWriter(out=os.path.join(folder, split), columns=columns, size_limit=size) as writer:
            for image_id, image, label in pairs.files():
                writer.write({"image_id": image_id, "image": image, "label": label})


def _load_mds(folder: str, transform: Transform, shuffled: bool) -> Any:
    from streaming import StreamingDataset

    class Pairs(StreamingDataset):
        def __getitem__(self, index: int) -> Any:
            return transform(decoded(**super().__getitem__(index)))

    return Pairs(local=os.path.join(folder, "train"), shuffle=shuffled, shuffle_seed=SEED, batch_size=1)


def _mds_loader(dataset: Any, resumable: bool = False, shuffle: bool = False, **options: Any) -> Any:
    from streaming import StreamingDataLoader

    dataset.batch_size = options["batch_size"]
    return StreamingDataLoader(dataset, collate_fn=collate, **options)


def _convert_litdata(sources: Sources, folder: str) -> None:
    import litdata

    for split, source in sources.items():
        litdata.optimize(
            fn=_litdata_samples,
            inputs=[source],
            output_dir=os.path.join(folder, split),
            chunk_size=shard_size(len(BareLoop(*source))),
            num_workers=1,
        )


def _litdata_samples(source: tuple[Any, ...]) -> Iterator[Figures]:
    for image_id, image, label in BareLoop(*source).files():
        yield {"image_id": image_id, "image": image, "label": label}


def _load_litdata(folder: str, transform: Transform, shuffled: bool) -> Any:
    import litdata

    return litdata.StreamingDataset(
        os.path.join(folder, "train"),
        shuffle=shuffled,
        seed=SEED,
        drop_last=False,
        transform=functools.partial(_transformed, transform),
    )


def _transformed(transform: Transform, files: dict[str, Any]) -> Any:
    return transform(decoded(**files))


def _litdata_loader(dataset: Any, resumable: bool = False, shuffle: bool = False, **options: Any) -> Any:
    import litdata

    return litdata.StreamingDataLoader(dataset, collate_fn=collate, **options)


def _load_webdataset_http(options: Figures, transform: Transform, shuffled: bool) -> Any:
    with urllib.request.urlopen(options["data_dir"]) as page:
        names = sorted(set(re.findall(r"\d+\.tar", page.read().decode())))
    return webdataset_of([options["data_dir"] + name for name in names], transform)


def _load_imagefolder_hub(options: Figures, transform: Transform, shuffled: bool) -> Any:
    import datasets

    stream = datasets.load_dataset("lab/mlt", split="train", streaming=True)
    return stream.map(transform, remove_columns=stream.column_names)


FORMATS = {
    "stream": Format("this project: stream, zips", _keep_zips, _load_stream, _torch_loader, ours=True),
    "archive_dataset": Format(
        "this project: ArchiveDataset, zips", _keep_zips, _load_archive_dataset, _torch_loader, ours=True
    ),
    "built": Format("mlt-s build: stream of Parquet", _build, _load_built, _torch_loader, ours=True, in_order=True),
    "webdataset": Format("WebDataset: tar", _convert_webdataset, _load_webdataset, _torch_loader, ("webdataset",)),
    "mds": Format("mosaicml-streaming: MDS", _convert_mds, _load_mds, _mds_loader, ("streaming",)),
    "litdata": Format("litdata: optimized", _convert_litdata, _load_litdata, _litdata_loader, ("litdata",)),
    "imagefolder": Format("imagefolder: prepared, unpacked", _convert_imagefolder, _load_imagefolder, _torch_loader),
    "plain": Format("plain PyTorch Dataset, unpacked", _unzip, _load_plain, _torch_loader),
}

# From a server; `load` takes the options by which it is opened, as `server.Far` has them.
REMOTE = {
    "webdataset_http": Format(
        "WebDataset: tar, http://", _convert_webdataset, _load_webdataset_http, _torch_loader, ("webdataset",)
    ),
    "imagefolder_hf": Format(
        "imagefolder: stream of a repository of the Hub", _unzip_with_metadata, _load_imagefolder_hub, _torch_loader
    ),
}


def named(name: str) -> Format:
    """The `Format` of that name."""
    return FORMATS[name] if name in FORMATS else REMOTE[name]
