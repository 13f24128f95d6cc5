"""What each of several nodes reads."""

from collections.abc import Iterable
from typing import Any

from benchmarks.group import Action, Contender, Figures, Group
from benchmarks.paths import Stage

NODES = 8


def _stream(stage: Stage, scratch: str) -> Action:
    import datasets
    from datasets.distributed import split_dataset_by_node

    import mlt_s  # noqa: F401, makes the name known to `datasets`
    from benchmarks import meters

    def opened() -> Any:
        options = {"data_dir": stage.archives, "split": "train", "streaming": True, "cache_dir": scratch}
        return datasets.load_dataset("mlt_s", **options).decode(False)

    def read_by(part: Iterable[Any]) -> tuple[int, int]:
        before = meters.bytes_read()
        pairs = sum(1 for _ in part)
        return meters.bytes_read() - before, pairs

    next(iter(opened()))  # what is imported late is read here

    def action() -> Figures:
        whole, pairs = read_by(opened())
        before = meters.bytes_read()
        opened()
        listing = meters.bytes_read() - before
        parts = [read_by(split_dataset_by_node(opened(), rank, NODES)) for rank in range(NODES)]
        nodes, dealt = zip(*parts)
        largest = NODES * (max(nodes) + listing) / whole
        return {
            "whole": whole,
            "pairs": pairs,
            "listing": listing,
            "nodes": nodes,
            "dealt": dealt,
            "largest_share": largest,
        }

    return action


GROUP = Group(
    "Nodes",
    f"Bytes that each of {NODES} nodes reads of an epoch by `split_dataset_by_node`, with what it reads to list the "
    f"archives, in parts of an even {NODES}th of what one node alone reads. Counted at the system's calls.",
    {"stream": Contender("this project: stream, zips", _stream, ours=True)},
    figure="largest_share",
    unit=f"of 1/{NODES}, the largest",
    rounds=False,
)
