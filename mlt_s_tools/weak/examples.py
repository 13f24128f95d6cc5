"""What the network trains on: words of labelled images, and words drawn beside them where the images have none."""

import random

import numpy as np
from PIL import Image, ImageOps

import mlt_s
from mlt_s_tools.origin import KEYWORD, MAKER
from mlt_s_tools.training.crop import random_crop, random_pixel
from mlt_s_tools.training.epoch import SharedEpoch
from mlt_s_tools.training.transforms import IGNORED, TEXT, check_values
from mlt_s_tools.weak.crops import CHANNELS, channels, hint
from mlt_s_tools.weak.synthetic import synthetic_word

_TRIES = 4  # to find a word of the image that has text in its label map
_SCALES = (0.8, 1.25)  # of a crop, around the one at which the network will see it


class WordCrops:
    """The transform of an `ArchiveDataset` of words: an image to some crops of words, to train on.

    An image is decoded once for all of its crops. Each is of a word drawn beside the words, with the probability
    `synthetic` and wherever the image has none to show; otherwise of one of its readable words that have text in
    their label map. What else lies around a word keeps its label: other words are text there as well, and 255 counts
    nowhere.

    Scale and place vary, with text in view, and so do colours: their channels change places, and dark and light do,
    because a word may have any colour. Chance comes from `seed`, the epoch and `image_id` alone, as in
    `TrainTransform`.

    Args:
        framing: the `Framing` of the network.
        preset: a `training.Preset`, for its mean and standard deviation.
        size: (height, width) of a crop in pixels.
        count: crops of an image.
        synthetic: from 0 to 1.
        seed: an int.

    Called with an example, it gives a list of `count` dicts:

    | key | shape | dtype | unit |
    | --- | --- | --- | --- |
    | `pixel_values` | (4, height, width) | float32 | as `crops.channels` has it; padding is 0 |
    | `labels` | (height, width) | int64 | 0 background, 1 text, 255 ignored |

    Raises:
        mlt_s.MltSError: a label map was made by `mlt-s weak` itself, or holds another value than 0, 1 and 255.
    """

    def __init__(self, framing, preset, size, count, synthetic, seed):
        self.framing, self.preset, self.size = framing, preset, tuple(size)
        self.count, self.synthetic, self.seed = count, synthetic, seed
        self._epoch = SharedEpoch()

    def set_epoch(self, epoch):
        """Other crops from here on, in this process and in the workers that it started."""
        self._epoch.value = epoch

    def __call__(self, example):
        _check_label(example)
        seed = f"{self.seed} {self._epoch.value} {example['image_id']}"
        return [self._crop(example, random.Random(f"{seed} {number}")) for number in range(self.count)]

    def _crop(self, example, rng):
        found = None if rng.random() < self.synthetic else self._real_word(example, rng)
        word = found or synthetic_word(example["image"].convert("RGB"), example["words"], rng)
        box = self.framing.box(word["quad"], word["image"].size)
        image = _recoloured(word["image"].crop(box).convert("RGB"), rng)
        label = word["label"].crop(box)
        guess = hint(image, [(x - box[0], y - box[1]) for x, y in word["quad"]])
        scale = self.framing.scale(word["quad"], box) * rng.uniform(*_SCALES)
        crop = random_crop(image.size, self.size[::-1], scale, rng, random_pixel(np.asarray(label) == TEXT, rng))
        seen = [crop.of(picture, Image.Resampling.BILINEAR) for picture in (image, guess)]
        pixels = channels(*seen, self.preset.mean, self.preset.std)
        labels = np.asarray(crop.of(label, Image.Resampling.NEAREST))
        return {
            "pixel_values": crop.put(pixels, np.zeros((CHANNELS, *self.size), np.float32)),
            "labels": crop.put(labels, np.full(self.size, IGNORED, np.int64)),
        }

    def _real_word(self, example, rng):
        """Image, label map and quad of a readable word with text; None where none is found."""
        readable = [word["quad"] for word in example["words"] if word["readable"]]
        for quad in rng.sample(readable, min(_TRIES, len(readable))):
            box = self.framing.box(quad, example["image"].size)
            if box and (np.asarray(example["label"].crop(box)) == TEXT).any():
                return {**example, "quad": quad}
        return None


def _recoloured(image, rng):
    bands = list(image.split())
    rng.shuffle(bands)
    image = Image.merge("RGB", bands)
    if rng.random() < 0.5:
        image = ImageOps.invert(image)
    contrast, brightness = rng.uniform(0.6, 1.1), rng.uniform(-30, 30)
    return image.point(lambda value: value * contrast + brightness)


def _check_label(example):
    try:
        check_values(np.asarray(example["label"]), example["image_id"])
    except ValueError as error:
        raise mlt_s.MltSError(str(error)) from None
    if str(example["label"].info.get(KEYWORD, "")).startswith(MAKER):
        raise mlt_s.MltSError(
            f"The label map of {example['image_id']} was made by {MAKER}, and a network is not to learn from what "
            "another one made up. Give the authors' archive alone, by label_maps (--label-maps)."
        )
