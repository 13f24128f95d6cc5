"""Label maps from a built data set, images from the user: they join as the authors' archive does."""

import json
import shutil
import textwrap
from pathlib import Path

import datasets
import forks
import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archives import encoded, failure, label_file, label_values, mlt, write_zip
from conftest import ROOT
from hub import Hub
from test_cache import prepared
from test_loading import assert_is_pair, ids
from test_pixels import PUBLISHED

import mlt_s
from mlt_s_tools import cli

TRAIN, VALIDATION = "train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"


def write_labels(path, labels, group=2, **columns):
    """A Parquet file of label maps, given as PNG files by image_id, in row groups of two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [label and {"bytes": label, "path": None} for label in labels.values()]
    table = pa.table({"image_id": list(labels), "label": pa.array(pictures), **columns})
    pq.write_table(table, path, row_group_size=group)
    return path


def labels_set(folder, train=5, validation=3):
    """As a repository of the configuration "labels" lies in a folder, with a card's picture beside."""
    write_labels(folder / "labels" / TRAIN, {f"img_{n}": label_file(n) for n in range(1, train + 1)})
    write_labels(folder / "labels" / VALIDATION, {f"img_{n}": label_file(500 + n) for n in range(1, validation + 1)})
    (folder / "preview.png").write_bytes(encoded(PIL.Image.new("RGB", (4, 4)), "PNG"))
    return folder


@pytest.fixture
def images(tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / "MLT_S_labels.zip").unlink()
    return folder


def assert_all_pairs(dataset):
    for number, example in enumerate(dataset["train"], 1):
        assert example["image_id"] == f"img_{number}"
        assert_is_pair(example, number)
    assert number == 5
    for number, example in enumerate(dataset["validation"], 1):
        assert_is_pair(example, 500 + number)
    assert number == 3


@pytest.mark.parametrize("streaming", [False, True])
def test_images_of_ones_own_get_built_label_maps(load, images, tmp_path, streaming):
    labels = labels_set(tmp_path / "labels set")
    assert_all_pairs(load(images, label_maps=str(labels), streaming=streaming))


def test_label_maps_alone(load, tmp_path):
    dataset = load(None, "labels", label_maps=str(labels_set(tmp_path / "set")))
    assert np.array_equal(np.asarray(dataset["validation"][2]["label"]), label_values(seed=503))


