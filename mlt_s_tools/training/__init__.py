"""From examples to what a segmentation model trains on, and from its logits back to label maps.

| name | what it is |
| --- | --- |
| `ArchiveDataset` | the examples of a split by number, read from the archives when they are asked for |
| `TrainTransform` | an example to a random crop, by scale, place and colour |
| `EvalTransform` | an example whole, with its label map untouched |
| `collate` | a batch of either, for a `DataLoader` or a `transformers.Trainer` |
| `to_label_size` | the logits of a batch to classes of the label map's own pixels |
| `for_segformer` | the transforms and model options that fit an image processor of `transformers` |
| `EpochCallback` | tells a `TrainTransform` the epoch, from a `transformers.Trainer` |

Straight from the archives it is `ArchiveDataset(data_dir, "train", preset.training())`, on a prepared set
`train.with_transform(preset.training())`, and on a stream `train.map(preset.training(),
remove_columns=train.column_names)`. To a `Trainer`, say `remove_unused_columns=False` as well: by default it takes the
column `image` away before a transform sees it.

The transforms need NumPy and Pillow alone, `collate` and `to_label_size` PyTorch, `EpochCallback` transformers.
"""

import importlib

# Lazy, because PyTorch and transformers take seconds to import, and not every reader has them.
_MODULES = {
    "ArchiveDataset": "archives",
    "TrainTransform": "transforms",
    "EvalTransform": "transforms",
    "collate": "batches",
    "to_label_size": "batches",
    "Preset": "presets",
    "for_segformer": "presets",
    "EpochCallback": "callbacks",
}

__all__ = list(_MODULES)


def __getattr__(name):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
