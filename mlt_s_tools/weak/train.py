"""`mlt-s weak train`: trains a network further on your label maps, in a short run at a low learning rate.

The network that ships was trained on drawn words, by `word_network` in a clone.
"""

from __future__ import annotations

import math
import os
import random
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import records, resuming
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.origin import MAKER, made_by
from mlt_s_tools.weak import RECORD, WEIGHTS, edges, evaluate, framing, label, open_model
from mlt_s_tools.weak.model import NetworkModel
from mlt_s_tools.weak.network import write_weights
from mlt_s_tools.weak.rule import TEXT, UNCERTAIN
from mlt_s_tools.weak.tally import ALL, iou
from mlt_s_tools.weak.torch_network import folded, from_weights
from mlt_s_tools.words import shorter_side, word_box
from mlt_s_tools.writing import whole, write_json

_IMAGES, _WORDS = 2, 8  # images per step, and greatest number of words per image
_PASSES, _LEAST_STEPS = 2, 200  # passes over the images, and steps, if no number of steps is given
RATE, _DECAY, _STEEPEST = 2e-4, 0.02, 1.0  # learning rate and weight decay of AdamW; largest norm of a gradient
_WARM = 0.05  # share of the steps in which the learning rate rises
SAVE_EVERY = 10  # steps, each of a second or more on a CPU
_MOVED = 0.06  # how far a corner of a word is moved at random, as a fraction of the shorter side
SIGNS = (-1, 1)  # a word's normalised colours are multiplied by one of these
_PROGRESS = "training"  # subfolder that exists until training is finished
_ORDER, _STATE, _LOCK = "order.json", "state.pt", ".lock"  # files in it
# How another training differs, the most informative difference first.
_OTHER = {
    "begun_from": "that began with another network",
    "source": "for other images, label maps or words",
    "steps": "of {there} steps, not {here}",
    "seed": "with random seed {there}, not {here}",
}


class Crop(NamedTuple):
    """A word to train on.

    Attributes:
        seen: the network's input, float32 (height, width, 4).
        text: share of text in each pixel, from 0 to 1, float32 (height, width).
        counts: 1 if the pixel counts, otherwise 0; float32 (height, width).
    """

    seen: np.ndarray
    text: np.ndarray
    counts: np.ndarray


def run(
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    label_maps: str | list[str] | None = None,
    steps: int | None = None,
    seed: int = 0,
    text_value: int = 1,
    even_if_worse: bool = False,
) -> int:
    """Trains a network further on words of the training split, and saves it unless its fgIoU has fallen.

    Every second image of the validation split, beginning with the first, is held out. fgIoU on these images, at the
    threshold 0.5, decides whether the network is saved. Its record lists them with the images that it was trained on,
    so `evaluate` uses the others.

    If a call is interrupted, repeat it with the same arguments: it resumes from the last checkpoint, and gives the same
    network as an uninterrupted call. A finished network is not trained again.

    Args:
        data_dir: folder of the archives, with ground truth, as for `load_dataset`.
        out: folder of the network: a new one, or that of an interrupted training.
        model: None to begin with the network that ships, or the folder of a trained one.
        label_maps: the label archive, or a list of several, if it is not in `data_dir`.
        steps: number of steps; by default 2 passes over the images, but at least 200.
        seed: random seed.
        text_value: the value of text in the label maps, as for the loader: 1 or 255.
        even_if_worse: save the network even if its fgIoU has fallen.

    Returns:
        The exit status: 0, or 1 if the network was not saved.

    Raises:
        mlt_s.MltSError: there is nothing to train or evaluate on, `out` holds other files, or a label map was made by
            `mlt-s weak`.
        OSError: the folder cannot be written.
    """
    out = Path(mlt_s.absolute_address(out))
    start = open_model(model)
    if not isinstance(start, NetworkModel):
        raise mlt_s.MltSError(f"The {start.name} cannot be trained. Leave the model out, or give a trained network.")
    of_training, of_validation = (
        tasks_of(Source(data_dir, label_maps, split, text_value), split, data_dir) for split in ("train", "validation")
    )
    held_out = of_validation[::2]
    order = {
        "begun_from": start.record["weights"],
        "steps": steps or max(_LEAST_STEPS, _PASSES * math.ceil(len(of_training) / _IMAGES)),
        "seed": seed,
        "source": label.digest_of([*of_training, *held_out]),
    }
    if not _is_finished(out, order):
        _refuse_others(out)
        busy = f"Another {MAKER} train is writing {out}: wait for it, or give a new folder."
        with resuming.alone(out / _PROGRESS, _LOCK, busy):
            if not _is_finished(out, order):  # checked again, as another process may have finished it meanwhile
                _begin(out, order)
                return _train(out, order, start, of_training, held_out, even_if_worse)
    shutil.rmtree(out / _PROGRESS, ignore_errors=True)  # left by a run that was killed at its very end
    print(f"{out} is finished: a network trained in {mlt_s.counted(order['steps'], 'step')}.")
    return 0


