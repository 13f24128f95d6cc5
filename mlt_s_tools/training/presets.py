"""Transforms and options for a model, taken from its image processor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlt_s
from mlt_s_tools.training.transforms import EvalTransform, TrainTransform

if TYPE_CHECKING:
    from transformers import BaseImageProcessor


@dataclass(frozen=True)
class Preset:
    """What the transforms need to know about a model.

    Attributes:
        mean: of the three channels, for values from 0 to 1.
        std: standard deviation of the three channels, for values from 0 to 1.
        size: (height, width) of a crop in pixels.
        square: whether the model takes only square images. Images for evaluation are then padded to squares.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, int]
    square: bool = False

    def training(self, **options: Any) -> TrainTransform:
        """A `TrainTransform` with these options; `size` defaults to the preset's.

        Raises:
            ValueError: an option is out of range, or the crop is not square and the model takes only square images.
        """
        transform = TrainTransform(self.mean, self.std, **{"size": self.size, **options})
        height, width = transform.size
        if self.square and height != width:
            raise ValueError(f"This model takes only square crops, not {height} by {width}: give size=(n, n).")
        return transform

    def evaluation(self, **options: Any) -> EvalTransform:
        """An `EvalTransform` with these options; `square` defaults to the preset's."""
        return EvalTransform(self.mean, self.std, **{"square": self.square, **options})

    def model_options(self) -> dict[str, Any]:
        """Options for `from_pretrained` or the config of the model: two classes with their names.

        Weights that were trained on other classes also need `ignore_mismatched_sizes=True`. The models of transformers
        ignore 255 by default. A model whose config ignores another value fails on the first label map that contains
        255.
        """
        label_map = mlt_s.LABEL_MAP
        return {
            "num_labels": label_map.num_classes,
            "id2label": dict(label_map.id2label),
            "label2id": dict(label_map.label2id),
        }


def for_image_processor(image_processor: BaseImageProcessor) -> Preset:
    """The preset for the model of an image processor of `transformers`, with the processor's mean, std and size.

    The processor itself never sees a label map, so only the transforms resize label maps.

    Args:
        image_processor: a `SegformerImageProcessor` (SegFormer and UperNet), `BeitImageProcessor` or
            `DPTImageProcessor`, or another one that divides by 255 and normalises.

    Returns:
        A `Preset`.

    Raises:
        ValueError: the processor drops the background (`do_reduce_labels`), does not rescale and normalise, has no size
            with height and width, or is for models that learn from one mask per class, such as Mask2Former.
    """
    if hasattr(image_processor, "ignore_index"):  # those of MaskFormer, Mask2Former, OneFormer and EoMT
        raise ValueError(
            f"{type(image_processor).__name__} is for models that learn from one mask per class (mask_labels, "
            "class_labels). The transforms give label maps (labels), and the losses of these models do not ignore 255. "
            "docs/training.md shows how to make masks from label maps (Mask2Former and MaskFormer). Or let the "
            "processor make them, from segmentation_maps. Load it with ignore_index=255 and do_reduce_labels=False, or "
            "255 becomes a class, or background is dropped."
        )
    if getattr(image_processor, "do_reduce_labels", False):
        raise ValueError(
            "This image processor has do_reduce_labels=True: it turns 0 (background) into 255 (ignored) and 1 (text) "
            "into 0, so background would be dropped. Load it without: "
            "AutoImageProcessor.from_pretrained(name, do_reduce_labels=False)."
        )
    normalises = image_processor.do_rescale and image_processor.do_normalize
    if not normalises or not math.isclose(image_processor.rescale_factor, 1 / 255):
        raise ValueError("This image processor does not divide by 255 and normalise, as the transforms do.")
    size = image_processor.size.get("height"), image_processor.size.get("width")
    if None in size:
        raise ValueError(f"This image processor has no size of height and width, but {image_processor.size}.")
    # DPT arranges patches as a square, whatever the image: with 3 by 4 it fails, and 2 by 8 it shuffles silently.
    square = any(kind.__name__.startswith("DPT") for kind in type(image_processor).__mro__)
    return Preset(tuple(image_processor.image_mean), tuple(image_processor.image_std), size, square)
