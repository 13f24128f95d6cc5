"""`mlt-s demo`: loads the bundled sample, and shows the result."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np

import mlt_s  # makes the name known to `datasets`
from mlt_s_tools import SAMPLE, output, writing
from mlt_s_tools.looking.preview import contact_sheet

# One per script of MLT: Latin, Korean, Arabic, Chinese; Bangla, Japanese.
SHOWN = {"train": ["img_2", "img_47", "img_103", "img_6999"], "validation": ["img_1001", "img_1333"]}


def run(out: str | os.PathLike[str]) -> None:
    """Loads the bundled sample, draws a contact sheet of it and prints what it holds.

    Args:
        out: path of the PNG file to write.

    Raises:
        OSError: the picture cannot be written, or would replace a file that is not known to be from mlt-s.
    """
    writing.check(out)
    replaces = Path(out).exists()
    # With a separate cache, the demo shows a first load each time, and leaves nothing but its picture.
    with tempfile.TemporaryDirectory() as cache:
        splits = datasets.load_dataset("mlt_s", data_dir=str(SAMPLE), cache_dir=cache)
        writing.write_picture(out, contact_sheet(_preview_rows(splits)))
        print("\n".join(_report(splits, output.written(out, replaces))))


def _preview_rows(splits: datasets.DatasetDict) -> Iterator[tuple[str, dict[str, Any]]]:
    for split, names in SHOWN.items():
        for example in splits[split]:
            if example["image_id"] in names:
                yield f"{split}  {example['image_id']}", example


def _report(splits: datasets.DatasetDict, written: str) -> list[str]:
    return [
        f'load_dataset("mlt_s", data_dir="{SAMPLE}")',
        "",
        *_counts(splits),
        "",
        *_features(splits["train"].features),
        "",
        *_examples(splits),
        "",
        f"A picture of some of them: {written}",
        'Next, your own zips in ~/mlt: import mlt_s, datasets; ds = datasets.load_dataset("mlt_s", data_dir="~/mlt")',
    ]


def _counts(splits: datasets.DatasetDict) -> Iterator[str]:
    yield "Splits"
    for split, examples in splits.items():
        yield f"  {split:<10} {len(examples):>4} examples"


def _features(features: datasets.Features) -> Iterator[str]:
    image, label = features["image"], features["label"]
    classes = ", ".join(f"{value} {name}" for value, name in label.id2label.items())
    yield "Features"
    yield f"  image_id   {features['image_id'].dtype}"
    yield f"  image      {type(image).__name__}, decoded to {image.mode}"
    yield f"  label      {type(label).__name__}: {classes}; {label.ignore_index} {label.ignore_name}, to be ignored"


def _examples(splits: datasets.DatasetDict) -> Iterator[str]:
    yield f"{'split':<10}  {'image_id':<9} {'width x height':>14}  {'modes':<6}  {'text':>7}  {'uncertain':>9}"
    for split, examples in splits.items():
        for example in examples:
            yield f"{split:<10}  {_example(example)}"


def _example(example: dict[str, Any]) -> str:
    image, label = example["image"], np.asarray(example["label"])
    size = f"{image.width} x {image.height}"
    modes = f"{image.mode}, {example['label'].mode}"
    text, uncertain = (np.mean(label == value) for value in mlt_s.LABEL_MAP.str2int(["text", "uncertain"]))
    return f"{example['image_id']:<9} {size:>14}  {modes:<6}  {text:>7.2%}  {uncertain:>9.2%}"
