"""`mlt-s weak train`: makes a background/foreground network of the words of MLT_S and of drawn ones."""

import contextlib
import hashlib
import json
import math
import os
import shutil
from pathlib import Path

import torch
import transformers
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import (
    AutoImageProcessor,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
    TrainingArguments,
)

import mlt_s
from mlt_s_tools import records
from mlt_s_tools.training import ArchiveDataset, EpochCallback, TextTrainer, collate, for_segformer
from mlt_s_tools.training.transforms import IGNORED, TEXT
from mlt_s_tools.weak import RECORD, source
from mlt_s_tools.weak.baseline import Baseline
from mlt_s_tools.weak.correction import margins
from mlt_s_tools.weak.crops import CHANNELS, Framing
from mlt_s_tools.weak.examples import WordCrops
from mlt_s_tools.weak.network import Network

# A SegFormer that looks at every pixel, where mit-b0 looks at a quarter of width and height: words are seen smaller.
_SMALL = {
    "num_encoder_blocks": 3,
    "depths": [1, 1, 1],
    "strides": [1, 2, 2],
    "patch_sizes": [3, 3, 3],
    "sr_ratios": [16, 8, 4],
    "hidden_sizes": [8, 16, 32],
    "num_attention_heads": [1, 1, 2],
    "mlp_ratios": [2, 2, 2],
    "decoder_hidden_size": 16,
    "drop_path_rate": 0.0,
    "classifier_dropout_prob": 0.0,
}
# Passes over the images, and steps where these are few, if nothing else is said. In twice as many steps a network
# learns the 14 images of the sample by heart: on other ones, three of four were worse for it.
_PASSES, _LEAST_STEPS = 20, 800
_CROPS = 2  # of an image at a time, at most: to decode it takes longer than all else
_PROGRESS = "training"  # a folder in that of the network, until it is finished
_ORDER = "order.json"  # in there: what the training was begun with


def run(
    data_dir,
    out,
    label_maps=None,
    model="nvidia/mit-b0",
    from_config=False,
    steps=None,
    batch=None,
    synthetic=0.5,
    seed=0,
    text_value=1,
):
    """Trains a network on the training split alone, and writes it.

    Stopped, it goes on from its last checkpoint when it is called again with the same words, and ends as if it had not
    been stopped. A finished network is not trained again.

    Args:
        data_dir: the folder of the archives, images and ground truth among them, as for `load_dataset`.
        out: the folder of the network, a new one, or the one of a training that was stopped.
        label_maps: the label archive, or a list of several, where it is not in `data_dir`.
        model: a SegFormer to start from: a name on the Hub, or a folder.
        from_config: whether to start from a small network with fresh weights instead, which needs no download.
        steps: how many; by default 20 passes over the images, and 800 at least.
        batch: words in a step; by default 64, of a small network 4.
        synthetic: the share of drawn words, from 0 to 1.
        seed: of all chance.
        text_value: what text is in the label maps, as for the loader: 1, or 255.

    Raises:
        mlt_s.MltSError: there is nothing to train on, or something else lies in `out`, or the model cannot be had, or a
            label map is not the authors' or holds another value than 0, 1 and 255.
        OSError: the folder cannot be written.
    """
    out, batch = Path(mlt_s.absolute_address(out)), batch or (4 if from_config else 64)
    _check_share(synthetic)
    # What is not there is left out with a warning: of validation nothing is needed.
    options = {"label_maps": label_maps, "text_value": text_value, "missing_images": "skip"}
    data = ArchiveDataset(data_dir, "train", config="words", **options)
    ids = [pair.image_id for pair in data.pairs]
    count = math.gcd(batch, _CROPS)
    order = {
        "model": None if from_config else _called(model),
        "steps": steps or max(_LEAST_STEPS, _PASSES * math.ceil(len(ids) * count / batch)),
        "batch": batch,
        "synthetic": synthetic,
        "seed": seed,
        "corrects": Baseline.name,
        "source": source.digest(("train", pair) for pair in data.pairs),
    }
    if _is_finished(out, order):
        shutil.rmtree(out / _PROGRESS, ignore_errors=True)  # of a run that was killed right at its end
        return print(f"{out} is finished: a network trained in {mlt_s.counted(order['steps'], 'step')}.")
    _check_begun(out, order)
    start = None if from_config else model
    network = _trained(data, out, start, order, count, {**order, "trained_on": {"train": ids}, "versions": _versions()})
    network.save(out)
    shutil.rmtree(out / _PROGRESS)
    images, steps = mlt_s.counted(ids, "image"), mlt_s.counted(order["steps"], "step")
    print(f"{out}: {network.name}, trained on {images} in {steps}.")


