"""Work in a folder that can be interrupted at any moment and resumed: one process at a time, and a journal.

A journal is a file of JSON lines. The first line identifies the work by everything that determines its result. Each
other line stands for one finished piece. A killed run may leave half a line at the end, and files whose names end in
`PART`.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import filelock  # comes with datasets

import mlt_s

PART = ".part"  # ends the name of a file that is being written
PATIENCE = 3  # seconds: the processes of a killed run hold the lock until they notice


@contextlib.contextmanager
def alone(folder: str | os.PathLike[str], name: str, busy: str) -> Iterator[filelock.BaseFileLock]:
    """Creates a folder if it does not exist, and keeps other processes out of it.

    Args:
        folder: path of the folder.
        name: name of the lock in it.
        busy: the message if another process holds the lock.

    Raises:
        mlt_s.MltSError: another process holds the lock.
        OSError: the folder or the lock cannot be created.
    """
    try:
        lock = _acquired(folder, name)
    except filelock.Timeout:
        raise mlt_s.MltSError(busy) from None
    try:
        yield lock
    finally:
        lock.release()


def _acquired(folder: str | os.PathLike[str], name: str) -> filelock.BaseFileLock:
    """Acquires the lock. The process that held it before may remove the lock and the folder while this one waits.

    Then both are created again, because a lock on a deleted file excludes no process.
    """
    until = time.monotonic() + PATIENCE
    while True:
        lock = filelock.FileLock(os.path.join(folder, name))
        try:
            os.makedirs(folder, exist_ok=True)  # can also raise FileExistsError, if the folder is removed meanwhile
            lock.acquire(timeout=max(0, until - time.monotonic()))
        except (FileExistsError, FileNotFoundError):
            if os.path.isfile(folder) or time.monotonic() > until:
                raise
            continue
        if os.path.exists(lock.lock_file):
            return lock
        lock.release()


def difference(there: Mapping[str, Any], here: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """Describes how other work differs from this work, by the first key of `words` whose values differ; "" if none do.

    >>> difference({"seed": 1}, {"seed": 0}, {"seed": "with the seed {there}, and not {here}"})
    'with the seed 1, and not 0'
    """
    for key, text in words.items():
        if there.get(key) != here.get(key):
            return text.format(there=_spoken(there.get(key)), here=_spoken(here.get(key)))
    return ""


def _spoken(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def begin_journal(path: str | os.PathLike[str], work: Mapping[str, Any], pieces: Iterable[Mapping[str, Any]]) -> None:
    """Writes a journal: the identity of the work, and the pieces that are finished."""
    write(path, "".join(json.dumps(line) + "\n" for line in (work, *pieces)).encode("ascii"))


def add_to_journal(path: str | os.PathLike[str], piece: Mapping[str, Any]) -> None:
    """Adds a finished piece."""
    with open(path, "a", encoding="ascii") as file:
        file.write(json.dumps(piece) + "\n")


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file that gets its name only when it is complete.

    Only one process writes here at a time. So a file that a killed process left incomplete has the same temporary name,
    and is overwritten.
    """
    part = os.fspath(path) + PART
    with open(part, "wb") as file:
        file.write(content)
    os.replace(part, path)
