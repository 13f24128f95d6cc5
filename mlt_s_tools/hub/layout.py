"""The contents of a built repository: configurations, their columns and folders, and Parquet files.

    README.md  croissant.json  id2label.json  manifest.json  preview.png
    data/train-00000-of-00012.parquet  ...  data/validation-00000-of-00002.parquet      (segmentation, words)
    labels/train-00000-of-00001.parquet  labels/validation-00000-of-00001.parquet       (labels)

"segmentation" and "words" share their files, because the images are 7 GB: in a build with words, "segmentation" reads
the same files without that column. "labels" has separate files, so that label maps alone are a download of 100 MB.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import mlt_s

if TYPE_CHECKING:
    import datasets

CONFIGS = ("segmentation", "words", "labels")  # in the order of the card; the first one present is the default
FOLDERS = {"segmentation": "data", "words": "data", "labels": "labels"}


@dataclasses.dataclass(frozen=True)
class File:
    """A Parquet file of the repository.

    Attributes:
        path: path in the repository, with forward slashes.
        split: "train" or "validation".
        rows: number of examples.
        weak: number of their label maps that mlt-s weak made or repaired.
        size: bytes on disk.
        nbytes: bytes in memory, as Arrow tables.
        sha256: SHA-256 of the file, in hexadecimal digits.
    """

    path: str
    split: str
    rows: int
    weak: int
    size: int
    nbytes: int
    sha256: str

    @property
    def folder(self) -> str:
        return self.path.split("/")[0]


@dataclasses.dataclass(frozen=True)
class Built:
    """A whole repository.

    Attributes:
        configs: names, in the order of `CONFIGS`.
        palette: whether label maps have the published colours as a palette.
        files: all Parquet files, in the order of their paths.
        text_value: the value of text in the label maps that it was made from: 1 or 255. In the files it is 1.
        has_others: whether some label maps are neither the authors' by the name of their place nor signed, or were
            repaired by `mlt-s weak` from label maps that were not the authors'.
        is_sample: whether its images, or if it has none its label maps, are those of the bundled sample.
    """

    configs: tuple[str, ...]
    palette: bool
    files: tuple[File, ...]
    text_value: int = 1
    has_others: bool = False
    is_sample: bool = False

    @property
    def is_by_authors(self) -> bool:
        """Whether the label maps count as the authors', apart from those that `mlt-s weak` signed."""
        # Text is 1 in the authors' label maps. The sample has the names and layout of theirs, too.
        return not self.has_others and self.text_value == 1 and not self.is_sample

    @property
    def license(self) -> str:
        """The Hub's name for the licence of the label maps; "unknown" if nobody stated one."""
        if self.is_by_authors:
            return "cc-by-4.0"
        return "apache-2.0" if self.is_sample and not self.has_others else "unknown"  # that of this project

    @property
    def is_all_weak(self) -> bool:
        """Whether `mlt-s weak` made or repaired all of the label maps."""
        return all(file.weak == file.rows for file in self.files)

    @property
    def has_authors_own(self) -> bool:
        """Whether some label maps count as the authors' own."""
        return self.is_by_authors and not self.is_all_weak

    @property
    def has_uncertain(self) -> bool:
        """Whether 255 can be in the label maps: in masks of 0 and 255 it was text, but for those by `mlt-s weak`."""
        return self.text_value == 1 or any(file.weak for file in self.files)

    @property
    def label_values(self) -> list[int]:
        """The values that label maps hold."""
        return [value for value in mlt_s.LABEL_MAP.colors if self.has_uncertain or value in mlt_s.LABEL_MAP.id2label]

    @property
    def has_images(self) -> bool:
        return self.configs != ("labels",)

    def files_of(self, config: str, split: str | None = None) -> list[File]:
        return [file for file in self.files if file.folder == FOLDERS[config] and split in (None, file.split)]

    def splits_of(self, config: str) -> list[str]:
        """The splits that have examples, in order."""
        return [split for split in mlt_s.PUBLISHED_COUNTS if self.files_of(config, split)]

    def rows_of(self, config: str, split: str) -> int:
        return sum(file.rows for file in self.files_of(config, split))

    def weak_of(self, config: str, split: str) -> int:
        """The number of label maps that mlt-s weak made."""
        return sum(file.weak for file in self.files_of(config, split))


@functools.cache  # a build asks many times, and datasets up to 3.6 reads all of mlt_s.py again for each builder
def features_of(config: str) -> datasets.Features:
    """The `datasets.Features` of a configuration, as in the loader."""
    return mlt_s.MltS(config_name=config).info.features


def widest(configs: Iterable[str], folder: str) -> str:
    """The configuration whose columns the files of a folder have."""
    in_folder = [config for config in configs if FOLDERS[config] == folder]
    return max(in_folder, key=lambda config: len(features_of(config)))


def portable(features: datasets.Features) -> dict[str, Any]:
    """Features as JSON values in a form that every version reads: lists as [...], which datasets 5 writes as `_type:
    List`.
    """
    return {name: _portable(feature) for name, feature in features.to_dict().items()}


def _portable(feature: Any) -> Any:
    if isinstance(feature, list):
        return [_portable(inner) for inner in feature]
    if feature.get("_type") == "List":
        return [_portable(feature["feature"])]
    if "_type" in feature:
        return feature
    return {name: _portable(inner) for name, inner in feature.items()}
