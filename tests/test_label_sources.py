"""Label maps from several archives at once: the authors', and more for images that they left out."""

import json
import shutil

import numpy as np
import PIL.Image
import pytest
from archives import (
    assert_two_contents,
    encoded,
    failure,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    write_zip,
)
from test_cache import prepared
from test_download import answer_with, serve  # noqa: F401
from test_loading import assert_is_pair, ids

import mlt_s
import mlt_s_tools
from mlt_s_tools import cli

MORE = (0, 7, 10)  # images of training that the authors' archive has no label map for
ALL = [0, 1, 2, 3, 4, 5, 7, 10]


@pytest.fixture
def folder(tmp_path):
    folder = mlt(tmp_path / "mlt")
    write_zip(folder / "ch8_training_images_3.zip", {f"img_{n}.jpg": image_file(n) for n in MORE})
    return folder


@pytest.fixture
def authors(folder, tmp_path):
    return str(shutil.move(folder / "MLT_S_labels.zip", tmp_path / "authors.zip"))


@pytest.fixture
def more(tmp_path):
    return str(write_zip(tmp_path / "more.zip", label_members({f"img_{n}": label_file(n) for n in MORE}, {})))


def assert_all_are_paired(train):
    examples = list(train)
    assert ids(examples) == [f"img_{n}" for n in ALL]
    for number, example in zip(ALL, examples):
        assert_is_pair(example, number)


@pytest.mark.parametrize("streaming", [False, True])
def test_they_are_taken_together(load, folder, authors, more, streaming):
    dataset = load(folder, label_maps=[authors, more], streaming=streaming)
    assert_all_are_paired(dataset["train"])
    assert len(list(dataset["validation"])) == 3


def test_they_may_lie_beside_the_images(load_registered, folder, more):
    more = str(shutil.move(more, folder / "more.zip"))
    assert_all_are_paired(load_registered(folder, label_maps=[str(folder / "MLT_S_labels.zip"), more])["train"])


def test_label_maps_alone(load_registered, authors, more):
    train = load_registered(None, "labels", "train", label_maps=[authors, more])
    assert ids(train) == [f"img_{n}" for n in ALL]
    assert np.array_equal(train[7]["label"], label_values(seed=10))


def test_one_of_them_is_downloaded_and_one_a_built_set(load_registered, serve, folder, authors, more, tmp_path):  # noqa: F811
    with open(authors, "rb") as file:
        server = serve(answer_with(file.read()))
    mlt_s_tools.build(folder, tmp_path / "built", configs="labels", label_maps=more, jobs=1)
    train = load_registered(folder, label_maps=[server.url, str(tmp_path / "built")])["train"]
    assert_all_are_paired(train)
    assert server.requests == 1


def test_which_ones_tells_prepared_sets_apart(load_registered, folder, authors, more):
    load_registered(folder, label_maps=authors)
    once = prepared(load_registered)
    load_registered(folder, label_maps=[authors])  # one is the same as a list of one
    assert prepared(load_registered) == once
    load_registered(folder, label_maps=[authors, more])
    assert len(prepared(load_registered)) == 2 * len(once)


def test_one_image_with_two_label_maps_is_refused(load_registered, folder, authors, tmp_path):
    other = write_zip(tmp_path / "other.zip", label_members({"img_4": label_file(44)}, {}))
    text = str(failure(lambda: load_registered(folder, label_maps=[authors, str(other)])))
    member = "member MLT_S_labels/training_labels/img_4.png"
    assert_two_contents(text, f"{authors}, {member}", f"{other}, {member}")
    assert "label_maps=" in text


def test_the_same_label_map_twice_is_one(load_registered, folder, authors, tmp_path):
    copy = write_zip(tmp_path / "copy.zip", label_members({"img_4": label_file(4)}, {}))
    assert ids(load_registered(folder, label_maps=[authors, str(copy)])["train"]) == [f"img_{n}" for n in range(1, 6)]


def test_one_that_is_not_there_is_named(load_registered, folder, authors):
    text = str(failure(lambda: load_registered(folder, label_maps=[authors, "/no/such.zip"])))
    assert text == "There is nothing at /no/such.zip: check data_dir and label_maps."


@pytest.fixture
def folders(folder, authors, tmp_path):
    """The label maps in folders of their own, one for each split."""
    shutil.unpack_archive(authors, tmp_path / "unpacked")
    return tmp_path / "unpacked" / "MLT_S_labels"


def advised(text):
    """What the last line of an error loads."""
    return eval(text.splitlines()[-1].strip().replace("load_dataset(", "dict(name=", 1))


@pytest.mark.parametrize("below", ["", "maps"])
@pytest.mark.parametrize("splits", [("training", "validation"), ("training",)])
def test_a_folder_named_for_its_split_is_given_by_the_one_above(load_registered, folder, folders, splits, below):
    given = [str(folders / f"{split}_labels" / below).rstrip("/") for split in splits]
    for place in given if below else []:
        files = [*folders.glob(f"{place.split('/')[-2]}/*.png")]
        (folders / place).mkdir()
        for file in files:
            file.rename(f"{place}/{file.name}")
    text = str(failure(lambda: load_registered(folder, label_maps=given)))
    call = advised(text)
    assert text.startswith("Cannot tell the split of ") and call == {**call, "label_maps": str(folders)}
    assert_is_pair(load_registered(call["data_dir"], label_maps=call["label_maps"])["validation"][0], 501)


