"""`mlt-s weak train`: goes on from the weights of a network with label maps of one's own.

The network that ships was made of drawn words, by `word_network` in a clone; this here is a short run at a low rate.
"""

import math
import os
import random
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import records, resuming
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.origin import MAKER, made_by
from mlt_s_tools.weak import RECORD, WEIGHTS, edges, evaluate, framing, label, open_model, source
from mlt_s_tools.weak.model import NetworkModel
from mlt_s_tools.weak.network import write_weights
from mlt_s_tools.weak.rule import TEXT, UNCERTAIN
from mlt_s_tools.weak.tally import ALL, iou
from mlt_s_tools.weak.torch_network import folded, from_weights
from mlt_s_tools.words import shorter_side, word_box
from mlt_s_tools.writing import whole, write_json

_IMAGES, _WORDS = 2, 8  # in a step, and of each of them at most
_PASSES, _LEAST_STEPS = 2, 200  # over the images, if no number of steps is given
RATE, _DECAY, _STEEPEST = 2e-4, 0.02, 1.0  # of AdamW; of a gradient
_WARM = 0.05  # of the steps, in which the rate rises
SAVE_EVERY = 50  # steps
_MOVED = 0.06  # how far a corner of a word is moved by chance, in parts of its shorter side
SIGNS = (-1, 1)  # of its colours, as deviations
_PROGRESS = "training"  # a folder in that of the network, until it is finished
_ORDER, _STATE, _LOCK = "order.json", "state.pt", ".lock"  # in there
# By what another training differs, the most telling first.
_OTHER = {
    "begun_from": "that begins with another network",
    "source": "of other images, label maps or words",
    "steps": "of {there} steps, and not {here}",
    "seed": "of the random seed {there}, and not {here}",
}


def run(data_dir, out, model=None, label_maps=None, steps=None, seed=0, text_value=1, even_if_worse=False):
    """Trains a network further on words of the training split, and writes it if it is no worse for that.

    Every second image of the validation split, from the first on, is held out to judge: by fgIoU at the threshold 0.5.
    The record of the network names them beside the images that it was trained on, so `evaluate` takes the others.

    Stopped, it goes on from its last checkpoint when it is called again with the same arguments, and ends as if it had
    not been stopped. A finished network is not trained again.

    Args:
        data_dir: the folder of the archives, ground truth among them, as for `load_dataset`.
        out: the folder of the network, a new one, or the one of a training that was stopped.
        model: None, to begin with the network that ships; or the folder of a trained one.
        label_maps: the label archive, or a list of several, where it is not in `data_dir`.
        steps: how many; by default 2 passes over the images, and 200 at least.
        seed: random seed.
        text_value: what text is in the label maps, as for the loader: 1, or 255.
        even_if_worse: whether a network that is worse is written all the same.

    Returns:
        The exit status: 0, or 1 where the network was not written.

    Raises:
        mlt_s.MltSError: there is nothing to train on or to judge by, or something else lies in `out`, or a label map is
            not the authors' or the user's own.
        OSError: the folder cannot be written.
    """
    out = Path(mlt_s.absolute_address(out))
    start = open_model(model)
    if not isinstance(start, NetworkModel):
        raise mlt_s.MltSError(f"The {start.name} has nothing to train. Leave the model out, or give a trained one.")
    of_training, of_validation = (
        tasks_of(Source(data_dir, label_maps, split, text_value), split, data_dir) for split in ("train", "validation")
    )
    held_out = of_validation[::2]
    order = {
        "begun_from": start.record["weights"],
        "steps": steps or max(_LEAST_STEPS, _PASSES * math.ceil(len(of_training) / _IMAGES)),
        "seed": seed,
        "source": source.digest([*of_training, *held_out]),
    }
    if not _is_finished(out, order):
        _begin(out, order)
        taken = f"Another {MAKER} train is writing {out}: wait for it, or give a new folder."
        with resuming.alone(out / _PROGRESS, _LOCK, taken):
            if not _is_finished(out, order):  # asked once more, as another process may have finished it meanwhile
                return _train(out, order, start, of_training, held_out, even_if_worse)
    shutil.rmtree(out / _PROGRESS, ignore_errors=True)  # of a run that was killed right at its end
    print(f"{out} is finished: a network trained in {mlt_s.counted(order['steps'], 'step')}.")
    return 0


