"""From examples to what a segmentation model trains on. From its logits back: `mlt_s_tools.metrics.predict`.

| name | what it is |
| --- | --- |
| `ArchiveDataset` | the examples of a split by number, read from the archives when they are asked for |
| `TrainTransform` | an example to a random crop, by scale, place and colour |
| `EvalTransform` | an example whole, with its label map untouched |
| `collate` | a batch of either, for a `DataLoader` or a `transformers.Trainer` |
| `for_image_processor` | the transforms and model options that fit an image processor of `transformers` |
| `GlobalBatchSampler` | the order of examples, with the same global batches on any number of processes |
| `TextTrainer` | a `transformers.Trainer` for label maps: images of any sizes, several processes |
| `EpochCallback` | tells a `TrainTransform` the epoch, from a `transformers.Trainer` |

Straight from the archives it is `ArchiveDataset(data_dir, "train", preset.training())`, on a prepared set
`train.with_transform(preset.training())`, and on a stream `train.map(preset.training(),
remove_columns=train.column_names)`. To a `Trainer`, say `remove_unused_columns=False` as well: by default it takes the
column `image` away before a transform sees it.

The transforms need NumPy and Pillow alone, `collate` and `GlobalBatchSampler` PyTorch, `TextTrainer` and
`EpochCallback` transformers.
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
