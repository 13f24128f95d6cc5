"""The steps of a format, each in a separate process, with another Python if this one lacks the library."""

import copy
import gc
import json
import multiprocessing
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Optional

from benchmarks import formats, meters
from benchmarks.formats import Format
from benchmarks.group import Figures, Sources
from benchmarks.groups.decode import BATCH, EPOCHS_OF_TWO, sizes
from benchmarks.plain import BareLoop

ROOT = Path(__file__).parents[1]
Pixels = tuple[Any, ...]  # the name of a pair, and a checksum of each picture
_KINDS = ("image", "label")


def run(
    python: str, step: str, name: str, folder: str, *words: Any, fresh: bool = False, **environment: str
) -> Figures:
    """Runs a step of a format and returns its figures, a dict.

    Args:
        python: path of the interpreter. Of this one, the step runs in a copy of this process, unless it is to be fresh.
        step: a key of `STEPS`.
        name: as `formats.named` takes it.
        folder: where the format is or will be, which is also where the process starts and keeps what it keeps.
        words: further arguments of the step, for JSON.
        fresh: whether a process is started anew: where imports are measured, or depend on the environment.
        environment: variables of a process that is no copy.

    Raises:
        RuntimeError: it failed; with what it wrote.
    """
    if python == sys.executable and not fresh:
        return _in_copy(step, name, folder, *words)
    task = json.dumps([step, name, folder, time.time(), *words])
    places = {"PYTHONPATH": str(ROOT), "HF_HOME": folder, "TMPDIR": folder, **environment}
    done = subprocess.run(
        [python, "-m", "benchmarks.steps", task],
        env={**os.environ, **places},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{step} of {name}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])  # libraries print, too


def _in_copy(step: str, name: str, folder: str, *words: Any) -> Figures:
    """In a copy of this process, which has imported PyTorch already."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    copied = context.Process(target=_send, args=(sending, step, name, folder, *words))
    copied.start()
    sending.close()
    try:
        return receiving.recv()
    except EOFError:
        raise RuntimeError(f"{step} of {name} failed; what it wrote stands above.") from None
    finally:
        copied.join()


def _send(sending: Connection, step: str, name: str, folder: str, *words: Any) -> None:
    sending.send(STEPS[step](formats.named(name), folder, time.time(), *words))


def _convert(form: Format, folder: str, started: float, sources: Sources) -> Figures:
    """From the zips; without imports, as far as the library imports when it is imported."""
    for need in form.needs:
        __import__(need)
    return meters.measured(lambda: form.convert(sources, folder))


def _first(form: Format, folder: str, started: float) -> Figures:
    next(iter(form.loader(form.load(folder, sizes, False), batch_size=1, num_workers=0)))
    return {"first": time.time() - started}


def _read(form: Format, folder: str, started: float) -> Figures:
    """Epochs with 0, 1 and 2 workers, as in the group of decoding."""
    taken = [_epochs(form, folder, workers) for workers in (0, 1, 2)]
    # CPU seconds are those without workers, and so is memory: it is measured before others begin.
    return {**taken[0], **{f"with_{workers}": one["pairs_per_second"] for workers, one in enumerate(taken)}}


def _remote(form: Format, folder: str, started: float, options: Figures, workers: int) -> Figures:
    """The same over what a server has."""
    return _epochs(form, options, workers)


def _epochs(form: Format, place: Any, workers: int) -> Figures:
    dataset = form.load(place, sizes, False)

    def action() -> Figures:  # the loader goes with it, and ends its workers, so that their CPU seconds count
        loader = form.loader(dataset, batch_size=BATCH, num_workers=workers, persistent_workers=workers > 0)
        epochs = EPOCHS_OF_TWO if workers == 2 else 1
        return {"pairs": sum(len(batch["pairs"]) for _ in range(epochs) for batch in loader)}

    return meters.measured(action)


def seen(example: Figures) -> Figures:
    """Name of a pair, and checksums of its pixels."""
    return {"image_id": example["image_id"], **{kind: zlib.crc32(example[kind].tobytes()) for kind in _KINDS}}


def _order(form: Format, folder: str, started: float, source: tuple[Any, ...]) -> Figures:
    """A shuffled epoch: its order, its pixels, and going on after half of it."""
    pairs = BareLoop(*source)
    half = len(pairs) // 2
    epoch, state = _epoch(form, folder, not form.in_order, half)
    seconds, read, following = _resume(form, folder, state)
    shuffled = _epoch(form, folder, True)[0] if form.in_order else epoch
    place_of = {name: place for place, name in enumerate(pairs.names)}
    return {
        "pairs": len(epoch),
        "digest": zlib.crc32(json.dumps(sorted(epoch)).encode()),
        "neighbours": neighbours([place_of[name] for name, *_ in shuffled]),
        "resume": seconds,
        "resume_share": read / pairs.size,
        "resumed_right": following == epoch[half],
    }


def _epoch(form: Format, folder: str, shuffled: bool, place: Optional[int] = None) -> tuple[list[Pixels], Any]:
    """What is seen in an epoch, and the state of the loader after so many pairs."""
    loader, epoch, state = _one_by_one(form, folder, shuffled), [], None
    for batch in loader:
        epoch.append(_only(batch))
        if len(epoch) == place:
            state = copy.deepcopy(loader.state_dict())
    return epoch, state


def _only(batch: Figures) -> Pixels:
    (pair,) = batch["pairs"]
    return pair["image_id"], *(pair[kind] for kind in _KINDS)


def _resume(form: Format, folder: str, state: Any) -> tuple[float, int, Pixels]:
    """Seconds to the next pair, bytes read for it, and the pair, in a process that has the data set open."""
    loader = _one_by_one(form, folder, not form.in_order)
    read, clock = meters.bytes_read(), time.perf_counter()
    loader.load_state_dict(state)
    pair = _only(next(iter(loader)))
    return time.perf_counter() - clock, meters.bytes_read() - read, pair


def _one_by_one(form: Format, folder: str, shuffled: bool) -> Any:
    import torch

    gc.collect()  # mosaicml-streaming refuses a folder that another loader of this process has open
    torch.manual_seed(formats.SEED)
    dataset = form.load(folder, seen, shuffled)
    return form.loader(dataset, resumable=True, shuffle=shuffled, batch_size=1, num_workers=0)


def neighbours(order: Sequence[int]) -> float:
    """The share of pairs that follow a neighbour in the archive, of all that follow one.

    Args:
        order: places in the archive, in the order of an epoch.

    A true shuffle of n pairs has 2 / n, no shuffle has 1.
    """
    followed = sum(abs(one - next_one) == 1 for one, next_one in zip(order, order[1:]))
    return followed / (len(order) - 1)


STEPS: dict[str, Callable[..., Figures]] = {
    "convert": _convert,
    "first": _first,
    "read": _read,
    "order": _order,
    "remote": _remote,
}


def main(step: str, name: str, folder: str, started: float, *words: Any) -> None:
    print(json.dumps(STEPS[step](formats.named(name), folder, started, *words)))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
