"""Turns examples into arrays: random crops for training, whole images for evaluation.

Both transforms take an example of `mlt_s`, or a batch of them (a dict of lists, as `with_transform` passes it), with
`image` (`PIL.Image`), `label` (a `PIL.Image` of the same size and one channel, or None: ignored throughout) and
`image_id` (str). They decode undecoded columns (`stream.decode(False)`, a dict of `bytes` and `path`) themselves,
faster and to the same bits if `mlt-s[fast]` is installed. Other columns, such as `words`, are dropped: boxes would have
to follow the crop, and semantic segmentation does not use them. (`EvalTransform(words=True)` keeps them for the scores
by script.) Both transforms can be pickled, and return the same arrays in any process.
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
    """What both transforms share: reading examples and normalising pixels."""

    decodes = True  # so that `ArchiveDataset` does not decode

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        means, stds = (np.array(values, np.float32).reshape(3, 1, 1) for values in (mean, std))
        self._factor, self._shift = 1 / (255 * stds), means / stds
        self._columns: tuple[str, ...] = _COLUMNS

    def __call__(self, examples: Mapping[str, Any]) -> dict[str, Any]:
        """Transforms one example (a dict) or a batch (a dict of lists) into a dict of the same kind."""
        missing = [column for column in self._columns if column not in examples]
        if missing:
            raise ValueError(
                f"The example has no {missing[0]!r}, only {list(examples)}. A Trainer removes the columns that its "
                "model does not name: set TrainingArguments(remove_unused_columns=False)."
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
                f"{image_id}: the label map of an image of {image.size} pixels must have the same size and one "
                f"channel; it has {values.shape[1::-1]} pixels and mode {getattr(label, 'mode', 'L')!r}."
            )
        if image.mode != "RGB":  # converting without this test would copy all pixels of every image
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
    """Turns an example into a random crop, for training.

    **Scale** is the number of crop pixels per image pixel, drawn uniformly on a logarithmic axis. It is relative to the
    image's pixels, not to its size: MLT's images have about two megapixels, and small text would be lost if they were
    fitted into a crop. Only the part that the crop shows is resized: the image bilinearly, the label map always with
    nearest neighbour, both from the same box. Outside the image, the image is padded with the mean and the label map
    with 255.

    **Text** fills little of most images. With probability `text_share`, the crop shows a text pixel, drawn uniformly
    from the whole image. Otherwise, or if the image has no text, the crop lies anywhere. If a crop were 255 throughout,
    another is drawn at scale 1 around a labelled pixel, if there is one: the loss of a batch of 255 alone is 0 / 0.

    **Flips** are off, because text is not mirror-symmetric. **Colour**: brightness, contrast (around the crop's mean
    grey) and saturation each change by a random factor. The hue stays: changing it gives skin and sky colours that
    occur in no photo, and text stands out by contrast.

    **Randomness** depends on `seed`, the epoch and `image_id` alone. An example gives the same arrays in any order,
    with any number of workers, and after a restart. Call `set_epoch` before each epoch for different crops: the number
    lies in shared memory, where running workers see it. (`Dataset.map` caches the crops of one epoch. To train on a
    prepared set, use `with_transform`.)

    Args:
        mean: of the three channels, for values from 0 to 1.
        std: standard deviation of the three channels, for values from 0 to 1.
        size: (height, width) of the crop in pixels.
        scales: (minimum, maximum).
        text_share: probability that the crop shows text, from 0 to 1.
        flip_share: probability that the crop is mirrored left to right, from 0 to 1.
        jitter: greatest difference from 1 of the factors of brightness, contrast and saturation, from 0 to 1.
        seed: an int.

    Raises:
        ValueError: an argument is out of range. On a call: a column is missing, image and label map differ in size, or
            the label map holds values other than 0, 1 and 255.

    A transformed example has:

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
            raise ValueError(f"scales must be (minimum, maximum), both above 0, not {scales}.")
        for name, value in (("text_share", text_share), ("flip_share", flip_share), ("jitter", jitter)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {value}.")
        (height, width), (least, greatest) = size, scales
        self.size, self.scales, self.seed = (height, width), (least, greatest), seed
        self.text_share, self.flip_share, self.jitter = text_share, flip_share, jitter
        self._epoch = SharedEpoch()

    @property
    def epoch(self) -> int:
        return self._epoch.value

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, and with it the crops, in this process and in the workers that it started.

        Call it between two epochs, not while workers prefetch. `EpochCallback` does so for a `transformers.Trainer`.
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
        """Draws a crop, and returns it with its part of the label map, uint8."""
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
    """Turns an example into a whole image, for evaluation.

    By default the model sees the image at its own resolution, the middle of the scales in training, so no small text is
    lost. If memory or time is short, `reduce=2` halves width and height, with the mean of each 2 by 2 pixels. A fixed
    longest side would give each image a different scale instead: the same text would be larger in one image than in
    another, and the label maps of a batch would have frames that do not match their images'.

    The label map is never resized. Image and label map are padded at the bottom and on the right to the next multiple
    of 32, and their frames match exactly: one pixel of the model's input is `reduce` by `reduce` pixels of the label
    map. So logits that are resized to `labels` (by the loss of SegFormer, or by `mlt_s_tools.metrics.predict`) are in
    the right place, and the padding, being 255, is ignored. To save predictions, call `predict(logits, given)` with all
    that this transform returned; it removes the padding.

    Args:
        mean: of the three channels, for values from 0 to 1.
        std: standard deviation of the three channels, for values from 0 to 1.
        reduce: pixels of the label map per pixel of the input, in each direction; an int.
        words: whether to return the words of the example too, for scores by script and height in `TextTrainer`. Needs
            the configuration "words".
        square: whether to pad to a square, for models that take only squares (DPT).

    Raises:
        ValueError: `reduce` is not an int of 1 or more. On a call: as in `TrainTransform`.

    A transformed example has:

    | key | shape | dtype | unit |
    | --- | --- | --- | --- |
    | `pixel_values` | (3, height, width), multiples of 32 | float32 | standard deviations from the mean; padding is 0 |
    | `labels` | (reduce * height, reduce * width) | int64 | 0 background, 1 text, 255 ignored |
    | `size` | (height, width) of the label map without padding | two ints | pixels from the upper left corner |
    | `image_id` | | str | |
    | `words`, with `words=True` | (words, 9) | float64 | four corners x, y in pixels of the label map, and the script |
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], reduce: int = 1, words: bool = False, square: bool = False
    ) -> None:
        super().__init__(mean, std)
        if not isinstance(reduce, int) or reduce < 1:
            raise ValueError(f"reduce must be an int of 1 or more, not {reduce!r}.")
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
    """Places an array (..., height, width) in the upper left of an array of `frame` (height, width) filled with `fill`.

    An array that fills the frame is returned as it is, unless it is read-only: PyTorch warns of read-only arrays.
    """
    if values.shape[-2:] == tuple(frame) and values.flags.writeable:
        return values
    canvas = np.full((*values.shape[:-2], *frame), fill, values.dtype)
    canvas[..., : values.shape[-2], : values.shape[-1]] = values
    return canvas


def check_values(labels: npt.NDArray[np.uint8], image_id: str) -> None:
    """Checks that a label map, uint8 (height, width), holds only the values of MLT_S.

    Raises:
        ValueError: it holds other values.
    """
    wrong = labels[(labels > TEXT) & (labels != IGNORED)]
    if wrong.size:
        raise ValueError(
            f"{image_id}: a label map holds only 0, 1 and 255, but this one also holds {int(wrong[0])}. Was it "
            "converted, or resized with a filter other than nearest neighbour?"
        )


def _jittered(image: Image.Image, strength: float, rng: random.Random) -> Image.Image:
    """Changes brightness, contrast and saturation of a `PIL.Image` of mode "RGB" in one pass over its pixels."""
    brightness, contrast, saturation = (rng.uniform(1 - strength, 1 + strength) for _ in range(3))
    some = image.resize((64, 64), Image.Resampling.NEAREST)  # enough pixels for a mean
    grey = np.asarray(some).mean((0, 1)) @ _LUMA
    matrix = np.empty((3, 4))
    matrix[:, :3] = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * _LUMA)
    matrix[:, 3] = brightness * (1 - contrast) * grey
    return image.convert("RGB", tuple(matrix.ravel()))
