"""What a `transformers.Trainer` tells the transforms."""

from transformers import TrainerCallback


class EpochCallback(TrainerCallback):
    """Calls `set_epoch` of a `TrainTransform` as each epoch begins, before its first example is read.

    A stream needs it too: `IterableDataset.set_epoch`, which a `Trainer` calls by itself, gives another order, but a
    function in `map` does not learn of it. A run that goes on from a checkpoint goes on with its epoch. From there on
    epochs are counted, because `state.epoch` is no count of passes over a stream without length.

    Args:
        transform: whatever has `set_epoch(int)`.
    """

    def __init__(self, transform):
        self.transform = transform
        self._next = 0

    def on_train_begin(self, args, state, control, **kwargs):
        self._next = int(state.epoch or 0)

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.transform.set_epoch(self._next)
        self._next += 1
