"""The model that runs a network: the one that ships, or one in a folder."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

import mlt_s
from mlt_s_tools import records, workers
from mlt_s_tools.weak import RECORD, WEIGHTS, edges, framing
from mlt_s_tools.weak.network import Network, digest_of, read_weights
from mlt_s_tools.weak.patches import Model, Patch
from mlt_s_tools.words import shorter_side, word_box

if TYPE_CHECKING:
    from mlt_s_tools.weak.patches import Patches
    from mlt_s_tools.words import Box, Quad

_MOST_PIXELS = 1 << 20  # of a batch, to limit memory: 50 words of 80 x 256
# The part of a folder's record that is read. `train` records more.
_SHAPE: records.Shape = {"weights": str, "trained_on?": {str: [str]}}


class NetworkModel(Model):
    """A `patches.Model` that uses the network.

    On PyTorch, words whose crops have the same size are in one batch. Probabilities do not depend on the batch, except
    for the last bits of sums.

    Args:
        path: path of the weights.
        trained_on: split -> ids of the images of MLT that the network was trained on.
        engine: "numpy", "torch cpu" or "torch cuda"; by default the fastest one on this machine.

    Raises:
        mlt_s.MltSError: the weights cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        trained_on: dict[str, list[str]] | None = None,
        engine: str | None = None,
    ) -> None:
        self.weights = read_weights(path)
        digest = digest_of(path)
        engine = engine or fastest_engine()
        self._logits: Callable[[np.ndarray], np.ndarray]
        if engine == "numpy":  # one word at a time on each core
            self._logits, self._threads, self._most_pixels = Network(self.weights), workers.cores(), 0
        else:
            self._logits, self._threads = _on_torch(self.weights, engine.split()[1]), 1
            self._most_pixels = _MOST_PIXELS
        self.name = f"network {digest[:8]}"
        # Includes the engine: engines can differ in the last bit, and a resumed run has to give the same bytes.
        self.record = {"weights": digest, "engine": engine}
        self.trained_on = trained_on or {}

    def patches(self, examples: Sequence[tuple[Image.Image, Sequence[Quad]]]) -> list[Patches]:
        patches: list[Patches] = [[None] * len(quads) for _, quads in examples]
        batches = self._batches(examples)
        with ThreadPoolExecutor(self._threads) as pool:
            for batch, found in zip(batches, pool.map(self._answers, batches)):
                for word, patch in zip(batch, found):
                    patches[word.number][word.place] = patch
        return patches

    def _batches(self, examples: Sequence[tuple[Image.Image, Sequence[Quad]]]) -> list[list[_Word]]:
        """Batches of words whose crops have the same size, limited by `_most_pixels`."""
        by_size = defaultdict(list)
        for number, (image, quads) in enumerate(examples):
            for place, quad in enumerate(quads):
                if box := word_box(quad, image.size, 0):
                    frame = framing.frame(quad, image.size)
                    by_size[frame.size].append(_Word(number, place, image, quad, box, frame))
        batches = []
        for (width, height), words in by_size.items():
            count = max(1, self._most_pixels // (width * height))
            batches += [words[start : start + count] for start in range(0, len(words), count)]
        return batches

    def _answers(self, words: list[_Word]) -> list[Patch]:
        logits = self._logits(np.stack([framing.crop(word.image, word.frame) for word in words]))
        return [_patch(word, of_word) for word, of_word in zip(words, logits)]


class _Word(NamedTuple):
    number: int  # of its image
    place: int  # among the words of the image
    image: Image.Image
    quad: Quad
    box: Box
    frame: framing.Frame


def _patch(word: _Word, logits: np.ndarray) -> Patch:
    values = framing.restored(logits, word.frame, word.box)
    return Patch(word.box, edges.sharpened(np.asarray(word.image.crop(word.box)), values, shorter_side(word.quad)))


def open_folder(folder: str | os.PathLike[str]) -> NetworkModel:
    """Opens the network in a folder that `mlt-s weak train` wrote.

    Raises:
        mlt_s.MltSError: the folder is damaged, or was written by an earlier version.
    """
    folder = Path(folder)
    try:
        record = records.read(folder / RECORD, _SHAPE)
        if not (folder / WEIGHTS).is_file():
            raise ValueError(f"there is no {WEIGHTS} beside {RECORD}: earlier versions of mlt-s made other networks")
        if digest_of(folder / WEIGHTS) != record["weights"]:
            raise ValueError(f"{WEIGHTS} is not the file that {RECORD} was written for")
    except (OSError, ValueError) as error:
        raise mlt_s.MltSError(
            f"{folder} does not hold a readable network ({error}). Copy the folder again, or train a network into a "
            "new folder: mlt-s weak train DATA_DIR OUT."
        ) from error
    return NetworkModel(folder / WEIGHTS, record.get("trained_on"))


def fastest_engine() -> str:
    """The fastest engine on this machine: PyTorch if it is installed, on a GPU if there is one; otherwise NumPy."""
    try:
        import torch
    except ImportError:
        return "numpy"
    return f"torch {'cuda' if torch.cuda.is_available() else 'cpu'}"


def _on_torch(weights: dict[str, np.ndarray], device: str) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    from mlt_s_tools.weak.torch_network import from_weights

    network = from_weights(weights).to(device, memory_format=torch.channels_last)

    def logits(crops: np.ndarray) -> np.ndarray:
        # Without TF32, whose products have only ten bits, and with a deterministic algorithm.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return network(torch.from_numpy(crops).permute(0, 3, 1, 2).to(device)).cpu().numpy()

    return logits
