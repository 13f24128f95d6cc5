"""Tells the transforms which epoch a `transformers.Trainer` is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from accelerate.state import GradientState
from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    class Transform(Protocol):
        def set_epoch(self, epoch: int) -> None: ...


# The key of the epoch in TrainerState.stateful_callbacks, which checkpoints hold. It is not the name of the class,
# because a Trainer can restore callbacks by class name, and would make one without a transform.
_KEPT = "epoch of the transform"


class EpochCallback(TrainerCallback):
    """Calls `set_epoch` of a `TrainTransform` at the beginning of each epoch, before its first example is read.

    A stream needs this callback too: `IterableDataset.set_epoch`, which a `Trainer` calls by itself, changes the order,
    but does not reach a function in `map`.

    A resumed run continues with its epoch. Over a stream, `TextTrainer` knows which pass each process is in, also after
    resuming. A plain `Trainer` treats all steps of the checkpoint as steps of the first pass and skips as many batches
    of it. If they were steps of several passes, nothing is left of the first pass, and `Trainer` begins another. That
    pass is not counted. It has the epoch of the pass in which the checkpoint was written, or the next epoch if that
    pass was complete.

    Args:
        transform: any object with `set_epoch(int)`.
    """

    def __init__(self, transform: Transform) -> None:
        self.transform = transform
        self._epoch = 0
        self._step: int | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # For a stream without a length, state.epoch does not count passes, and starts from 0 when the run is resumed.
        kept = state.stateful_callbacks.get(_KEPT)
        self._epoch = kept["epoch"] + kept["ended"] if kept else int(state.epoch or 0)
        self._step = None

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        of_stream = getattr(kwargs.get("train_dataloader"), "epoch", None)
        if of_stream is not None:
            self._epoch = of_stream
        elif self._step is not None and state.global_step > self._step:
            self._epoch += 1
        self._step = state.global_step
        self.transform.set_epoch(self._epoch)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        state.stateful_callbacks[_KEPT] = {"epoch": self._epoch, "ended": bool(GradientState().end_of_dataloader)}