def _train(out, order, start, of_training, held_out, even_if_worse):
    """Trains, judges, and writes the network or says why not; the exit status of `run`."""
    weights = folded(trained(out / _PROGRESS, start, of_training, order))
    with open(out / _PROGRESS / WEIGHTS, "wb") as file:
        write_weights(file, weights)
    made = NetworkModel(out / _PROGRESS / WEIGHTS)
    judged = _judged(made, start, held_out)
    print(f"On {mlt_s.counted(held_out, 'image')} held out, fgIoU {_percent(judged)}: {judged['verdict']}.")
    if judged["after"] < judged["before"] and not even_if_worse:
        print("It is worse than what it began with, and not saved. --even-if-worse saves it: training is not repeated.")
        return 1
    _save(out, made, {**order, "trained_on": _seen(start, of_training, held_out), "held_out": judged})
    seen, taken = mlt_s.counted(of_training, "image"), mlt_s.counted(order["steps"], "step")
    print(f"{out}: {made.name}, trained on {seen} in {taken}.")
    return 0


def tasks_of(pairs: Source, split: str, data_dir) -> list[label.Task]:
    """A list of `label.Task` of all pairs with ground truth."""
    found = [label.Task(split, pairs.with_words(choice)) for choice in pairs.choices]
    found = [task for task in found if task.pair.words]
    if not found:
        raise mlt_s.MltSError(
            f"No pair of the {split} split in {data_dir} has ground truth, which says where its words are: fetch "
            f"{' and '.join(mlt_s.WORDS_ARCHIVES)} from {mlt_s.IMAGES_URL}."
        )
    return found


def _percent(judged):
    return f"{100 * judged['after']:.2f} % after and {100 * judged['before']:.2f} % before"


def _seen(start, *tasks):
    """Split -> ids of all images that the network, or the choice of it, has seen."""
    seen = {split: list(ids) for split, ids in start.trained_on.items()}
    for task in (task for several in tasks for task in several):
        seen.setdefault(task.split, []).append(task.pair.image_id)
    return {split: list(dict.fromkeys(ids)) for split, ids in seen.items()}


# --- The folder -----------------------------------------------------------------------------------------------------


def _is_finished(out, order):
    """Whether a network of this order is there; refuses another one."""
    if not (out / RECORD).is_file():
        return False
    _check_same(out / RECORD, order, f"{out} holds a network")
    return True


def _begin(out, order):
    """Writes what the training is; refuses a folder that holds anything but a training of this order."""
    path = out / _PROGRESS / _ORDER
    if path.is_file():
        _check_same(path, order, f"{out} holds a training")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise mlt_s.MltSError(f"{out} is there already, and holds no training to go on with. Give a new folder.")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, order)


def _check_same(path, order, what):
    try:
        found = records.read(path, {str: object})
    except ValueError as error:
        raise mlt_s.MltSError(f"{path} is damaged ({error}): give a new folder.") from None
    if other := resuming.difference(found, order, _OTHER):
        raise mlt_s.MltSError(f"{what} {other}. Give the same arguments as then, or a new folder.")


def _save(out, made, record):
    """Moves the weights to their place and, last, writes the record by which they are known to be whole."""
    os.replace(out / _PROGRESS / WEIGHTS, out / WEIGHTS)
    versions = {module.__name__: module.__version__ for module in (torch, np)}
    write_json(out / RECORD, {"made_by": f"{MAKER} train", "weights": made.record["weights"], **record, **versions})
    shutil.rmtree(out / _PROGRESS)


# --- The training ---------------------------------------------------------------------------------------------------


def trained(progress: Path, start: NetworkModel, tasks: list[label.Task], order: dict) -> torch.nn.Module:
    """The module after all steps, from the last checkpoint on."""
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


