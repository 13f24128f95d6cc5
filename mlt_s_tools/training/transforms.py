"""Examples to arrays: random crops to train on, whole images to evaluate on.

Both take an example of `mlt_s`, or a batch of them (a dict of lists, as `with_transform` hands them over):
`image` (`PIL.Image`), `label` (one of the same size and one channel, or None where there is no label map: ignored
throughout), `image_id` (str). What is not decoded (`stream.decode(False)`), a dict of `bytes` and `path`, they decode,
faster and to the same bits where `pip install "mlt-s[fast]"` was run. Other columns, such as `words`, are dropped:
boxes would have to follow the crop, and a semantic segmentation does not look at them. (`EvalTransform(words=True)`
keeps them for the figures by script.) Both can be pickled, and give the same arrays in any process.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

import mlt_s
from mlt_s_tools.groups import word_rows
from mlt_s_tools.training.crop import Crop, random_crop, random_pixel
from mlt_s_tools.training.decoding import image_of, label_of
from mlt_s_tools.training.epoch import SharedEpoch

if TYPE_CHECKING:
    import numpy.typing as npt

    Value = TypeVar("Value", bound=np.generic)

IGNORED = mlt_s.LABEL_MAP.ignore_index
TEXT = mlt_s.LABEL_MAP.label2id["text"]
MULTIPLE = 32  # pixels: the coarsest features of SegFormer, and of most others, are this far apart
_LUMA = np.array([299, 587, 114]) / 1000  # of ITU-R 601-2, as Pillow turns RGB to grey
_COLUMNS = ("image", "label", "image_id")


class _Transform:
    """What both share: examples in, and pixels normalised."""

    decodes = True  # so `ArchiveDataset` leaves it to them

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        means, stds = (np.array(values, np.float32).reshape(3, 1, 1) for values in (mean, std))
        self._factor, self._shift = 1 / (255 * stds), means / stds
        self._columns: tuple[str, ...] = _COLUMNS

    def __call__(self, examples: Mapping[str, Any]) -> dict[str, Any]:
        """One example (a dict), or a batch of them (a dict of lists), to a dict of the same kind."""
        missing = [column for column in self._columns if column not in examples]
        if missing:
            raise ValueError(
                f"The example has no {missing[0]!r}, only {list(examples)}. A Trainer takes away the columns that its "
                "model does not name: give it TrainingArguments(remove_unused_columns=False)."
            )
        if not isinstance(examples["image"], list):
            return self._prepared(*(examples[column] for column in self._columns))
        results = [self._prepared(*values) for values in zip(*(examples[column] for column in self._columns))]
        return {name: [result[name] for result in results] for name in (results[0] if results else ())}

    def _prepared(self, image: Any, label: Any, image_id: str) -> dict[str, Any]:
        image, label = image_of(image), label_of(label)
        if label is None:
            label = np.full(image.size[::-1], IGNORED, np.uint8)
        values = np.asarray(label)
        if values.shape != image.size[::-1]:
            raise ValueError(
                f"{image_id}: an image of {image.size} pixels has a label map of that size and one channel, not one of "
                f"{values.shape[1::-1]} and mode {getattr(label, 'mode', 'L')!r}."
            )
        if image.mode != "RGB":  # without asking, the conversion would copy all pixels of every image
            image = image.convert("RGB")
        return self._transformed(image, values, image_id)

    def _transformed(self, image: Image.Image, values: npt.NDArray[np.uint8], image_id: str) -> dict[str, Any]:
        """What a transform makes of an image in RGB and its label map, an array (height, width)."""
        raise NotImplementedError

    def _normalized(self, image: Image.Image) -> npt.NDArray[np.float32]:
        """A `PIL.Image` of mode "RGB" as float32 (3, height, width): (value / 255 - mean) / std."""
        pixels = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")
        pixels *= self._factor
        pixels -= self._shift
        return pixels


class TrainTransform(_Transform):
    """An example to a random crop of it, to train on.

    **Scale** is in pixels of the crop for a pixel of the image, drawn evenly on a logarithmic axis. It is relative to
    the image's own pixels and not to its size: MLT's images have about two megapixels, and what is small in them would
    be gone if they were fitted into a crop. Only what the crop shows is resized: the image bilinear, the label map
    always by nearest neighbour, both from the same box. Beyond the image, the mean is padded, and 255 in the label map.

    **Text** fills little of most images. With the probability `text_share` the crop shows a pixel of text, drawn evenly
    from all of the image; else, and where the image has none, it lies anywhere. A crop that would be 255 throughout is
    drawn again at scale 1 around a pixel that is not, if there is one: a batch of 255 alone has the loss 0 / 0.

    **Flips** are off, because text is not mirror-symmetric. **Colour**: brightness, contrast (around the crop's mean
    grey) and saturation change by a factor each. Not the hue: turning it gives skin and sky colours that no photo has,
    and what tells text from its surroundings is contrast.

    **Chance** comes from `seed`, the epoch and `image_id` alone: an example gives the same arrays in any order, with
    any number of workers and after a restart. `set_epoch` before each epoch gives others in each: the number lies in
    shared memory, where workers that already run see it. (What `Dataset.map` writes to its cache is one epoch's crops:
    for training on a prepared set, `with_transform` is the way.)

    Args:
        mean: of the three channels, of values from 0 to 1.
        std: likewise the standard deviation.
        size: (height, width) of the crop in pixels.
        scales: (least, greatest).
        text_share: the probability that text is in view, from 0 to 1.
        flip_share: the probability that the crop is mirrored left to right, from 0 to 1.
        jitter: how far the factors of brightness, contrast and saturation may lie from 1, from 0 to 1.
        seed: an int.

    Raises:
        ValueError: an argument out of its range. On an example: a column is missing, image and label map have different
            sizes, or the label map holds anything but 0, 1 and 255.

    An example gives:

    | key | shape | dtype | unit |
    | --- | --- | --- | --- |
    | `pixel_values` | (3, height, width) | float32 | standard deviations from the mean; padding is 0 |
    | `labels` | (height, width) | int64 | 0 background, 1 text, 255 ignored |
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        size: tuple[int, int] = (512, 512),
        scales: tuple[float, float] = (0.5, 2.0),
        text_share: float = 0.75,
        flip_share: float = 0.0,
        jitter: float = 0.25,
        seed: int = 0,
    ) -> None:
        super().__init__(mean, std)
        if not 0 < scales[0] <= scales[1]:
            raise ValueError(f"scales is (least, greatest), both above 0, not {scales}.")
        for name, value in (("text_share", text_share), ("flip_share", flip_share), ("jitter", jitter)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is from 0 to 1, not {value}.")
        (height, width), (least, greatest) = size, scales
        self.size, self.scales, self.seed = (height, width), (least, greatest), seed
        self.text_share, self.flip_share, self.jitter = text_share, flip_share, jitter
        self._epoch = SharedEpoch()

    @property
    def epoch(self) -> int:
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        """Other crops from here on, in this process and in the workers that it started.

        Call it between two epochs, not while workers prefetch; `EpochCallback` does so for a `transformers.Trainer`.
        """
        self._epoch.value = epoch

    def _transformed(self, image: Image.Image, values: npt.NDArray[np.uint8], image_id: str) -> dict[str, Any]:
        rng = random.Random(f"{self.seed} {self.epoch} {image_id}")
        crop, labels = self._draw(values, rng)
        check_values(labels, image_id)
        part = _jittered(crop.of(image, Image.Resampling.BILINEAR), self.jitter, rng)
        pixels = crop.put(self._normalized(part), self.size, 0)
        if rng.random() < self.flip_share:
            pixels, labels = np.ascontiguousarray(pixels[..., ::-1]), labels[..., ::-1]
        return {"pixel_values": pixels, "labels": labels.astype(np.int64, order="C")}

    def _draw(self, values: npt.NDArray[np.uint8], rng: random.Random) -> tuple[Crop, npt.NDArray[np.uint8]]:
        """A crop, and the label map's part in it, uint8."""
        scale = math.exp(rng.uniform(*map(math.log, self.scales)))
        label = Image.fromarray(values)
        text = random_pixel(values == TEXT, rng) if rng.random() < self.text_share else None
        crop, labels = self._cut(label, scale, rng, text)
        if (labels == IGNORED).all():
            known = random_pixel(values != IGNORED, rng)
            if known is not None:
                crop, labels = self._cut(label, 1, rng, known)
        return crop, labels

    def _cut(
        self, label: Image.Image, scale: float, rng: random.Random, target: tuple[int, int] | None
    ) -> tuple[Crop, npt.NDArray[np.uint8]]:
        crop = random_crop(label.size, self.size[::-1], scale, rng, target)
        part = np.asarray(crop.of(label, Image.Resampling.NEAREST)).astype(np.uint8, copy=False)
        return crop, crop.put(part, self.size, IGNORED)


class EvalTransform(_Transform):
    """An example whole, to evaluate on.

    By default the model sees the image's own pixels, the middle of the scales that it trains on, so nothing small is
    lost. Where memory or time is short, `reduce=2` gives it half of the width and height, the mean of 2 by 2 pixels
    each. A fixed longest side instead would give each image a scale of its own: the same text would be larger in one
    than in the other, and the label maps of a batch would lie in frames that do not match their images'.

    The label map is never resized. Both are padded below and on the right to the next multiple of 32, and lie in
    frames that match exactly: a pixel of the model's input is `reduce` by `reduce` pixels of the label map. So whatever
    resizes logits to `labels` (the loss of SegFormer, `mlt_s_tools.metrics.predict`) puts them where they belong, and
    the padding, being 255, counts nowhere. To save predictions, `predict(logits, given)` takes all that this gives, and
    cuts the padding away.

    Args:
        mean: of the three channels, of values from 0 to 1.
        std: likewise the standard deviation.
        reduce: pixels of the label map for a pixel of the input, an int.
        words: whether to give the words of the example, too, for figures by script and height in `TextTrainer`: load
            the configuration "words" then.
        square: whether to pad to a square, for models that take nothing else (DPT).

    Raises:
        ValueError: `reduce` is below 1 or no int. On an example: as in `TrainTransform`.

    An example gives:

    | key | shape | dtype | unit |
    | --- | --- | --- | --- |
    | `pixel_values` | (3, height, width), multiples of 32 | float32 | standard deviations from the mean; padding is 0 |
    | `labels` | (reduce * height, reduce * width) | int64 | 0 background, 1 text, 255 ignored |
    | `size` | (height, width) of the label map without padding | two ints | pixels from the upper left corner |
    | `image_id` | | str | |
    | `words`, if asked for | (words, 9) | float64 | four corners x, y in pixels of the label map, and the script |
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], reduce: int = 1, words: bool = False, square: bool = False
    ) -> None:
        super().__init__(mean, std)
        if not isinstance(reduce, int) or reduce < 1:
            raise ValueError(f"reduce is 1 or a greater int, not {reduce!r}.")
        self.reduce, self.square = reduce, square
        if words:
            self._columns = (*_COLUMNS, "words")

    def _prepared(self, image: Any, label: Any, image_id: str, *words: list[dict[str, Any]]) -> dict[str, Any]:
        given = super()._prepared(image, label, image_id)
        return {**given, "words": word_rows(*words)} if words else given

    def _transformed(self, image: Image.Image, values: npt.NDArray[np.uint8], image_id: str) -> dict[str, Any]:
        check_values(values, image_id)
        pixels = self._normalized(image.reduce(self.reduce))
        frame = [-(-length // MULTIPLE) * MULTIPLE for length in pixels.shape[1:]]
        if self.square:
            frame = [max(frame)] * 2
        return {
            "pixel_values": padded(pixels, frame, 0),
            "labels": padded(values, [length * self.reduce for length in frame], IGNORED).astype(np.int64),
            "size": values.shape,
            "image_id": image_id,
        }


def padded(values: npt.NDArray[Value], frame: Sequence[int] | npt.NDArray[np.integer], fill: int) -> npt.NDArray[Value]:
    """An array (..., height, width) in the upper left corner of one of `frame` (height, width) that holds `fill`.

    One that fills its frame is returned as it is, unless it is read-only: PyTorch warns of those.
    """
    if values.shape[-2:] == tuple(frame) and values.flags.writeable:
        return values
    canvas = np.full((*values.shape[:-2], *frame), fill, values.dtype)
    canvas[..., : values.shape[-2], : values.shape[-1]] = values
    return canvas


def check_values(labels: npt.NDArray[np.uint8], image_id: str) -> None:
    """Sees that a label map, uint8 (height, width), holds the values of MLT_S.

    Raises:
        ValueError: it holds others as well.
    """
    wrong = labels[(labels > TEXT) & (labels != IGNORED)]
    if wrong.size:
        raise ValueError(
            f"{image_id}: a label map holds 0, 1 and 255, and this one {int(wrong[0])} as well. Was it converted, or "
            "resized by another way than nearest neighbour?"
        )


def _jittered(image: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """A `PIL.Image` of mode "RGB" with other brightness, contrast and saturation, all in one pass over its pixels."""
    brightness, contrast, saturation = (rng.uniform(1 - strength, 1 + strength) for _ in range(3))
    some = image.resize((64, 64), Image.Resampling.NEAREST)  # as many pixels are enough for a mean
    grey = np.asarray(some).mean((0, 1)) @ _LUMA
    matrix = np.empty((3, 4))
    matrix[:, :3] = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * _LUMA)
    matrix[:, 3] = brightness * (1 - contrast) * grey
    return image.convert("RGB", tuple(matrix.ravel()))
