"""The tests' own way to find files by patterns finds what the library's does."""

from __future__ import annotations

import datasets
import patterns
import pytest
from archives import mlt, unpacked

FILES = {
    "nothing": [],
    "loose": ["a.txt", "b.txt"],
    "names": ["train_1.csv", "my-val.csv", "test.csv", "testing/deep/a.csv", "training.json", "TRAIN.csv"],
    "folders": ["train/a.csv", "my train/b.csv", "x/validation-2/a/b.csv", "dev/c.csv", "trainer/d.csv", "e.csv"],
    "shards": ["data/train-00000-of-00001.parquet", "data/odd-00000-of-00001.parquet", "data/train.csv"],
    "logs": ["logs/a.eval", "logs/b.csv", "train.csv"],
    "hidden": [".cache/train.csv", "train/.hidden", "__pycache__/train.csv", "README.md", "b.csv"],
    "hidden alone": [".train.csv", ".train/a.csv"],
    "[train]": ["train.csv", "test/b.csv"],
    "train": ["a.csv", "b/c.csv"],
}


def find(folder):
    """What `load_dataset` takes for the files in a folder, by split, and how it knows them again; or its error."""
    try:
        files = datasets.load.dataset_module_factory("mlt_s", data_dir=str(folder)).builder_kwargs["data_files"]
    except FileNotFoundError as error:
        return str(error)
    return {split: (list(of_split), of_split.origin_metadata) for split, of_split in files.items()}


def find_with_the_library(folder, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(datasets.load, "dataset_module_factory", datasets.load.dataset_module_factory.__wrapped__)
        patched.setattr(datasets.data_files, "resolve_pattern", datasets.data_files.resolve_pattern.__wrapped__)
        return find(folder)


@pytest.mark.parametrize("name", FILES)
def test_the_same_files_are_found(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    for file in FILES[name]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    expected = find_with_the_library(folder, monkeypatch)
    assert find(folder) == expected
    assert isinstance(expected, str) == (name in ("nothing", "hidden alone", "[train]"))


def test_the_same_archives_and_links_are_found(tmp_path, monkeypatch):
    folder = mlt(tmp_path / "mlt")
    kept = unpacked(folder / "ch8_validation_images.zip", tmp_path / "elsewhere")
    (folder / "validation").symlink_to(kept)
    (folder / "train.zip").symlink_to(folder / "MLT_S_labels.zip")
    (folder / "test").symlink_to(tmp_path / "missing")
    (tmp_path / "link").symlink_to(folder)
    for place in (folder, tmp_path / "link", tmp_path):
        expected = find_with_the_library(place, monkeypatch)
        assert find(place) == expected and expected


def test_the_same_is_found_where_the_folder_is_given_by_the_working_directory(tmp_path, monkeypatch):
    mlt(tmp_path / "mlt")
    monkeypatch.chdir(tmp_path)
    for place in ("mlt", ".", "mlt/../mlt/", "mlt/MLT_S_labels.zip", "missing"):
        assert find(place) == find_with_the_library(place, monkeypatch)


def test_what_is_new_in_a_folder_is_found_in_the_next_call(tmp_path):
    (tmp_path / "a.csv").touch()
    assert list(find(tmp_path)) == ["train"]
    (tmp_path / "test.csv").touch()
    assert list(find(tmp_path)) == ["test"]


def test_patterns_that_match_nothing_are_not_tried(tmp_path, monkeypatch):
    tried = []
    resolve = datasets.data_files.resolve_pattern.__wrapped__

    def noted(pattern, *args, **options):
        tried.append(pattern)
        return resolve(pattern, *args, **options)

    monkeypatch.setattr(datasets.data_files, "resolve_pattern", patterns.trying_what_matches(noted))
    assert find(mlt(tmp_path / "mlt"))
    assert len(tried) < 10
