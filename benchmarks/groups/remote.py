"""Full epochs from a server that is 50 ms away."""

import functools
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from benchmarks.formats import REMOTE
from benchmarks.group import Action, Contender, Figures, Group, Transform
from benchmarks.groups import decode
from benchmarks.paths import Stage
from benchmarks.server import DELAY, FARTHER, LINE, Far

IN_TURN = 20  # pairs: each waits for some round trips, whatever comes after it
_SERVED_BY = {"s3": ("s3fs", "moto")}  # packages


def _far(kind: str, stage: Stage, scratch: str) -> Far:
    import datasets
    import huggingface_hub

    datasets.config.HF_HUB_OFFLINE = huggingface_hub.constants.HF_HUB_OFFLINE = False  # the Hub is on loopback
    far = Far(kind, stage.few, stage.delay)
    far.options = [{**options, "cache_dir": scratch} for options in far.options]
    return far


def _round_trips(open_first: Callable[[Figures], object], far: Far) -> Figures:
    """From the wish to the first pair, decoded: by how much later it comes from a server that is farther away."""
    seconds = []
    open_first(far.options.pop(0))  # what is imported late is imported here
    for options in far.options:
        clock = time.perf_counter()
        open_first(options)
        seconds.append(time.perf_counter() - clock)
    return {"first": seconds[0], "round_trips": (seconds[1] - seconds[0]) / (far.delay * (FARTHER - 1))}


def _counted(action: Callable[[], Figures], far: Far, pairs: Sequence[Any]) -> Callable[[], Figures]:
    """Adds requests a pair, bytes of answers in parts of the members' packed bytes, and the server's CPU seconds."""
    members = sum(copies[0].packed_size for pair in pairs for copies in (pair.label, pair.image))

    def counted() -> Figures:
        far.counts()
        taken = action()
        counts = far.counts()
        epochs = taken["pairs"] / len(pairs)
        taken["requests_per_pair"] = counts["requests"] / taken["pairs"]
        taken["server_cpu"] = counts["cpu"]
        taken["bytes_per_byte"] = counts["sent"] / (epochs * members)
        return taken

    return counted


def _other(name: str, kind: str, workers: int, stage: Stage, scratch: str) -> Action:
    """Another library over what it reads, from the same server; what it asks when it opens the data set is counted."""
    import mlt_s
    from benchmarks import interpreters, steps
    from benchmarks.stage import sources

    python = interpreters.having(REMOTE[name].needs, stage.other_python)
    assert python  # otherwise it is left out
    with tempfile.TemporaryDirectory(dir=os.path.dirname(scratch)) as served:
        steps.run(python, "convert", name, served, sources(stage.few))
        far = Far(kind, _served(served), stage.delay)  # it holds the files in memory
    options = far.options[0]
    endpoint = options.get("storage_options", {}).get("endpoint")
    variables = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"} if endpoint else {}
    pairs = mlt_s.MltS(data_dir=stage.few).pairs()["train"]
    begin = functools.partial(steps.run, fresh=bool(variables), **variables)  # which are read as libraries are imported
    action = functools.partial(begin, python, "remote", name, scratch, options, workers)
    return _counted(action, far, pairs)


def _served(folder: str) -> Path:
    """Where the training pairs are, of those of both splits."""
    found = next(Path(folder).rglob("train"))
    return found if any(found.glob("*.tar")) else found.parent


def _stream(kind: str, workers: int, stage: Stage, scratch: str) -> Action:
    import mlt_s

    far = _far(kind, stage, scratch)

    def opened(options: Figures) -> Any:
        return mlt_s.MltS(**options).as_streaming_dataset(split="train")

    trips = _round_trips(lambda options: next(iter(opened(options)))["image"].load(), far)
    stream, pairs = opened(far.options[0]), mlt_s.MltS(**far.options[0]).pairs()["train"]
    load = decode.load(stream.map(decode.sizes, remove_columns=stream.column_names), workers)
    return _counted(lambda: {**load(), **trips}, far, pairs)


def _archive_dataset(kind: str, workers: int, stage: Stage, scratch: str) -> Action:
    from mlt_s_tools.training import ArchiveDataset

    far = _far(kind, stage, scratch)

    def opened(options: Figures, transform: Optional[Transform] = None) -> Any:
        return ArchiveDataset(options["data_dir"], "train", transform, **_but(options, "data_dir", "cache_dir"))

    trips = _round_trips(lambda options: opened(options)[0]["image"].load(), far)
    dataset = opened(far.options[0], decode.sizes)
    load = decode.load(dataset, workers)
    return _counted(lambda: {**load(), **trips}, far, dataset.pairs)


def _in_turn(stage: Stage, scratch: str) -> Action:
    """As it was without reading ahead: a member, the next one, decoding."""
    import mlt_s

    builder = mlt_s.MltS(**_far("http", stage, scratch).options[0])
    pairs, options = builder.pairs()["train"][:IN_TURN], builder.config.remote_options
    examples = (mlt_s.read_example(pair, options) for pair in pairs)
    decoded = map(decode.sizes, map(builder.info.features.decode_example, examples))
    return lambda: {"pairs": sum(1 for _ in decoded)}


def _but(options: Figures, *names: str) -> Figures:
    return {name: value for name, value in options.items() if name not in names}


def _with_workers() -> Iterator[tuple[str, Contender]]:
    for kind, address in {"http": "http://", "hf": "hf://", "s3": "s3://"}.items():
        for name, begin in (("stream", _stream), ("ArchiveDataset", _archive_dataset)):
            for workers, counted in ((0, "no worker"), (2, "2 workers")):
                key = f"{kind}_{'stream' if name == 'stream' else 'archive_dataset'}_{workers}"
                title = f"this project: {name}, {address}, {counted}"
                here = _SERVED_BY.get(kind, ())
                yield key, Contender(title, functools.partial(begin, kind, workers), ours=True, here=here)


def _others() -> Iterator[tuple[str, Contender]]:
    for name, kind in (("webdataset_http", "http"), ("imagefolder_hf", "hf")):
        form = REMOTE[name]
        for workers, counted in ((0, "no worker"), (2, "2 workers")):
            begin = functools.partial(_other, name, kind, workers)
            yield f"{name}_{workers}", Contender(f"{form.title}, {counted}", begin, needs=form.needs)


GROUP = Group(
    "Remote",
    f"The epochs of decoding, from archives on a server that answers each request after {1000 * DELAY:.0f} ms, on a "
    f"line of {LINE * 8 / 1e9:.0f} Gbit/s: `http://` by a web server, `hf://` by the real client against the Hub of "
    "the tests, `s3://` against moto's server, where it is installed. Beside it, the pairs converted to tar files and "
    "unpacked, read by others from the same servers. The servers run on the same cores. What decoding alone allows is "
    "the bare loop over local zips.",
    {
        "bare": Contender("bare loop over local zips: zipfile, Pillow", decode.bare),
        "bare_2": Contender("bare loop over local zips, 2 processes", functools.partial(decode.bare_at_once, 2)),
        "in_turn": Contender("http://, a member after the other, no worker", _in_turn),
        **dict(_with_workers()),
        **dict(_others()),
    },
    figure="pairs_per_second",
    unit="pairs/s",
    against="bare",
    uses=("few",),
    columns=(("requests a pair", "requests_per_pair"), ("bytes / packed bytes", "bytes_per_byte")),
)
