"""The background/foreground network: a SegFormer of `transformers` that corrects what the baseline says of a word.

It sees words one by one, with some context, and all at about one size.
"""

import dataclasses
import hashlib
import itertools
import json
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate
from transformers import SegformerForSemanticSegmentation

import mlt_s
from mlt_s_tools.training.transforms import MULTIPLE, padded
from mlt_s_tools.weak import RECORD
from mlt_s_tools.weak.baseline import Baseline
from mlt_s_tools.weak.correction import margins
from mlt_s_tools.weak.crops import CHANNELS, Framing, channels, hint, strengths
from mlt_s_tools.weak.patches import Patch

_WEIGHTS = "model.safetensors"  # as `save_pretrained` names it
_MOST_PIXELS = 1 << 20  # of a batch, for the sake of memory: 16 views of 128 x 512
_VIEWS = 4  # of a word
_BILINEAR = Image.Resampling.BILINEAR


class Network:
    """A model of `mlt_s_tools.weak` that was trained on words.

    It works on the GPU where there is one. Each crop is padded for itself to multiples of 32 pixels, and only crops
    that have the same size then share a batch: what is said of a word does not depend on the words that come with it,
    but for the rounding of sums.

    What it says is the mean of four views of a word: as it is and in negative, each with its colours in their places
    and moved on by one. It was trained on all of them alike, and where it is wrong, it seldom is in all.

    Args:
        model: a `SegformerForSemanticSegmentation` of `crops.CHANNELS` channels and two classes, background and text,
            whose logits are meant as `correction` has it.
        framing: the `Framing` that it was trained with.
        mean: of the three colours, of values from 0 to 1.
        std: likewise the standard deviation.
        record: a dict, as JSON has it: how it was trained; `load` adds a digest of the weights.
    """

    def __init__(self, model, framing, mean, std, record):
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().to(self._device)
        self.framing, self.mean, self.std, self.record = framing, tuple(mean), tuple(std), record

    @property
    def name(self):
        """By which its label maps can be told from those of another network; "network" until it was saved."""
        return " ".join(["network", self.record.get("weights", "")[:8]]).strip()

    def save(self, folder):
        """Writes the weights and, last, the record by which `load` knows that they are whole.

        Args:
            folder: a path; it is made if it is not there.
        """
        folder = Path(folder)
        self.model.save_pretrained(folder)
        self.record = {
            **self.record,
            "weights": hashlib.sha256((folder / _WEIGHTS).read_bytes()).hexdigest(),
            "corrects": Baseline.name,
            "framing": dataclasses.asdict(self.framing),
            "mean": list(self.mean),
            "std": list(self.std),
        }
        part = folder / f"{RECORD}.part"
        part.write_text(json.dumps(self.record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, folder / RECORD)

    @classmethod
    def load(cls, folder):
        """The network in a folder that `save` wrote.

        Raises:
            mlt_s.MltSError: it is no such folder, or it is damaged.
        """
        folder = Path(folder)
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            weights = hashlib.sha256((folder / _WEIGHTS).read_bytes()).hexdigest()
            if weights != record["weights"]:
                raise ValueError(f"{_WEIGHTS} is not the file that {RECORD} was written for")
            if record.get("corrects") != Baseline.name:
                raise ValueError(f"{RECORD} is of a network that does not correct the {Baseline.name}, an earlier kind")
            model = SegformerForSemanticSegmentation.from_pretrained(folder, local_files_only=True)
            if (model.config.num_channels, model.config.num_labels) != (CHANNELS, mlt_s.LABEL_MAP.num_classes):
                raise ValueError(f"{RECORD} lies beside a model of other channels or classes")
            return cls(model, Framing(**record["framing"]), record["mean"], record["std"], record)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise mlt_s.MltSError(
                f"{mlt_s.absolute_address(folder)} holds no network that can be read "
                f"({type(error).__name__}: {error}). Copy the folder again, or train anew: mlt-s weak train DATA_DIR "
                "MODEL, with a new folder as MODEL."
            ) from error

    def probabilities(self, examples):
        """As in `mlt_s_tools.weak`."""
        patches = [[None] * len(quads) for _, quads in examples]
        words = [
            (number, place, box, self.framing.size(quad, box))
            for number, (image, quads) in enumerate(examples)
            for place, quad in enumerate(quads)
            if (box := self.framing.box(quad, image.size)) is not None
        ]
        words.sort(key=lambda word: _frame(word[3]))
        for frame, alike in itertools.groupby(words, lambda word: _frame(word[3])):
            for batch in _parts(list(alike), max(1, _MOST_PIXELS // (_VIEWS * frame[0] * frame[1]))):
                seen = [self._seen(examples[number], place, box, size) for number, place, box, size in batch]
                logits = self._logits([pixels for pixels, _ in seen], frame)
                for (number, place, box, size), (_, hints), found in zip(batch, seen, logits):
                    patches[number][place] = Patch(box, _values(found[:, : size[1], : size[0]], hints))
        return patches

    def _seen(self, example, place, box, size):
        """What the network sees of a word, float32 (channels, height, width), and the hint at the box's own size."""
        image, quads = example
        crop = image.crop(box)
        guess = hint(crop, [(x - box[0], y - box[1]) for x, y in quads[place]])
        pixels = channels(crop.resize(size, _BILINEAR), guess.resize(size, _BILINEAR), self.mean, self.std)
        return pixels, strengths(guess)

    def _logits(self, crops, frame):
        """Those of background and text: a tensor (crops, 2, *frame)."""
        views = [view for crop in crops for view in self._views(crop)]
        pixels = torch.from_numpy(np.stack([padded(view, frame, 0) for view in views])).to(self._device)
        with torch.inference_mode():
            logits = self.model(pixel_values=pixels).logits.float().unflatten(0, (len(crops), -1)).mean(1)
            return interpolate(logits, frame, mode="bilinear", align_corners=False)

    def _views(self, crop):
        colors, hints = crop[:3], crop[3:]
        mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (self.mean, self.std))
        negative = (1 - 2 * mean) / std - colors  # of a value v, 1 - v, both in standard deviations from the mean
        return [np.concatenate([np.roll(of, by, 0), hints]) for of in (colors, negative) for by in (0, -1)]


def _values(logits, hints):
    """Probabilities of text, float32 in the image's own pixels as the hints are, from logits at the size of a crop."""
    own = torch.from_numpy(hints).to(logits.device)
    return torch.sigmoid(margins(logits[None], own[None]))[0].cpu().numpy()


def _frame(size):
    """(height, width) in multiples of 32 pixels, into which a crop of `size` (width, height) fits."""
    return tuple(-(-length // MULTIPLE) * MULTIPLE for length in size[::-1])


def _parts(items, count):
    return [items[start : start + count] for start in range(0, len(items), count)]
