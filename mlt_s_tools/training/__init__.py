"""Turns examples into the input of a segmentation model. For the way back, see `mlt_s_tools.metrics.predict`.

| name | what it is |
| --- | --- |
| `ArchiveDataset` | the examples of a split by index, read from the archives when they are asked for |
| `TrainTransform` | turns an example into a random crop: scale, place and colour vary |
| `EvalTransform` | turns an example into a whole image, with its label map unchanged |
| `collate` | makes a batch of either, for a `DataLoader` or a `transformers.Trainer` |
| `for_image_processor` | the transforms and model options that fit an image processor of `transformers` |
| `GlobalBatchSampler` | the order of examples, with the same global batches on any number of processes |
| `TextTrainer` | a `transformers.Trainer` for label maps: images of any size, several processes |
| `EpochCallback` | tells a `TrainTransform` the epoch of a `transformers.Trainer` |

To train from the archives, use `ArchiveDataset(data_dir, "train", preset.training())`; from a prepared set,
`train.with_transform(preset.training())`; from a stream, `train.map(preset.training(),
remove_columns=train.column_names)`. With a `Trainer`, also set `remove_unused_columns=False`: by default it removes
the column `image` before a transform sees it.

The transforms need only NumPy and Pillow. `collate` and `GlobalBatchSampler` need PyTorch. `TextTrainer` and
`EpochCallback` need transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the names of `_MODULES`, for checkers and editors
    from mlt_s_tools.training.archives import ArchiveDataset as ArchiveDataset
    from mlt_s_tools.training.batches import collate as collate
    from mlt_s_tools.training.callbacks import EpochCallback as EpochCallback
    from mlt_s_tools.training.order import GlobalBatchSampler as GlobalBatchSampler
    from mlt_s_tools.training.presets import Preset as Preset
    from mlt_s_tools.training.presets import for_image_processor as for_image_processor
    from mlt_s_tools.training.trainer import TextTrainer as TextTrainer
    from mlt_s_tools.training.transforms import EvalTransform as EvalTransform
    from mlt_s_tools.training.transforms import TrainTransform as TrainTransform

# Lazy, because PyTorch and transformers take seconds to import, and not every reader has them.
_MODULES = {
    "ArchiveDataset": "archives",
    "TrainTransform": "transforms",
    "EvalTransform": "transforms",
    "collate": "batches",
    "GlobalBatchSampler": "order",
    "Preset": "presets",
    "for_image_processor": "presets",
    "TextTrainer": "trainer",
    "EpochCallback": "callbacks",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
