"""Scores of a text segmentation: those that papers publish for MLT_S, and related ones.

On their own, image by image:

    metrics = TextMetrics()
    for example in validation:
        metrics.add(your_model(example["image"]), example["label"])  # 0 and 1, at the size of the label map
    metrics.compute()["fgiou"]

In the `Trainer` of transformers, which would otherwise keep the logits of the whole split in memory:

    Trainer(
        ...,
        args=TrainingArguments(..., batch_eval_metrics=True),
        compute_metrics=TextMetrics(),
        preprocess_logits_for_metrics=count_logits,
    )

The protocol is that of "Rethinking Text Segmentation" (Xu et al., CVPR 2021), as implemented in its code
(github.com/SHI-Labs/Rethinking-Text-Segmentation, lib/evaluate_service.py, `miou` and `fscore`). Pixels whose label is
255 are ignored. Published scores are at full resolution: in `Trainer`, pass label maps at their own sizes (in batches
of one, because sizes differ); the logits are resized to them.

Only numpy is needed. If logits are PyTorch tensors, they are processed on their device.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union

import numpy as np

from mlt_s_tools.bootstrap import enough, interval, iou, iou_interval, resampled
from mlt_s_tools.groups import COLUMNS, GROUPS, KINDS, NO_WORD, group_counts, word_rows

if TYPE_CHECKING:
    from typing import TypeGuard

    import PIL.Image
    import torch
    from transformers import EvalPrediction

    Array = TypeVar("Array", np.ndarray, torch.Tensor)  # functions return the type that they get
    Pixels = Union[np.ndarray, torch.Tensor, PIL.Image.Image]
    Batch = Union[np.ndarray, torch.Tensor, Sequence[Pixels]]

# The values of mlt_s.LABEL_MAP. Importing mlt_s takes seconds, because it imports `datasets`.
BACKGROUND, TEXT, UNCERTAIN = 0, 1, 255

# `Trainer` pads label maps with rows of this value if other processes or batches have taller ones
# (`pad_across_processes` and `nested_concat`, on axis 1).
_PADDING = -100

# Precision and recall of an image are summed as integer multiples of this fraction, 2 to the power of -64. Sums of
# integers do not depend on the order of the images or on how processes share them; sums of floats do.
_FRACTION = 1 << 64

# The columns of an image with words: its `Counts`, then what `group_counts` returns.
_WIDTH = len(("tp", "fp", "fn", "tn"))
_WIDTH_WITH_WORDS = _WIDTH + len(GROUPS) * len(COLUMNS)


class Counts(NamedTuple):
    """The pixels of an image by prediction and label, without those of uncertain label."""

    tp: int  # text in both
    fp: int  # text only in the prediction
    fn: int  # text only in the label map
    tn: int  # background in both

    @property
    def precision(self) -> float:
        """The share of predicted text pixels that are right; 0 if none is predicted, as in the protocol."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """The share of labelled text pixels that are found; 0 if none is labelled, as in the protocol."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def iou(self) -> float:
        """Intersection over union of text; 0 if neither has text."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)


class TextMetrics:
    """Accumulates images, and computes scores over all of them with confidence intervals. Keeps four numbers per image.

    For images that are added with their words, it also computes scores by script and by height of words, and keeps 70
    more numbers per image.

    An instance is a `compute_metrics` for the `Trainer` of transformers, with or without `batch_eval_metrics`. There,
    `preprocess_logits_for_metrics=count_logits` reduces the logits to four numbers per image before processes exchange
    them. `Trainer` drops the images that its sampler repeats, so each image counts once, and every process gets the
    scores of the whole split. If an evaluation of a plain `Trainer` is interrupted (Ctrl-C, an error of the data set),
    its images stay in the instance: call `reset` before the next one. `mlt_s_tools.training.TextTrainer` does so before
    each evaluation.

    In your own loop over several processes, either gather counts and drop repeated images, as in
    `metrics.add_counts(accelerator.gather_for_metrics(count_logits(logits, labels)))`; or give each process its own
    images, gather the instances (they can be pickled; `torch.distributed.all_gather_object`), and `merge` them.

    Attributes:
        images: the number of images added.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Removes all images."""
        self._counts = array("q")  # four per image, image by image
        self._groups: dict[int, np.ndarray] = {}  # index of an image with words -> what `group_counts` returns

    @property
    def images(self) -> int:
        return len(self._counts) // _WIDTH

    def add(self, prediction: Pixels, label: Pixels, words: Iterable[Mapping[str, Any]] | None = None) -> None:
        """Adds an image.

        Args:
            prediction: as for `count`.
            label: as for `count`.
            words: words of the image, as the configuration "words" yields them, for scores by script and height.

        Raises:
            ValueError: as for `count`.
        """
        counts = count(prediction, label)
        of_groups = [] if words is None else _row_of_groups(_array(prediction) == 1, label, word_rows(words))
        self.add_counts([[*counts, *of_groups]])

    def add_batch(self, predictions: Batch, labels: Batch) -> None:
        """Adds images.

        Args:
            predictions: an array (images, height, width) of 0 and 1, or a list of arrays (height, width).
            labels: as many label maps, in the same form.

        Raises:
            ValueError: the numbers of predictions and label maps differ, or as for `count`. No image is added then.
        """
        _check_number(predictions, labels, "predictions")
        self.add_counts([count(*pair) for pair in zip(predictions, labels)])

    def add_counts(self, counts: np.ndarray | torch.Tensor | Sequence[Sequence[int]]) -> None:
        """Adds images whose pixels are already counted, by `count` or `count_logits`.

        Args:
            counts: integers (images, 4), in the order of `Counts`: a list, an array or a tensor; or (images, 74), with
                the counts by group that `count_logits` adds.

        Raises:
            ValueError: another shape or dtype, or negative numbers.
        """
        counts = _array(counts)
        if counts.size == 0:
            return
        is_shaped = counts.ndim == 2 and counts.shape[1] in (_WIDTH, _WIDTH_WITH_WORDS)
        if not is_shaped or counts.dtype.kind not in "iu" or counts.min() < 0:
            raise ValueError(
                "Counts must be integers of shape (images, 4): tp, fp, fn and tn; these are "
                f"{counts.dtype} of shape {counts.shape}{', some below 0' if counts.min() < 0 else ''}."
            )
        if counts.shape[1] == _WIDTH_WITH_WORDS:
            groups = counts[:, _WIDTH:].reshape(-1, len(GROUPS), len(COLUMNS)).astype(np.int64)
            self._groups.update(enumerate(groups, self.images))
        self._counts.extend(counts[:, :_WIDTH].ravel().tolist())

    def merge(self, other: TextMetrics) -> None:
        """Adds the images of another instance, such as that of another process. The other instance does not change."""
        self._groups.update({self.images + at: groups for at, groups in other._groups.items()})
        self._counts.extend(other._counts)

    def compute(self) -> dict[str, float]:
        """The scores over all images added so far.

        Returns:
            A dict. All values are from 0 to 1, except the numbers of images. A ratio whose denominator is 0 is 0.

            | key | value |
            | --- | --- |
            | fgiou | published: intersection over union of text, pixels of all images pooled (papers give it in %) |
            | f_score | published: the harmonic mean of mean_precision and mean_recall |
            | mean_precision | of text, averaged over images; an image with no predicted text counts 0 |
            | mean_recall | of text, averaged over images; an image with no labelled text counts 0 |
            | pooled_precision, pooled_recall, pooled_f_score | of text, pixels of all images pooled |
            | background_iou | as fgiou, for background |
            | mean_iou | the mean of fgiou and background_iou |
            | pixel_accuracy | the share of pixels that are right |
            | images | int, the number of images |
            | images_without_text | int, the number of images without labelled text, including those that are all 255 |
            | fgiou_lower, fgiou_upper, f_score_lower, f_score_upper | 95 % intervals, for six images or more |

            Intervals are bootstrap intervals: the middle 95 % over 2,000 resamples of the images, with replacement and
            a fixed seed. In the published protocol, images without labelled text lower the F-score, whatever is
            predicted.

        Raises:
            ValueError: no image was added.
        """
        if not self.images:
            raise ValueError("No images have been added: call add first.")
        counts = self.counts()
        rows = counts.tolist()
        tp, fp, fn, tn = map(sum, zip(*rows))
        mean_precision, mean_recall = (
            sum(_in_fractions(row[0], row[0] + row[other]) for row in rows) / (_FRACTION * self.images)
            for other in (1, 2)
        )
        fgiou, background_iou = _ratio(tp, tp + fp + fn), _ratio(tn, tn + fp + fn)
        return {
            "fgiou": fgiou,
            "f_score": _harmonic_mean(mean_precision, mean_recall),
            "mean_precision": mean_precision,
            "mean_recall": mean_recall,
            "pooled_precision": _ratio(tp, tp + fp),
            "pooled_recall": _ratio(tp, tp + fn),
            "pooled_f_score": _ratio(2 * tp, 2 * tp + fp + fn),
            "background_iou": background_iou,
            "mean_iou": (fgiou + background_iou) / 2,
            "pixel_accuracy": _ratio(tp + tn, tp + fp + fn + tn),
            "images": self.images,
            "images_without_text": sum(row[0] + row[2] == 0 for row in rows),
            **_intervals(counts),
        }

    def counts(self) -> np.ndarray:
        """The `Counts` of each image, in the order in which they were added: int64 (images, 4)."""
        return np.array(self._counts, np.int64).reshape(-1, _WIDTH)

    def group_counts(self, kind: str, name: str) -> np.ndarray:
        """Counts of each image within a group of words, int64 (images, 5): tp, fp, fn, tn and the number of words.

        Args:
            kind: the kind of a group in `mlt_s_tools.groups.GROUPS`. For an image added without words, all counts are
                0.
            name: the name of that group.
        """
        counts, group = np.zeros((self.images, len(COLUMNS)), np.int64), GROUPS.index((kind, name))
        for at, groups in self._groups.items():
            counts[at] = groups[group]
        return counts

    def by(self, kind: str) -> dict[str, dict[str, Any]]:
        """The scores within the words of each script, or of each height.

        Args:
            kind: "script" or "height"; `mlt_s_tools.groups` defines the groups.

        Returns:
            For each group that occurs, by its name, a dict of `fgiou`; `interval`, [lower, upper] as in `compute`, or
            None if fewer than six images have pixels to count; and what the score is based on: `words`, `images` and
            `pixels`. Empty if no image was added with words.
        """
        found = {name: self.group_counts(of, name) for of, name in GROUPS if of == kind}
        return {name: _figures_of_group(counts) for name, counts in found.items() if counts[:, -1].any()}

    def outside_words(self) -> Counts:
        """The pixels outside all words, of the images added with words. `by` does not include them."""
        return Counts(*map(int, self.group_counts(*NO_WORD)[:, :_WIDTH].sum(0)))

    def __call__(self, evaluation: EvalPrediction, compute_result: bool = True) -> dict[str, float]:
        """Called by `Trainer` as `compute_metrics`: adds images; with the last batch, returns the scores and resets.

        Args:
            evaluation: an `EvalPrediction`. Its `predictions` are what `count_logits` returns, logits (images, classes,
                height, width), or classes (images, height, width); or a list of these, one item per batch.
            compute_result: whether this is the last batch.

        Returns:
            The dict of `compute` after the last batch, an empty dict before. If images came with their words (from
            `TextTrainer`), also `fgiou_Latin`, `fgiou_Latin_lower` and `fgiou_Latin_upper` (for six images or more),
            `words_Latin` and `pixels_Latin`, and the same for each script and height.

        Raises:
            ValueError: as for `count` and `count_logits`. The evaluation is then over, and all images are removed.
        """
        try:
            self._add_evaluated(evaluation)
            if not compute_result:
                return {}
            figures = {**self.compute(), **self._flat()}
        except BaseException:
            self.reset()
            raise
        self.reset()
        return figures

    def _flat(self) -> dict[str, float]:
        """The scores of `by` without nested dicts and lists, which loggers of a `Trainer` do not accept."""
        figures: dict[str, float] = {}
        for name, group in (item for kind in KINDS for item in self.by(kind).items()):
            lower_upper = zip(("_lower", "_upper"), group["interval"] or ())
            figures |= {f"fgiou_{name}": group["fgiou"], **{f"fgiou_{name}{end}": value for end, value in lower_upper}}
            figures |= {f"words_{name}": group["words"], f"pixels_{name}": group["pixels"]}
        return figures

    def _add_evaluated(self, evaluation: EvalPrediction) -> None:
        batches: Iterable[tuple[Any, Any]] = [(evaluation.predictions, evaluation.label_ids)]
        if isinstance(evaluation.predictions, list):  # with eval_do_concat_batches=False
            batches = zip(evaluation.predictions, evaluation.label_ids)
        for predictions, labels in batches:
            predictions = _logits_of(predictions)
            if predictions.ndim == 2:
                self.add_counts(predictions)
            elif predictions.ndim == 3:
                self.add_batch(predictions, [_unpadded(label) for label in labels])
            else:
                self.add_counts(count_logits(predictions, labels))


def count(prediction: Pixels, label: Pixels) -> Counts:
    """Counts the pixels of an image.

    Args:
        prediction: (height, width) of 0 and 1, or bool: an array, a tensor, or a `PIL.Image` of one channel.
        label: the label map, (height, width) of 0, 1 and 255.

    Returns:
        `Counts`, all zero if the label map is 255 throughout.

    Raises:
        ValueError: the two differ in shape, or hold other values.
    """
    prediction, label = _array(prediction), _array(label)
    is_text = prediction == 1
    known = is_text | (prediction == 0)
    if not known.all():
        raise ValueError(
            f"A prediction must hold only 0 and 1, or bool; this one holds {_some(prediction[~known])}. "
            "Apply a threshold to probabilities, and predict to logits."
        )
    return Counts(*map(int, _count(is_text, label)))


def predict(
    logits: Array,
    size: Sequence[int] | Mapping[str, Any],
    input_size: Sequence[int] | None = None,
    content: Sequence[int] | None = None,
) -> Array:
    """Turns the logits of an image into a prediction at the size of its label map: bilinear upsampling, then the
    decision.

    What `mlt_s_tools.training.EvalTransform` returned for the image has the sizes and the padding:

        given = preset.evaluation()(example)
        prediction = predict(logits, given)

    If your own code padded the input, `input_size` and `content` tell where the picture is; the padding is removed
    first. For an image that was fitted into the upper left of 512 x 512 pixels, 512 wide and 384 high: `predict(logits,
    label.shape, (512, 512), (0, 0, 512, 384))`.

    Args:
        logits: float (classes, height, width), an array or a tensor, of any resolution. Two classes: background and
            text. One class: the logit of text; values above 0 (a probability above one half) are text.
        size: (height, width) of the label map, or the dict that `EvalTransform` returned. For image i of a padded
            batch: `{"labels": batch["labels"][i], "size": sizes[i]}`.
        input_size: (height, width) of the padded input, in pixels.
        content: (left, top, right, bottom) of the picture in the padded input, as for `PIL.Image.crop`.

    Returns:
        bool (height, width), an array or a tensor, like the logits.

    Raises:
        ValueError: the logits have another shape; `content` is given without `input_size`, or lies outside it; or the
            dict is not that of one image.
    """
    if isinstance(size, Mapping):
        size, input_size, content = _frame_of(size, input_size, content)
    # Both steps are linear, so they can be applied to the difference of the two logits.
    margin = _margin(logits)
    if (input_size is None) != (content is None):
        raise ValueError("Give both input_size, of the padded input, and content, the box of the picture in it.")
    if content is not None and input_size is not None:
        left, top, right, bottom = content
        if not (0 <= left < right <= input_size[1] and 0 <= top < bottom <= input_size[0]):
            raise ValueError(
                f"The content {tuple(content)} (left, top, right, bottom) lies outside an input of size "
                f"{tuple(input_size)} (height, width)."
            )
        margin = _resized(margin, input_size)[top:bottom, left:right]
    return _resized(margin, size) > 0


def count_logits(
    logits: Array | tuple[Array, ...], labels: Array | Sequence[Array], words: Sequence[Pixels] | None = None
) -> Array:
    """Counts the pixels of a batch at the size of its label maps: `preprocess_logits_for_metrics` for `Trainer`.

    If inputs were resized, pass label maps at their own sizes; the scores are then at full resolution. (For padded
    inputs, use `predict` and `count`.)

    Args:
        logits: float (images, classes, height, width), as for `predict`, an array or a tensor. If a model returns a
            tuple of outputs, the first is used.
        labels: label maps: an array or tensor (images, height, width), or a list of (height, width), each of its own
            size. Rows of -100 below them, which `Trainer` adds, are removed.
        words: for each image an array (words, 9), as `mlt_s_tools.groups.word_rows` returns it, to count by group too.

    Returns:
        int64 (images, 4), in the order of `Counts`, or (images, 74) with words, for `TextMetrics.add_counts`: an array,
        or a tensor on the device of the logits.

    Raises:
        ValueError: the numbers of images differ, the logits have another shape, or the label maps hold other values.
    """
    logits = _logits_of(logits)
    _check_number(logits, labels, "logits")
    labels = [_unpadded(_beside(label, logits)) for label in labels]
    if words is not None:
        _check_number(words, labels, "words")
        counts = [_count_with_words(*image) for image in zip(logits, labels, words)]
        return _beside(np.array(counts, np.int64).reshape(-1, _WIDTH_WITH_WORDS), logits)
    rows = [_count(predict(one, label.shape), label) for one, label in zip(logits, labels)]
    if not _is_tensor(logits):
        return np.array(rows, np.int64).reshape(-1, _WIDTH)
    import torch

    return torch.stack([number for row in rows for number in row]).reshape(-1, _WIDTH)


# --- Code that serves both arrays and tensors ----------------------------------------------------------------------


def _count(is_text: Array, label: Array) -> tuple[Array, Array, Array, Array]:
    """tp, fp, fn and tn of a bool prediction and a label map, as scalars of their type."""
    if is_text.ndim != 2 or is_text.shape != label.shape:
        raise ValueError(
            "Prediction and label map must have the same shape, (height, width); the prediction has "
            f"{tuple(is_text.shape)}, the label map {tuple(label.shape)}."
        )
    text, background = label == TEXT, label == BACKGROUND
    known = text | background | (label == UNCERTAIN)
    if not known.all():
        raise ValueError(f"A label map must hold only 0, 1 and 255; this one holds {_some(label[~known])}.")
    tp, fp = (is_text & text).sum(), (is_text & background).sum()
    return tp, fp, text.sum() - tp, background.sum() - fp


def _count_with_words(logits: Any, label: Any, rows: Pixels) -> list[int]:
    is_text = predict(logits, label.shape)
    return [*map(int, _count(is_text, label)), *_row_of_groups(is_text, label, _array(rows))]


def _row_of_groups(is_text: Pixels, label: Pixels, rows: np.ndarray) -> list[int]:
    return group_counts(_array(is_text), _array(label), rows).ravel().tolist()


def _is_tensor(values: object) -> TypeGuard[torch.Tensor]:
    return hasattr(values, "detach")  # does not import torch


def _array(values: object) -> np.ndarray:
    return np.asarray(values.detach().cpu() if _is_tensor(values) else values)


def _beside(label: Pixels, logits: Array) -> Array:
    """The label map in the type of the logits, and on their device."""
    if not _is_tensor(logits):
        return _array(label)
    import torch

    return (label if _is_tensor(label) else torch.from_numpy(np.array(label))).to(logits.device)


def _logits_of(outputs: Array | tuple[Array, ...]) -> Array:
    return (
        outputs[0] if isinstance(outputs, tuple) else outputs
    )  # logits come first, hidden states and the like after them


def _unpadded(label: Array) -> Array:
    if not (label[-1:] == _PADDING).all():
        return label
    padded = (label == _PADDING).all(1)
    return label[: int((~padded).sum())]


def _margin(logits: Array) -> Array:
    """The logit of text minus that of background: float32 (height, width)."""
    logits = logits.detach().float() if _is_tensor(logits) else np.asarray(logits, np.float32)
    if logits.ndim != 3 or logits.shape[0] not in (1, 2):
        raise ValueError(
            "Logits of an image must have the shape (classes, height, width) with two classes, background and text, "
            f"or one, text; not {tuple(logits.shape)}."
        )
    return logits[1] - logits[0] if logits.shape[0] == 2 else logits[0]


def _frame_of(
    given: Mapping[str, Any], input_size: Sequence[int] | None, content: Sequence[int] | None
) -> tuple[tuple[int, int], tuple[int, ...], tuple[int, int, int, int]]:
    """Size, input_size and content, in pixels of the label map, from what `EvalTransform` returned for an image."""
    shapes = [np.shape(given[name]) for name in ("labels", "size") if name in given]
    if input_size is not None or content is not None or [len(shape) for shape in shapes] != [2, 1]:
        raise ValueError(
            "predict takes what EvalTransform returned for one image, with labels (height, width) and size, and no "
            f"input_size or content; not {sorted(map(str, given))} of shapes {shapes}."
        )
    height, width = map(int, given["size"])
    return (height, width), shapes[0], (0, 0, width, height)


def _resized(values: Array, size: Sequence[int]) -> Array:
    """Resizes float (height, width) bilinearly between the centres of pixels, as `align_corners=False` does."""
    size = tuple(map(int, size))
    if tuple(values.shape) == size:
        return values
    if _is_tensor(values):
        from torch.nn.functional import interpolate

        return interpolate(values[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return _resized_rows(_resized_rows(values, size[0]).T, size[1]).T


def _resized_rows(values: np.ndarray, count: int) -> np.ndarray:
    height = values.shape[0]
    at = np.clip((np.arange(count) + 0.5) * height / count - 0.5, 0, height - 1)
    upper = at.astype(int)
    lower = np.minimum(upper + 1, height - 1)
    share = (at - upper).astype(np.float32)[:, None]
    return values[upper] * (1 - share) + values[lower] * share


# --- Confidence intervals -------------------------------------------------------------------------------------------


def score_columns(counts: np.ndarray) -> np.ndarray:
    """The terms of the published scores, to be summed over images: float64 (images, 6).

    Args:
        counts: int64 (images, 4), in the order of `Counts`.
    """
    tp, fp, fn, _ = counts.T
    shares = (np.divide(tp, tp + other, out=np.zeros(len(tp)), where=tp > 0) for other in (fp, fn))
    return np.column_stack([counts, *shares])


def scores(sums: np.ndarray, images: int) -> dict[str, np.ndarray]:
    """The published scores, `fgiou` and `f_score`, from sums (..., 6) of `score_columns` over a number of images."""
    precision, recall = sums[..., 4] / images, sums[..., 5] / images
    total = precision + recall
    f_score = np.divide(2 * precision * recall, total, out=np.zeros(total.shape), where=total > 0)
    return {"fgiou": iou(sums), "f_score": f_score}


def _intervals(counts: np.ndarray) -> dict[str, float]:
    if not enough(counts):
        return {}
    drawn = scores(resampled(score_columns(counts)), len(counts))
    found = {name: interval(values) or () for name, values in drawn.items()}
    return {f"{name}_{end}": value for name in found for end, value in zip(("lower", "upper"), found[name])}


def _figures_of_group(counts: np.ndarray) -> dict[str, Any]:
    pixels = Counts(*map(int, counts[:, :_WIDTH].sum(0)))
    return {
        "fgiou": pixels.iou,
        "interval": iou_interval(counts),
        "words": int(counts[:, -1].sum()),
        "images": int(np.count_nonzero(counts[:, -1])),
        "pixels": sum(pixels),
    }


# --- Numbers -------------------------------------------------------------------------------------------------------


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _in_fractions(part: int, whole: int) -> int:
    return part * _FRACTION // whole if whole else 0


def _harmonic_mean(first: float, second: float) -> float:
    return _ratio(2 * first * second, first + second)


def _check_number(predictions: Sized, labels: Sized, what: str) -> None:
    if len(predictions) != len(labels):
        raise ValueError(f"There are {what} for {len(predictions)} images, but {len(labels)} label maps.")


def _some(values: Pixels) -> str:
    """A few of the values of an array or tensor, for a message."""
    values = np.unique(_array(values))
    return ", ".join(str(value) for value in values[:5].tolist()) + (", ..." if len(values) > 5 else "")
