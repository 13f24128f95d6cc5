"""Going on in the middle of an epoch."""

import time

from benchmarks.group import Contender, Group

PLACES = (10, 50, 90)  # percent of an epoch


def _timed(begin_at, length):
    """Seconds to the next example, decoded, at each place."""
    seconds = {}
    for percent in PLACES:
        clock = time.perf_counter()
        next(begin_at(length * percent // 100))["image"].load()
        seconds[f"at_{percent}"] = time.perf_counter() - clock
    return seconds


def _shuffled(stage, scratch):
    import datasets

    import mlt_s  # noqa: F401, makes the name known to `datasets`

    stream = datasets.load_dataset("mlt_s", data_dir=stage.archives, split="train", streaming=True, cache_dir=scratch)
    return stream.shuffle(seed=0, buffer_size=1)


def _state_dict(stage, scratch):
    stream = _shuffled(stage, scratch)
    undecoded = stream.decode(False)
    states = [undecoded.state_dict()]
    for _ in undecoded:
        states.append(undecoded.state_dict())

    def begin_at(number):
        resumed = _shuffled(stage, scratch)
        resumed.load_state_dict(states[number])
        return iter(resumed)

    return lambda: _timed(begin_at, len(states) - 1)


def _skip(stage, scratch):
    stream = _shuffled(stage, scratch)
    length = sum(1 for _ in stream.decode(False))
    return lambda: _timed(lambda number: iter(_shuffled(stage, scratch).skip(number)), length)


def _sampled(dataset):
    from torch.utils.data import DataLoader

    def begin_at(number):
        rest = range(number, len(dataset))
        return iter(DataLoader(dataset, batch_size=None, sampler=rest))

    return lambda: _timed(begin_at, len(dataset))


def _archive_dataset(stage, scratch):
    from mlt_s_tools.training import ArchiveDataset

    return _sampled(ArchiveDataset(stage.archives, "train"))


def _plain(stage, scratch):
    from benchmarks.plain import PlainDataset

    return _sampled(PlainDataset(stage.unpacked, "train"))


GROUP = Group(
    "Resuming",
    f"From the wish to go on at {', '.join(map(str, PLACES))} percent of the training pairs to the next pair, decoded, "
    "in a process that has the data set open. Streams are shuffled, and opened anew for each place. `state_dict` and a "
    "sampler go to the place; `skip` reads all that was seen.",
    {
        "state_dict": Contender("this project: shuffled stream, state_dict", _state_dict, ours=True),
        "archive_dataset": Contender("this project: ArchiveDataset, sampler", _archive_dataset, ours=True),
        "skip": Contender("this project: shuffled stream, skip", _skip, ours=True),
        "plain": Contender("plain PyTorch Dataset, sampler, unpacked", _plain),
    },
    figure="at_90",
    unit="s at 90%",
)
