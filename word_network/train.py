"""Trains the network that ships, from fonts alone.

    python -m word_network.train OUT --fonts FOLDER

The folder OUT holds the drawn words, the checkpoint, and at the end ``network.npz`` with ``network.json``, the record
of how it was made. If a run is killed, the same arguments resume it from its checkpoint, with the same crops and
result. On a CPU, two processes with one thread each share the work, which is faster than one process with two threads.
If there is a GPU, it is used, and all cores draw crops for it.
"""

import argparse
import json
import math
import os
import platform
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np
import torch
from torch import Tensor, distributed, multiprocessing
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from mlt_s_tools.weak.network import write_weights
from mlt_s_tools.weak.torch_network import Network, folded
from word_network import fonts
from word_network.crops import Source, batch, size_of
from word_network.grounds import textures
from word_network.pool import pools

BATCH = 8  # crops per batch
BATCHES = 2  # batches per step, whose gradients are averaged
LEARNING_RATE, WEIGHT_DECAY, LONGEST_GRADIENT = 2e-3, 0.02, 2.0
WARM_UP = 0.04  # of the steps of a cycle
SLOWEST_AVERAGE = 0.9985  # decay of the moving average of the weights, which is the network that ships
CHECKPOINT_STEPS = 500
WORDS, GROUNDS = 48_000, 2_400  # drawn beforehand
CHECKPOINT = "checkpoint.pt"
PROGRESS = ("average", "step", "seconds", "loss", "commits")  # in a checkpoint, besides network and optimiser


@dataclass(frozen=True)
class Settings:
    """The settings that determine the weights, besides the code and the fonts."""

    seed: int = 0
    cycles: tuple[int, ...] = (160_000, 50_000)  # crops of each rise and fall of the learning rate
    words: int = WORDS
    grounds: int = GROUNDS

    @property
    def steps(self) -> int:
        return sum(self._steps_of_cycles())

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step. In each cycle it rises, and falls like a cosine, half as high as in the cycle
        before.
        """
        highest = LEARNING_RATE
        for steps in self._steps_of_cycles():
            if step < steps:
                break
            step, highest = step - steps, highest / 2
        done = step / steps
        cosine = 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
        return highest * min((done + 1 / steps) / WARM_UP, cosine + 0.004)

    def _steps_of_cycles(self) -> list[int]:
        return [max(1, crops // (BATCH * BATCHES)) for crops in self.cycles]


class Batches(Dataset):
    """A data set of batches: uint8 tensors images (BATCH, height, width, 3), words and texts (BATCH, height, width)."""

    def __init__(self, source: Source, seed: int) -> None:
        self.source, self.seed = source, seed

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        size = size_of((self.seed, 0, number // BATCHES))  # the same in all batches of a step
        crops = batch(self.source, (self.seed, 1, number), BATCH, size)
        return tuple(torch.from_numpy(np.stack([getattr(crop, name) for crop in crops])) for name in vars(crops[0]))


def network_input(images: Tensor, words: Tensor) -> Tensor:
    """Colours normalised by those of the word, and its mask: float32 (crops, 4, height, width)."""
    colours, word = images.float(), words.float()[..., None] / 255
    area = word.sum((1, 2), keepdim=True).clamp(min=1)
    mean = (colours * word).sum((1, 2), keepdim=True) / area
    variance = ((colours - mean) ** 2 * word).sum((1, 2), keepdim=True) / area
    spread = variance.mean(3, keepdim=True).sqrt().clamp(min=4)
    return torch.cat([((colours - mean) / spread).clamp(-5, 5), word], 3).permute(0, 3, 1, 2)


def loss_of(logits: Tensor, texts: Tensor, words: Tensor) -> Tensor:
    """Cross entropy plus half of the Dice loss, over the word's box and two pixels around it."""
    text, weight = texts.float() / 255, (functional.max_pool2d(words.float()[:, None], 5, 1, 2)[:, 0] > 127).float()
    entropy = functional.binary_cross_entropy_with_logits(logits, text, weight, reduction="sum") / weight.sum()
    probability = torch.sigmoid(logits) * weight
    both = (probability * text).sum((1, 2))
    dice = 1 - (2 * both + 1) / (probability.sum((1, 2)) + (text * weight).sum((1, 2)) + 1)
    return entropy + 0.5 * dice.mean()


class Training:
    """The state of a run in one of its processes."""

    def __init__(self, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device = settings, device
        self.network = Network().to(device, memory_format=torch.channels_last)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), LEARNING_RATE, (0.9, 0.99), weight_decay=WEIGHT_DECAY, fused=True
        )
        self.step, self.seconds, self.loss, self.commits = 0, 0.0, float("nan"), [_commit()]

    def state(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in PROGRESS}
        state |= {name: getattr(self, name).state_dict() for name in ("network", "optimizer")}
        return {**state, "settings": asdict(self.settings)}

    def restore(self, state: dict[str, Any]) -> None:
        if state["settings"] != asdict(self.settings):
            raise ValueError(f"The checkpoint has {state['settings']}, not {self.settings}: choose another folder.")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        now = self.commits
        for name in PROGRESS:
            setattr(self, name, state[name])
        self.commits = list(dict.fromkeys([*self.commits, *now]))

    def take_step(self, batches: Iterator[tuple[Tensor, ...]], own: int) -> None:
        """One step of the optimiser, on the batches ``own`` of this process; other processes have the others."""
        self.optimizer.zero_grad(set_to_none=False)
        losses = []
        for _ in range(own):
            images, words, texts = (part.to(self.device, non_blocking=True) for part in next(batches))
            crops = network_input(images, words).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.bfloat16):
                logits = self.network(crops)
            loss = loss_of(logits.float(), texts, words)
            (loss / own).backward()
            losses.append(loss.detach())
        self._share()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate(self.step)
        self.optimizer.step()
        self.step += 1
        self._follow()
        loss = float(sum(losses)) / own
        self.loss = loss if self.step == 1 else 0.98 * self.loss + 0.02 * loss

    def _share(self) -> None:
        """Average gradients, and the statistics of batch norms, over the processes."""
        if distributed.is_initialized():
            parts = [weight.grad for weight in self.network.parameters()]
            parts += [buffer for buffer in self.network.buffers() if buffer.is_floating_point()]
            flat = torch.cat([part.reshape(-1) for part in parts])
            distributed.all_reduce(flat)
            flat /= distributed.get_world_size()
            for part, values in zip(parts, flat.split([part.numel() for part in parts])):
                part.copy_(values.view_as(part))

    def _follow(self) -> None:
        decay = min(SLOWEST_AVERAGE, (1 + self.step) / (12 + self.step))
        pairs = [(self.average[name], value) for name, value in self.network.state_dict().items()]
        averages, values = zip(*(pair for pair in pairs if pair[1].is_floating_point()))
        torch._foreach_lerp_(averages, values, 1 - decay)


