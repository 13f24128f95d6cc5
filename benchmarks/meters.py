"""Meters for this process: seconds, memory, bytes."""

import os
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from benchmarks.group import Figures


def measured(action: Callable[[], Optional[Figures]]) -> Figures:
    """Calls a function, and returns its resources together with the figures that it returns.

    Returns:
        A dict of `seconds` on the clock; `cpu` seconds of this process and of the child processes that it waited for;
        `peak_memory` in bytes of this process since it began; and `read` and `written`, bytes that all of them
        requested by system calls (memory-mapped files are not included). If the function returns the number of `pairs`,
        also `pairs_per_second`.
    """
    read, written = _bytes_moved()
    cpu, clock = cpu_seconds(), time.perf_counter()
    more = action() or {}
    seconds, cpu = time.perf_counter() - clock, cpu_seconds() - cpu
    read_after, written_after = _bytes_moved()
    moved = {"read": read_after - read, "written": written_after - written}
    speed = {"pairs_per_second": more["pairs"] / seconds} if "pairs" in more else {}
    return {"seconds": seconds, "cpu": cpu, "peak_memory": peak_memory(), **moved, **speed, **more}


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def peak_memory() -> int:
    """Peak memory in bytes. Not `ru_maxrss`, which starts with the parent's value."""
    (kilobytes,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return 1024 * int(kilobytes)


def bytes_read() -> int:
    return _bytes_moved()[0]


def _bytes_moved() -> tuple[int, int]:
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"]), int(counts["wchar"])


def size_of(folder: str) -> int:
    """Bytes of the files below a folder."""
    return sum(os.lstat(path).st_size for path in Path(folder).rglob("*") if path.is_file())
