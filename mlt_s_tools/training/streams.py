"""Loaders of a stream: one that knows where the stream stands, and one that gives all processes as many batches."""

from __future__ import annotations

import collections
import contextlib
import copy
import inspect
import json
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import datasets
import torch
from accelerate.data_loader import DataLoaderStateMixin
from accelerate.state import GradientState
from accelerate.utils import recursively_apply
from datasets.distributed import split_dataset_by_node
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mlt_s_tools import writing
from mlt_s_tools.training.epoch import SharedEpoch
from mlt_s_tools.training.transforms import IGNORED

if TYPE_CHECKING:
    from accelerate import Accelerator

    Batch = dict[str, Any]

# The release that takes a shuffled stream up exactly (5.2) is the one that can split it by shards of any number.
TAKES_UP = "strategy" in inspect.signature(split_dataset_by_node).parameters
ANEW = "ignore_data_skip=True goes on with its weights, and begins the first pass anew."


@dataclass(frozen=True)
class Position:
    """Where the stream of a process stands, after a batch.

    Attributes:
        epoch: the pass over the stream, from 0.
        next_worker: which loader worker has the next batch.
        states: for each loader worker, the `state_dict` of its stream, or None where it has given nothing yet.
    """

    epoch: int
    next_worker: int
    states: tuple[dict[str, Any] | None, ...]

    @classmethod
    def start(cls, workers: int, epoch: int = 0) -> Position:
        """The beginning of a pass."""
        return cls(epoch, 0, (None,) * max(1, workers))

    def after(self, worker: int, state: dict[str, Any]) -> Position:
        """Where the stream stands after a batch of this worker."""
        states = (*self.states[:worker], state, *self.states[worker + 1 :])
        return Position(self.epoch, (worker + 1) % len(states), states)

    def write(self, folder: str, rank: int, processes: int, step: int, shards: int) -> None:
        """Writes it to where a checkpoint has that of each process."""
        with writing.whole(_file(folder, rank), "w", encoding="utf-8") as file:
            json.dump({"processes": processes, "step": step, "shards": shards, **asdict(self)}, file)

    @classmethod
    def read(cls, folder: str, rank: int, processes: int, step: int, workers: int, shards: int) -> Position:
        """That of a process, from the checkpoint of a step.

        Raises:
            ValueError: there is none, or it is that of another number of processes or workers, or of another stream.
        """
        kept: dict[str, Any] = {}
        for path in (_file(folder, rank), _file(folder, 0)):  # a process that was not there learns how many were
            if not kept and os.path.isfile(path):
                with open(path, encoding="utf-8") as file, contextlib.suppress(ValueError):  # damaged, or no JSON
                    kept = json.load(file)
        if kept.pop("step", None) != step:
            raise ValueError(
                f"The checkpoint {folder} does not say where the stream of process {rank} stands: a plain Trainer "
                f"wrote it, an earlier release, a run over another data set, or it is not whole. {ANEW}"
            )
        then, now = (kept.pop("processes"), len(kept["states"])), (processes, max(1, workers))
        if then != now:
            raise ValueError(
                f"The checkpoint {folder} says where the streams of {_counted(*then)} stand, and here are "
                f"{_counted(*now)}. Go on with as many (torchrun, dataloader_num_workers), or train on an "
                f"ArchiveDataset with global_batch_size, which resumes on any number. {ANEW}"
            )
        if kept["shards"] != shards:
            raise ValueError(
                f"The checkpoint {folder} is that of a stream of {kept['shards']:,} shards, and this one has "
                f"{shards:,}: it is of other archives. Give it the same. {ANEW}"
            )
        return cls(kept["epoch"], kept["next_worker"], tuple(kept["states"]))


def _file(folder: str, rank: int) -> str:
    return os.path.join(folder, f"stream_{rank}.json")


def _counted(processes: int, workers: int) -> str:
    return f"{processes} process(es) with {workers} reader(s) each"


def part_of_stream(stream: datasets.IterableDataset, rank: int, processes: int) -> datasets.IterableDataset:
    """The part of one process: its shards, or, where there are fewer shards than processes, every so many examples."""
    if processes == 1:
        return stream
    if stream.num_shards >= processes:
        return stream.shard(num_shards=processes, index=rank)
    return split_dataset_by_node(stream, rank, processes)


