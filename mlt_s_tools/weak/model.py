"""A model of `mlt_s_tools.weak` that looks at words with the network: the one that ships, or one in a folder."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import mlt_s
from mlt_s_tools import records, workers
from mlt_s_tools.weak import RECORD, WEIGHTS, edges, framing
from mlt_s_tools.weak.network import Network, digest_of, read_weights
from mlt_s_tools.weak.patches import Patch
from mlt_s_tools.words import shorter_side, word_box

_MOST_PIXELS = 1 << 20  # of a batch, for the sake of memory: 50 words of 80 x 256
# What a reader needs of the record of a folder; a training writes more into it.
_SHAPE = {"weights": str, "trained_on?": {str: [str]}}


class NetworkModel:
    """A network and how it sees words. See `mlt_s_tools.weak` for what a model is.

    PyTorch gets words whose crops have the same size together. What is said of a word does not depend on those that
    come with it, but for the last bits of sums.

    Args:
        path: of the weights.
        trained_on: split -> ids of the images of MLT that it was trained on.
        engine: "numpy", "torch cpu" or "torch cuda"; by default the fastest one here.

    Raises:
        mlt_s.MltSError: the weights cannot be read.
    """

    def __init__(self, path, trained_on=None, engine=None):
        self.weights = read_weights(path)
        digest = digest_of(path)
        engine = engine or fastest_engine()
        if engine == "numpy":  # a word at a time on each core
            self._logits, self._threads, self._most_pixels = Network(self.weights), workers.cores(), 0
        else:
            self._logits, self._threads = _on_torch(self.weights, engine.split()[1]), 1
            self._most_pixels = _MOST_PIXELS
        self.name = f"network {digest[:8]}"
        # The engine too: two of them can differ in a last bit, and a run that is resumed ends in the same bytes.
        self.record = {"weights": digest, "engine": engine}
        self.trained_on = trained_on or {}

    def probabilities(self, examples: list) -> list:
        """As in `mlt_s_tools.weak`."""
        patches = [[None] * len(quads) for _, quads in examples]
        batches = self._batches(examples)
        with ThreadPoolExecutor(self._threads) as pool:
            for batch, found in zip(batches, pool.map(self._answers, batches)):
                for word, patch in zip(batch, found):
                    patches[word.number][word.place] = patch
        return patches

    def _batches(self, examples):
        """Lists of `_Word`: those whose crops have one size, as many as memory is to hold."""
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

    def _answers(self, words):
        logits = self._logits(np.stack([framing.crop(word.image, word.frame) for word in words]))
        return [_patch(word, of_word) for word, of_word in zip(words, logits)]


class _Word(NamedTuple):
    number: int  # of its image
    place: int  # among the words of that
    image: Image.Image
    quad: list
    box: tuple
    frame: framing.Frame


def _patch(word, logits):
    values = framing.restored(logits, word.frame, word.box)
    return Patch(word.box, edges.sharpened(np.asarray(word.image.crop(word.box)), values, shorter_side(word.quad)))


def open_folder(folder) -> NetworkModel:
    """The network in a folder that `mlt-s weak train` wrote.

    Raises:
        mlt_s.MltSError: it is damaged, or of an earlier kind.
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
            f"{folder} holds no network that can be read ({error}). Copy the folder again, or train anew into a new "
            "one: mlt-s weak train DATA_DIR OUT."
        ) from error
    return NetworkModel(folder / WEIGHTS, record.get("trained_on"))


def fastest_engine() -> str:
    """Which engine looks at words here: PyTorch where it is installed, on its GPU where there is one; else NumPy."""
    try:
        import torch
    except ImportError:
        return "numpy"
    return f"torch {'cuda' if torch.cuda.is_available() else 'cpu'}"


def _on_torch(weights, device):
    import torch

    from mlt_s_tools.weak.torch_network import from_weights

    network = from_weights(weights).to(device, memory_format=torch.channels_last)

    def logits(crops):
        # Without TF32, whose products have ten bits; and by the same algorithm each time.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            return network(torch.from_numpy(crops).permute(0, 3, 1, 2).to(device)).cpu().numpy()

    return logits