def _train(
    out: Path,
    order: dict[str, Any],
    start: NetworkModel,
    of_training: list[label.Task],
    held_out: list[label.Task],
    even_if_worse: bool,
) -> int:
    """Trains and evaluates the network, and saves it or says why not. Returns the exit status of `run`."""
    weights = folded(trained(out / _PROGRESS, start, of_training, order))
    with open(out / _PROGRESS / WEIGHTS, "wb") as file:
        write_weights(file, weights)
    made = NetworkModel(out / _PROGRESS / WEIGHTS)
    judged = _judged(made, start, held_out)
    after, before = (f"{100 * judged[when]:.2f} %" for when in ("after", "before"))
    print(
        f"fgIoU on {mlt_s.counted(held_out, 'image')} held out: {after} after and {before} before training "
        f"({judged['verdict']})."
    )
    if judged["after"] < judged["before"] and not even_if_worse:
        print("Not saved, because fgIoU has fallen. --even-if-worse saves it, without training again.")
        return 1
    _save(out, made, {**order, "trained_on": _seen(start, of_training, held_out), "held_out": judged})
    images, steps = mlt_s.counted(of_training, "image"), mlt_s.counted(order["steps"], "step")
    print(f"{out}: {made.name}, trained on {images} in {steps}.")
    return 0


def tasks_of(pairs: Source, split: str, data_dir: str | os.PathLike[str]) -> list[label.Task]:
    """A task for each pair with ground truth."""
    return [task for task in label.with_words(pairs, f"the {split} split of {data_dir}") if task.pair.words]


def _seen(start: NetworkModel, *tasks: list[label.Task]) -> dict[str, list[str]]:
    """Split -> ids of all images used by training, or by the decision to save the network."""
    seen = {split: list(ids) for split, ids in start.trained_on.items()}
    for task in (task for several in tasks for task in several):
        seen.setdefault(task.split, []).append(task.pair.image_id)
    return {split: list(dict.fromkeys(ids)) for split, ids in seen.items()}


# --- The folder -----------------------------------------------------------------------------------------------------


def _is_finished(out: Path, order: dict[str, Any]) -> bool:
    """Whether the network of this order exists. Any other network is an error."""
    if not (out / RECORD).is_file():
        return False
    _check_same(out / RECORD, order, f"{out} holds a network")
    return True


def _refuse_others(out: Path) -> None:
    """Refuses a file, and a folder that holds anything but a training."""
    if not (out / _PROGRESS).is_dir() and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise mlt_s.MltSError(f"{out} is there already, and holds no training to resume. Give a new folder.")


def _begin(out: Path, order: dict[str, Any]) -> None:
    """Writes the order. A checkpoint of another order is an error; a run that was stopped before its first is not."""
    path = out / _PROGRESS / _ORDER
    if (out / _PROGRESS / _STATE).exists():
        _check_same(path, order, f"{out} holds a training")
    write_json(path, order)


def _check_same(path: Path, order: dict[str, Any], what: str) -> None:
    try:
        recorded = records.read(path, {str: object})
    except FileNotFoundError:
        raise mlt_s.MltSError(f"{path} is missing: give a new folder.") from None
    except ValueError as error:
        raise mlt_s.MltSError(f"{path} is damaged ({error}): give a new folder.") from None
    if other := resuming.difference(recorded, order, _OTHER):
        raise mlt_s.MltSError(f"{what} {other}. Give the same arguments, or a new folder.")


def _save(out: Path, made: NetworkModel, record: dict[str, Any]) -> None:
    """Moves the weights to their final place, then writes the record, which marks them as complete."""
    os.replace(out / _PROGRESS / WEIGHTS, out / WEIGHTS)
    versions = {module.__name__: module.__version__ for module in (torch, np)}
    write_json(out / RECORD, {"made_by": f"{MAKER} train", "weights": made.record["weights"], **record, **versions})
    shutil.rmtree(out / _PROGRESS)


# --- The training ---------------------------------------------------------------------------------------------------


