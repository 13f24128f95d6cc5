"""A `transformers.Trainer` for label maps: class weights, images of any size, several processes."""

from __future__ import annotations

import copy
import logging
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import datasets
import torch
import transformers
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import IterableDataset
from transformers import PreTrainedModel, Trainer, TrainerState, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint
from transformers.utils import CONFIG_NAME

import mlt_s
from mlt_s_tools.metrics import BACKGROUND, TextMetrics, count_logits
from mlt_s_tools.training.order import GlobalBatchSampler, part_of_batch, report_uneven
from mlt_s_tools.training.streams import (
    ANEW,
    EvenLoader,
    Position,
    StreamLoader,
    loader_like,
    part_of_stream,
    why_inexact,
)
from mlt_s_tools.training.transforms import IGNORED

if TYPE_CHECKING:
    from torch.utils.data import DataLoader, Sampler
    from transformers import TrainerControl
    from transformers.trainer_utils import EvalLoopOutput, TrainOutput

    Batch = dict[str, Any]

logger = logging.getLogger(__name__)

# The key in TrainerState.stateful_callbacks under which a checkpoint describes the batches of its run.
_KEPT = "batches of the run"


class TextTrainer(Trainer):
    """A `Trainer` that evaluates images of any size, and gives the same results in several processes as in one.

    Pass `compute_metrics=TextMetrics()` and, in the arguments, `remove_unused_columns=False`, `batch_eval_metrics=True`
    and `per_device_eval_batch_size=1` (images differ in size).

    **Loss.** The loss of a step is the mean over all labelled pixels of its global batch (255 is ignored), however they
    are split over `gradient_accumulation_steps` and processes. The gradient, what `max_grad_norm` clips, and the logged
    loss follow from it. With `class_weights`, the mean is weighted. The loss of an evaluation is the mean over the
    labelled pixels of all its images.

    It is the model's own loss, which must be a mean over labelled pixels. The models of transformers with two classes
    have such a loss, auxiliary heads included. In four cases it is the cross-entropy of `logits` at the size of the
    label maps instead: with `class_weights`; with `label_smoothing_factor`; if the model has one class (the logit of
    text); and if an UperNet learns from label maps larger than the images (`EvalTransform(reduce=2)`). If the targets
    are not called `labels` (Mask2Former), or with a `compute_loss_func`, the loss is not changed: it is averaged over
    accumulation steps and processes, or is what `compute_loss_func` makes of `num_items_in_batch`.

    (A plain `Trainer` multiplies SegFormer's loss by the number of accumulation steps and of processes. With
    `trainer.model_accepts_loss_kwargs = False` it takes the mean of the batches' means.)

    **Several processes.** Pass the full data set: each process reads its own part, and all make the same number of
    steps. Examples that a sampler repeats to fill the last step of an epoch, or drops, are logged. A stream is split by
    its shards, with `dispatch_batches=False`; by default the first process would read for all. Examples left over at
    the end of an epoch of a stream do not matter: `max_steps` counts, each process begins its part again when it has
    finished it, and batches that do not fill the accumulation steps wait for the next pass. A process that has fewer
    images of a stream than others, or none, evaluates unlabelled images until all have finished. Evaluation drops
    repeated examples, so each image counts once. It takes the statistics of batch normalisation from the first process,
    as its checkpoint does; otherwise they differ between processes. Evaluation may come before `train`, and leaves the
    random state unchanged: a run that evaluates trains the same weights as one that does not.

    Each evaluation and prediction starts with an empty `TextMetrics`, also after one that was interrupted. If examples
    have words (`EvalTransform(words=True)`), there are scores by script and by height of words too: `eval_fgiou_Latin`.

    **Stopping and resuming.** A checkpoint of a run over a stream of `datasets` records the position in the stream of
    each process and loader worker, in any pass. Resumed with the same numbers of both, the run continues there without
    rereading what was seen. If a release of `datasets` cannot restore a stream exactly (with a shuffle buffer, for
    example), a warning says so when training begins, and resuming raises an error. `ignore_data_skip=True` restarts the
    first pass. Ctrl-C writes no checkpoint.

    **The same run on any number of processes.** With `global_batch_size`, the batches of all steps are the same on 1, 2
    or more processes (`GlobalBatchSampler`), and a checkpoint resumes on another number of them. The batch size per
    device follows: the largest that splits evenly and is not above `per_device_train_batch_size`; the rest is
    accumulated. Differences remain in what a model draws itself (dropout) or computes over a batch (batch
    normalisation), and in rounding.

    Args:
        class_weights: a float tensor (classes,) of weights for the pixels of each class in the loss; all 1 by default.
        global_batch_size: examples per step, over all processes and accumulation steps. By default it follows from the
            arguments, and so depends on the number of processes.

    Raises:
        ValueError: a stream was already split, has fewer batches than accumulation steps, or cannot be resumed exactly;
            several processes have something to do at the end of each epoch of a stream (`save_strategy="epoch"`), or
            evaluate a stream that is not an `IterableDataset` of `datasets`; `class_weights` are given with a
            `compute_loss_func`, or for a model without logits; `global_batch_size` cannot be split evenly, is given
            with arguments that also determine the batches, or differs from the checkpoint's.
    """

    model_wrapped: torch.nn.Module  # of Trainer, which replaces it
    control: TrainerControl  # of Trainer, which replaces it

    def __init__(
        self,
        model: PreTrainedModel | torch.nn.Module | None = None,
        args: TrainingArguments | None = None,
        *rest: Any,
        class_weights: torch.Tensor | None = None,
        global_batch_size: int | None = None,
        **options: Any,
    ) -> None:
        if global_batch_size is not None:
            args = _with_global_batch(args or TrainingArguments(), global_batch_size, options.get("train_dataset"))
        if args and isinstance(options.get("train_dataset"), IterableDataset):
            args.accelerator_config.dispatch_batches = False
        super().__init__(model, args, *rest, **options)
        if class_weights is not None and self.compute_loss_func is not None:
            raise ValueError("class_weights weight TextTrainer's own loss; with compute_loss_func, apply them there.")
        self.class_weights, self.global_batch_size = class_weights, global_batch_size
        # Trainer assumes that a model whose forward takes **kwargs divides its loss by num_items_in_batch. No
        # segmentation model does, so loss and gradient would be multiplied by accumulation steps and processes.
        self.model_accepts_loss_kwargs = False
        self._waiting: list[Batch] = []  # batches of a stream that did not fill the accumulation steps of a pass
        self._stream: StreamLoader | None = None  # of the current training, if it is over a stream
        self._checkpoint: str | None = None  # that the run resumes from
        self._kept: dict[str, Any] = {}  # how that checkpoint describes the batches of its run
        self._losses: list[torch.Tensor] = []  # of the current evaluation: rows of loss times weight, and weight

    # --- Training

    def train(self, resume_from_checkpoint: str | bool | None = None, *arguments: Any, **options: Any) -> TrainOutput:
        self._waiting = []
        self._prepare_anew()
        checkpoint = resume_from_checkpoint
        if checkpoint is True:
            checkpoint = get_last_checkpoint(self.args.output_dir)
        self._checkpoint = checkpoint or None
        self._kept = _kept_of(checkpoint) if checkpoint else {}
        if checkpoint and not self.args.ignore_data_skip:
            self._check_batches()
        return super().train(resume_from_checkpoint, *arguments, **options)

    def _prepare_anew(self) -> None:
        """Undoes what an evaluation did to a model that was not trained yet, in several processes.

        Evaluation makes accelerate mark the model as prepared. Training would then leave it without
        `DistributedDataParallel`, and no process would get the others' gradients.
        """
        wrapped = any(isinstance(module, DistributedDataParallel) for module in self.model_wrapped.modules())
        if self.args.world_size == 1 or wrapped or self.is_fsdp_enabled or self.is_deepspeed_enabled:
            return
        self.model_wrapped = self.model
        state = self.model.__dict__
        state.pop("_is_accelerate_prepared", None)
        if "_original_forward" in state:  # beneath that of mixed precision
            self.model.forward = state.pop("_original_forward")

    def get_train_dataloader(self) -> DataLoader:
        data, args = self.train_dataset, self.args
        if isinstance(data, IterableDataset):
            _check_whole(data)
        elif not self.global_batch_size and (args.world_size > 1 or args.dataloader_drop_last):
            report_uneven(len(data), args.train_batch_size * args.world_size, args.dataloader_drop_last)
        loader = super().get_train_dataloader()
        self._stream = self._stream_loader(data, loader) if isinstance(data, datasets.IterableDataset) else None
        if self._stream:
            return self._stream
        if self.global_batch_size and args.world_size > 1:
            # When it skips what was seen, accelerate sets the epoch of its own wrapper, but not of the sampler in it.
            loader.set_sampler(loader.batch_sampler.batch_sampler.sampler)
        return loader

    def _stream_loader(self, stream: datasets.IterableDataset, like: DataLoader) -> StreamLoader:
        """A loader of this process's part of a stream, from the position in the checkpoint."""
        args, workers = self.args, like.num_workers
        by_epoch = [name for name in ("save", "eval", "logging") if getattr(args, f"{name}_strategy") == "epoch"]
        if args.world_size > 1 and by_epoch:
            raise ValueError(
                f"{by_epoch[0]}_strategy is 'epoch', but processes do not finish their parts of a stream at the same "
                "step, so they would wait for each other for ever. Use 'steps'."
            )
        reason = why_inexact(stream)
        if not getattr(like, "in_order", True):
            reason = "with dataloader_in_order=False the order of its batches is random."
        position = Position.start(workers)
        if self._checkpoint and not args.ignore_data_skip:
            if reason or not hasattr(Trainer, "_init_training_state"):
                reason = reason or f"transformers {transformers.__version__} reads again all that was seen."
                raise ValueError(f"This stream cannot resume exactly where it stopped: {reason} {ANEW}")
            step = TrainerState.load_from_json(os.path.join(self._checkpoint, "trainer_state.json")).global_step
            of = (self._checkpoint, args.process_index, args.world_size, step)
            position = Position.read(*of, workers, stream.num_shards)
        elif reason and args.save_strategy != "no":
            logger.warning("Checkpoints of this run will not record the position in the stream: %s", reason)
        part = part_of_stream(stream, args.process_index, args.world_size)

        def pass_begins() -> None:
            self.control = self.callback_handler.on_epoch_begin(args, self.state, self.control)

        return StreamLoader(part, position, args.gradient_accumulation_steps, like, args.seed, pass_begins)

    def _init_training_state(self, *arguments: Any, **options: Any) -> tuple[int, int]:
        epochs, batches = super()._init_training_state(*arguments, **options)
        # The loader is at the right place already. Trainer uses the epoch for the epochs in its log.
        return (self._stream.epoch, 0) if self._stream else (epochs, batches)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        if not self.global_batch_size:
            return super()._get_train_sampler(train_dataset)
        # One sampler for all processes: accelerate shards its batches evenly.
        examples = len(self.train_dataset if train_dataset is None else train_dataset)
        drops = self.args.dataloader_drop_last
        return GlobalBatchSampler(examples, self.global_batch_size, seed=self._seed, drop_last=drops)

    @property
    def _seed(self) -> int:
        """The seed of the order of a `global_batch_size`."""
        return self.args.seed if self.args.data_seed is None else self.args.data_seed

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """The batches of a step, and the total weight of their pixels over all processes."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if isinstance(self.train_dataset, IterableDataset):
            batches = self._filled(batches, num_batches)
        # A process that has finished its part of a stream gets no batches, and must not wait for the others.
        if self._is_normalised(batches[0] if batches else {}):
            weight = sum(self._weight(batch["labels"].to(device)) for batch in batches)
            items = self.accelerator.gather(weight).sum()
        return batches, items

    def _filled(self, batches: list[Batch], count: int) -> list[Batch]:
        """As many batches as there are accumulation steps, or none.

        If fewer are left at the end of a pass, `Trainer` computes a gradient but makes no step. The next step would
        then include that gradient, and processes with different numbers of batches left would make different steps.
        """
        batches = self._waiting + batches
        if len(batches) < count and not self.state.global_step:
            raise ValueError(
                f"A pass over this stream has {len(batches)} batches per process, and a step takes {count} "
                "(gradient_accumulation_steps). Use fewer accumulation steps or fewer processes."
            )
        full = count if len(batches) >= count else 0
        self._waiting = batches[full:]
        return batches[:full]

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        loss = super().training_step(*arguments, **options)
        # Trainer gathers the losses that it logs, but not those after the last log, which the loss of the run includes.
        return self.accelerator.reduce(loss, "mean") if self.args.world_size > 1 else loss

    # --- Stopping and resuming

    def _batches(self) -> dict[str, Any]:
        """What a checkpoint records about the batches of its run: each setting that determines them, by name."""
        args = self.args
        return {
            "global_batch_size": self.global_batch_size,
            "examples": None if isinstance(self.train_dataset, IterableDataset) else len(self.train_dataset),
            "seed": self._seed,
            "dataloader_drop_last": args.dataloader_drop_last,
            "batch": self.get_total_train_batch_size(args),
            "processes": args.world_size,
        }

    def _check_batches(self) -> None:
        """Checks that the run continues with the batches that follow those of the checkpoint."""
        kept, own = self._kept, self._batches()
        if self.global_batch_size and not kept.get("global_batch_size"):
            raise ValueError(
                "The checkpoint was written without global_batch_size, so its order of examples is different. Resume "
                "without it, or set ignore_data_skip=True to start an epoch in the new order."
            )
        if kept.get("global_batch_size"):
            names = ("global_batch_size", "examples", "seed", "dataloader_drop_last")
            differing = [f"{name} {kept[name]} (now {own[name]})" for name in names if kept[name] != own[name]]
            if differing:
                raise ValueError(
                    f"The run of the checkpoint had {', '.join(differing)}. With other values, the next batches would "
                    "be different. Use the same values, or set ignore_data_skip=True to start a new epoch."
                )
        elif kept and own["examples"] and kept["batch"] != own["batch"]:
            logger.warning(
                "The run of the checkpoint had %s examples per step, and this one has %s, so it resumes at another "
                "place in the epoch. With TextTrainer(global_batch_size=...), any number of processes makes the same "
                "steps.",
                kept["batch"],
                own["batch"],
            )

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self.state.stateful_callbacks[_KEPT] = self._batches()  # Trainer writes the state last
        if self._stream:
            # Batches that wait for the next step are read again after resuming, so that a checkpoint holds no pixels.
            position = self._stream.position(untrained=len(self._waiting))
            of = (output_dir, self.args.process_index, self.args.world_size, self.state.global_step)
            position.write(*of, self.train_dataset.num_shards)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        if model is not None or not self._load_weights(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if not self._load_weights(self.state.best_model_checkpoint):
            super()._load_best_model()

    def _load_weights(self, checkpoint: str) -> bool:
        """Loads the weights of a checkpoint with `from_pretrained`, if `save_pretrained` wrote them.

        `Trainer` looks for the names that weights have in the model. transformers from 5.23 on writes some under other
        names (those of SegFormer's encoder); `Trainer` then only warns, and leaves those weights as they are.

        Raises:
            ValueError: it is the checkpoint of another model.
        """
        is_usual = isinstance(self.model, PreTrainedModel) and os.path.isfile(os.path.join(checkpoint, CONFIG_NAME))
        if not is_usual or self.is_fsdp_enabled or self.is_deepspeed_enabled:
            return False
        with torch.random.fork_rng(devices=[]):
            saved = type(self.model).from_pretrained(checkpoint)
        there, here = saved.state_dict(), self.model.state_dict()
        differing = sorted(there.keys() ^ here.keys())
        differing += [name for name in there.keys() & here.keys() if there[name].shape != here[name].shape]
        if differing:
            raise ValueError(
                f"{checkpoint} holds another model: {mlt_s.counted(differing, 'weight')} differ in name or shape from "
                f"this model: {mlt_s.first_few(differing)}. Create the model with from_pretrained(checkpoint), or with "
                "the config of the run."
            )
        self.model.load_state_dict(there)
        return True

    def _load_rng_state(self, checkpoint: str | None) -> None:
        written_by = self._kept.get("processes", self.args.world_size)
        if checkpoint is None or written_by == self.args.world_size:
            return super()._load_rng_state(checkpoint)
        # Otherwise, some processes would find a random state and others none.
        logger.warning(
            "A checkpoint of %s process(es) resumes on %s: random states of the model (dropout) are not restored.",
            written_by,
            self.args.world_size,
        )
        set_seed(self.args.seed + self.state.global_step)

    # --- The loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, Any]:
        """The loss of a batch: the mean over its labelled pixels, or its part of the loss of a step.

        Args:
            num_items_in_batch: the total weight of the pixels of the step, over its batches and processes. `Trainer`
                averages the parts over both, which gives the mean over those pixels.
        """
        if not self._is_normalised(inputs):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch=num_items_in_batch)
        means, outputs = self.mean_loss(model, inputs)
        means = means.float().reshape(-1)  # a sum over pixels overflows half precision
        weights = torch.stack([self._weight(part) for part in inputs["labels"].chunk(len(means))]).to(means)
        total = weights.sum() if num_items_in_batch is None else num_items_in_batch
        loss = (means * weights).sum() / _some(torch.as_tensor(total))
        if num_items_in_batch is not None:
            loss = loss * self.current_gradient_accumulation_steps * self.args.world_size
        return (loss, outputs) if return_outputs else loss

    def mean_loss(self, model: torch.nn.Module, inputs: Batch) -> tuple[torch.Tensor, Any]:
        """The mean loss over the labelled pixels of a batch, weighted, and the output of the model.

        Override it for a trainer with another loss.

        Args:
            model: the model, as `Trainer` wraps it.
            inputs: the batch, with `labels` (images, height, width).

        Returns:
            A float tensor, and the output of the model. The tensor is a scalar; from `DataParallel`, it holds one mean
            per part of the batch. It is finite even if no pixel is labelled.
        """
        if not self._needs_own_loss(inputs):
            labels = _never_empty(inputs["labels"], max(1, self.args.n_gpu))
            return super().compute_loss(model, {**inputs, "labels": labels}, return_outputs=True)
        labels = inputs["labels"]
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        if not hasattr(outputs, "logits"):
            raise ValueError(
                "class_weights and label_smoothing_factor need a model that returns logits; this one does not."
            )
        weights = None if self.class_weights is None else self.class_weights.to(outputs.logits.device, torch.float32)
        loss = _cross_entropy(outputs.logits, labels, weights, self.args.label_smoothing_factor)
        return loss / _some(self._weight(labels)), outputs

    def _needs_own_loss(self, inputs: Batch) -> bool:
        """Whether the model's loss is not the requested one, or the model cannot compute it."""
        if self.class_weights is not None or self.label_smoother is not None:
            return True
        config = getattr(self.model, "config", None)
        # UperNet resizes its logits to the image; the others resize them to the label map.
        fails = getattr(config, "model_type", None) == "upernet"
        fails = fails and inputs["labels"].shape[-2:] != inputs["pixel_values"].shape[-2:]
        return fails or getattr(config, "num_labels", None) == 1

    def _is_normalised(self, inputs: Batch) -> bool:
        return "labels" in inputs and self.compute_loss_func is None

    def _weight(self, labels: torch.Tensor) -> torch.Tensor:
        """The number of labelled pixels of label maps, or the sum of their weights."""
        if self.class_weights is None:
            return (labels != IGNORED).sum()
        numbers = torch.stack([(labels == value).sum() for value in range(len(self.class_weights))])
        return (numbers * self.class_weights.to(labels.device, torch.float32)).sum()

    # --- Evaluation

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader | EvenLoader:
        data = self.eval_dataset if eval_dataset is None else eval_dataset
        data = self.eval_dataset[data] if isinstance(data, str) else data
        return self._even(super().get_eval_dataloader(eval_dataset), data)

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader | EvenLoader:
        return self._even(super().get_test_dataloader(test_dataset), test_dataset)

    def _even(self, loader: DataLoader, data: Any) -> DataLoader | EvenLoader:
        """A loader that gives all processes the same number of batches, also for a stream."""
        args = self.args
        if args.world_size == 1 or not isinstance(data, IterableDataset):
            return loader
        if not isinstance(data, datasets.IterableDataset):
            raise ValueError(
                f"Several processes cannot evaluate a {type(data).__name__}, which cannot be split over them. Evaluate "
                "an IterableDataset of datasets, or a data set with a length."
            )
        _check_whole(data)
        part = part_of_stream(data, args.process_index, args.world_size)
        own = loader_like(loader, part, args.eval_batch_size, loader.collate_fn, persistent_workers=False)
        return EvenLoader(own, args.eval_batch_size, self.accelerator)

    def evaluation_loop(
        self,
        dataloader: DataLoader,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Called by `evaluate` and `predict`; its loss is the mean over the labelled pixels of all images."""
        if isinstance(self.compute_metrics, TextMetrics):
            self.compute_metrics.reset()
        self._losses = []
        if torch.distributed.is_initialized():
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, 0)
        if isinstance(dataloader, EvenLoader):
            self.gather_function = lambda values: dataloader.real(self.accelerator.gather(values))
        try:
            with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed even if nothing is random
                output = super().evaluation_loop(
                    dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
                )
        finally:
            self.gather_function = self.accelerator.gather_for_metrics
        if isinstance(dataloader, EvenLoader):
            output = output._replace(num_samples=dataloader.images)
        if self._losses:
            loss, weight = torch.cat(self._losses).double().sum(0).tolist()
            output.metrics[f"{metric_key_prefix}_loss"] = loss / weight if weight else math.nan
        return output

    def prediction_step(
        self, model: torch.nn.Module, inputs: Batch, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        words = inputs.get("words")
        inputs = {name: values for name, values in inputs.items() if name != "words"}  # no model takes them
        if "labels" in inputs:
            inputs["labels"] = self._without_repeated(inputs["labels"])
        loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        if loss is not None and self._is_normalised(inputs):
            weight = self._weight(inputs["labels"]).to(loss)
            self._losses.append(self.accelerator.gather(torch.stack([loss * weight, weight])[None]).float().cpu())
        if prediction_loss_only:
            return loss, None, None
        if "labels" not in inputs:
            raise ValueError(
                "TextTrainer counts pixels from logits and labels, and this batch has no labels. Evaluate without "
                "compute_metrics to get only the loss, and pass predictions to TextMetrics.add in your own loop."
            )
        # A few numbers per image are gathered from the processes, and not label maps, which differ in size.
        return loss, count_logits(logits, labels, words), labels.new_zeros(len(labels))

    def _without_repeated(self, labels: torch.Tensor) -> torch.Tensor:
        """Sets label maps to 255 throughout if the sampler repeats their images to fill the last batches."""
        state = self.accelerator.gradient_state
        if self.args.world_size == 1 or not state.end_of_dataloader or state.remainder <= 0:
            return labels
        places = torch.arange(len(labels), device=labels.device) + self.args.process_index * len(labels)
        return labels.masked_fill((places >= state.remainder)[:, None, None], IGNORED)


def _some(weight: torch.Tensor) -> torch.Tensor:
    """A weight to divide by. If no pixel is labelled, the dividend is 0 and so any weight does."""
    return weight.float().clamp(min=torch.finfo(torch.float32).tiny)


def _never_empty(labels: torch.Tensor, parts: int) -> torch.Tensor:
    """Gives each part of the label maps a labelled pixel: the mean over none is NaN, and stays NaN when multiplied by
    0.
    """
    labels = labels.clone()
    for part in labels.chunk(parts):  # views
        first = part[0, 0, 0]
        first.copy_(torch.where((part == IGNORED).all(), BACKGROUND, first))
    return labels


def _cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None, smoothing: float
) -> torch.Tensor:
    """The cross-entropy of logits (images, classes, height, width), resized to the label maps, summed over pixels."""
    logits = torch.nn.functional.interpolate(logits.float(), labels.shape[-2:], mode="bilinear", align_corners=False)
    if logits.shape[1] == 1:  # the logit of text; the logit of background is 0
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    return torch.nn.functional.cross_entropy(
        logits, labels, weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )


def _check_whole(stream: IterableDataset) -> None:
    split = getattr(stream, "_distributed", None)  # what split_dataset_by_node leaves
    if split is not None:
        raise ValueError(
            f"This stream was already split (split_dataset_by_node: part {split.rank} of {split.world_size}). Trainer "
            "splits it itself; of a stream that is split twice, most of each epoch would never be read. Pass the full "
            "stream."
        )


def _with_global_batch(args: TrainingArguments, global_batch_size: int, data: Any) -> TrainingArguments:
    """A copy of the arguments in which the batches of all processes and accumulation steps make up the global batch.

    Raises:
        ValueError: the global batch cannot be split evenly, or another argument also determines the batches.
    """
    if isinstance(data, IterableDataset):
        raise ValueError(
            "A stream is split by its shards, so its batches depend on the number of processes. For a "
            "global_batch_size, train on an ArchiveDataset, which takes no disk space either, or on a prepared set."
        )
    usual = {"gradient_accumulation_steps": 1, "auto_find_batch_size": False, "train_sampling_strategy": "random"}
    given = [name for name, value in usual.items() if getattr(args, name, value) != value]
    if given or args.accelerator_config.split_batches:
        raise ValueError(
            f"global_batch_size determines the batches; leave out {', '.join(given) or 'split_batches'}. "
            "per_device_train_batch_size is the upper limit per device."
        )
    share = part_of_batch(global_batch_size, args.world_size * max(1, args.n_gpu))
    args = copy.copy(args)
    most = min(share, args.per_device_train_batch_size)
    args.per_device_train_batch_size = max(size for size in range(1, most + 1) if share % size == 0)
    args.gradient_accumulation_steps = share // args.per_device_train_batch_size
    return args


def _kept_of(checkpoint: str) -> dict[str, Any]:
    """What a checkpoint records about the batches of its run; empty if a plain `Trainer` wrote it."""
    path = os.path.join(checkpoint, "trainer_state.json")
    return TrainerState.load_from_json(path).stateful_callbacks.get(_KEPT, {}) if os.path.isfile(path) else {}
