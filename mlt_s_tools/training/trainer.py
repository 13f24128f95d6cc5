"""A `transformers.Trainer` for label maps: weighed classes, images of any sizes, several processes."""

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

# The key of what a checkpoint has to say about the batches of its run, in TrainerState.stateful_callbacks.
_KEPT = "batches of the run"


class TextTrainer(Trainer):
    """A `Trainer` that evaluates images of any sizes, and in several processes as in one.

    Give it `compute_metrics=TextMetrics()` and, in its arguments, `remove_unused_columns=False`,
    `batch_eval_metrics=True` and `per_device_eval_batch_size=1` (images have sizes of their own).

    **Loss.** The loss of a step is the mean over all pixels of its global batch that count (255 does not), however they
    are split over `gradient_accumulation_steps` and processes. So are its gradient, what `max_grad_norm` clips, and the
    logged loss. With `class_weights` the mean is weighted. The loss of an evaluation is the mean over the pixels of all
    its images.

    It is the model's own loss, which has to be a mean over the pixels that count. Those of the models of transformers
    with two classes are, auxiliary heads included. With `class_weights`, with `label_smoothing_factor`, where the model
    has one class (the logit of text), or where an UperNet is to learn from label maps larger than the images
    (`EvalTransform(reduce=2)`), it is the cross-entropy of `logits` at the label maps' size. Where the
    targets have other names than `labels` (Mask2Former), and with a `compute_loss_func`, the loss stays as it is given:
    its mean is taken over accumulation steps and processes, or what `compute_loss_func` makes of `num_items_in_batch`.

    (A plain `Trainer` multiplies SegFormer's loss by the number of accumulation steps and by that of processes. With
    `trainer.model_accepts_loss_kwargs = False` it takes the mean of the batches' means.)

    **Several processes.** Data sets are given whole: each process reads its own part, and all make as many steps. What
    a sampler adds to fill up the last step of an epoch, or leaves out, is logged. A stream is dealt out by its shards,
    with `dispatch_batches=False`, where by default the first process would read for all; what is left over at the end
    of an epoch is no matter, since `max_steps` counts and each process begins its part again when it is through, and
    batches that do not fill the accumulation steps there wait for the next pass. Where a process has fewer images of a
    stream than others, or none, it evaluates with images without label until all are through.
    Evaluation drops what was filled up, so each image counts once, and takes the statistics of batch normalisation from
    the first process, as its checkpoint does: of themselves, processes have different ones. It may come before
    `train`, and leaves the random state as it was: a run that evaluates trains the same weights as one that does not.

    Each evaluation and prediction starts with an empty `TextMetrics`, also after one that broke off. Where examples
    have words (`EvalTransform(words=True)`), there are figures by script and height of words, too: `eval_fgiou_Latin`.

    **Stopped and resumed.** A checkpoint of a run over a stream of `datasets` holds where the stream of each process
    and loader worker stands, in any pass; resumed on as many, it continues there without reading what was seen. What a
    release of `datasets` cannot take up exactly (a shuffle buffer, say) is said when the training begins, and refused
    when it is resumed. `ignore_data_skip=True` begins the first pass anew. Ctrl-C writes no checkpoint.

    **The same run on any number of processes.** With `global_batch_size` the batches of all steps are the same on 1, 2
    or more processes (`GlobalBatchSampler`), and a checkpoint of one number of them resumes on another. How many images
    each takes at a time follows: as many as go evenly and are not more than `per_device_train_batch_size`; the rest is
    accumulated. What differs is what a model draws by itself (dropout) or computes of a batch as a whole (batch
    normalisation), and rounding.

    Args:
        class_weights: a float tensor (classes,) that weighs the pixels of the loss by class; by default all alike.
        global_batch_size: examples of a step, of all processes and accumulation steps together. By default it follows
            from the arguments, and is another one on another number of processes.

    Raises:
        ValueError: a stream was split already, has fewer batches than accumulation steps, or cannot be resumed exactly;
            several processes have something to do at the end of each epoch of a stream (`save_strategy="epoch"`), or
            evaluate a stream of another kind; `class_weights` beside a `compute_loss_func`, or for a model without
            logits; `global_batch_size` has no equal parts, or stands beside arguments that decide of the batches as
            well, or differs from the checkpoint's.
    """

    model_wrapped: torch.nn.Module  # of Trainer, which exchanges it
    control: TrainerControl  # likewise

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
            raise ValueError("class_weights weigh the loss of TextTrainer; compute_loss_func has to weigh its own.")
        self.class_weights, self.global_batch_size = class_weights, global_batch_size
        # Trainer believes that a model whose forward takes **kwargs divides its loss by num_items_in_batch. None for
        # segmentation does, so loss and gradient would be multiplied by accumulation steps and processes.
        self.model_accepts_loss_kwargs = False
        self._waiting: list[Batch] = []  # batches of a stream that did not fill the accumulation steps of a pass
        self._stream: StreamLoader | None = None  # of the training under way, if it is over a stream
        self._checkpoint: str | None = None  # that the run goes on from
        self._kept: dict[str, Any] = {}  # what the checkpoint that the run goes on from says of its batches
        self._losses: list[torch.Tensor] = []  # of the evaluation under way: rows of loss times weight, and weight

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
        """Undoes what an evaluation did to a model of several processes that was not trained before.

        accelerate marks the model as prepared then, and would leave it without `DistributedDataParallel` in training:
        no process would learn of the others' gradients.
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
            # accelerate tells its own wrapper the epoch and not the sampler in it, where it skips what was seen.
            loader.set_sampler(loader.batch_sampler.batch_sampler.sampler)
        return loader

    def _stream_loader(self, stream: datasets.IterableDataset, like: DataLoader) -> StreamLoader:
        """A loader of what this process has of a stream, from where the checkpoint says that it stands."""
        args, workers = self.args, like.num_workers
        by_epoch = [name for name in ("save", "eval", "logging") if getattr(args, f"{name}_strategy") == "epoch"]
        if args.world_size > 1 and by_epoch:
            raise ValueError(
                f"{by_epoch[0]}_strategy is 'epoch', and processes are not through with their parts of a stream at the "
                "same step: they would wait for each other for ever. Say 'steps'."
            )
        reason = why_inexact(stream)
        if not getattr(like, "in_order", True):
            reason = "with dataloader_in_order=False the order of its batches is left to chance."
        position = Position.start(workers)
        if self._checkpoint and not args.ignore_data_skip:
            if reason or not hasattr(Trainer, "_init_training_state"):
                reason = reason or f"transformers {transformers.__version__} reads all that was seen."
                raise ValueError(f"This stream cannot go on exactly where it stood: {reason} {ANEW}")
            step = TrainerState.load_from_json(os.path.join(self._checkpoint, "trainer_state.json")).global_step
            of = (self._checkpoint, args.process_index, args.world_size, step)
            position = Position.read(*of, workers, stream.num_shards)
        elif reason and args.save_strategy != "no":
            logger.warning("A checkpoint of this run will not tell where its stream stands: %s", reason)
        part = part_of_stream(stream, args.process_index, args.world_size)

        def pass_begins() -> None:
            self.control = self.callback_handler.on_epoch_begin(args, self.state, self.control)

        return StreamLoader(part, position, args.gradient_accumulation_steps, like, args.seed, pass_begins)

    def _init_training_state(self, *arguments: Any, **options: Any) -> tuple[int, int]:
        epochs, batches = super()._init_training_state(*arguments, **options)
        # Its loader is at the right place already; from the epoch Trainer counts those of the log.
        return (self._stream.epoch, 0) if self._stream else (epochs, batches)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler | None:
        if not self.global_batch_size:
            return super()._get_train_sampler(train_dataset)
        # For all processes together: accelerate deals its batches out, and they come out even.
        examples = len(self.train_dataset if train_dataset is None else train_dataset)
        drops = self.args.dataloader_drop_last
        return GlobalBatchSampler(examples, self.global_batch_size, seed=self._seed, drop_last=drops)

    @property
    def _seed(self) -> int:
        """What the order of a `global_batch_size` comes from."""
        return self.args.seed if self.args.data_seed is None else self.args.data_seed

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """The batches of a step, and the weight of their pixels in all processes together."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if isinstance(self.train_dataset, IterableDataset):
            batches = self._filled(batches, num_batches)
        # A process that is through with its part of a stream asks in vain, and must not wait for the others.
        if self._is_normalised(batches[0] if batches else {}):
            weight = sum(self._weight(batch["labels"].to(device)) for batch in batches)
            items = self.accelerator.gather(weight).sum()
        return batches, items

    def _filled(self, batches: list[Batch], count: int) -> list[Batch]:
        """As many batches as there are accumulation steps, or none.

        Where fewer are left at the end of a pass, `Trainer` computes a gradient and makes no step, so the next step has
        that gradient on top, and processes that are left with different numbers make different steps.
        """
        batches = self._waiting + batches
        if len(batches) < count and not self.state.global_step:
            raise ValueError(
                f"A pass over this stream has {len(batches)} batches in a process, and a step takes {count} "
                "(gradient_accumulation_steps). Make fewer of them, or take fewer processes."
            )
        full = count if len(batches) >= count else 0
        self._waiting = batches[full:]
        return batches[:full]

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        loss = super().training_step(*arguments, **options)
        # Trainer gathers what it logs, but not what remains after the last log, which the loss of the run has as well.
        return self.accelerator.reduce(loss, "mean") if self.args.world_size > 1 else loss

    # --- Stopped, and going on

    def _batches(self) -> dict[str, Any]:
        """What a checkpoint says of the batches of its run, by the names of what decides of them."""
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
        """Sees that the steps after a checkpoint have the batches that they would have had."""
        kept, own = self._kept, self._batches()
        if self.global_batch_size and not kept.get("global_batch_size"):
            raise ValueError(
                "The checkpoint was written without global_batch_size, and its order of examples is another. Go on "
                "without it as well, or, to begin an epoch with the new order, with ignore_data_skip=True."
            )
        if kept.get("global_batch_size"):
            names = ("global_batch_size", "examples", "seed", "dataloader_drop_last")
            differing = [f"{name} {kept[name]} (now {own[name]})" for name in names if kept[name] != own[name]]
            if differing:
                raise ValueError(
                    f"The run of the checkpoint had {', '.join(differing)}. With others, its next batches would be "
                    "others. Give it the same, or, to begin an epoch anew, ignore_data_skip=True."
                )
        elif kept and own["examples"] and kept["batch"] != own["batch"]:
            logger.warning(
                "The run of the checkpoint had %s examples a step, and this one has %s, so it goes on at another place "
                "of the epoch. TextTrainer(global_batch_size=...) makes the same steps on any number of processes.",
                kept["batch"],
                own["batch"],
            )

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self.state.stateful_callbacks[_KEPT] = self._batches()  # Trainer writes the state last
        if self._stream:
            # Those that wait for the next step are read once more, so a checkpoint holds no pixels.
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
        """Loads the weights of a checkpoint as `from_pretrained` does, where that is what wrote it.

        `Trainer` looks for the names that weights have in the model, and transformers from 5.23 on writes some by other
        names (those of SegFormer's encoder): it warns of them, and leaves the weights as they are.

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
                f"the model here: {mlt_s.first_few(differing)}. Make the model by from_pretrained(checkpoint), or with "
                "the config of the run."
            )
        self.model.load_state_dict(there)
        return True

    def _load_rng_state(self, checkpoint: str | None) -> None:
        written_by = self._kept.get("processes", self.args.world_size)
        if checkpoint is None or written_by == self.args.world_size:
            return super()._load_rng_state(checkpoint)
        # Some of the processes would find a state, and others none.
        logger.warning(
            "A checkpoint of %s process(es) resumes on %s: what a model draws by itself (dropout) is drawn anew.",
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
        """The loss of a batch: the mean over its pixels that count, or its part in that of a step.

        Args:
            num_items_in_batch: the weight of all pixels of the step, over its batches and processes. `Trainer` takes
                the mean of the parts over both, which is then the mean over those pixels.
        """
        if not self._is_normalised(inputs):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch=num_items_in_batch)
        means, outputs = self.mean_loss(model, inputs)
        means = means.float().reshape(-1)  # a sum of pixels does not go into half precision
        weights = torch.stack([self._weight(part) for part in inputs["labels"].chunk(len(means))]).to(means)
        total = weights.sum() if num_items_in_batch is None else num_items_in_batch
        loss = (means * weights).sum() / _some(torch.as_tensor(total))
        if num_items_in_batch is not None:
            loss = loss * self.current_gradient_accumulation_steps * self.args.world_size
        return (loss, outputs) if return_outputs else loss

    def mean_loss(self, model: torch.nn.Module, inputs: Batch) -> tuple[torch.Tensor, Any]:
        """The mean loss over the pixels of a batch that count, each by its weight, and what the model gave.

        A trainer with another loss overrides it.

        Args:
            model: the model, as `Trainer` wraps it.
            inputs: the batch, with `labels` (images, height, width).

        Returns:
            A float tensor, and the output of the model. The tensor is a scalar, or, from `DataParallel`, of a mean for
            each part of the batch. It is finite also where no pixel counts.
        """
        if not self._needs_own_loss(inputs):
            labels = _never_empty(inputs["labels"], max(1, self.args.n_gpu))
            return super().compute_loss(model, {**inputs, "labels": labels}, return_outputs=True)
        labels = inputs["labels"]
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        if not hasattr(outputs, "logits"):
            raise ValueError(
                "class_weights and label_smoothing_factor need a model that gives logits; this one does not."
            )
        weights = None if self.class_weights is None else self.class_weights.to(outputs.logits.device, torch.float32)
        loss = _cross_entropy(outputs.logits, labels, weights, self.args.label_smoothing_factor)
        return loss / _some(self._weight(labels)), outputs

    def _needs_own_loss(self, inputs: Batch) -> bool:
        """Whether the model's loss is not what is asked for, or the model cannot compute it."""
        if self.class_weights is not None or self.label_smoother is not None:
            return True
        config = getattr(self.model, "config", None)
        # UperNet resizes its logits to the image, and not to the label map as the others do.
        fails = getattr(config, "model_type", None) == "upernet"
        fails = fails and inputs["labels"].shape[-2:] != inputs["pixel_values"].shape[-2:]
        return fails or getattr(config, "num_labels", None) == 1

    def _is_normalised(self, inputs: Batch) -> bool:
        return "labels" in inputs and self.compute_loss_func is None

    def _weight(self, labels: torch.Tensor) -> torch.Tensor:
        """The number of pixels of label maps that count, or the sum of their weights."""
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
        """A loader that gives all processes as many batches, also of a stream."""
        args = self.args
        if args.world_size == 1 or not isinstance(data, IterableDataset):
            return loader
        if not isinstance(data, datasets.IterableDataset):
            raise ValueError(
                f"Several processes cannot evaluate a {type(data).__name__} that is no IterableDataset of datasets: it "
                "does not say how it can be shared out. Evaluate such a stream, or a data set with a length."
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
        """What `evaluate` and `predict` call; its loss is the mean over the pixels of all images that count."""
        if isinstance(self.compute_metrics, TextMetrics):
            self.compute_metrics.reset()
        self._losses = []
        if torch.distributed.is_initialized():
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, 0)
        if isinstance(dataloader, EvenLoader):
            self.gather_function = lambda values: dataloader.real(self.accelerator.gather(values))
        try:
            with torch.random.fork_rng(devices=[]):  # a DataLoader draws a seed, also where nothing is left to chance
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
                "TextTrainer counts pixels by logits and labels, and this batch has no labels. Evaluate without "
                "compute_metrics for the loss alone, and give predictions to TextMetrics.add in a loop of your own."
            )
        # What is gathered from the processes is a few numbers an image, and not its label map of a size of its own.
        return loss, count_logits(logits, labels, words), labels.new_zeros(len(labels))

    def _without_repeated(self, labels: torch.Tensor) -> torch.Tensor:
        """Label maps that are 255 throughout where the sampler repeats an image to fill up the last batches."""
        state = self.accelerator.gradient_state
        if self.args.world_size == 1 or not state.end_of_dataloader or state.remainder <= 0:
            return labels
        places = torch.arange(len(labels), device=labels.device) + self.args.process_index * len(labels)
        return labels.masked_fill((places >= state.remainder)[:, None, None], IGNORED)


