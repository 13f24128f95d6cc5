"""The corrected label maps of MLT_S, by the authors of EAFormer, in the layout of their repository on the Hub."""

import json
import logging
import re
import shutil

import forks
import numpy as np
import PIL.Image
import pytest
from archives import encoded, failure, image_file, label_values, mlt, write_zip
from conftest import ROOT
from hub import Hub
from test_loading import assert_is_pair, ids

import mlt_s
from mlt_s_tools.cli import main

once = pytest.mark.once
REPOSITORY = "hf://datasets/HaiyangYu/TextSegmentation"
LEFT_ALONE = ("edge_{}", "edge_{}_labels", "det_mask_{}", "det_mask_{}_labels_reann")  # beside the corrected ones


def corrected(number):
    """The text of a corrected label map: not where it is in the authors', and nothing is uncertain."""
    return label_values(seed=number + 1000) == 1


def png(values):
    return encoded(PIL.Image.fromarray(np.uint8(values)), "PNG")


def repository(text):
    """The files of the repository, with a text of 1 or 255 in the label maps."""
    files = {"README.md": b"Corrected by hand."}
    for part, numbers, offset in (("training", range(1, 6), 0), ("validation", range(1, 4), 500)):
        for n in numbers:
            mask = corrected(offset + n)
            files[f"MLT_S/{part}_labels_reann/img_{n}.png"] = png(mask * text)
            files[f"MLT_S/{part}_images_new/img_{n}.jpg"] = image_file(offset + n + 77)
            files |= {f"MLT_S/{folder.format(part)}/img_{n}.png": png(~mask * 255) for folder in LEFT_ALONE}
        for other in ("COCO_TS", "TextSeg", "Total-Text", "ICDAR13"):
            files[f"{other}/{part}_labels_reann/img_1.png"] = png(np.full((16, 24), text))
            files[f"{other}/{part}_images_new/img_1.jpg"] = image_file(9)
    return files


