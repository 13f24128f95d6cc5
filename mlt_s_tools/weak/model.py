"""A model of `mlt_s_tools.weak` that looks at words with the network: the one that ships, or one in a folder."""

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np

import mlt_s
from mlt_s_tools import records
from mlt_s_tools.weak import RECORD, WEIGHTS, edges, framing
from mlt_s_tools.weak.network import Network, read_weights
from mlt_s_tools.weak.patches import Patch, shorter_side, word_box

_MOST_PIXELS = 1 << 20  # of a batch, for the sake of memory: 50 words of 80 x 256
# What a reader needs of the record of a folder; a training writes more into it.
_SHAPE = {"weights": str, "trained_on?": {str: [str]}}


class NetworkModel:
    """A network and how it sees words. See `mlt_s_tools.weak` for what a model is.

    Words whose crops have the same size share a batch. What is said of a word does not depend on those that come with
    it, but for the last bits of sums.

    Args:
        path: of the weights.
        trained_on: split -> ids of the images of MLT that it was trained on.
        engine: "numpy", "torch cpu" or "torch cuda"; by default the fastest one here.

    Raises:
        mlt_s.MltSError: the weights cannot be read.
    """

    def __init__(self, path, trained_on=None, engine=None):
        self.weights = read_weights(path)
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        engine = engine or fastest_engine()
        self._logits = Network(self.weights) if engine == "numpy" else _on_torch(self.weights, engine.split()[1])
        self.name = f"network {digest[:8]}"
        # The engine too: two of them can differ in a last bit, and a run that is resumed ends in the same bytes.
        self.record = {"weights": digest, "engine": engine}
        self.trained_on = trained_on or {}

    def probabilities(self, examples):
        """As in `mlt_s_tools.weak`."""
        patches = [[None] * len(quads) for _, quads in examples]
        words = defaultdict(list)  # by the size of their crops
        for number, (image, quads) in enumerate(examples):
            for place, quad in enumerate(quads):
                if box := word_box(quad, image.size, 0):
                    frame = framing.frame(quad, image.size)
                    words[frame.size].append((number, place, box, frame))
        for (width, height), of_size in words.items():
            count = max(1, _MOST_PIXELS // (width * height))
            for start in range(0, len(of_size), count):
                batch = of_size[start : start + count]
                crops = np.stack([framing.crop(examples[number][0], frame) for number, _, _, frame in batch])
                for (number, place, box, frame), logits in zip(batch, self._logits(crops)):
                    image, quads = examples[number]
                    patches[number][place] = _patch(image, quads[place], box, framing.restored(logits, frame, box))
        return patches


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
        if hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() != record["weights"]:
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


def _patch(image, quad, box, values):
    return Patch(box, edges.sharpened(np.asarray(image.crop(box)), values, shorter_side(quad)))
