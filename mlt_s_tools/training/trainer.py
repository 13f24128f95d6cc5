"""A `transformers.Trainer` for label maps: weighed classes, images of any sizes, several processes."""

import logging

import torch
from torch.utils.data import IterableDataset
from transformers import Trainer

from mlt_s_tools.metrics import count_logits
from mlt_s_tools.training.transforms import IGNORED

logger = logging.getLogger(__name__)


class TextTrainer(Trainer):
    """A `Trainer` that evaluates images of any sizes, and in several processes as in one.

    Give it `compute_metrics=TextMetrics()` and, in its arguments, `remove_unused_columns=False`,
    `batch_eval_metrics=True` and `per_device_eval_batch_size=1` (images have sizes of their own).

    **Several processes.** Data sets are given whole: each process reads its own part, and all make as many steps. What
    a sampler adds to fill up the last step of an epoch, or leaves out, is logged. A stream is dealt out by its shards,
    with `dispatch_batches=False`, where by default the first process would read for all; what is left over at the end
    of an epoch is no matter, since `max_steps` counts and each process begins its part again when it is through.
    Evaluation drops what was filled up, so each image counts once, and takes the statistics of batch normalisation from
    the first process, as its checkpoint does: of themselves, processes have different ones.

    Args:
        class_weights: a float tensor (classes,) that weighs the pixels of the loss by class; by default all alike.

    Raises:
        ValueError: a stream was split already, or is to be evaluated in several processes.
    """

    def __init__(self, model=None, args=None, *rest, class_weights=None, **options):
        if args and isinstance(options.get("train_dataset"), IterableDataset):
            args.accelerator_config.dispatch_batches = False
        super().__init__(model, args, *rest, **options)
        self.class_weights = class_weights

    def get_train_dataloader(self):
        data, args = self.train_dataset, self.args
        if isinstance(data, IterableDataset):
            _check_whole(data)
        elif args.world_size > 1 or args.dataloader_drop_last:
            _report_uneven(len(data), args.train_batch_size * args.world_size, args.dataloader_drop_last)
        return super().get_train_dataloader()

    def get_eval_dataloader(self, eval_dataset=None):
        data = self.eval_dataset if eval_dataset is None else eval_dataset
        if isinstance(data, IterableDataset) and self.args.world_size > 1:
            raise ValueError(
                "A stream cannot be evaluated in several processes: where one has an image more than another, it waits "
                "for it for ever. Evaluate an ArchiveDataset, which takes no disk either, or a prepared set."
            )
        return super().get_eval_dataloader(eval_dataset)

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        if self.class_weights is None:
            return super().compute_loss(model, inputs, return_outputs=return_outputs, **kwargs)
        labels = inputs["labels"]
        outputs = model(pixel_values=inputs["pixel_values"])
        logits = torch.nn.functional.interpolate(
            outputs.logits, labels.shape[-2:], mode="bilinear", align_corners=False
        )
        weights = self.class_weights.to(logits)
        loss = torch.nn.functional.cross_entropy(logits, labels, weights, ignore_index=IGNORED)
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *arguments, **options):
        if torch.distributed.is_initialized():
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, 0)
        return super().evaluate(*arguments, **options)

    def prediction_step(self, *arguments, **options):
        # What is gathered from the processes is four numbers an image, and not its label map of a size of its own.
        loss, logits, labels = super().prediction_step(*arguments, **options)
        return loss, count_logits(logits, labels), labels.new_zeros(len(labels))


def _check_whole(stream):
    split = getattr(stream, "_distributed", None)  # what split_dataset_by_node leaves
    if split is not None:
        raise ValueError(
            f"This stream was split already (split_dataset_by_node: part {split.rank} of {split.world_size}). Trainer "
            "gives each process its part by itself; of a stream that is split twice, most of each epoch would never be "
            "read. Give it the whole stream."
        )


def _report_uneven(examples, step, drops):
    """Says what becomes of the examples that do not make a step, of all processes together, of their own."""
    rest = examples % step
    if rest and drops:
        logger.warning("%s: the %s that are left over of each epoch are not trained on.", _epoch(examples, step), rest)
    elif rest:
        logger.warning("%s: the last is filled up with %s of the same epoch.", _epoch(examples, step), step - rest)


def _epoch(examples, step):
    return f"{examples:,} examples, {step} a step"
