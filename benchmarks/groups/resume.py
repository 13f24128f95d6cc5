"""Going on in the middle of an epoch."""

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.group import Action, Contender, Figures, Group
from benchmarks.paths import Stage

PLACES = (10, 50, 90)  # percent of an epoch


def _timed(begin_at: Callable[[int], Iterator[Any]], length: int) -> Figures:
    """Seconds to the next example, decoded, at each place."""
    seconds = {}
    for percent in PLACES:
        gc.collect()  # of what came before, lest it fall into one of the places
        clock = time.perf_counter()
        next(begin_at(length * percent // 100))["image"].load()
        seconds[f"at_{percent}"] = time.perf_counter() - clock
    return seconds


def _shuffled(stage: Stage, scratch: str) -> Any:
    import datasets

    import mlt_s  # noqa: F401, makes the name known to `datasets`

    stream = datasets.load_dataset("mlt_s", data_dir=stage.many, split="train", streaming=True, cache_dir=scratch)
    return stream.shuffle(seed=0, buffer_size=1)


def _state_dict(stage: Stage, scratch: str) -> Action:
    stream, length = _shuffled(stage, scratch).decode(False), _length(stage)
    places = {length * percent // 100 for percent in PLACES}
    states = {number: stream.state_dict() for number, _ in enumerate(stream, 1) if number in places}
    opened = [_shuffled(stage, scratch) for _ in places]

    def begin_at(number: int) -> Iterator[Any]:
        resumed = opened.pop()
        resumed.load_state_dict(states[number])
        return iter(resumed)

    return lambda: _timed(begin_at, length)


def _skip(stage: Stage, scratch: str) -> Action:
    stream, length = _shuffled(stage, scratch), _length(stage)
    return lambda: _timed(lambda number: iter(stream.skip(number)), length)


def _length(stage: Stage) -> int:
    from mlt_s_tools.training import ArchiveDataset

    return len(ArchiveDataset(stage.many, "train"))


def _sampled(dataset: Any) -> Action:
    from torch.utils.data import DataLoader

    def begin_at(number: int) -> Iterator[Any]:
        rest = range(number, len(dataset))
        return iter(DataLoader(dataset, batch_size=None, sampler=rest))

    return lambda: _timed(begin_at, len(dataset))


def _archive_dataset(stage: Stage, scratch: str) -> Action:
    from mlt_s_tools.training import ArchiveDataset

    return _sampled(ArchiveDataset(stage.many, "train"))


def _plain(stage: Stage, scratch: str) -> Action:
    from benchmarks.plain import PlainDataset

    return _sampled(PlainDataset(stage.many_unpacked, "train"))


GROUP = Group(
    "Resuming",
    f"From the wish to go on at {', '.join(map(str, PLACES))} percent of the training pairs to the next pair, decoded, "
    "in a process that has the data set open. As many pairs as in MLT_S, but small. Streams are shuffled. `state_dict` "
    "and a sampler go to the place; `skip` reads all that was seen.",
    {
        "state_dict": Contender("this project: shuffled stream, state_dict", _state_dict, ours=True),
        "archive_dataset": Contender("this project: ArchiveDataset, sampler", _archive_dataset, ours=True),
        "skip": Contender("this project: shuffled stream, skip", _skip, ours=True),
        "plain": Contender("plain PyTorch Dataset, sampler, unpacked", _plain),
    },
    figure="at_90",
    unit="s at 90%",
)