def test_what_the_library_wrote_will_do(load_registered, images, tmp_path):
    for archive in (source := mlt(tmp_path / "source")).glob("ch8_*"):
        archive.unlink()
    loaded = load_registered(source, "labels")
    for split in loaded:
        (tmp_path / "set" / "data").mkdir(parents=True, exist_ok=True)
        loaded[split].to_parquet(str(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet"))
    assert_all_pairs(load_registered(images, label_maps=str(tmp_path / "set")))


def test_of_several_configurations_it_is_that_of_label_maps(load_registered, images, tmp_path):
    folder = labels_set(tmp_path / "set")
    write_labels(folder / "data" / TRAIN, {"img_1": b"never read"})
    assert_all_pairs(load_registered(images, label_maps=str(folder)))


def test_pairs_give_their_label_maps_where_there_is_nothing_else(load_registered, images, tmp_path):
    folder = tmp_path / "set"
    images_of = pa.array([{"bytes": b"x" * 99, "path": None}] * 5)
    write_labels(folder / "data" / TRAIN, {f"img_{n}": label_file(n) for n in range(1, 6)}, image=images_of)
    write_labels(folder / "data" / VALIDATION, {f"img_{n}": label_file(500 + n) for n in range(1, 4)})
    assert_all_pairs(load_registered(images, label_maps=str(folder)))


def test_several_files_of_a_split_and_a_folder_a_split(load_registered, images, tmp_path):
    folder = tmp_path / "set"
    write_labels(folder / "train" / "0.parquet", {f"img_{n}": label_file(n) for n in (1, 2, 3)})
    write_labels(folder / "train" / "1.parquet", {f"img_{n}": label_file(n) for n in (4, 5)})
    write_labels(folder / "validation" / "0.parquet", {f"img_{n}": label_file(500 + n) for n in (1, 2, 3)})
    assert_all_pairs(load_registered(images, label_maps=str(folder)))


def test_a_palette_of_colours_is_a_label_map_of_values(load_registered, images, tmp_path):
    def colored(seed):
        picture = PIL.Image.fromarray(label_values(seed=seed)).convert("P")
        picture.putpalette(PUBLISHED[:6] + [0] * 759 + PUBLISHED[6:])
        assert np.array_equal(np.asarray(picture), label_values(seed=seed))
        return encoded(picture, "PNG")

    folder = tmp_path / "set"
    write_labels(folder / TRAIN, {f"img_{n}": colored(n) for n in range(1, 6)})
    write_labels(folder / VALIDATION, {f"img_{n}": colored(500 + n) for n in range(1, 4)})
    dataset = load_registered(images, label_maps=str(folder))
    assert dataset["train"][0]["label"].mode == "L"
    assert_all_pairs(dataset)


def test_unlabelled_images_of_a_set_have_nothing_to_give(load_registered, images, tmp_path):
    folder = labels_set(tmp_path / "set")
    labels = {**{f"img_{n}": label_file(n) for n in (1, 2, 3)}, "img_4": None}
    write_labels(folder / "labels" / TRAIN, labels)
    dataset = load_registered(images, label_maps=str(folder), unlabelled=True)
    assert ids(dataset["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    assert [example["label"] is None for example in dataset["train"]] == [False] * 3 + [True] * 2


def test_it_is_gathered_once_and_known_by_its_content(load_registered, images, tmp_path):
    folder = labels_set(tmp_path / "set")
    load_registered(images, label_maps=str(folder))
    first, gathered = prepared(load_registered), downloads()
    moved = shutil.copytree(folder, tmp_path / "moved", copy_function=shutil.copyfile)
    load_registered(images, label_maps=str(folder))
    load_registered(images, label_maps=str(moved))  # is gathered again, and found to be the same
    assert prepared(load_registered) == first
    assert len(downloads() - gathered) == 1
    write_labels(folder / "labels" / VALIDATION, {f"img_{n}": label_file(600 + n) for n in range(1, 4)})
    dataset = load_registered(images, label_maps=str(folder))
    assert np.array_equal(np.asarray(dataset["validation"][0]["label"]), label_values(seed=601))


def downloads():
    return set(Path(datasets.config.DOWNLOADED_DATASETS_PATH).glob("*-MLT_S_labels.zip"))


def test_a_label_map_without_its_image_is_the_same_error(load_registered, images, tmp_path):
    folder = labels_set(tmp_path / "set", train=6)
    text = str(failure(lambda: load_registered(images, label_maps=str(folder))))
    assert text.startswith("1 label map of the train split without an image: img_6.\n")
    assert text.splitlines()[1] == f"Searched {images} and {folder}."


def test_a_parquet_file_of_something_else(load_registered, images, tmp_path):
    path = tmp_path / "set" / TRAIN
    path.parent.mkdir()
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), path)
    text = str(failure(lambda: load_registered(images, label_maps=str(path.parent))))
    assert text == f"{path} holds the columns text, label; label maps have image_id and label."
    pq.write_table(pa.table({"image_id": ["a"], "label": [1]}), path)
    text = str(failure(lambda: load_registered(images, label_maps=str(path.parent))))
    assert text.startswith(f"{path} cannot be read as label maps: ")


def test_a_parquet_file_cut_off(load_registered, images, tmp_path):
    path = labels_set(tmp_path / "set") / "labels" / TRAIN
    path.write_bytes(path.read_bytes()[:-20])
    before = downloads()
    text = str(failure(lambda: load_registered(images, label_maps=str(tmp_path / "set"))))
    assert text.startswith(f"{path} cannot be read as label maps: ")
    assert downloads() == before


@pytest.mark.parametrize("image_id", ["../img_1", "a/b", "a\\b", "", None])
def test_an_id_that_is_no_name(load_registered, images, tmp_path, image_id):
    path = write_labels(tmp_path / "set" / TRAIN, {image_id: label_file(1), "img_1": label_file(1)})
    text = str(failure(lambda: load_registered(images, label_maps=str(tmp_path / "set"))))
    assert text == f"{path} holds a label map of the image_id {image_id!r}, which cannot be the name of an image."


def test_a_row_group_that_no_label_maps_fill(load_registered, images, tmp_path, monkeypatch):
    monkeypatch.setattr(mlt_s, "LARGEST_GROUP", 99)
    path = labels_set(tmp_path / "set") / "labels" / TRAIN
    text = str(failure(lambda: load_registered(images, label_maps=str(tmp_path / "set"))))
    assert text == f"{path} has a row group larger than all label maps of MLT_S: it holds others."


def test_a_folder_without_label_maps(load_registered, images, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none yet")
    text = str(failure(lambda: load_registered(images, label_maps=str(tmp_path / "empty"))))
    assert text.startswith(f"There are no label maps in {tmp_path / 'empty'}. ")


def test_a_repository_of_the_hub_without_its_scheme(load_registered, images, tmp_path):
    text = str(failure(lambda: load_registered(images, label_maps="lab/mlt-s-labels")))
    assert text == (
        f"There is nothing at {Path('lab/mlt-s-labels').absolute()}. A repository of the Hub is given as "
        'label_maps="hf://datasets/lab/mlt-s-labels".'
    )


@pytest.mark.parametrize("config", ["segmentation", "labels"])
def test_a_built_set_is_no_folder_of_archives(load_registered, tmp_path, config):
    folder = labels_set(tmp_path / "built")
    text = str(failure(lambda: load_registered(folder, config)))
    assert text.startswith(f"{folder} holds Parquet files and no archives of MLT.")
    assert f'load_dataset("{folder}")' in text and f'label_maps="{folder}"' in text


@pytest.mark.once
def test_a_repository_is_opened_by_its_name(tmp_path):
    with pytest.raises(mlt_s.MltSError) as raised:
        mlt_s.refuse_built(
            mlt_s.list_source(str(labels_set(tmp_path)), ("image",), {}), ["image"], "hf://datasets/me/it"
        )
    assert 'load_dataset("me/it")' in str(raised.value)
    assert 'label_maps="hf://datasets/me/it"' in str(raised.value)


COMMANDS = [
    "preview BUILT",
    "check BUILT",
    "check BUILT --label-maps BUILT",
    "build BUILT OUT",
    "evaluate MASKS BUILT",
    "compare BUILT BUILT BUILT",
    "weak label BUILT OUT.zip",
    "weak label BUILT OUT.zip --unlabelled-only",
    "weak repair BUILT OUT.zip",
    "weak evaluate BUILT",
    "weak train BUILT OUT",
]


@pytest.mark.once
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_that_a_built_set_is_no_folder_of_archives(tmp_path, capsys, monkeypatch, command):
    labels_set(tmp_path / "BUILT")
    write_zip(tmp_path / "MASKS" / "validation.zip", {"img_1.png": label_file(501)})
    monkeypatch.chdir(tmp_path)
    assert cli.main(command.split()) == 2
    said = capsys.readouterr().err
    assert "BUILT holds Parquet files and no archives of MLT." in said
    assert "DATA_DIR, and this one by --label-maps" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["BUILT", "MASKS"]


@pytest.mark.once
def test_commands_take_it_beside_the_images(images, tmp_path, capsys):
    built = str(labels_set(tmp_path / "built"))
    assert cli.main(["preview", str(images), "--label-maps", built, "--out", str(tmp_path / "sheet.png")]) == 0
    assert "8 of 8 pairs" in capsys.readouterr().out
    shutil.copytree(built, images / "built")  # Parquet files beside archives are no harm
    cli.main(["check", str(images), "--label-maps", built, "--json", str(tmp_path / "check.json")])
    assert json.loads((tmp_path / "check.json").read_text())["splits"]["train"]["pairs"] == 5


def test_parquet_files_of_no_known_split_are_no_label_maps(load_registered, tmp_path):
    folder = write_labels(tmp_path / "other" / "rows.parquet", {"img_1": label_file(1)}).parent
    text = str(failure(lambda: load_registered(None, "labels", label_maps=str(folder))))
    assert text.startswith(f"There are no label maps in {folder}. ")


def test_a_hub_that_cannot_be_reached_is_our_error(images, tmp_path):
    code = textwrap.dedent(
        """
        import sys, mlt_s
        mlt_s.PAUSES = (0, 0, 0)
        try:
            mlt_s.MltS(data_dir=sys.argv[1], label_maps="hf://datasets/lab/mlt-s-labels")
        except mlt_s.MltSError as error:
            print(error)
        """
    )
    with Hub() as hub:
        environment = {**hub.environment(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = forks.python(code, images, env=environment)  # the server has gone
    assert done.stdout.startswith("Cannot read hf://datasets/lab/mlt-s-labels: "), done.stderr


FROM_THE_HUB = """
    import sys
    import datasets, mlt_s, numpy as np
    datasets.config.USE_PARQUET_EXPORT = False
    options = dict(data_dir=sys.argv[1], label_maps="hf://datasets/lab/mlt-s-labels")
    for streaming in (True, False):
        ds = datasets.load_dataset("mlt_s", streaming=streaming, **options)
        for split in ("train", "validation"):
            for example in ds[split]:
                print(streaming, split, example["image_id"], int(np.asarray(example["label"], int).sum()))
"""


def test_a_repository_of_the_hub(images, tmp_path):
    folder = labels_set(tmp_path / "set")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with Hub({"hf_ann": ("ann", "read", ["lab"])}) as hub:
        hub.put("lab/mlt-s-labels", files, private=True)
        environment = {**hub.environment(tmp_path / "home", "hf_ann"), "PYTHONPATH": str(ROOT)}
        done = forks.python(FROM_THE_HUB, images, env=environment)
        assert done.returncode == 0, done.stderr
        fetched = [request for request in hub.requests if "/resolve/" in request.path and request.method == "GET"]
    expected = [("train", n, n) for n in range(1, 6)] + [("validation", n, 500 + n) for n in range(1, 4)]
    assert done.stdout.splitlines() == [
        f"{streaming} {split} img_{n} {label_values(seed=seed).astype(int).sum()}"
        for streaming in (True, False)
        for split, n, seed in expected
    ]
    assert fetched and all("/labels/" in request.path for request in fetched)  # once, and nothing else
