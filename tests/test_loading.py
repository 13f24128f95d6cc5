"""A user's day: given these files in a folder, load, and get these pairs."""

import shutil
import zipfile

import numpy as np
import pytest
from archives import encoded, image_file, label_file, label_members, label_values, mlt, picture, unpacked, write_zip
from conftest import Loader

import mlt_s


def ids(dataset):
    return [example["image_id"] for example in dataset]


def assert_is_pair(example, seed, width=24, height=16):
    """The image and the label map of that seed, to the pixel for the label map and to JPEG's loss for the image."""
    assert np.array_equal(np.asarray(example["label"]), label_values(width, height, seed))
    difference = np.asarray(example["image"], int) - np.asarray(picture(width, height, seed), int)
    assert example["image"].mode == "RGB" and np.abs(difference).mean() < 12


def test_archives_as_downloaded_give_both_splits(load, tmp_path):
    dataset = load(mlt(tmp_path / "mlt"))
    assert list(dataset) == ["train", "validation"]
    assert ids(dataset["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    assert ids(dataset["validation"]) == ["img_1", "img_2", "img_3"]
    for number, example in enumerate(dataset["train"], 1):
        assert_is_pair(example, number)
    for number, example in enumerate(dataset["validation"], 1):
        assert_is_pair(example, 500 + number)


def test_streaming_gives_the_same_and_writes_nothing(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    before = sorted(tmp_path.rglob("*"))
    stream = load(folder, streaming=True)
    assert ids(stream["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    for number, example in enumerate(stream["validation"], 1):
        assert_is_pair(example, 500 + number)
    written = [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.name != "cache"]
    assert [path for path in written if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.parametrize("streaming", [False, True])
def test_a_folder_whose_name_looks_like_two_addresses_is_a_folder(tmp_path, streaming):
    folder = mlt(tmp_path / "mlt::2017")  # which load_dataset refuses
    for archive in list(folder.iterdir()):
        unpacked(archive)
    pairs = Loader("class", tmp_path / "cache")(folder, streaming=streaming)
    assert ids(pairs["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]


def test_labels_need_no_images(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    for archive in folder.glob("ch8_*.zip"):
        archive.unlink()
    dataset = load(folder, "labels")
    assert dataset["train"].column_names == ["image_id", "label"]
    assert np.array_equal(np.asarray(dataset["validation"][2]["label"]), label_values(seed=503))


def test_labels_do_not_look_into_image_archives(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / "ch8_training_images_1.zip").write_bytes(b"half a download")
    assert len(load(folder, "labels")["train"]) == 5


def test_order_is_by_number(load, tmp_path):
    numbers = [100, 2, 10, 1, 1000, 20]
    folder = tmp_path / "mlt"
    write_zip(folder / "ch8_training_images_1.zip", {f"img_{n}.jpg": image_file(n) for n in numbers})
    write_zip(folder / "MLT_S_labels.zip", label_members({f"img_{n}": label_file(n) for n in numbers}, {}))
    dataset = load(folder)
    assert list(dataset) == ["train"]  # a split of none cannot be read back
    assert ids(dataset["train"]) == ["img_1", "img_2", "img_10", "img_20", "img_100", "img_1000"]
    for example, number in zip(dataset["train"], sorted(numbers)):
        assert_is_pair(example, number)


def _a_folder_per_zip(folder):
    for archive in folder.glob("ch8_*.zip"):
        unpacked(archive)


def _one_folder_a_split(folder):
    for archive in sorted(folder.glob("ch8_training*.zip")):
        unpacked(archive, folder / "train")
    unpacked(folder / "ch8_validation_images.zip", folder / "val")
    unpacked(folder / "MLT_S_labels.zip", folder)


def _deeper(folder):
    deep = folder / "icdar 2017" / "MLT's"
    deep.mkdir(parents=True)
    for archive in folder.glob("*.zip"):
        shutil.move(archive, deep)
    unpacked(deep / "ch8_training_images_2.zip")


def _a_mixture(folder):
    unpacked(folder / "ch8_training_images_2.zip")
    unpacked(folder / "MLT_S_labels.zip", folder)


def _everything_in_one_archive(folder):
    members = {}
    for archive in folder.glob("*.zip"):
        with zipfile.ZipFile(archive) as opened:
            inner = "" if archive.name == "MLT_S_labels.zip" else archive.stem + "/"
            members.update({inner + name: opened.read(name) for name in opened.namelist()})
        archive.unlink()
    write_zip(folder / "all.zip", members)


@pytest.mark.parametrize(
    "lay_out", [_a_folder_per_zip, _one_folder_a_split, _deeper, _a_mixture, _everything_in_one_archive]
)
def test_any_layout_gives_the_same_pairs(load_registered, tmp_path, lay_out):
    folder = mlt(tmp_path / "training_data" / "val")  # the user's own path says nothing
    lay_out(folder)
    dataset = load_registered(folder)
    assert ids(dataset["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    assert ids(dataset["validation"]) == ["img_1", "img_2", "img_3"]
    for number, example in enumerate(dataset["train"], 1):
        assert_is_pair(example, number)
    for number, example in enumerate(dataset["validation"], 1):
        assert_is_pair(example, 500 + number)


def test_what_else_mlt_offers_does_not_disturb(load_registered, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    write_zip(folder / "ch8_training_word_images_gt.zip", {"img_1.png": image_file(77, "PNG"), "gt.txt": b"x"})
    write_zip(folder / "ch8_test_images.zip", {"img_1.jpg": image_file(78)})
    write_zip(
        folder / "ch8_training_localization_transcription_gt_v2.zip", {"gt_img_1.txt": b"1,2,3,4,5,6,7,8,Latin,x"}
    )
    (folder / "ch8_test_word_images.zip").write_bytes(b"half a download")
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / ".img_1.jpg").write_bytes(b"x")
    (folder / "__MACOSX" / "ch8_training_images").mkdir(parents=True)
    (folder / "__MACOSX" / "ch8_training_images" / "img_1.jpg").write_bytes(b"x")
    with zipfile.ZipFile(folder / "ch8_training_images_1.zip", "a") as archive:
        archive.writestr("__MACOSX/._img_1.jpg", b"x")
        archive.writestr(".DS_Store", b"x")
        archive.writestr("Thumbs.db", b"x")
    dataset = load_registered(folder)
    assert len(dataset["train"]) == 5
    assert_is_pair(dataset["train"][0], 1)
    assert "left out" not in caplog.text


def test_extension_and_case_do_not_matter(load_registered, tmp_path):
    folder = tmp_path / "mlt"
    files = {"img_1.JPG": image_file(1), "IMG_2.jpeg": image_file(2), "img_3.PNG": image_file(3, "PNG")}
    write_zip(folder / "CH8_TRAINING_IMAGES_1.ZIP", {**files, "img_4.gif": image_file(4, "GIF")})
    labels = {f"img_{n}": label_file(n) for n in (1, 2, 3, 4)}
    write_zip(folder / "MLT_S_labels.zip", label_members(labels, {}))
    dataset = load_registered(folder)["train"]
    assert ids(dataset) == ["img_1", "img_2", "img_3", "img_4"]
    for number, example in enumerate(dataset, 1):
        assert_is_pair(example, number)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_images_of_every_mode_decode_to_rgb(load_registered, tmp_path, mode):
    folder = tmp_path / "mlt"
    image = picture(seed=1).convert(mode)
    file = encoded(image, "JPEG" if mode == "CMYK" else "PNG")
    write_zip(folder / "training_images.zip", {"img_1.png": file})
    write_zip(folder / "MLT_S_labels.zip", label_members({"img_1": label_file(1)}, {}))
    (example,) = load_registered(folder)["train"]
    assert example["image"].mode == "RGB"
    expected = np.asarray(image.convert("RGB"), int)
    assert np.abs(np.asarray(example["image"], int) - expected).mean() < 6


def test_images_without_label_map_are_normal(load, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    write_zip(folder / "ch8_training_images_3.zip", {"img_99.jpg": image_file(99)})
    assert len(load(folder)["train"]) == 5
    assert "img_99" not in caplog.text


def test_other_counts_are_said_and_not_refused(load, tmp_path, caplog):
    load(mlt(tmp_path / "mlt"))
    assert "train: 5 examples; MLT_S has 5,540." in caplog.text
    assert "validation: 3 examples; MLT_S has 1,356." in caplog.text


def test_label_maps_from_elsewhere(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    elsewhere = tmp_path / "labels of mine" / "MLT_S_labels.zip"
    elsewhere.parent.mkdir()
    shutil.move(folder / "MLT_S_labels.zip", elsewhere)
    assert len(load(folder, label_maps=str(elsewhere))["train"]) == 5
    unpacked(elsewhere, elsewhere.parent)
    dataset = load(folder, label_maps=str(elsewhere.parent / "MLT_S_labels"))
    assert_is_pair(dataset["validation"][1], 502)


def test_label_maps_given_win_over_those_in_data_dir(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    other = write_zip(tmp_path / "other.zip", label_members({"img_3": label_file(42)}, {}))
    dataset = load_registered(folder, label_maps=str(other))
    assert ids(dataset["train"]) == ["img_3"]
    assert np.array_equal(np.asarray(dataset["train"][0]["label"]), label_values(seed=42))


def test_home_is_expanded_and_a_path_object_taken(tmp_path, monkeypatch):
    mlt(tmp_path / "mlt")
    monkeypatch.setenv("HOME", str(tmp_path))
    builder = mlt_s.MltS(data_dir="~/mlt", cache_dir=str(tmp_path / "cache"))
    assert ids(builder.as_streaming_dataset(split="validation")) == ["img_1", "img_2", "img_3"]
    builder = mlt_s.MltS(data_dir=tmp_path / "mlt", cache_dir=str(tmp_path / "cache"))
    assert ids(builder.as_streaming_dataset(split="validation")) == ["img_1", "img_2", "img_3"]


def test_several_processes_prepare_the_same(load, tmp_path):
    folder = mlt(tmp_path / "mlt", train=17)
    dataset = load(folder, num_proc=2)
    assert ids(dataset["train"]) == [f"img_{n}" for n in range(1, 18)]
    for number, example in enumerate(dataset["train"], 1):
        assert_is_pair(example, number)


def test_slices_of_splits(load_registered, tmp_path):
    assert ids(load_registered(mlt(tmp_path / "mlt"), split="train[1:3]")) == ["img_2", "img_3"]
