"""Aims, as ratios within one run, and whether they were reached."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple, Optional

from benchmarks.group import Measured


class Aim(NamedTuple):
    """A ratio of two measured figures, or one figure where there is no second.

    Attributes:
        title: what it says.
        over: (group, contender, figure). The contender `FASTEST_CONVERTED` is the one with most of it in each round,
            of those that leave files.
        under: likewise, of the same round; None to take the figure as it is.
        aim: the most or least that is to be reached.
        high: whether more is better.
        unit: of a figure without another one.
    """

    title: str
    over: tuple[str, str, str]
    under: Optional[tuple[str, str, str]]
    aim: float
    high: bool = False
    unit: str = ""

    def met(self, value: float) -> bool:
        return value >= self.aim if self.high else value <= self.aim


FASTEST_CONVERTED = "the fastest one that converts"

_UNZIP = ("prepare", "unzip", "seconds")
_BARE = ("decode", "bare", "pairs_per_second")
_IMAGEFOLDER = ("first", "imagefolder_stream", "since_start")

AIMS = {
    "prepare_1": Aim("preparing by 1 process / unzip alone, time", ("prepare", "zips_1", "seconds"), _UNZIP, 0.60),
    "prepare_2": Aim("preparing by 2 processes / unzip alone, time", ("prepare", "zips_2", "seconds"), _UNZIP, 0.35),
    "prepare_usual": Aim(
        "preparing by 2 processes / unzip + imagefolder, time",
        ("prepare", "zips_2", "seconds"),
        ("prepare", "imagefolder", "seconds"),
        0.35,
    ),
    "first": Aim(
        "first example from zips / from imagefolder on an unpacked tree, time",
        ("first", "stream", "since_start"),
        _IMAGEFOLDER,
        1.0,
    ),
    "finding": Aim(
        "finding and joining 9,000 entries, reading a pair / opening the archives, time",
        ("finding", "find", "seconds"),
        ("finding", "open", "seconds"),
        3.0,
    ),
    "decode_stream": Aim(
        "decoding a stream / bare loop, speed", ("decode", "stream_0", "pairs_per_second"), _BARE, 0.97, high=True
    ),
    "decode_archive_dataset": Aim(
        "decoding an ArchiveDataset / bare loop, speed",
        ("decode", "archive_dataset_0", "pairs_per_second"),
        _BARE,
        0.97,
        high=True,
    ),
    "decode_stream_2": Aim(
        "the same stream with 2 workers / bare loop, speed",
        ("decode", "stream_2", "pairs_per_second"),
        _BARE,
        1.9,
        high=True,
    ),
    "decode_archive_dataset_2": Aim(
        "the same ArchiveDataset with 2 workers / bare loop, speed",
        ("decode", "archive_dataset_2", "pairs_per_second"),
        _BARE,
        1.9,
        high=True,
    ),
    "train_archive_dataset": Aim(
        "training on an ArchiveDataset / on a plain PyTorch Dataset, speed a core",
        ("train", "plain_0", "cpu"),
        ("train", "archive_dataset_0", "cpu"),
        1.0,
        high=True,
    ),
    "train_stream": Aim(
        "training on a stream / on a plain PyTorch Dataset, speed a core",
        ("train", "plain_0", "cpu"),
        ("train", "stream_0", "cpu"),
        1.0,
        high=True,
    ),
    "train_archive_dataset_2": Aim(
        "the same with 2 workers each, ArchiveDataset, speed a core",
        ("train", "plain_2", "cpu"),
        ("train", "archive_dataset_2", "cpu"),
        1.0,
        high=True,
    ),
    "train_stream_2": Aim(
        "the same with 2 workers each, stream, speed a core",
        ("train", "plain_2", "cpu"),
        ("train", "stream_2", "cpu"),
        1.0,
        high=True,
    ),
    "train_fast": Aim(
        "training on an ArchiveDataset, extra fast / on a plain PyTorch Dataset, speed a core",
        ("train", "plain_0", "cpu"),
        ("train", "fast_0", "cpu"),
        1.2,
        high=True,
    ),
    "train_fast_2": Aim(
        "the same with 2 workers each, speed a core",
        ("train", "plain_2", "cpu"),
        ("train", "fast_2", "cpu"),
        1.2,
        high=True,
    ),
    "resume_stream": Aim("resuming a stream at 90%", ("resume", "state_dict", "at_90"), None, 0.2, unit="s"),
    "resume_stream_flat": Aim(
        "resuming a stream at 90% / at 10%, time",
        ("resume", "state_dict", "at_90"),
        ("resume", "state_dict", "at_10"),
        1.5,
    ),
    "resume_archive_dataset": Aim(
        "resuming an ArchiveDataset at 90%", ("resume", "archive_dataset", "at_90"), None, 0.2, unit="s"
    ),
    "nodes": Aim("bytes of the node that reads most / an 8th of all", ("nodes", "stream", "largest_share"), None, 1.05),
    "memory_stream": Aim(
        "memory of a stream of 9,000 / of 900 entries",
        ("memory", "stream_9000", "peak_memory"),
        ("memory", "stream_900", "peak_memory"),
        1.15,
    ),
    "memory_archive_dataset": Aim(
        "memory of an ArchiveDataset of 9,000 / of 900 entries",
        ("memory", "archive_dataset_9000", "peak_memory"),
        ("memory", "archive_dataset_900", "peak_memory"),
        1.15,
    ),
    "memory_prepare": Aim(
        "memory of preparing 9,000 / 900 entries",
        ("memory", "prepare_9000", "peak_memory"),
        ("memory", "prepare_900", "peak_memory"),
        1.15,
    ),
    "written": Aim("bytes left on disk by a stream", ("memory", "stream_9000", "kept"), None, 0, unit="bytes"),
    "remote_stream": Aim(
        "a stream over http, 50 ms away / bare loop over local zips, speed",
        ("remote", "http_stream_0", "pairs_per_second"),
        ("remote", "bare", "pairs_per_second"),
        0.9,
        high=True,
    ),
    "remote_stream_2": Aim(
        "the same with 2 workers / bare loop, 2 processes, speed",
        ("remote", "http_stream_2", "pairs_per_second"),
        ("remote", "bare_2", "pairs_per_second"),
        0.9,
        high=True,
    ),
    "remote_hub": Aim(
        "a stream of hf://, 50 ms away / bare loop over local zips, speed",
        ("remote", "hf_stream_0", "pairs_per_second"),
        ("remote", "bare", "pairs_per_second"),
        0.9,
        high=True,
    ),
    "remote_requests": Aim(
        "requests a pair of a stream of hf://", ("remote", "hf_stream_0", "requests_per_pair"), None, 2, unit="requests"
    ),
    "remote_bytes": Aim(
        "bytes of a stream of hf:// / packed bytes of its members",
        ("remote", "hf_stream_0", "bytes_per_byte"),
        None,
        1.05,
    ),
    "remote_first": Aim(
        "round trips to the first pair of a stream over http",
        ("remote", "http_stream_0", "round_trips"),
        None,
        6,
        unit="round trips",
    ),
    "remote_first_hub": Aim(
        "round trips to the first pair of a stream of hf://",
        ("remote", "hf_stream_0", "round_trips"),
        None,
        6,
        unit="round trips",
    ),
    "converted_stream": Aim(
        "reading a stream of zips / the fastest that converts, speed",
        ("converted", "stream", "pairs_per_second"),
        ("converted", FASTEST_CONVERTED, "pairs_per_second"),
        0.95,
        high=True,
    ),
    "converted_archive_dataset": Aim(
        "reading an ArchiveDataset of zips / the fastest that converts, speed",
        ("converted", "archive_dataset", "pairs_per_second"),
        ("converted", FASTEST_CONVERTED, "pairs_per_second"),
        0.95,
        high=True,
    ),
    "converted_stream_2": Aim(
        "the same stream with 2 workers / the fastest that converts, speed",
        ("converted", "stream", "with_2"),
        ("converted", FASTEST_CONVERTED, "with_2"),
        0.95,
        high=True,
    ),
    "converted_archive_dataset_2": Aim(
        "the same ArchiveDataset with 2 workers / the fastest that converts, speed",
        ("converted", "archive_dataset", "with_2"),
        ("converted", FASTEST_CONVERTED, "with_2"),
        0.95,
        high=True,
    ),
    "import": Aim(
        "import datasets and mlt_s / import datasets, time",
        ("imports", "mlt_s", "seconds"),
        ("imports", "datasets", "seconds"),
        1.1,
    ),
}


def reached(measured: Measured) -> dict[str, dict[str, float]]:
    """What of `AIMS` was measured.

    Args:
        measured: group -> contender -> a list of what `processes.run` returned, one a round.

    Returns:
        name -> a dict of `median`, `least` and `most` over the rounds. The ratios are of one round each, so that what
        slows down a whole round is in both figures.
    """
    values = {}
    for name, aim in AIMS.items():
        over = _figures(measured, aim.over)
        under = _figures(measured, aim.under) if aim.under else [1] * len(over)
        if over and under:
            values[name] = spread([one / other for one, other in zip(over, under)])
    return values


def _figures(measured: Measured, place: tuple[str, str, str]) -> list[float]:
    """One a round; none where the contender was not measured."""
    group, contender, figure = place
    contenders = measured.get(group, {})
    if contender == FASTEST_CONVERTED:
        return [
            max(one[figure] for one in each if one["kept"])
            for each in zip(*contenders.values())
            if any(one["kept"] for one in each)
        ]
    return [one[figure] for one in contenders.get(contender, ())]


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def differing(measured: Measured) -> list[str]:
    """Contenders whose pixels are not those of the plain PyTorch Dataset."""
    found = []
    for group, plain in (("train", "plain_0"), ("order", "plain")):
        digests = {
            name: rounds[0]["digest"] for name, rounds in measured.get(group, {}).items() if "digest" in rounds[0]
        }
        found += [name for name, digest in digests.items() if digest != digests[plain]]
    return found


def resumed_elsewhere(measured: Measured) -> list[str]:
    """Contenders that went on with another pair than the next one."""
    return [name for name, (taken, *_) in measured.get("order", {}).items() if not taken["resumed_right"]]
