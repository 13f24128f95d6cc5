"""From nothing but files to the first example."""

import functools

from benchmarks.group import Action, Contender, Group
from benchmarks.paths import Stage


def _stream(folder: str, stage: Stage, scratch: str) -> Action:
    def action() -> None:
        import datasets

        import mlt_s  # noqa: F401, makes the name known to `datasets`

        data_dir = getattr(stage, folder)
        stream = datasets.load_dataset("mlt_s", data_dir=data_dir, split="train", streaming=True)
        next(iter(stream))["image"].load()

    return action


def _archive_dataset(stage: Stage, scratch: str) -> Action:
    def action() -> None:
        from mlt_s_tools.training import ArchiveDataset

        ArchiveDataset(stage.many, "train")[0]["image"].load()

    return action


def _imagefolder(streaming: bool, stage: Stage, scratch: str) -> Action:
    def action() -> None:
        import datasets

        data_dir = stage.many_unpacked
        examples = datasets.load_dataset("imagefolder", data_dir=data_dir, split="train", streaming=streaming)
        next(iter(examples))["image"].load()

    return action


def _plain(stage: Stage, scratch: str) -> Action:
    def action() -> None:
        from benchmarks.plain import PlainDataset

        PlainDataset(stage.many_unpacked, "train")[0]["image"].load()

    return action


GROUP = Group(
    "To the first example",
    "From the start of a fresh process, imports and all, to the first pair, decoded. 9,000 images as in MLT, but "
    "small. The unpacked tree was unpacked, and its metadata written, before: what that takes stands under preparing. "
    "Streams of `datasets` import PyTorch where it is installed, as a PyTorch Dataset does.",
    {
        "stream": Contender("this project: stream, zips", functools.partial(_stream, "many"), ours=True),
        "stream_unpacked": Contender(
            "this project: stream, unpacked", functools.partial(_stream, "many_unpacked"), ours=True
        ),
        "archive_dataset": Contender("this project: ArchiveDataset, zips", _archive_dataset, ours=True),
        "imagefolder_stream": Contender("imagefolder: stream, unpacked", functools.partial(_imagefolder, True)),
        "imagefolder": Contender("imagefolder: prepared, unpacked", functools.partial(_imagefolder, False)),
        "plain": Contender("plain PyTorch Dataset, unpacked", _plain),
    },
    figure="since_start",
    against="imagefolder_stream",
    fresh=True,
)