def test_the_advice_keeps_a_source_that_is_right(load_registered, folder, folders, more):
    text = str(failure(lambda: load_registered(folder, label_maps=[more, str(folders / "training_labels")])))
    assert advised(text)["label_maps"] == [more, str(folders)]
    assert_all_are_paired(load_registered(folder, label_maps=advised(text)["label_maps"])["train"])


def test_where_the_one_above_is_that_of_the_images_label_maps_are_found_there(load_registered, folder, folders):
    inside = [str(shutil.move(folders / f"{part}_labels", folder)) for part in ("training", "validation")]
    call = advised(str(failure(lambda: load_registered(folder, label_maps=inside))))
    assert "label_maps" not in call
    assert_is_pair(load_registered(call["data_dir"])["train"][0], 1)


def test_so_is_a_folder_of_images_that_is_named_for_its_split(load_registered, folder, authors, tmp_path):
    (tmp_path / "own" / "train").mkdir(parents=True)
    shutil.unpack_archive(folder / "ch8_training_images_1.zip", tmp_path / "own" / "train")
    call = advised(
        str(failure(lambda: load_registered(tmp_path / "own" / "train", label_maps=authors, missing_images="skip")))
    )
    assert (call["data_dir"], call["label_maps"]) == (str(tmp_path / "own"), authors)
    assert ids(load_registered(call["data_dir"], label_maps=authors, missing_images="skip")["train"]) == [
        "img_1", "img_2", "img_3",
    ]  # fmt: skip


def test_a_folder_of_label_maps_that_no_name_tells_is_renamed(load_registered, folder, folders, authors):
    (folders / "training_labels").rename(folder / "training")
    text = str(failure(lambda: load_registered(folder, label_maps=authors)))
    assert f"{folder}/training may hold label maps" in text and "as in training_labels" in text
    (folder / "training").rename(folder / "training_labels")
    assert_is_pair(load_registered(folder, label_maps=authors)["train"][0], 1)


def test_none_of_them_holds_label_maps(load_registered, folder, tmp_path):
    empty = [str(write_zip(tmp_path / name, {"notes.txt": b"none"})) for name in ("a.zip", "b.zip")]
    text = str(failure(lambda: load_registered(folder, label_maps=empty)))
    assert text.startswith(f"There are no label maps in {empty[0]} and {empty[1]}. ")


def test_what_lacks_says_all_of_them_again(load_registered, folder, authors, tmp_path):
    strange = write_zip(tmp_path / "strange.zip", label_members({"img_99": label_file(99)}, {}))
    text = str(failure(lambda: load_registered(folder, label_maps=[authors, str(strange)])))
    assert f'label_maps=["{authors}", "{strange}"], missing_images="skip")' in text


@pytest.mark.parametrize("given", [7, [7], {"train": "a.zip"}])
def test_what_is_no_address_is_refused(folder, given):
    with pytest.raises(mlt_s.MltSError, match=r"^data_dir takes a path or an address, label_maps one or a list of "):
        mlt_s.MltS(data_dir=str(folder), label_maps=given)


# --- The commands --------------------------------------------------------------------------------------------------


@pytest.fixture
def twice(authors, more):
    return ["--label-maps", authors, "--label-maps", more]


def test_check_counts_the_label_maps_of_all(folder, authors, more, twice, tmp_path):
    cli.main(["check", str(folder), "--jobs", "1", "--json", str(tmp_path / "report.json"), *twice])
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["label_maps"] == [authors, more]
    assert (report["splits"]["train"]["label_maps"], report["splits"]["train"]["pairs"]) == (8, 8)


def test_build_takes_all(load_registered, folder, twice, tmp_path):
    assert cli.main(["build", str(folder), str(tmp_path / "built"), "--jobs", "1", *twice]) == 0
    built = mlt_s.datasets.load_dataset(str(tmp_path / "built"), cache_dir=str(tmp_path / "cache"))
    assert_all_are_paired(built["train"])


def test_evaluate_takes_all(folder, twice, tmp_path, capsys):
    (tmp_path / "predictions").mkdir()
    for number in ALL:
        prediction = PIL.Image.fromarray((label_values(seed=number) == 1).astype(np.uint8))
        (tmp_path / "predictions" / f"img_{number}.png").write_bytes(encoded(prediction, "PNG"))
    cli.main(["evaluate", str(tmp_path / "predictions"), str(folder), "--split", "train", *twice])
    out = capsys.readouterr().out
    assert out.startswith("train: 8 of the 5,540 images") and "fgIoU      100.00 %" in out


def test_preview_takes_all(folder, twice, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert cli.main(["preview", str(folder), "--ids", "img_10", "img_4", "--out", str(sheet), *twice]) == 0
    assert PIL.Image.open(sheet).size[0] > 100
    assert "2 of 11 pairs" in capsys.readouterr().out