def trained(progress: Path, start: NetworkModel, tasks: list[label.Task], order: dict[str, Any]) -> torch.nn.Module:
    """Runs all remaining steps after the last checkpoint, and returns the module."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = from_weights(start.weights).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=_DECAY)
    done = _restored(progress / _STATE, network, optimizer, device)
    with tqdm(desc="training", total=order["steps"], initial=done, unit=" steps", disable=None, leave=False) as bar:
        for step in range(done, order["steps"]):
            for group in optimizer.param_groups:
                group["lr"] = _rate(step, order["steps"])
            optimizer.zero_grad()
            loss = add_gradients(network, words_of(tasks, step, order["seed"]), device)
            torch.nn.utils.clip_grad_norm_(network.parameters(), _STEEPEST)
            optimizer.step()
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == order["steps"]:
                state = {"step": step + 1, "network": network.state_dict(), "optimizer": optimizer.state_dict()}
                with whole(progress / _STATE) as file:
                    torch.save(state, file)
    return network.eval()


def _restored(path: Path, network: torch.nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> int:
    """Loads the checkpoint, if there is one, and returns its number of steps."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def _rate(step: int, steps: int) -> float:
    """The learning rate of a step: linear warm-up, then half a cosine."""
    warm = max(1, round(_WARM * steps))
    if step < warm:
        return RATE * (step + 1) / warm
    return RATE / 2 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def add_gradients(network: torch.nn.Module, words: Sequence[Crop], device: torch.device) -> float:
    """Accumulates the gradients of the words of a step, one size of crops at a time, and returns the mean loss."""
    by_size = defaultdict(list)
    for word in words:
        by_size[word.text.shape].append(word)
    total = sum(float(word.counts.sum()) for word in words)
    loss = 0.0
    for several in by_size.values():
        crops, text, counts = (torch.from_numpy(np.stack(of)).to(device) for of in zip(*several))
        # Inference calibrates logits after aligning edges, so the loss is computed on calibrated logits.
        logits = edges.calibrated(network(crops.permute(0, 3, 1, 2)))
        part = (binary_cross_entropy_with_logits(logits, text, reduction="none") * counts).sum() / max(1.0, total)
        part.backward()
        loss += part.item()
    return loss


def words_of(tasks: list[label.Task], step: int, seed: int) -> list[Crop]:
    """The words of a step. They depend only on `seed` and the step."""
    epoch, first = divmod(step * _IMAGES, max(_IMAGES, len(tasks) - len(tasks) % _IMAGES))
    shuffled = random.Random(f"{seed} {epoch}").sample(range(len(tasks)), len(tasks))
    rng = random.Random(f"{seed} step {step}")
    words: list[Crop] = []
    for at in shuffled[first : first + _IMAGES]:
        words += crops_of(read(tasks[at]), rng)
    return words


def read(task: label.Task) -> dict[str, Any]:
    """The example of a task. A label map that `mlt-s weak` made is an error."""
    example = label.read_pair(task.pair)
    if made_by(example["label"]):
        raise mlt_s.MltSError(
            f"The label map of {task.pair.image_id} was made by {MAKER}; a network must not learn from the output of "
            "another. Give only the authors' archive or your own, by label_maps (--label-maps)."
        )
    return example


def crops_of(example: dict[str, Any], rng: random.Random) -> list[Crop]:
    """Crops of some words of an example that have text in the label map."""
    values = np.asarray(example["label"])
    colors = np.stack([values == TEXT, values == UNCERTAIN, np.zeros(values.shape, bool)], 2)
    classes = Image.fromarray(255 * colors.astype(np.uint8))
    quads = [word["quad"] for word in example["words"] if word["readable"]]
    crops = []
    for quad in rng.sample(quads, len(quads)):
        box = word_box(quad, classes.size, 0)
        if box and (values[box[1] : box[3], box[0] : box[2]] == TEXT).any():
            crops.append(_crop_of(example["image"], classes, quad, rng))
        if len(crops) == _WORDS:
            break
    return crops


def _crop_of(image: Image.Image, classes: Image.Image, quad: Sequence[Sequence[float]], rng: random.Random) -> Crop:
    """The crop of a word with its corners moved a little, and its colours permuted and perhaps negated, because text
    may have any colour.
    """
    reach = _MOVED * shorter_side(quad)
    quad = [[x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach)] for x, y in quad]
    frame = framing.frame(quad, image.size)
    crop = framing.crop(image, frame)
    crop[..., :3] = crop[..., rng.sample(range(3), 3)] * rng.choice(SIGNS)
    text, uncertain, _ = np.moveaxis(framing.resampled(classes, frame) / 255, 2, 0)
    return Crop(crop, np.ascontiguousarray(text), ((uncertain < 0.02) & (crop[..., 3] > 0)).astype(np.float32))


def _judged(made: NetworkModel, start: NetworkModel, held_out: list[label.Task]) -> dict[str, Any]:
    """The fgIoU of both networks on the held-out images, and the verdict on their difference."""
    shown = tqdm(held_out, desc="judging", unit=" images", disable=None, leave=False)
    examples = ((example["image"], example["words"], np.asarray(example["label"])) for example in map(read, shown))
    after, before = evaluate.count([made, start], examples)
    difference = evaluate.difference(after, before)
    return {
        "images": len(held_out),
        "after": _fgiou(after),
        "before": _fgiou(before),
        "interval": difference["interval"],
        "verdict": difference["verdict"],
    }


def _fgiou(of: evaluate.Compared) -> float:
    return iou(of.tally.pixels(ALL, evaluate.FIXED).sum(0))
