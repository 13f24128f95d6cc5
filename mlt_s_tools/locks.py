"""A folder that one process at a time writes into."""

from __future__ import annotations

import os
import time

import filelock


def acquire(folder: str | os.PathLike[str], name: str, patience: float) -> filelock.BaseFileLock:
    """Makes a folder where there is none, and takes the lock in it.

    Whoever held it before may take the lock, and the folder, away when it is done, just while this process waits. Then
    both are made anew, as a lock on a file that is gone keeps nobody out.

    Args:
        folder: path of the folder.
        name: of the lock in it.
        patience: seconds to wait for another process.

    Returns:
        The `filelock.FileLock`, to be released.

    Raises:
        filelock.Timeout: another process has it.
        OSError: the folder or the lock cannot be made.
    """
    until = time.monotonic() + patience
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