def _check_share(synthetic):
    if not 0 <= synthetic <= 1:
        raise mlt_s.MltSError(f"synthetic={synthetic}: the share of drawn words is from 0 to 1.")


def _called(model):
    """How the record calls a model to start from: by its name on the Hub; one in a folder by the name of that, not by
    where it lies, and a digest of its files.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(path.read_bytes())
    return f"{folder.resolve().name} {digest.hexdigest()[:8]}"


# --- The folder -----------------------------------------------------------------------------------------------------


def _is_finished(out, order):
    """Whether a network of this order is there; refuses another one."""
    if not (out / RECORD).is_file():
        return False
    _check_same(out / RECORD, order, f"{out} holds a network")
    return True


def _check_begun(out, order):
    """Refuses a folder that holds anything but a training of this order."""
    path = out / _PROGRESS / _ORDER
    if path.is_file():
        _check_same(path, order, f"{out} holds a training")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise mlt_s.MltSError(f"{out} is there already, and holds no training to go on with. Give a new folder.")


def _begin(progress, order):
    """Writes what the training is; only now, when its model is at hand."""
    progress.mkdir(parents=True, exist_ok=True)
    part = progress / f"{_ORDER}.part"
    part.write_text(json.dumps(order), encoding="utf-8")
    os.replace(part, progress / _ORDER)


def _check_same(path, order, what):
    try:
        found = records.read(path, {str: object})
    except ValueError:
        raise mlt_s.MltSError(f"{path} is damaged: give a new folder, or remove this one.") from None
    others = [name for name in order if found.get(name) != order[name]]
    if others:
        differences = ", ".join(
            "other images, label maps or words"
            if name == "source"
            else f"{name} {found.get(name)!r} and not {order[name]!r}"
            for name in others
        )
        raise mlt_s.MltSError(f"{what} with {differences}. Give the same words as then, or a new folder.")


def _last_checkpoint(progress):
    """The newest checkpoint that is whole, for its state is written last; None where there is none."""
    whole = [path.parent for path in progress.glob("checkpoint-*/trainer_state.json")]
    return max(whole, key=_step, default=None)


def _step(checkpoint):
    return int(checkpoint.name.split("-")[1])


def _versions():
    return {module.__name__: module.__version__ for module in (torch, transformers)}


# --- The training ---------------------------------------------------------------------------------------------------


def _trained(data, out, start, order, count, record):
    """The `Network` that comes out when the steps of the order have been made."""
    checkpoint = _last_checkpoint(out / _PROGRESS)
    transformers.set_seed(order["seed"])
    model, preset, framing, size = _model(start, checkpoint)
    _begin(out / _PROGRESS, order)
    crops = WordCrops(framing, preset, size, count, order["synthetic"], order["seed"])
    trainer = CorrectionTrainer(
        model,
        _arguments(out / _PROGRESS, order, count),
        train_dataset=data.with_transform(crops),
        data_collator=_collate,
        callbacks=[EpochCallback(crops)],
    )
    # Trainer of transformers 5.24 makes one step more from a checkpoint that holds all of them.
    if not checkpoint or _step(checkpoint) < order["steps"]:
        trainer.train(resume_from_checkpoint=checkpoint and str(checkpoint))
    return Network(trainer.model, framing, preset.mean, preset.std, record)


class CorrectionTrainer(TextTrainer):
    """A `TextTrainer` of a model whose logits correct the hint, the last of its channels."""

    def mean_loss(self, model, inputs):
        pixels, labels = inputs["pixel_values"], inputs["labels"]
        outputs = model(pixel_values=pixels)
        counts = labels != IGNORED
        found = margins(outputs.logits, pixels[:, -1])[counts]
        loss = binary_cross_entropy_with_logits(found, (labels[counts] == TEXT).float(), reduction="sum")
        return loss / counts.sum().clamp(min=1), outputs


def _collate(images):
    return collate([crop for crops in images for crop in crops])


def _model(name, checkpoint):
    """The model to train, its preset, how it sees words, and (height, width) of the crops that it is trained on."""
    if name is None:
        preset, framing, size = for_segformer(SegformerImageProcessor()), Framing(least=32, greatest=64), (96, 160)
    else:
        # At a quarter of the resolution, strokes have to be twice as wide.
        framing, size = Framing(least=80, greatest=160), (192, 384)
        with _errors_of_hub(name):
            preset = for_segformer(AutoImageProcessor.from_pretrained(name, do_reduce_labels=False))
    if checkpoint:
        # Trainer of transformers 5.23 leaves the encoder as it finds it when it resumes; from_pretrained does not.
        model = SegformerForSemanticSegmentation.from_pretrained(checkpoint)
    elif name is None:
        options = {**_SMALL, **preset.model_options(), "num_channels": CHANNELS}
        model = _corrects_nothing(SegformerForSemanticSegmentation(SegformerConfig(**options)))
    else:
        with _errors_of_hub(name):
            options = {**preset.model_options(), "ignore_mismatched_sizes": True}
            pretrained = SegformerForSemanticSegmentation.from_pretrained(name, **options)
            model = _corrects_nothing(_with_hint(pretrained))
    return model, preset, framing, size


@contextlib.contextmanager
def _errors_of_hub(name):
    try:
        yield
    except (OSError, ValueError) as error:
        raise mlt_s.MltSError(
            f"{name} cannot be had as a SegFormer ({str(error).splitlines()[0]}). Without the Hub, give its folder as "
            "the model, or from_config (--from-config) for fresh weights."
        ) from error


def _with_hint(model):
    """A model of three channels as one of four, which says the same as before of any hint until it is trained."""
    embeddings = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    weight = embeddings.weight.data
    embeddings.weight = torch.nn.Parameter(torch.nn.functional.pad(weight, (0, 0, 0, 0, 0, CHANNELS - weight.shape[1])))
    embeddings.in_channels = model.config.num_channels = CHANNELS
    return model


def _corrects_nothing(model):
    """A model with a classifier that begins anew, from logits of 0: what the baseline says stays as it is."""
    for parameter in model.decode_head.classifier.parameters():
        torch.nn.init.zeros_(parameter)
    return model


def _arguments(folder, order, count):
    on_gpu, fresh = torch.cuda.is_available(), order["model"] is None
    return TrainingArguments(
        str(folder),
        max_steps=order["steps"],
        per_device_train_batch_size=order["batch"] // count,
        learning_rate=5e-3 if fresh else 2e-4,
        lr_scheduler_type="cosine",
        warmup_steps=order["steps"] // 20,
        weight_decay=0.01,
        use_cpu=not on_gpu and not torch.backends.mps.is_available(),
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        save_strategy="steps",
        save_steps=max(50, order["steps"] // 20),
        save_total_limit=2,
        logging_steps=max(50, order["steps"] // 20),
        remove_unused_columns=False,
        dataloader_num_workers=_workers(on_gpu),
        seed=order["seed"],
        report_to=[],
    )


def _workers(on_gpu):
    """Processes that read and draw: on a GPU it would wait for them, on a processor they would take its time."""
    return min(16, os.cpu_count() or 1) if on_gpu else 0
