"""Batches of tensors from transformed examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import default_collate

from mlt_s_tools.groups import NO_ROW
from mlt_s_tools.training.transforms import IGNORED, padded

if TYPE_CHECKING:
    import numpy.typing as npt


def collate(examples: Sequence[Mapping[str, Any]], keep: Iterable[str] = ()) -> dict[str, Any]:
    """Makes a batch of what `TrainTransform` or `EvalTransform` returns: the `collate_fn` of a `DataLoader`.

    Other transforms work too, if they return `pixel_values` and `labels` of the same shapes, as arrays or tensors.

    Images of different sizes are padded at the bottom and on the right: images with 0, which is the mean, and label
    maps with 255. Label maps that are larger than the images (`EvalTransform(reduce=2)`) stay larger by the same
    factor.

    Args:
        examples: a list of dicts.
        keep: names of further values to put into the batch, as lists. With `functools.partial(collate, keep=("size",
            "image_id"))`, your own loop knows which image a prediction belongs to. Empty by default, because a
            `Trainer` passes the whole batch to the model.

    Returns:
        A dict of `pixel_values`, a float32 tensor (batch, 3, height, width), and `labels`, an int64 tensor (batch,
        height, width) of 0, 1 and 255, whose height and width are larger by the factor. If the examples have it
        (`EvalTransform(words=True)`), also `words`, a float64 tensor (batch, words, 9), padded with rows of -100.
        Remove `words` before you pass the batch to a model; `TextTrainer` does.

    Raises:
        ValueError: the label maps of a batch differ in the factor, or no pixel of a training batch has a label. The
            loss of such a batch would be NaN, and so would all weights after the step. `TrainTransform` returns such a
            crop only if the image has no label map, or a label map that is 255 throughout. (In evaluation, where
            examples have `size`, no step is taken, so this is allowed.)
    """
    images = [np.asarray(example["pixel_values"], np.float32) for example in examples]
    labels = [np.asarray(example["labels"], np.int64) for example in examples]
    factors = {of / to for image, label in zip(images, labels) for of, to in zip(label.shape, image.shape[1:])}
    if len(factors) != 1 or not min(factors).is_integer():
        raise ValueError(
            f"All label maps of a batch must be larger than the images by the same factor; these are by {factors}."
        )
    if "size" not in examples[0] and all((label == IGNORED).all() for label in labels):
        raise ValueError(
            "No pixel of this batch has a label, so its loss would be NaN, and so would all weights. Leave out images "
            'without a label map: dataset.filter(lambda label: label is not None, input_columns="label").'
        )
    frame = np.max([image.shape[1:] for image in images], 0)
    return {
        "pixel_values": _stacked(images, frame, 0),
        "labels": _stacked(labels, frame * int(*factors), IGNORED),
        **({"words": _words(examples)} if "words" in examples[0] and "words" not in keep else {}),
        **{name: [example[name] for example in examples] for name in keep},
    }


def _words(examples: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    """The words of several examples in one tensor, float64 (batch, words, 9)."""
    most = max(len(example["words"]) for example in examples)
    return _stacked([np.asarray(example["words"]) for example in examples], [most, 9], NO_ROW)


def _stacked(arrays: list[npt.NDArray[Any]], frame: Sequence[int] | npt.NDArray[np.integer], fill: int) -> torch.Tensor:
    """Pads arrays (..., height, width) to `frame` and stacks them into one tensor."""
    # In a worker, PyTorch's own collate writes into shared memory; otherwise everything would be copied once more.
    return default_collate([torch.from_numpy(padded(array, frame, fill)) for array in arrays])