def in_a_folder(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def of_mlt_s(files):
    return {name: content for name, content in files.items() if name.startswith("MLT_S/")}


PLACES = {
    "its folder of MLT_S": lambda at, files: in_a_folder(at / "TextSegmentation", files) / "MLT_S",
    "the whole repository": lambda at, files: in_a_folder(at / "TextSegmentation", files),
    "a zip of MLT_S": lambda at, files: write_zip(at / "MLT_S.zip", of_mlt_s(files)),
    "a folder of zips": lambda at, files: write_zip(at / "zips" / "MLT_S.zip", of_mlt_s(files)).parent,
    "a zip of it all": lambda at, files: write_zip(
        at / "t.zip", {f"TextSegmentation/{n}": c for n, c in files.items()}
    ),
}


@pytest.fixture
def images(tmp_path):
    """MLT's images, and the authors' label maps beside them."""
    return mlt(tmp_path / "mlt")


@pytest.fixture
def elsewhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


def assert_corrected(dataset):
    for split, count, offset in (("train", 5, 0), ("validation", 3, 500)):
        examples = list(dataset[split])
        assert ids(examples) == [f"img_{n}" for n in range(1, count + 1)]
        for n, example in enumerate(examples, offset + 1):
            assert np.array_equal(np.asarray(example["label"]), corrected(n))


@pytest.mark.parametrize("streaming", [False, True])
def test_its_folder_of_mlt_s_is_read(load, images, tmp_path, streaming):
    folder = PLACES["its folder of MLT_S"](tmp_path, repository(1))
    assert_corrected(load(images, label_maps=str(folder), streaming=streaming))


@once
@pytest.mark.parametrize("text", [1, 255])
@pytest.mark.parametrize("place", PLACES)
def test_wherever_it_lies_and_whatever_text_is(load_registered, images, tmp_path, place, text):
    given = str(PLACES[place](tmp_path, repository(text)))
    if text == 255:
        refusal = str(failure(lambda: load_registered(images, label_maps=given)))
        assert "it holds the values 0 and 255" in refusal and "text_value=255" in refusal
        assert "labels_reann" in refusal
    assert_corrected(load_registered(images, label_maps=given, text_value=text, streaming=True))


@once
def test_what_lies_beside_is_left_alone_and_said(load_registered, images, tmp_path, caplog):
    folder = PLACES["the whole repository"](tmp_path, repository(1))
    with caplog.at_level(logging.WARNING, "mlt_s"):
        load_registered(images, label_maps=str(folder), streaming=True)
    (derived,) = (line for line in caplog.messages if line.startswith("Edges and detections by name, left out: "))
    left = {f"{folder}/MLT_S/{name.format(part)}" for name in LEFT_ALONE for part in ("training", "validation")}
    assert set(derived.partition(": ")[2].rstrip(".").split(", ")) == left
    (others,) = (line for line in caplog.messages if line.startswith("Other data sets by name, left out: "))
    assert f"{folder}/COCO_TS/training_labels_reann" in others and others.endswith(" and 8 more.")
    assert "train: 5 examples; MLT_S has 5,540." in "\n".join(caplog.messages)


def with_the_authors(files, numbers):
    """The repository without the corrected label maps of these numbers, and with the authors' label maps beside it."""
    lacking = {f"MLT_S/training_labels_reann/img_{n}.png" for n in numbers}
    others = {f"MLT_S/training_labels/img_{n}.png": png(label_values(seed=n)) for n in numbers}
    return {name: content for name, content in files.items() if name not in lacking} | others


def assert_both_are_named(error, *places):
    first, advice = str(error).split("which are not mixed: ")
    assert "of the train split" in first and all(str(place) in advice for place in places)
    return advice


@once
@pytest.mark.parametrize("streaming", [False, True])
def test_label_maps_of_the_authors_beside_them_are_never_taken_for_those_that_are_missing(
    load_registered, images, tmp_path, streaming
):
    """Their names are the same, so nothing else would show that two of five are not corrected."""
    folder = in_a_folder(tmp_path / "TextSegmentation", with_the_authors(repository(1), (4, 5))) / "MLT_S"
    error = failure(lambda: load_registered(images, label_maps=str(folder), streaming=streaming))
    places = folder / "training_labels_reann", folder / "training_labels"
    assert 'label_maps="~/corrected"' in assert_both_are_named(error, *places)
    for place in folder.glob("*_labels_reann"):  # as the message says
        shutil.copytree(place, tmp_path / "corrected" / place.name)
    some = load_registered(images, label_maps=str(tmp_path / "corrected"), missing_images="skip", streaming=streaming)
    assert ids(some["train"]) == ["img_1", "img_2", "img_3"]


@once
def test_so_are_they_in_an_archive_and_in_the_folder_of_images(load_registered, images, tmp_path):
    archive = write_zip(tmp_path / "MLT_S.zip", of_mlt_s(with_the_authors(repository(1), (4, 5))))
    error = failure(lambda: load_registered(images, label_maps=str(archive)))
    assert_both_are_named(error, archive / "MLT_S/training_labels_reann", archive / "MLT_S/training_labels")
    corrected_ones = in_a_folder(images / "TextSegmentation", repository(1)) / "MLT_S"
    advice = assert_both_are_named(
        failure(lambda: load_registered(images)), corrected_ones, images / "MLT_S_labels.zip"
    )
    assert f'label_maps="{corrected_ones}" for the corrected ones' in advice
    assert_corrected(load_registered(images, label_maps=str(corrected_ones)))
    assert f'label_maps="{images / "MLT_S_labels.zip"}" for the others' in advice


@once
def test_check_says_so_too(images, tmp_path):
    folder = in_a_folder(tmp_path / "TextSegmentation", with_the_authors(repository(1), (4, 5))) / "MLT_S"
    report = tmp_path / "check.json"
    assert main(["check", str(images), "--label-maps", str(folder), "--json", str(report)]) == 1
    (text,) = (of["text"] for of in json.loads(report.read_text())["problems"] if of["kind"] == "two-sets")
    assert_both_are_named(text, folder / "training_labels_reann", folder / "training_labels")


@once
def test_check_says_once_what_to_choose_and_the_line_works_anywhere(
    load_registered, tmp_path, monkeypatch, capsys, elsewhere
):
    """Each of the five names also has two contents, which is not reported again."""
    folder = mlt(tmp_path / "my mlt")
    in_a_folder(folder / "TextSegmentation", {n: c for n, c in repository(1).items() if "images_new" not in n})
    monkeypatch.chdir(folder)
    assert main(["check", ".", "--json", str(tmp_path / "check.json")]) == 1
    problems = json.loads((tmp_path / "check.json").read_text())["problems"]
    assert [of["kind"] for of in problems if "two" in of["kind"]] == ["two-sets"]
    pasted = re.findall(r'label_maps="[^"]+"', capsys.readouterr().out)
    monkeypatch.chdir(elsewhere)
    assert_corrected(eval(f"load_registered(folder, {pasted[0]})"))
    assert_is_pair(eval(f"load_registered(folder, {pasted[1]})")["train"][4], 5)
    for line in pasted:
        main(["check", str(folder), "--label-maps", line.split('"')[1], "--json", str(tmp_path / "again.json")])
        assert not [of for of in json.loads((tmp_path / "again.json").read_text())["problems"] if "two" in of["kind"]]


@once
def test_check_names_two_contents_that_no_choice_of_a_set_removes(tmp_path):
    folder = mlt(tmp_path / "mlt")
    in_a_folder(folder / "TextSegmentation", {n: c for n, c in repository(1).items() if "images_new" not in n})
    write_zip(folder / "more_training_labels.zip", {"img_2.png": png(label_values(seed=99))})
    main(["check", str(folder), "--json", str(tmp_path / "check.json")])
    problems = json.loads((tmp_path / "check.json").read_text())["problems"]
    assert [(of["kind"], of["image_id"]) for of in problems if "two" in of["kind"]] == [
        ("two-contents", "img_2"),
        ("two-sets", None),
    ]


@once
def test_a_folder_that_is_called_after_edges_may_hold_the_images(load_registered, images, tmp_path):
    """The innermost name says what a file is."""
    (tmp_path / "all").mkdir()
    images.rename(tmp_path / "all" / "edge-experiments")
    assert len(load_registered(tmp_path / "all", split="train", streaming=False)) == 5


@once
@pytest.mark.parametrize("text", [1, 255])
def test_the_repository_on_the_hub(images, tmp_path, text):
    code = """
        import sys, mlt_s, numpy as np
        from mlt_s_tools.training import ArchiveDataset
        given, text = sys.argv[2], int(sys.argv[3])
        for split in ("train", "validation"):
            for example in ArchiveDataset(sys.argv[1], split, label_maps=given, text_value=text):
                label = np.asarray(example["label"])
                print(split, example["image_id"], sorted(set(label.ravel().tolist())), int(label.sum()))
    """
    expected = [
        f"{split} img_{n} [0, 1] {corrected(offset + n).sum()}"
        for split, count, offset in (("train", 5, 0), ("validation", 3, 500))
        for n in range(1, count + 1)
    ]
    with Hub() as hub:
        hub.put("HaiyangYu/TextSegmentation", repository(text))
        environment = {**hub.environment(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
        for address in (REPOSITORY, f"{REPOSITORY}/MLT_S"):
            done = forks.python(code, images, address, text, env=environment)
            assert done.stdout.splitlines() == expected, done.stderr


def test_edges_and_detections_say_so_by_their_names():
    for name in ("edge_training", "edges_validation", "edge_training_labels", "det_mask_training"):
        assert mlt_s.role_and_split(("MLT_S", name))[0] == "derived"
    for name in ("training_labels_reann", "detroit_training_labels", "knowledge_labels"):
        assert mlt_s.role_and_split(("MLT_S", name))[0] == "label"