def why_inexact(stream: datasets.IterableDataset) -> str | None:
    """Why `datasets` cannot take this stream up exactly where it stood; None where it can."""
    if not TAKES_UP:
        return f"datasets {datasets.__version__} loses examples when a stream is taken up, and 5.2 does not."
    layers = [stream._ex_iterable]
    while layers:
        layer = layers.pop()
        if isinstance(layer, datasets.iterable_dataset.BufferShuffledExamplesIterable):
            if layer.buffer_size > 1:
                return (
                    f"a state does not hold what lies in the shuffle buffer of {layer.buffer_size} examples; "
                    "shuffle(buffer_size=1) shuffles the shards, which of archives are one or two pairs."
                )
            if layer.iter_arrow:
                return (
                    "datasets does not take up a shuffled stream of Parquet files; leave its shuffle out (from the "
                    "second pass on the files have another order in each), or load the set without streaming."
                )
        layers += [getattr(layer, "ex_iterable", None), *getattr(layer, "ex_iterables", ())]
        layers = [layer for layer in layers if layer is not None]
    return None


class StreamLoader(DataLoaderStateMixin):
    """The batches of a stream, pass by pass: what a `Trainer` trains on, with where the stream stands.

    Each iteration is a pass. The first one goes on at `position`, and takes the next pass as well where too little is
    left of its own for a step: a `Trainer` ends when a pass has none.

    Args:
        part: what this process reads of the stream.
        position: where to begin.
        accumulated: the batches of a step.
        like: a `DataLoader` with the batch size, workers and so on.
        seed: what the workers' own chance comes from, so that none is drawn from the training's.
        pass_begins: called where a pass begins in the middle of an iteration.

    Attributes:
        end_of_dataloader: whether the last batch was the last of its pass.
    """

    def __init__(
        self,
        part: datasets.IterableDataset,
        position: Position,
        accumulated: int,
        like: DataLoader,
        seed: int,
        pass_begins: Callable[[], object],
    ) -> None:
        self.gradient_state = GradientState()
        self._batches = _Batches(part, like.batch_size, like.collate_fn, position)
        self._generator, self._seed = torch.Generator(), seed
        self._loader = loader_like(like, self._batches, None, _as_it_is, generator=self._generator)
        self._positions = collections.deque([position], maxlen=accumulated + 1)
        self._needed = accumulated if any(position.states) else 0
        self._pass_begins = pass_begins

    @property
    def epoch(self) -> int:
        """The pass that is under way or, after its last batch, comes next."""
        return self._positions[-1].epoch

    def position(self, untrained: int = 0) -> Position:
        """Where the stream stood before the last batches, as many as were not trained on."""
        return self._positions[-1 - untrained]

    def __iter__(self) -> Iterator[Batch]:
        self.begin()
        try:
            given = yield from self._rest_of_pass()
            needed, self._needed = self._needed, 0
            if given < needed:
                self._pass_begins()
                yield from self._rest_of_pass()
        finally:
            self.end()

    def _rest_of_pass(self) -> Generator[Batch, None, int]:
        """The batches from where the stream stands, and how many they were."""
        position, count = self._positions[-1], 0
        self.end_of_dataloader = False
        self._batches.epoch.value = position.epoch
        self._generator.manual_seed(self._seed + position.epoch)
        given = (item for item in self._loader if item is not None)
        item = next(given, None)
        while item is not None:
            batch, worker, state = item
            item, count = next(given, None), count + 1
            self.end_of_dataloader = item is None
            position = position.after(worker, json.loads(state))
            if item is None:
                position = Position.start(len(position.states), position.epoch + 1)
            self._positions.append(position)
            yield batch
        return count


class _Batches(IterableDataset):
    """What a loader worker gives: batches of its part of a stream, each with the worker and the stream's state.

    And None, where it has to let others go first.
    """

    def __init__(
        self,
        stream: datasets.IterableDataset,
        size: int,
        collate: Callable[[list[Any]], Batch],
        position: Position,
    ) -> None:
        self.stream = copy.copy(stream)  # a state is loaded into it, and the user's own stays as it is
        self.size, self.collate, self.position = size, collate, position
        self.epoch = SharedEpoch(position.epoch)

    def __iter__(self) -> Iterator[tuple[Batch, int, str] | None]:
        info = get_worker_info()
        worker = info.id if info else 0
        by_parts = info and TAKES_UP
        stream = part_of_worker(self.stream, worker, info.num_workers) if by_parts else self.stream
        if stream is None:
            return
        stream.set_epoch(self.epoch.value)
        if self.epoch.value == self.position.epoch:
            if worker < self.position.next_worker:
                yield None  # a DataLoader asks the first worker first
            if self.position.states[worker] is not None:
                stream.load_state_dict(self.position.states[worker])
        examples: list[Any] = []
        for example in _examples(stream) if by_parts else stream:
            examples.append(example)
            if len(examples) == self.size:
                yield self._batch(examples, stream, worker)
                examples = []
        if examples:
            yield self._batch(examples, stream, worker)

    def _batch(self, examples: list[Any], stream: datasets.IterableDataset, worker: int) -> tuple[Batch, int, str]:
        # The state as text: what moves a batch to where a GPU reads it leaves text alone.
        return self.collate(examples), worker, json.dumps(stream.state_dict())


