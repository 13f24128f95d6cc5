"""Batches of tensors from what the transforms give."""

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
    """What `TrainTransform` or `EvalTransform` gives, as a batch: the `collate_fn` of a `DataLoader`.

    Transforms of others do as well, which give `pixel_values` and `labels` of those shapes, as arrays or as tensors.

    Images of several sizes are padded below and on the right with 0, which is the mean, label maps with 255. Label maps
    that are larger than the images (`EvalTransform(reduce=2)`) stay larger by the same factor.

    Args:
        examples: a list of dicts.
        keep: names of what else is to be in the batch, as lists: with `functools.partial(collate, keep=("size",
            "image_id"))` a loop of your own knows which prediction is whose. Nothing by default, as a `Trainer` hands
            all of a batch to the model.

    Returns:
        A dict of `pixel_values`, a float32 tensor (batch, 3, height, width), and `labels`, an int64 tensor (batch,
        height, width) of 0, 1 and 255, whose height and width are larger by the factor. Where the examples have it
        (`EvalTransform(words=True)`), also `words`, a float64 tensor (batch, words, 9), filled up with rows of -100:
        take it out before a model gets the rest. `TextTrainer` does.

    Raises:
        ValueError: label maps of one batch differ in the factor, or no pixel of a training batch counts: its loss would
            be NaN, and so would be all weights after a step. `TrainTransform` gives a crop like that only of an image
            without label map, or whose label map is 255 throughout. (Evaluation, of examples with `size`, takes no
            step, and there it is allowed.)
    """
    images = [np.asarray(example["pixel_values"], np.float32) for example in examples]
    labels = [np.asarray(example["labels"], np.int64) for example in examples]
    factors = {of / to for image, label in zip(images, labels) for of, to in zip(label.shape, image.shape[1:])}
    if len(factors) != 1 or not min(factors).is_integer():
        raise ValueError(f"The label maps of a batch are larger than the images by one factor, not by {factors}.")
    if "size" not in examples[0] and all((label == IGNORED).all() for label in labels):
        raise ValueError(
            "No pixel of this batch has a label, so its loss would be NaN, and so would be all weights. Leave images "
            'without label map out: dataset.filter(lambda label: label is not None, input_columns="label").'
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
    """One tensor of arrays (..., height, width) that are padded to `frame`."""
    # PyTorch's own way writes it to where another process sees it, if this is a worker: else all is copied once more.
    return default_collate([torch.from_numpy(padded(array, frame, fill)) for array in arrays])
