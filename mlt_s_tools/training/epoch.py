"""The number of the epoch, visible to every process of a training run."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.context import get_spawning_popen
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ctypes


class SharedEpoch:
    """An integer in shared memory.

    The workers of a `DataLoader` hold copies of the transform, made when they started, and persistent workers keep
    theirs for the whole run. A plain attribute set in the training process would not reach them. Workers, forked or
    spawned, share this memory, and so do the copies that `datasets` makes of a transform within a process. A pickle for
    any other purpose (a fingerprint, a file, `map(num_proc=...)`) holds the number at the time of pickling.
    """

    def __init__(self, value: int = 0) -> None:
        self._cell = multiprocessing.RawValue("q", value)

    @property
    def value(self) -> int:
        return self._cell.value

    @value.setter
    def value(self, value: int) -> None:
        self._cell.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedEpoch:
        return self

    def __reduce__(self) -> tuple[Callable[..., SharedEpoch], tuple[Any]]:
        # Shared memory can only be handed to a process that is being started; pickling it otherwise is an error.
        if get_spawning_popen() is None:
            return SharedEpoch, (self.value,)
        return _attached, (self._cell,)


def _attached(cell: ctypes.c_longlong) -> SharedEpoch:
    epoch = SharedEpoch.__new__(SharedEpoch)
    epoch._cell = cell
    return epoch