def part_of_worker(stream: datasets.IterableDataset, worker: int, workers: int) -> datasets.IterableDataset | None:
    """The shards of one loader worker; None where there are not as many, or a process has no shards of its own."""
    readers = 1 if getattr(stream, "_distributed", None) else min(workers, stream.num_shards)
    if worker >= readers:
        return None
    return split_dataset_by_node(stream, worker, readers, strategy="shards") if readers > 1 else stream


def _examples(stream: datasets.IterableDataset) -> Iterator[dict[str, Any]]:
    """The examples of a stream, in a loader worker.

    Iterated as such, datasets 5.2 loads a state into the stream of all workers before it takes the worker's part, which
    fails where they have few shards, and would take a part of this part.
    """
    for columns in stream.iter(batch_size=1):
        yield {name: values[0] for name, values in columns.items()}


class EvenLoader(DataLoaderStateMixin):
    """As many batches of as many images in each process, whatever it has of the stream: what a `Trainer` evaluates.

    What is added has no label, and `real` takes it out of what is gathered from the processes.

    Args:
        loader: of what this process reads of the stream.
        size: images of a batch.

    Attributes:
        images: how many the processes had, up to the last batch, of the stream itself.
    """

    def __init__(self, loader: DataLoader, size: int, accelerator: Accelerator) -> None:
        self.gradient_state = GradientState()
        self.loader, self.size, self.accelerator = loader, size, accelerator
        self.images = 0
        self._counts: list[int] = []

    def __iter__(self) -> Iterator[Batch]:
        self.begin()
        try:
            given = iter(self.loader)
            batch = next(given, None)
            counts = self._gathered(batch)
            blank = self._blank(batch, counts)
            while any(counts):
                following = next(given, None)
                following_counts = self._gathered(following)
                self.end_of_dataloader = not any(following_counts)
                self._counts = counts
                self.images += sum(counts)
                yield filled(batch or blank or {}, self.size, _images(batch))
                batch, counts = following, following_counts
        finally:
            self.end()

    def real(self, gathered: Any) -> Any:
        """Tensors of all processes' images, without what was added."""
        kept = [rank * self.size + n for rank, count in enumerate(self._counts) for n in range(count)]
        return recursively_apply(lambda values: values[torch.tensor(kept, device=values.device)], gathered)

    def _gathered(self, batch: Batch | None) -> list[int]:
        """How many images each process has of this batch."""
        count = torch.tensor([_images(batch)], device=self.accelerator.device)
        return self.accelerator.gather(count).tolist()

    def _blank(self, batch: Batch | None, counts: list[int]) -> Batch | None:
        """A batch for a process that has no more: its own first, or, if it has none at all, another one's."""
        if all(counts) or not any(counts):
            return batch
        source = next(rank for rank, count in enumerate(counts) if count)
        box = [batch if source == self.accelerator.process_index else None]
        torch.distributed.broadcast_object_list(box, source, device=self.accelerator.device)
        return batch or box[0]


def filled(batch: Batch, size: int, real: int) -> Batch:
    """A batch of `size` images, of which the first `real` are its own and the others are copies without label."""
    if real == size:
        return batch
    made = {name: _lengthened(values, size, real) for name, values in batch.items()}
    if "labels" in made:
        made["labels"][real:] = IGNORED
    return made


def _lengthened(values: Any, size: int, real: int) -> Any:
    if isinstance(values, torch.Tensor):
        return torch.cat([values[:real], values[:1].expand(size - real, *values.shape[1:])])
    return [*values[:real], *values[:1] * (size - real)]


def _images(batch: Batch | None) -> int:
    return len(next(iter(batch.values()))) if batch else 0


def loader_like(
    like: DataLoader, data: Any, size: int | None, collate: Callable[..., Any], **options: Any
) -> DataLoader:
    """A `DataLoader` of something else, with the workers and so on of this one."""
    names = (
        "num_workers",
        "pin_memory",
        "persistent_workers",
        "prefetch_factor",
        "in_order",
        "multiprocessing_context",
    )
    options = {**{name: getattr(like, name) for name in names if hasattr(like, name)}, **options}
    return DataLoader(data, batch_size=size, collate_fn=collate, **options)


def _as_it_is(item: Any) -> Any:
    return item
