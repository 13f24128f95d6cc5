"""The bundled sample is simply another `data_dir`, and holds every case that it is there for."""

import io
import zipfile

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT

import mlt_s
from mlt_s_tools import SAMPLE
from mlt_s_tools.cli import main

PAIRS = {"train": 14, "validation": 6}
UNLABELLED = {"train": ["img_880", "img_4500", "img_7200"], "validation": ["img_1800"]}


def members(pattern):
    for path in sorted(SAMPLE.glob(pattern)):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield path.name, name, archive.read(name)


def images(split):
    return {name: data for _, name, data in members(f"ch8_{split}*_images*.zip")}


def words(split):
    """(script, transcription) of every word of the ground truth."""
    for _, _, data in members(f"ch8_{split}*_gt_v2.zip"):
        for line in data.decode("utf-8-sig").splitlines():
            yield line.split(",", 9)[8:]


def test_it_loads(load):
    dataset = load(SAMPLE)
    assert {split: len(dataset[split]) for split in dataset} == PAIRS
    for split in dataset:
        for example in dataset[split]:
            values = np.asarray(example["label"])
            assert example["image"].mode == "RGB" and example["label"].mode == "L"
            assert example["image"].size == example["label"].size
            assert set(np.unique(values)) <= set(mlt_s.LABEL_MAP.colors) and 255 in values


def test_it_has_the_layout_of_the_archives():
    names = {path.name for path in SAMPLE.iterdir()}
    assert names <= {mlt_s.LABEL_ARCHIVE, *mlt_s.IMAGE_ARCHIVES, *mlt_s.WORDS_ARCHIVES}
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 2_500_000


@pytest.mark.parametrize("split", ["training", "validation"])
def test_some_images_have_no_label_map(split):
    labelled = {name.rsplit("/")[-1][:-4] for _, name, _ in members("MLT_S_labels.zip") if f"{split}_labels" in name}
    unlabelled = {name.rsplit(".")[0] for name in images(split)} - labelled
    assert unlabelled == set(UNLABELLED["train" if split == "training" else split])


def test_the_same_names_recur_in_both_splits():
    stems = [{name.rsplit(".")[0] for name in images(split)} for split in ("training", "validation")]
    assert stems[0] & stems[1] == {"img_2", "img_10", "img_103", "img_1001"}


def test_there_is_every_kind_of_file():
    stored = {**images("training"), **{f"validation {name}": data for name, data in images("validation").items()}}
    opened = {name: PIL.Image.open(io.BytesIO(data)) for name, data in stored.items()}
    assert [name for name, image in opened.items() if image.format == "GIF"] == ["img_1001.gif"]
    assert [name for name, image in opened.items() if image.format == "PNG"] == ["img_1002.png"]
    assert [name for name in opened if name.endswith(".JPG")] == ["img_103.JPG"]
    assert {name: image.getexif()[0x0112] for name, image in opened.items() if image.getexif()} == {"img_1204.jpg": 6}


@pytest.mark.parametrize("split", ["training", "validation"])
def test_the_words_have_every_script_and_some_are_unreadable(split):
    assert {script for script, _ in words(split)} == set(mlt_s.SCRIPTS)
    assert "###" in {transcription for _, transcription in words(split)}


def test_the_picture_of_the_readme_is_the_demo_s(tmp_path):
    main(["demo", "--out", str(tmp_path / "preview.png")])
    drawn, kept = (PIL.Image.open(path) for path in (tmp_path / "preview.png", ROOT / "mlt_s_tools" / "preview.png"))
    assert drawn.size == kept.size
    # Not to the bit: releases of Pillow differ in how they decode and shrink.
    assert np.abs(np.asarray(drawn, int) - np.asarray(kept, int)).mean() < 2
