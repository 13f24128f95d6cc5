"""What a `transformers.Trainer` tells the transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from accelerate.state import GradientState
from transformers import TrainerCallback

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    class Transform(Protocol):
        def set_epoch(self, epoch: int) -> None: ...


# The key of the epoch in TrainerState.stateful_callbacks, which checkpoints hold. It is not the name of the class: what
# stands there by such a name a Trainer can restore, and it would make a callback without a transform.
_KEPT = "epoch of the transform"


class EpochCallback(TrainerCallback):
    """Calls `set_epoch` of a `TrainTransform` as each epoch begins, before its first example is read.

    A stream needs it too: `IterableDataset.set_epoch`, which a `Trainer` calls by itself, gives another order, but a
    function in `map` does not learn of it.

    A run that goes on from a checkpoint goes on with its epoch. Over a stream, `TextTrainer` knows the pass in which
    each process is, also after it was resumed. A plain `Trainer` takes all steps of the
    checkpoint for steps of one pass, the first, and skips as many batches of that. Where they were of several passes,
    nothing is left of it, and it begins another pass; that one is not counted, but has the epoch of the pass in
    which the checkpoint was written, or of the next one, if that was through.

    Args:
        transform: whatever has `set_epoch(int)`.
    """

    def __init__(self, transform: Transform) -> None:
        self.transform = transform
        self._epoch = 0
        self._step: int | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # state.epoch is no count of passes over a stream without length, and begins anew when that is resumed.
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
