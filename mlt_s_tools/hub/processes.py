"""Runs calls in several processes, with one progress bar for all, and stops all at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import workers

if TYPE_CHECKING:
    import ctypes

    Task = TypeVar("Task")
    Result = TypeVar("Result")


# Shared between a worker process and its parent: the number of examples done in each task, and the flag to stop.
_done: ctypes.Array[ctypes.c_longlong]
_stopped: ctypes.c_byte


class _Stopped(Exception):
    """Ends a call whose result is no longer wanted."""


def run_all(
    call: Callable[[Task, Callable[[int], object]], Result],
    tasks: Sequence[Task],
    counts: Iterable[int],
    about: str,
    jobs: int | None = None,
    spawn: bool = False,
) -> Generator[Result, None, None]:
    """Makes a call per task, and yields the results in any order. On an error, or Ctrl-C, all calls end.

    Args:
        call: takes a task and a function `step`, which it calls with the number of examples done since the last time.
        tasks: a list.
        counts: the number of examples of each task.
        about: label of the progress bar.
        jobs: number of processes; by default the number of cores.
        spawn: whether processes are spawned, for calls that use threads.

    Raises:
        mlt_s.MltSError: a process was killed, as the system does when memory runs out; or what a call raised.
    """
    jobs = min(jobs or workers.cores(), len(tasks))
    tqdm.monitor_interval = 0  # no other thread when processes are forked
    with tqdm(total=sum(counts), desc=about, unit=" examples", disable=None, leave=False, dynamic_ncols=True) as bar:
        if jobs <= 1:
            for task in tasks:
                yield call(task, bar.update)
            return
        context = workers.context(spawn)
        # Plain memory without locks: a process killed while it holds a lock would block the others for ever.
        done, stopped = context.RawArray("q", len(tasks)), context.RawValue("b")
        try:
            yield from workers.results(
                functools.partial(_call, call),
                enumerate(tasks),
                jobs,
                context,
                _begin,
                (done, stopped),
                meanwhile=lambda: bar.update(sum(done) - bar.n),
                stop=lambda: setattr(stopped, "value", True),
            )
        except BrokenProcessPool:
            raise mlt_s.MltSError(
                "A process was killed, as happens when memory runs out. Run the same command again with fewer --jobs: "
                "finished files are kept."
            ) from None


def _begin(done: ctypes.Array[ctypes.c_longlong], stopped: ctypes.c_byte) -> None:
    global _done, _stopped
    _done, _stopped = done, stopped
    workers.begin()


def _call(call: Callable[[Task, Callable[[int], object]], Result], numbered: tuple[int, Task]) -> Result:
    index, task = numbered

    def step(count: int) -> None:
        _done[index] += count
        if _stopped.value:
            raise _Stopped

    return call(task, step)
