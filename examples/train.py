"""Fine-tunes a model for semantic segmentation on MLT_S with `transformers.Trainer`. Needs `pip install ".[train]"`.

    python examples/train.py ~/mlt                    # from the archives; SegFormer-B0, with weights from the Hub
    python examples/train.py ~/mlt --model openmmlab/upernet-convnext-tiny    # or another model, or its folder
    python examples/train.py lab/mlt-s                # from a built set: a folder, or a repository of the Hub
    python examples/train.py ~/mlt --from-config      # a small SegFormer with fresh weights: no download
    python examples/train.py ~/mlt --resume           # resumes from the last checkpoint in --out
    torchrun --nproc-per-node 2 examples/train.py ~/mlt

The model must load with AutoModelForSemanticSegmentation and learn from label maps: SegFormer, UperNet, BEiT, DPT.
docs/training.md lists tested models, and shows how to train a Mask2Former.

A test run of two minutes on the bundled sample (threads slow down such a small model):

    mlt-s check mlt_s_tools/sample --pixels --json check.json
    OMP_NUM_THREADS=1 python examples/train.py mlt_s_tools/sample --from-config --class-weights check.json \\
        --crop 128 --batch-size 2 --reduce 2 --epochs 150 --evaluate-every 150 --learning-rate 8e-4 --workers 0 \\
        --out runs/sample

The defaults fit a GPU with 8 GB: SegFormer-B0, 8 crops of 512 x 512 per step. With 24 GB, use --batch-size 24 and three
times the learning rate.
After each epoch, it evaluates with the published protocol and draws predictions beside label maps in OUT/pictures.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import torch
import transformers
from transformers import (
    AutoImageProcessor,
    AutoModelForSemanticSegmentation,
    BaseImageProcessor,
    PreTrainedModel,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

import mlt_s
from mlt_s_tools.evaluation.worst import error_sheet
from mlt_s_tools.metrics import TextMetrics, predict
from mlt_s_tools.training import ArchiveDataset, EpochCallback, EvalTransform, TextTrainer, collate, for_image_processor

PROCESSES = int(os.environ.get("WORLD_SIZE", 1))  # set by torchrun
PICTURED = 6  # validation images in the pictures of predictions
# Strokes are thin: this model's first features have half the image's width and height, mit-b0's a quarter.
SMALL = {
    "num_encoder_blocks": 3,
    "depths": [1, 1, 1],
    "strides": [2, 2, 2],
    "patch_sizes": [5, 3, 3],
    "sr_ratios": [8, 4, 2],
    "hidden_sizes": [16, 32, 64],
    "num_attention_heads": [1, 2, 4],
    "mlp_ratios": [2, 2, 2],
    "decoder_hidden_size": 32,
    "drop_path_rate": 0.0,
    "classifier_dropout_prob": 0.0,
}


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    options.out = options.out or os.path.join("runs", "small" if options.from_config else Path(options.model).name)
    resumes = options.resume and os.path.isdir(options.out)
    checkpoint = transformers.trainer_utils.get_last_checkpoint(options.out) if resumes else None
    if options.resume and not checkpoint:
        raise SystemExit(f"There is no checkpoint in {options.out} to resume from.")
    if not options.resume and os.path.isdir(options.out) and os.listdir(options.out):
        raise SystemExit(
            f"{options.out} holds files of another run. Give a new --out, or --resume to continue that run."
        )
    transformers.set_seed(options.seed)
    model, processor = make_model(options, checkpoint)
    model.config.eval_reduce = options.reduce  # in each checkpoint, for predict.py
    preset = for_image_processor(processor)
    transform = preset.training(seed=options.seed, size=(options.crop, options.crop) if options.crop else preset.size)
    train, validation = (read(options, split) for split in mlt_s.PUBLISHED_COUNTS)
    evaluated = preset.evaluation(reduce=options.reduce)
    trainer = TextTrainer(
        model,
        training_arguments(options, len(train)),
        class_weights=class_weights(options.class_weights) if options.class_weights else None,
        train_dataset=train.with_transform(transform),
        eval_dataset=validation.with_transform(evaluated),
        processing_class=processor,  # so that each checkpoint holds it, which predict.py needs
        data_collator=collate,
        callbacks=[EpochCallback(transform), Pictures(validation, evaluated, options.out)],
        compute_metrics=TextMetrics(),
        # No step has a single crop, with which UperNet and BEiT cannot train.
        global_batch_size=options.batch_size * PROCESSES,
    )
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    figures = trainer.evaluate()
    if trainer.is_world_process_zero():
        print(f"fgIoU {figures['eval_fgiou']:.2%}, F-score {figures['eval_f_score']:.3f}: {options.out}")
    finish(trainer)


def finish(trainer: TextTrainer) -> None:
    """Waits for all processes before it ends: if one ends while others still talk to it, it may be aborted."""
    if trainer.args.world_size > 1:
        trainer.accelerator.wait_for_everyone()
        # A thread of gloo returns from that wait a moment later, and needs the interpreter. If the interpreter is
        # already ending, the two wait for each other for ever (PyTorch 2.13, one run in twenty).
        time.sleep(1)
    trainer.accelerator.end_training()


def parser() -> argparse.ArgumentParser:
    about = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = about.add_argument
    add("data", metavar="DATA", help="folder of the archives, or a built set: a folder or repository")
    add("--label-maps", metavar="PATH", nargs="+", help="place of the label maps, if not in the folder of the archives")
    add("--text-value", type=int, default=1, help="value of text in the label maps of archives: 1 or 255 (%(default)s)")
    add(
        "--out",
        metavar="DIR",
        help="folder for checkpoints and pictures (default: runs/ and the last part of the model's name)",
    )
    add("--model", metavar="NAME", default="nvidia/mit-b0", help="weights to start from, or their folder (%(default)s)")
    add("--from-config", action="store_true", help="a small SegFormer with fresh weights instead")
    add("--epochs", type=int, default=40, help="passes over the training set (%(default)s)")
    add("--evaluate-every", metavar="N", type=int, default=1, help="evaluate and save every N epochs (%(default)s)")
    add("--batch-size", type=int, default=8, help="crops per step and process (%(default)s)")
    add("--learning-rate", type=float, default=1e-4, help="highest learning rate of AdamW (%(default)s)")
    add("--crop", type=int, help="width and height of a crop in pixels (default: from the model's image processor)")
    add("--reduce", type=int, default=1, help="evaluate at 1/N of the image's width and height (%(default)s)")
    add("--class-weights", metavar="FILE", help="weight classes by the counts of mlt-s check --pixels --json")
    add("--workers", type=int, default=4, help="processes that read and transform (%(default)s)")
    add("--seed", type=int, default=0, help="random seed of weights, order and transforms (%(default)s)")
    add("--resume", action="store_true", help="resume from the last checkpoint")
    return about


# --- The model ------------------------------------------------------------------------------------------------------


def make_model(options: argparse.Namespace, checkpoint: str | None) -> tuple[PreTrainedModel, BaseImageProcessor]:
    """The model and the image processor that goes with it."""
    if checkpoint:
        processor = AutoImageProcessor.from_pretrained(checkpoint)
        return AutoModelForSemanticSegmentation.from_pretrained(checkpoint), processor
    if options.from_config:
        processor = SegformerImageProcessor()
        own = for_image_processor(processor).model_options()
        return SegformerForSemanticSegmentation(SegformerConfig(**SMALL, **own)), processor
    # The processors of models for ADE20K remove class 0 from label maps, which is our background.
    processor = AutoImageProcessor.from_pretrained(options.model, do_reduce_labels=False)
    try:
        own = for_image_processor(processor).model_options()
    except ValueError as error:
        raise SystemExit(f"train.py: {options.model}: {error}") from None
    weights = {**own, "ignore_mismatched_sizes": True}  # for the head, which had other classes
    return AutoModelForSemanticSegmentation.from_pretrained(options.model, **weights), processor


def class_weights(path: str) -> torch.Tensor:
    """The inverse square roots of the shares of background and text in the training set, with a mean of 1."""
    shares = json.loads(Path(path).read_text())["pixels"]["shares"]["train"]
    inverse = torch.tensor([shares[name] ** -0.5 for name in mlt_s.LABEL_MAP.names])
    return inverse / inverse.mean()


# --- The data -------------------------------------------------------------------------------------------------------


def read(options: argparse.Namespace, split: str) -> ArchiveDataset | datasets.Dataset:
    """The examples of a split by index, from archives or from a set that `mlt-s build` made."""
    path = Path(options.data).expanduser()
    if path.is_dir() and not (path / "manifest.json").exists():
        return ArchiveDataset(options.data, split, label_maps=options.label_maps, text_value=options.text_value)
    if options.label_maps or options.text_value != 1:
        raise SystemExit(f"--label-maps and --text-value are for archives, and {options.data} is not a folder of them.")
    if not path.exists() and not re.fullmatch(r"[\w.-]+/[\w.-]+", options.data):  # "namespace/name", on the Hub
        raise SystemExit(f"There is nothing at {path}.")
    return datasets.load_dataset(str(path) if path.exists() else options.data, split=split)


def training_arguments(options: argparse.Namespace, examples: int) -> TrainingArguments:
    on_gpu = torch.cuda.is_available()
    steps = math.ceil(examples / (options.batch_size * PROCESSES))  # per epoch
    return TrainingArguments(
        options.out,
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=1,  # images differ in size
        learning_rate=options.learning_rate,
        lr_scheduler_type="polynomial",
        warmup_steps=options.epochs * steps // 20,
        weight_decay=0.01,
        # Explicit, because several processes could not communicate otherwise.
        use_cpu=not on_gpu and not torch.backends.mps.is_available(),
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        eval_strategy="steps",
        eval_steps=options.evaluate_every * steps,
        save_strategy="steps",
        save_steps=options.evaluate_every * steps,
        save_total_limit=2,
        logging_steps=10,
        batch_eval_metrics=True,
        remove_unused_columns=False,  # the transforms need all columns
        dataloader_num_workers=options.workers,
        seed=options.seed,
        report_to=[],
    )


class Pictures(TrainerCallback):
    """Draws predictions beside label maps at each evaluation."""

    def __init__(self, examples: ArchiveDataset | datasets.Dataset, transform: EvalTransform, out: str) -> None:
        self.examples, self.transform, self.folder = examples, transform, Path(out, "pictures")

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            error_sheet(self._rows(model)).save(self.folder / f"step-{state.global_step:06d}.png")

    def _rows(self, model: PreTrainedModel) -> Iterator[tuple[str, dict[str, Any], npt.NDArray[np.bool_]]]:
        model.eval()
        for index in range(min(PICTURED, len(self.examples))):
            example = self.examples[index]
            given = self.transform(example)
            pixels = torch.from_numpy(given["pixel_values"])[None].to(model.device)
            with torch.no_grad():
                logits = model(pixel_values=pixels).logits[0]
            yield example["image_id"], example, predict(logits, given).cpu().numpy()


if __name__ == "__main__":
    main()
