"""Four real pairs, read where they lie beside the repository, as they always do in CI; sizes as their README says."""

import io
import zipfile

import datasets
import numpy as np
import PIL.Image
import pytest
from conftest import REAL

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the four real pairs are not beside this clone")

# (split, image_id): (mode of the stored file, width, height, background, text, uncertain pixels)
PAIRS = {
    ("train", "img_1"): ("RGB", 1587, 1187, 1776992, 92135, 14642),
    ("train", "img_903"): ("RGB", 991, 768, 754516, 5235, 1337),
    ("validation", "img_1"): ("P", 370, 497, 164477, 12846, 6567),
    ("validation", "img_5"): ("RGB", 497, 499, 234341, 9719, 3943),
}


def summary(split, example):
    label = np.asarray(example["label"])
    counts = tuple(int((label == value).sum()) for value in (0, 1, 255))
    assert label.shape == (example["image"].height, example["image"].width)
    assert (example["image"].mode, example["label"].mode) == ("RGB", "L")
    return (split, example["image_id"]), example["image"].size + counts


def test_the_real_pairs_have_their_published_pixels(load):
    splits = load(REAL)
    loaded = dict(summary(split, example) for split in splits for example in splits[split])
    assert loaded == {pair: expected[1:] for pair, expected in PAIRS.items()}


def test_the_real_pairs_stream_the_same(load):
    splits = load(REAL, streaming=True)
    loaded = dict(summary(split, example) for split in splits for example in splits[split])
    assert loaded == {pair: expected[1:] for pair, expected in PAIRS.items()}


def test_the_real_bytes_are_handed_on_untouched(load_registered):
    splits = load_registered(REAL)
    for (split, image_id), (mode, *_) in PAIRS.items():
        (example,) = [
            e for e in splits[split].cast_column("image", datasets.Image(decode=False)) if e["image_id"] == image_id
        ]
        archives = [zipfile.ZipFile(path) for path in REAL.glob("ch8_*.zip") if split[:5] in path.name]
        (stored,) = [a.read(name) for a in archives for name in a.namelist() if name.startswith(f"{image_id}.")]
        assert example["image"]["bytes"] == stored
        assert PIL.Image.open(io.BytesIO(stored)).mode == mode
