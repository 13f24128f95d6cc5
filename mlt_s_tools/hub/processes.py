"""Calls in several processes, with the progress of all of them in one bar, and an end to all of them at once."""

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


# In a process that makes calls, what it shares with the one that started it: examples done of each task, and the end.
_done: ctypes.Array[ctypes.c_longlong]
_stopped: ctypes.c_byte


class _Stopped(Exception):
    """Ends a call whose result nobody waits for any more."""


def run_all(
    call: Callable[[Task, Callable[[int], object]], Result],
    tasks: Sequence[Task],
    counts: Iterable[int],
    about: str,
    jobs: int | None = None,
    spawn: bool = False,
) -> Generator[Result, None, None]:
    """Makes a call for each task, and yields the results in any order. On an error, or Ctrl-C, all calls end.

    Args:
        call: takes a task and a function `step`, which it calls with the examples done since the last time.
        tasks: a list.
        counts: of each task, how many examples it has.
        about: what stands before the bar.
        jobs: processes at a time; by default as many as there are cores.
        spawn: whether processes start afresh, for calls that use threads.

    Raises:
        mlt_s.MltSError: a process was killed, as the system does when memory runs out; or what a call raised.
    """
    jobs = min(jobs or workers.cores(), len(tasks))
    tqdm.monitor_interval = 0  # no thread beside us when processes are forked
    with tqdm(total=sum(counts), desc=about, unit=" examples", disable=None, leave=False, dynamic_ncols=True) as bar:
        if jobs <= 1:
            for task in tasks:
                yield call(task, bar.update)
            return
        context = workers.context(spawn)
        # Plain memory without locks: a process that is killed while it holds one would stop the others for ever.
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
                "A process was killed, as happens when memory runs out. Run the same again, with fewer --jobs: what is "
                "written whole is kept."
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
