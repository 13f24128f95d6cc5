"""Work in a folder that can be stopped at any moment and gone on with: one process at a time, and a journal.

A journal is a file of JSON lines. The first says which work it is, by all that decides what comes out. Each other line
stands for a piece that is whole. A run that was killed may leave half a line at its end, and files that end in `PART`.
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
PATIENCE = 3  # seconds: the processes of a run that was killed hold the lock for the moment until they notice


@contextlib.contextmanager
def alone(folder: str | os.PathLike[str], name: str, taken: str) -> Iterator[filelock.BaseFileLock]:
    """Makes a folder where there is none, and keeps other processes out of it.

    Args:
        folder: path of the folder.
        name: of the lock in it.
        taken: what to say where another process has it.

    Raises:
        mlt_s.MltSError: another process has it.
        OSError: the folder or the lock cannot be made.
    """
    try:
        lock = _acquired(folder, name)
    except filelock.Timeout:
        raise mlt_s.MltSError(taken) from None
    try:
        yield lock
    finally:
        lock.release()


def _acquired(folder: str | os.PathLike[str], name: str) -> filelock.BaseFileLock:
    """Whoever held the lock before may take it, and the folder, away when it is done, just while this process waits.

    Then both are made anew, as a lock on a file that is gone keeps nobody out.
    """
    until = time.monotonic() + PATIENCE
    while True:
        lock = filelock.FileLock(os.path.join(folder, name))
        try:
            os.makedirs(folder, exist_ok=True)  # FileExistsError as well, where it is taken away meanwhile
            lock.acquire(timeout=max(0, until - time.monotonic()))
        except (FileExistsError, FileNotFoundError):
            if os.path.isfile(folder) or time.monotonic() > until:
                raise
            continue
        if os.path.exists(lock.lock_file):
            return lock
        lock.release()


def difference(there: Mapping[str, Any], here: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """What to say of other work than the one here, by the first of `words` in which the two differ; "" if in none.

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
    """Writes a journal: which work it is, and the pieces that are whole."""
    write(path, "".join(json.dumps(line) + "\n" for line in (work, *pieces)).encode("ascii"))


def add_to_journal(path: str | os.PathLike[str], piece: Mapping[str, Any]) -> None:
    """Adds a piece that is whole."""
    with open(path, "a", encoding="ascii") as file:
        file.write(json.dumps(piece) + "\n")


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file that has its name when it is whole.

    One process at a time writes here, so what a killed one left half done has the same name, and is written over.
    """
    part = os.fspath(path) + PART
    with open(part, "wb") as file:
        file.write(content)
    os.replace(part, path)
