"""The order of training examples: the same global batches on any number of processes."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Iterator

from torch.utils.data import Sampler

logger = logging.getLogger(__name__)


class GlobalBatchSampler(Sampler[int]):
    """The examples of one process, chosen so that all processes together have the same global batches, however many
    they are.

    Use it as the `sampler` of a `DataLoader` whose `batch_size` is `per_process`, or a divisor of it with gradient
    accumulation. A stopped run resumes on any number of processes: it needs only an epoch and a number of steps, for
    `set_epoch`.

    The order depends on `seed` and the epoch alone. Each global batch is the next `batch_size` indices of that order,
    and each process takes its part of the batch, process 0 the first. The last batch of an epoch is filled with the
    first examples of the same epoch, or dropped with `drop_last`. The number of repeated or dropped examples is logged.

    `TextTrainer(global_batch_size=...)` does the same.

    Args:
        examples: the length of the data set.
        batch_size: examples of a global batch, over all processes: the `batch_size` of a step.
        processes: the number of processes.
        rank: the number of this process, from 0.
        seed: an int.
        drop_last: whether to drop the examples that do not fill a last global batch.

    Raises:
        ValueError: a global batch cannot be split evenly over the processes, an epoch has no global batch, or `rank` is
            out of range.
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
            raise ValueError(f"With {processes} processes, rank must be from 0 to {processes - 1}, not {rank}.")
        self.per_process = part_of_batch(batch_size, processes)
        self.steps = examples // batch_size if drop_last else -(-examples // batch_size)
        if not self.steps:
            raise ValueError(f"{examples} examples are too few for a global batch of {batch_size}.")
        self.examples, self.batch_size, self.rank, self.seed = examples, batch_size, rank, seed
        self.epoch = self.start = 0
        report_uneven(examples, batch_size, drop_last)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Sets the epoch, and with it the order.

        Args:
            epoch: its number, from 0.
            start: steps of the epoch that were already made. The next iteration skips them.
        """
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """The number of examples of this process in the epoch, or in the rest of it."""
        return max(0, self.steps - self.start) * self.per_process

    def __iter__(self) -> Iterator[int]:
        order = list(range(self.examples))
        random.Random(f"{self.seed} {self.epoch}").shuffle(order)
        order = list(itertools.islice(itertools.cycle(order), self.steps * self.batch_size))
        for step in range(self.start, self.steps):
            first = step * self.batch_size + self.rank * self.per_process
            yield from order[first : first + self.per_process]


def part_of_batch(batch_size: int, parts: int) -> int:
    """The number of examples of a global batch per process or device.

    Raises:
        ValueError: the batch cannot be split evenly.
    """
    if batch_size < 1 or batch_size % parts:
        possible = ", ".join(str(n) for n in range(1, batch_size + 1) if batch_size % n == 0)
        raise ValueError(
            f"A global batch of {batch_size} has no equal parts for {parts} processes or devices"
            + (f". It has for {possible}." if possible else ": it has at least one example.")
        )
    return batch_size // parts


def report_uneven(examples: int, step: int, drops: bool) -> None:
    """Logs what happens to the examples at the end of an epoch that do not fill a step."""
    rest = examples % step
    if rest and drops:
        logger.warning("%s: the last %s of each epoch are not trained on.", _epoch(examples, step), rest)
    elif rest:
        logger.warning("%s: the last step is filled with %s of the same epoch.", _epoch(examples, step), step - rest)


def _epoch(examples: int, step: int) -> str:
    return f"{examples:,} examples, {step} per step"