def train(out: Path, folder: Path, settings: Settings, processes: Optional[int] = None) -> Path:
    """Starts or resumes the run in a folder, and returns the path of its weights.

    Raises:
        ValueError: the folder holds a checkpoint with other settings, or fonts are missing.
    """
    sources(out, folder, settings)
    processes = 1 if torch.cuda.is_available() else processes or min(BATCHES, os.cpu_count() or 1)
    if processes == 1:
        _run(0, 1, out, folder, settings, None)
    else:
        with tempfile.TemporaryDirectory() as meeting:
            arguments = processes, out, folder, settings, f"file://{meeting}/store"
            multiprocessing.spawn(_run, arguments, processes)
    return out / "network.npz"


def sources(out: Path, folder: Path, settings: Settings, held: bool = False) -> Source:
    """The parts of crops. Those that do not exist yet are drawn."""
    name = "test" if held else "train"
    words = pools(out / f"words-{name}", folder, settings.seed, settings.words, held)
    return Source(words, textures(out / f"grounds-{name}.npy", settings.seed, settings.grounds, held))


def _run(rank: int, processes: int, out: Path, folder: Path, settings: Settings, meeting: Optional[str]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if meeting:
        _be_quick()
        # PyTorch sends it to the processes of a run whose parent was killed; in a script's background it is ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    training = Training(settings, device)
    if (out / CHECKPOINT).exists():
        training.restore(torch.load(out / CHECKPOINT, map_location=device, weights_only=True))
    own = BATCHES // processes
    numbers = [step * BATCHES + rank * own + at for step in range(training.step, settings.steps) for at in range(own)]
    loader = DataLoader(
        Batches(sources(out, folder, settings), settings.seed), batch_size=None, sampler=numbers,
        num_workers=(os.cpu_count() or 1) if device.type == "cuda" else 0,
    )  # fmt: skip
    _steps(training, iter(loader), own, out, shown=rank == 0)
    if rank == 0:
        _write(training, out, folder)
    if meeting:
        distributed.destroy_process_group()


def _be_quick() -> None:
    """Settings for a process that only trains: one thread, and denormal numbers are 0."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _steps(training: Training, batches: Iterator, own: int, out: Path, shown: bool) -> None:
    begun = time.monotonic() - training.seconds
    crops = BATCH * BATCHES
    total, done = training.settings.steps * crops, training.step * crops
    with tqdm(total=total, initial=done, unit="crop", disable=not shown, mininterval=10, smoothing=0.02) as bar:
        while training.step < training.settings.steps:
            training.take_step(batches, own)
            training.seconds = time.monotonic() - begun
            bar.set_postfix(loss=f"{training.loss:.4f}", refresh=False)
            bar.update(crops)
            if shown and (training.step % CHECKPOINT_STEPS == 0 or training.step == training.settings.steps):
                torch.save(training.state(), out / (CHECKPOINT + ".part"))
                (out / (CHECKPOINT + ".part")).replace(out / CHECKPOINT)


def _write(training: Training, out: Path, folder: Path) -> None:
    """Writes the weights, and the record of how they were made."""
    network = Network()
    network.load_state_dict({name: value.cpu() for name, value in training.average.items()})
    with open(out / "network.npz", "wb") as file:
        write_weights(file, folded(network.eval()))
    settings, device = training.settings, training.device.type
    record = {
        "commits": training.commits,  # of the code at the start and at each resumption
        "seed": settings.seed,
        "crops": settings.steps * BATCH * BATCHES,
        "cycles": settings.cycles,
        "words": settings.words,
        "minutes": round(training.seconds / 60, 1),
        "machine": f"{torch.cuda.get_device_name() if device == 'cuda' else _processor()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "opencv": cv2.__version__},
        "fonts": fonts.checked_packages(folder) if any(folder.glob("*_*/usr")) else [],
    }
    (out / "network.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def _commit() -> str:
    """The commit of the code, with a mark if files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m word_network.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the run")
    parser.add_argument("--fonts", type=Path, required=True, metavar="FOLDER", help="see word_network/fonts.py")
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument(
        "--crops", type=int, nargs="+", default=Settings.cycles, help="how many; of each cycle, where there are several"
    )
    arguments = parser.parse_args()
    _be_quick()
    print(train(arguments.out, arguments.fonts, Settings(arguments.seed, tuple(arguments.crops))))


if __name__ == "__main__":
    main()