def _some(weight: torch.Tensor) -> torch.Tensor:
    """A weight to divide by, also where no pixel counts and so what is divided is 0."""
    return weight.float().clamp(min=torch.finfo(torch.float32).tiny)


def _never_empty(labels: torch.Tensor, parts: int) -> torch.Tensor:
    """Label maps that have a pixel that counts in each part: the mean over none is NaN, and times 0 it still is."""
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
    if logits.shape[1] == 1:  # the logit of text; that of background is 0
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    return torch.nn.functional.cross_entropy(
        logits, labels, weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
    )


def _check_whole(stream: IterableDataset) -> None:
    split = getattr(stream, "_distributed", None)  # what split_dataset_by_node leaves
    if split is not None:
        raise ValueError(
            f"This stream was split already (split_dataset_by_node: part {split.rank} of {split.world_size}). Trainer "
            "gives each process its part by itself; of a stream that is split twice, most of each epoch would never be "
            "read. Give it the whole stream."
        )


def _with_global_batch(args: TrainingArguments, global_batch_size: int, data: Any) -> TrainingArguments:
    """A copy of the arguments, by which the batches of all processes and accumulation steps make a global one.

    Raises:
        ValueError: it has no equal parts, or something else decides of the batches as well.
    """
    if isinstance(data, IterableDataset):
        raise ValueError(
            "A stream is dealt out by its shards, so its batches depend on the number of processes. For a "
            "global_batch_size, train on an ArchiveDataset, which takes no disk either, or on a prepared set."
        )
    usual = {"gradient_accumulation_steps": 1, "auto_find_batch_size": False, "train_sampling_strategy": "random"}
    given = [name for name, value in usual.items() if getattr(args, name, value) != value]
    if given or args.accelerator_config.split_batches:
        raise ValueError(
            f"global_batch_size decides of the batches; leave out {', '.join(given) or 'split_batches'}. "
            "per_device_train_batch_size is the most that a device takes at a time."
        )
    share = part_of_batch(global_batch_size, args.world_size * max(1, args.n_gpu))
    args = copy.copy(args)
    most = min(share, args.per_device_train_batch_size)
    args.per_device_train_batch_size = max(size for size in range(1, most + 1) if share % size == 0)
    args.gradient_accumulation_steps = share // args.per_device_train_batch_size
    return args


def _kept_of(checkpoint: str) -> dict[str, Any]:
    """What a checkpoint says of the batches of its run; nothing where it was written by a plain `Trainer`."""
    path = os.path.join(checkpoint, "trainer_state.json")
    return TrainerState.load_from_json(path).stateful_callbacks.get(_KEPT, {}) if os.path.isfile(path) else {}
