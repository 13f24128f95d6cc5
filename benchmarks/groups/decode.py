"""Full epochs with decoding."""

import concurrent.futures
import functools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.group import Action, Contender, Figures, Group
from benchmarks.paths import Stage

# How often those with two processes go over the pairs: starting two takes a tenth of a second, 4% of an epoch here, and
# less than 0.3% of one of MLT_S.
EPOCHS_OF_TWO = 4
BATCH = 4  # one by one, a third of a millisecond a pair goes into handing over


def sizes(example: Figures) -> Figures:
    """What is left of a decoded pair, so that workers hand over no pictures: how those travel is no loader's choice."""
    example["image"].load()
    example["label"].load()
    return {"width": example["image"].width, "height": example["label"].height}


def _count(examples: Iterable[Any]) -> Callable[[], Figures]:
    return lambda: {"pairs": sum(1 for _ in examples)}


def load(examples: Any, workers: int) -> Callable[[], Figures]:
    """The examples' sizes through a loader, in this process without workers."""
    from torch.utils.data import DataLoader

    def action() -> Figures:  # the loader goes with it, and ends its workers, so that their CPU seconds count
        loader = DataLoader(
            examples, batch_size=BATCH, num_workers=workers, collate_fn=list, persistent_workers=workers > 0
        )
        return {"pairs": sum(len(batch) for _ in range(_epochs(workers)) for batch in loader)}

    return action


def _epochs(workers: int) -> int:
    return EPOCHS_OF_TWO if workers == 2 else 1


def bare(stage: Stage, scratch: str) -> Action:
    return _count(_bare_loop(stage))


def _bare_loop(stage: Stage, *part: int) -> Iterator[Figures]:
    from benchmarks.plain import BareLoop
    from benchmarks.stage import SPLITS, all_archives, image_archives

    images, labels = image_archives(stage.few, "train"), all_archives(stage.few)[-1]
    return map(sizes, BareLoop(images, labels, SPLITS["train"], *part))


def bare_at_once(processes: int, stage: Stage, scratch: str) -> Action:
    """What this machine has to give to so many workers."""

    def action() -> Figures:
        with concurrent.futures.ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
            parts = [(stage, part, processes) for part in range(processes)] * _epochs(processes)
            return {"pairs": sum(pool.map(_bare_pairs, *zip(*parts)))}

    return action


def _bare_pairs(stage: Stage, *part: int) -> int:
    return sum(1 for _ in _bare_loop(stage, *part))


def _stream(name: str, options: dict[str, str], workers: int, stage: Stage, scratch: str) -> Action:
    import datasets

    import mlt_s  # noqa: F401, makes the name known to `datasets`

    options = {key: getattr(stage, folder) for key, folder in options.items()}
    stream = datasets.load_dataset(name, split="train", streaming=True, cache_dir=scratch, **options)
    return load(stream.map(sizes, remove_columns=stream.column_names), workers)


def _archive_dataset(workers: int, stage: Stage, scratch: str) -> Action:
    from mlt_s_tools.training import ArchiveDataset

    return load(ArchiveDataset(stage.few, "train", sizes), workers)


def _plain(workers: int, stage: Stage, scratch: str) -> Action:
    from benchmarks.plain import PlainDataset

    return load(PlainDataset(stage.few_unpacked, "train", sizes), workers)


def _prepared(name: str, folder: str, cache: str, stage: Stage, scratch: str) -> Action:
    import datasets

    import mlt_s  # noqa: F401, makes the name known to `datasets`

    prepared = datasets.load_dataset(
        name, data_dir=getattr(stage, folder), cache_dir=getattr(stage, cache), split="train"
    )
    return _count(map(sizes, prepared))


def _with_workers(
    name: str, title: str, begin: Callable[[int, Stage, str], Action], ours: bool
) -> Iterator[tuple[str, Contender]]:
    for workers in (0, 1, 2):
        counted = ("no worker", "1 worker", "2 workers")[workers]
        yield f"{name}_{workers}", Contender(f"{title}, {counted}", functools.partial(begin, workers), ours)


_streamed = functools.partial(_stream, "mlt_s", {"data_dir": "few"})
GROUP = Group(
    "Decoding",
    "An epoch over the training pairs, with image and label map decoded, and their sizes handed over, in batches of "
    f"{BATCH}. Two workers or processes go over {EPOCHS_OF_TWO} epochs, CPU seconds of all: starting them takes as "
    "much as 4% of one.",
    {
        "bare": Contender("bare loop: zipfile, Pillow", bare),
        "bare_2": Contender("bare loop, 2 processes", functools.partial(bare_at_once, 2)),
        **dict(_with_workers("stream", "this project: stream, zips", _streamed, True)),
        **dict(_with_workers("archive_dataset", "this project: ArchiveDataset, zips", _archive_dataset, True)),
        **dict(_with_workers("plain", "plain PyTorch Dataset, unpacked", _plain, False)),
        "stream_unpacked": Contender(
            "this project: stream, unpacked", functools.partial(_stream, "mlt_s", {"data_dir": "few_unpacked"}, 0), True
        ),
        "prepared": Contender(
            "this project: prepared set", functools.partial(_prepared, "mlt_s", "few", "prepared"), True
        ),
        "built": Contender(
            "mlt-s build: stream of Parquet", functools.partial(_stream, "parquet", {"data_dir": "built"}, 0), True
        ),
        "imagefolder": Contender(
            "imagefolder: prepared, unpacked",
            functools.partial(_prepared, "imagefolder", "few_unpacked", "prepared_imagefolder"),
        ),
    },
    figure="pairs_per_second",
    unit="pairs/s",
    against="bare",
)
