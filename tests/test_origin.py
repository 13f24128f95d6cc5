"""Label maps that mlt-s weak made are told from the authors', wherever they go."""

import io
import json
import zipfile

import numpy as np
import PIL.Image
import pytest
from archives import image_file, label_file, label_members, label_values, mlt, png_with, write_pairs, write_zip

import mlt_s
import mlt_s_tools
from mlt_s_tools import cli, origin

SIGNATURE = b"Software\0mlt-s weak baseline"


def signed(seed):
    return png_with(label_file(seed), b"tEXt", SIGNATURE)


@pytest.fixture
def folder(tmp_path):
    folder = mlt(tmp_path / "mlt")
    return write_zip(folder / "ch8_training_images_3.zip", {f"img_{n}.jpg": image_file(n) for n in (7, 8)}).parent


@pytest.fixture
def weak(tmp_path):
    members = label_members({f"img_{n}": signed(n) for n in (7, 8)}, {})
    return str(write_zip(tmp_path / "weak.zip", {**members, "MLT_S_labels/weak.json": b"{}"}))


@pytest.fixture
def both(folder, weak):
    return [str(folder / "MLT_S_labels.zip"), weak]


def softwares(examples):
    return {example["image_id"]: example["label"].info.get("Software") for example in examples}


OF_TRAIN = {**{f"img_{n}": None for n in range(1, 6)}, **{f"img_{n}": "mlt-s weak baseline" for n in (7, 8)}}


@pytest.mark.parametrize("streaming", [False, True])
def test_a_loaded_label_map_says_who_made_it(load, folder, both, streaming):
    assert softwares(load(folder, label_maps=both, split="train", streaming=streaming)) == OF_TRAIN


@pytest.mark.parametrize("palette", [False, True])
def test_so_does_a_built_one_with_the_same_pixels(load_registered, folder, both, tmp_path, palette):
    mlt_s_tools.build(folder, tmp_path / "built", ["segmentation", "labels"], label_maps=both, palette=palette, jobs=1)
    for config in ("segmentation", "labels"):
        built = mlt_s.datasets.load_dataset(str(tmp_path / "built"), config, cache_dir=str(tmp_path / "cache"))
        assert softwares(built["train"]) == OF_TRAIN
        assert np.array_equal(built["train"][6]["label"], label_values(seed=8))
        assert built["train"][6]["label"].mode == ("P" if palette else "L")
    joined = load_registered(folder, label_maps=str(tmp_path / "built"), split="train")  # and joined once more
    assert softwares(joined) == OF_TRAIN


def test_the_built_set_counts_them_in_manifest_and_card(folder, both, tmp_path):
    mlt_s_tools.build(folder, tmp_path / "built", label_maps=both, jobs=1)
    manifest = json.loads((tmp_path / "built" / "manifest.json").read_text())
    assert manifest["weak"] == {"segmentation": {"train": 2, "validation": 0}}
    card = (tmp_path / "built" / "README.md").read_text()
    assert "**By `mlt-s weak`: 2 of train.**" in card


def test_where_all_are_the_authors_the_card_has_no_word_on_it(folder, tmp_path):
    mlt_s_tools.build(folder, tmp_path / "built", jobs=1)
    assert "mlt-s weak" not in (tmp_path / "built" / "README.md").read_text()
    assert json.loads((tmp_path / "built" / "manifest.json").read_text())["weak"]["segmentation"]["train"] == 0


# --- In a check ----------------------------------------------------------------------------------------------------


@pytest.fixture
def check(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 5, "validation": 3})

    def run(*label_maps):
        given = [word for source in label_maps for word in ("--label-maps", str(source))]
        report = tmp_path / "report.json"
        cli.main(["check", str(folder), "--pixels", "--jobs", "1", "--json", str(report), *given])
        return capsys.readouterr().out, json.loads(report.read_text())

    return run


def kinds(report):
    return {finding["kind"] for finding in report["problems"] + report["notes"]}


def test_a_check_counts_them_apart_from_the_published_ones(check, both):
    out, report = check(*both)
    assert (report["splits"]["train"]["label_maps"], report["splits"]["train"]["weak"]) == (7, 2)
    assert report["pixels"]["weak"] == 2
    assert [note["text"] for note in report["notes"] if note["kind"] == "weak"] == ["train: 2 of 7"]
    assert "label-map-count" not in kinds(report)
    assert "Signed:      2 label maps, by mlt-s weak" in out


def test_weak_label_maps_alone_are_not_compared_with_the_published_counts(check, weak):
    _, report = check(weak)
    assert "label-map-count" not in kinds(report) and "weak" in kinds(report)


def test_authors_label_maps_that_are_missing_are_missed_all_the_same(check, weak, tmp_path):
    few = write_zip(tmp_path / "few.zip", label_members({f"img_{n}": label_file(n) for n in (1, 2)}, {}))
    _, report = check(few, weak)
    counts = [problem["text"] for problem in report["problems"] if problem["kind"] == "label-map-count"]
    assert counts == ["train: 2; published are 5", "validation: 0; published are 3"]


def test_unpacked_they_are_known_too(check, both, tmp_path):
    with zipfile.ZipFile(both[1]) as archive:
        archive.extractall(tmp_path / "unpacked")
    _, report = check(both[0], tmp_path / "unpacked")
    assert report["splits"]["train"]["weak"] == 2 and "label-map-count" not in kinds(report)


def test_a_label_map_that_is_turned_back_keeps_its_signature(load_registered, tmp_path):
    turned = png_with(label_file(3, 16, 24), b"tEXt", SIGNATURE)
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image_file(1, orientation=6), turned)})
    example = load_registered(folder, split="train")[0]
    assert example["label"].size == (24, 16) and example["label"].info["Software"] == "mlt-s weak baseline"


# --- The signature -------------------------------------------------------------------------------------------------


def test_other_programs_are_no_signature():
    assert origin.is_signed(signed(1))
    assert not origin.is_signed(label_file(1))
    assert not origin.is_signed(png_with(label_file(1), b"tEXt", b"Software\0Adobe ImageReady"))
    assert not origin.is_signed(png_with(label_file(1), b"tEXt", b"Comment\0mlt-s weak"))


def test_a_palette_leaves_other_chunks_out_and_the_signature_in():
    from mlt_s_tools.hub.palette import with_palette

    label = with_palette(png_with(signed(3), b"tEXt", b"Comment\0by a friend"))
    assert PIL.Image.open(io.BytesIO(label)).info == {"Software": "mlt-s weak baseline"}