def _restored(path, network, optimizer, device):
    """Takes up a checkpoint, where there is one, and returns how many steps it has."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def _rate(step, steps):
    """Rises, and falls along half a cosine."""
    warm = max(1, round(_WARM * steps))
    if step < warm:
        return RATE * (step + 1) / warm
    return RATE / 2 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def add_gradients(network: torch.nn.Module, words: list, device) -> float:
    """Adds up the gradients of the words of a step, and returns their mean loss; words of one size at a time."""
    by_size = defaultdict(list)
    for crop, text, counts in words:
        by_size[text.shape].append((crop, text, counts))
    total = sum(float(counts.sum()) for _, _, counts in words)
    loss = 0.0
    for several in by_size.values():
        crops, text, counts = (torch.from_numpy(np.stack(of)).to(device) for of in zip(*several))
        # The edge step moves logits afterwards: what comes out of it shall be right.
        logits = edges.calibrated(network(crops.permute(0, 3, 1, 2)))
        found = (binary_cross_entropy_with_logits(logits, text, reduction="none") * counts).sum() / max(1.0, total)
        found.backward()
        loss += found.item()
    return loss


def words_of(tasks: list[label.Task], step: int, seed: int) -> list:
    """The words of a step, by chance of `seed` and the step alone: a list of what `_crop_of` returns."""
    epoch, first = divmod(step * _IMAGES, max(_IMAGES, len(tasks) - len(tasks) % _IMAGES))
    shuffled = random.Random(f"{seed} {epoch}").sample(range(len(tasks)), len(tasks))
    rng = random.Random(f"{seed} step {step}")
    words = []
    for at in shuffled[first : first + _IMAGES]:
        words += crops_of(read(tasks[at]), rng)
    return words


def read(task: label.Task) -> dict:
    """The example of a task, with a label map that is not of our own making."""
    example = label.read_pair(task.pair)
    if made_by(example["label"]):
        raise mlt_s.MltSError(
            f"The label map of {task.pair.image_id} was made by {MAKER}, and a network is not to learn from what "
            "another one made up. Give the authors' or your own archive alone, by label_maps (--label-maps)."
        )
    return example


def crops_of(example: dict, rng: random.Random) -> list:
    """Some words of an example that have text in their label map."""
    values = np.asarray(example["label"])
    classes = np.zeros((*values.shape, 3), np.uint8)
    classes[..., 0], classes[..., 1] = 255 * (values == TEXT), 255 * (values == UNCERTAIN)
    classes = Image.fromarray(classes)
    quads = [word["quad"] for word in example["words"] if word["readable"]]
    crops = []
    for quad in rng.sample(quads, len(quads)):
        box = word_box(quad, classes.size, 0)
        if box and (values[box[1] : box[3], box[0] : box[2]] == TEXT).any():
            crops.append(_crop_of(example["image"], classes, quad, rng))
        if len(crops) == _WORDS:
            break
    return crops


def _crop_of(image, classes, quad, rng):
    """A crop, float32 (height, width, 4); its text, from 0 to 1, and which pixels count, float32 (height, width).

    The corners are moved a little, and colours change their places and their sign: a word may have any colour.
    """
    reach = _MOVED * shorter_side(quad)
    quad = [[x + rng.uniform(-reach, reach), y + rng.uniform(-reach, reach)] for x, y in quad]
    frame = framing.frame(quad, image.size)
    crop = framing.crop(image, frame)
    crop[..., :3] = crop[..., rng.sample(range(3), 3)] * rng.choice(SIGNS)
    text, uncertain, _ = np.moveaxis(framing.resampled(classes, frame) / 255, 2, 0)
    return crop, np.ascontiguousarray(text), np.float32((uncertain < 0.02) & (crop[..., 3] > 0))


def _judged(made, start, held_out):
    """The fgIoU of both networks on the images that are held out, and what may be said of the difference."""
    shown = tqdm(held_out, desc="judging", unit=" images", disable=None, leave=False)
    examples = ((of["image"], of["words"], np.asarray(of["label"])) for of in map(read, shown))
    after, before = evaluate.count([made, start], examples)
    difference = evaluate.difference(after, before)
    return {
        "images": len(held_out),
        "after": _fgiou(after),
        "before": _fgiou(before),
        "interval": difference["interval"],
        "verdict": difference["verdict"],
    }


def _fgiou(of):
    return iou(of.tally.pixels(ALL, evaluate.FIXED).sum(0))
