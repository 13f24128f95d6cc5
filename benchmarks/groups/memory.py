"""Whether memory grows with the number of entries, and whether a stream writes anything."""

import functools
from collections.abc import Callable, Iterator

from benchmarks.group import Action, Contender, Figures, Group
from benchmarks.paths import Stage


def _stream(folder: str, stage: Stage, scratch: str) -> Action:
    def action() -> Figures:
        import datasets

        import mlt_s  # noqa: F401, makes the name known to `datasets`

        stream = datasets.load_dataset("mlt_s", data_dir=getattr(stage, folder), split="train", streaming=True)
        return {"pairs": sum(1 for _ in stream)}

    return action


def _prepare(folder: str, stage: Stage, scratch: str) -> Action:
    def action() -> Figures:
        import datasets

        import mlt_s  # noqa: F401, makes the name known to `datasets`

        builder = datasets.load_dataset_builder("mlt_s", data_dir=getattr(stage, folder))
        builder.download_and_prepare()
        return {"pairs": builder.info.splits["train"].num_examples}

    return action


def _list(folder: str, stage: Stage, scratch: str) -> Action:
    def action() -> Figures:
        from mlt_s_tools.training import ArchiveDataset

        dataset = ArchiveDataset(getattr(stage, folder), "train")
        return {"pairs": sum(1 for at in range(len(dataset)) if dataset[at])}

    return action


def _both(name: str, title: str, begin: Callable[[str, Stage, str], Action]) -> Iterator[tuple[str, Contender]]:
    for entries, folder in (("900", "tenth"), ("9,000", "many")):
        key = f"{name}_{entries.replace(',', '')}"
        yield key, Contender(f"this project: {title}, {entries} images", functools.partial(begin, folder), ours=True)


GROUP = Group(
    "Memory",
    "The most memory that a fresh process held by the end of an epoch over all training pairs, small ones, imports and "
    "all; and bytes of the files that are there afterwards, in its cache, its folder for temporary files and where it "
    "was started. Preparing ends before the prepared set is opened: its file is mapped into memory then, and what the "
    "system has at hand of a file counts as memory of whoever maps it.",
    {
        **dict(_both("stream", "stream", _stream)),
        **dict(_both("archive_dataset", "ArchiveDataset", _list)),
        **dict(_both("prepare", "preparing", _prepare)),
    },
    figure="peak_memory",
    unit="MB",
    fresh=True,
    rounds=False,
)
