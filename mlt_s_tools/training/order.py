"""The order in which examples are trained on: the same global batches on any number of processes."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Iterator

from torch.utils.data import Sampler

logger = logging.getLogger(__name__)


class GlobalBatchSampler(Sampler[int]):
    """The examples of one process, so that all together make the same global batches on any number of processes.

    It is the `sampler` of a `DataLoader` whose `batch_size` is `per_process`, or a divisor of it where gradients are
    accumulated. A run that is stopped resumes on another number of processes: all that is kept of it are an epoch and
    a number of steps, for `set_epoch`.

    The order comes from `seed` and the epoch alone. Each global batch is as many numbers of it as `batch_size` says,
    and each process takes its part of these, the first process the first one. The last batch of an epoch is filled up
    with the first examples of the same epoch, or, with `drop_last`, left out. What is done, and with how many, is
    logged.

    `TextTrainer(global_batch_size=...)` does the same.

    Args:
        examples: the length of the data set.
        batch_size: examples of a global batch, of all processes together: the `batch_size` of a step.
        processes: how many there are.
        rank: the number of this one, from 0.
        seed: an int.
        drop_last: whether the examples that do not fill a last global batch are left out.

    Raises:
        ValueError: the processes cannot have equal parts of a global batch, there is no global batch in an epoch, or
            `rank` is not one of theirs.
    """

    def __init__(
        self,
        examples: int,
        batch_size: int,
        processes: int = 1,
        rank: int = 0,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if not 0 <= rank < processes:
            raise ValueError(f"The rank of one of {processes} processes is from 0 to {processes - 1}, not {rank}.")
        self.per_process = part_of_batch(batch_size, processes)
        self.steps = examples // batch_size if drop_last else -(-examples // batch_size)
        if not self.steps:
            raise ValueError(f"{examples} examples make no global batch of {batch_size}.")
        self.examples, self.batch_size, self.rank, self.seed = examples, batch_size, rank, seed
        self.epoch = self.start = 0
        report_uneven(examples, batch_size, drop_last)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Another order from here on.

        Args:
            epoch: its number, from 0.
            start: the steps of the epoch that were made before, and are left out the next time that it is iterated.
        """
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """The examples of this process in the epoch, or in what is left of it."""
        return max(0, self.steps - self.start) * self.per_process

    def __iter__(self) -> Iterator[int]:
        order = list(range(self.examples))
        random.Random(f"{self.seed} {self.epoch}").shuffle(order)
        order = list(itertools.islice(itertools.cycle(order), self.steps * self.batch_size))
        for step in range(self.start, self.steps):
            first = step * self.batch_size + self.rank * self.per_process
            yield from order[first : first + self.per_process]


def part_of_batch(batch_size: int, parts: int) -> int:
    """The examples of a global batch for each of as many processes or devices.

    Raises:
        ValueError: they cannot have equal parts.
    """
    if batch_size < 1 or batch_size % parts:
        possible = ", ".join(str(n) for n in range(1, batch_size + 1) if batch_size % n == 0)
        raise ValueError(
            f"A global batch of {batch_size} has no equal parts for {parts} processes or devices"
            + (f". It has for {possible}." if possible else ": it has at least one example.")
        )
    return batch_size // parts


def report_uneven(examples: int, step: int, drops: bool) -> None:
    """Says what becomes of the examples that do not make a step, of all processes together, of their own."""
    rest = examples % step
    if rest and drops:
        logger.warning("%s: the %s that are left over of each epoch are not trained on.", _epoch(examples, step), rest)
    elif rest:
        logger.warning("%s: the last is filled up with %s of the same epoch.", _epoch(examples, step), step - rest)


def _epoch(examples: int, step: int) -> str:
    return f"{examples:,} examples, {step} a step"
