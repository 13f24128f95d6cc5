"""Worker processes: their number, how they start, and their results."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext
    from multiprocessing.process import BaseProcess

Task = TypeVar("Task")
Result = TypeVar("Result")

_LOOK = 0.1  # seconds between two calls of `meanwhile`


def cores() -> int:
    """The number of processes that may run at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin() -> None:
    """Prepares a new process: it leaves Ctrl-C to the parent process, and ends when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def context(spawn: bool) -> BaseContext:
    """The start method of processes: spawn, or the default. Threads that read remote files do not survive a fork."""
    return multiprocessing.get_context("spawn" if spawn else None)


def results(
    call: Callable[[Task], Result],
    tasks: Iterable[Task],
    jobs: int,
    of: BaseContext,
    initializer: Callable[..., object] = begin,
    arguments: tuple[object, ...] = (),
    meanwhile: Callable[[], object] | None = None,
    stop: Callable[[], object] | None = None,
) -> Generator[Result, None, None]:
    """Makes a call per task in several processes, and yields the results in any order.

    After an error, or when the generator is closed, no further call begins, and it waits for the running calls.

    Args:
        call: what a process calls with a task.
        tasks: the tasks. They are submitted a few per process at a time, so that no process waits, and little work is
            lost if the generator is closed.
        jobs: number of processes.
        of: what `context` returns.
        initializer, arguments: called first in each process; must include `begin`.
        meanwhile: called from time to time while the processes work.
        stop: called when no more results are needed, to tell the running calls.

    Raises:
        concurrent.futures.process.BrokenProcessPool: a process was killed, for instance because memory ran out.
        Exception: the error of a call, after the results that other calls had returned by then.
    """
    executor = concurrent.futures.ProcessPoolExecutor(jobs, of, initializer, arguments)
    remaining = iter(tasks)
    running: set[concurrent.futures.Future[Result]] = set()
    try:
        while True:
            for task in itertools.islice(remaining, 4 * jobs - len(running)):
                running.add(executor.submit(call, task))
            if not running:
                return
            patience = _LOOK if meanwhile else None
            done, running = concurrent.futures.wait(running, patience, concurrent.futures.FIRST_COMPLETED)
            if meanwhile:
                meanwhile()
            for future in sorted(done, key=lambda future: future.exception() is not None):
                yield future.result()
    finally:
        if stop:
            stop()
        executor.shutdown(wait=True, cancel_futures=True)
