"""Which split a file belongs to, which image a label map belongs to, and what is said where that cannot be told."""

import gc
import shutil
import zipfile

import datasets
import numpy as np
import pytest
from archives import (
    assert_two_contents,
    failure,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    png_with,
    unpacked,
    write_pairs,
    write_zip,
)
from conftest import ROOT, ROUTES, Loader
from fsspec.implementations.memory import MemoryFileSystem

import mlt_s

IMAGES, MORE_IMAGES, LABELS = "ch8_training_images_1.zip", "ch8_training_images_2.zip", "MLT_S_labels.zip"


def ids(dataset):
    return [example["image_id"] for example in dataset]


def numbers(first, last):
    return [f"img_{n}" for n in range(first, last + 1)]


# --- The place of a file -------------------------------------------------------------------------------------------

PLACES = {
    # the names of MLT and MLT_S
    "ch8_training_images_1/img_1.jpg": ("image", "train"),
    "ch8_validation_images/img_1.jpg": ("image", "validation"),
    "MLT_S_labels/training_labels/img_1.png": ("label", "train"),
    "MLT_S_labels/validation_labels/img_1.png": ("label", "validation"),
    # what users make of them
    "train/img_1.jpg": ("image", "train"),
    "Training/img_1.jpg": ("image", "train"),
    "TRAIN/img_1.JPG": ("image", "train"),
    "Training-Images/img_1.jpeg": ("image", "train"),
    "val/img_1.gif": ("image", "validation"),
    "my_val_set/img_1.jpg": ("image", "validation"),
    "Validation Images (2017)/img_1.png": ("image", "validation"),
    "mlt2017val/img_1.jpg": ("image", "validation"),
    "labels/train/img_1.png": ("label", "train"),
    "train/labels/img_1.png": ("label", "train"),
    "Val.Label/img_1.PNG": ("label", "validation"),
    "TrainImages/img_1.jpg": ("image", "train"),
    "trainset/img_1.jpg": ("image", "train"),
    "TrainingSet/img_1.jpg": ("image", "train"),
    "MLTValImages2017/img_1.jpg": ("image", "validation"),
    "valid/img_1.jpg": ("image", "validation"),
    "devset/img_1.jpg": ("image", "validation"),
    "trainlabels/img_1.png": ("label", "train"),
    "labelmaps/val/img_1.png": ("label", "validation"),
    # what the images were saved as
    "train/img_1.webp": ("image", "train"),
    "train/img_1.JFIF": ("image", "train"),
    "train/img_1.tif": ("image", "train"),
    "train/img_1.bmp": ("image", "train"),
    # what label maps are often called, of PNG files alone
    "masks/train/img_1.png": ("label", "train"),
    "train_mask/img_1.png": ("label", "train"),
    "val/seg/img_1.png": ("label", "validation"),
    "gt/val/img_1.png": ("label", "validation"),
    "Annotations/train/img_1.png": ("label", "train"),
    "SegmentationClass/train/img_1.png": ("label", "train"),
    "trainannot/img_1.png": ("label", "train"),
    "gt/train/img_1.jpg": ("image", "train"),
    "train_images_gt/img_1.png": ("image", "train"),  # with gt_img_1.txt beside
    # the innermost name that says something wins
    "val/train/img_1.jpg": ("image", "train"),
    "train/val/images/part 1/img_1.jpg": ("image", "validation"),
    "train_and_val/train/img_1.jpg": ("image", "train"),
    "labels/images/train/img_1.png": ("image", "train"),
    "images/labels/train/img_1.png": ("label", "train"),
    # parts of words say nothing
    "trainer/img_1.jpg": "unplaced",
    "constraint/img_1.jpg": "unplaced",
    "evaluation/img_1.jpg": "unplaced",
    "intervals/img_1.jpg": "unplaced",
    "validated/img_1.jpg": "unplaced",
    "restrain/img_1.jpg": "unplaced",
    "devices/img_1.jpg": "unplaced",
    "train/labelled/img_1.png": ("image", "train"),
    # nor does the name of the file
    "img_1.jpg": "unplaced",
    "train.jpg": "unplaced",
    "pictures/train_img_1.jpg": "unplaced",
    # MLT 2017 among others
    "ICDAR2015/ch8_validation_images/img_1.jpg": ("image", "validation"),
    "RRC 2019/mlt2017/train/img_1.jpg": ("image", "train"),
    "icdar2013_2015_2017/train/img_1.jpg": ("image", "train"),
    "2019/ICDAR 2017 MLT/val/img_1.jpg": ("image", "validation"),
    "epoch3/train/img_1.jpg": ("image", "train"),
    "mlt_19/train/img_1.jpg": ("image", "train"),  # the 19th part of something
    "art/train/img_1.jpg": ("image", "train"),
    # and what says two things is not guessed
    "train_and_val/img_1.jpg": "unplaced",
    "trainval/img_1.jpg": "unplaced",
    "masks/img_1.png": "unplaced",
    "train_images_masks/img_1.png": "unplaced",
    "train/train_and_val/img_1.jpg": "unplaced",
    "images_and_labels/train/img_1.png": "unplaced",
    "MLT_S_labels/img_1.png": "unplaced",
    # not ours
    "labels/train/img_1.jpg": None,  # label maps are PNG files
    "train_predictions/img_1.png": None,
    "runs/pred/val/img_1.png": None,
    "outputs/train/masks/img_1.png": None,
    "predictions/labels/val/img_1.png": None,
    "TextSeg/train/img_1.png": None,
    "Total-Text/Images/Train/img_1.jpg": None,
    "COCO_TS_labels/train/img_1.png": None,
    "ch4_training_images/img_1.jpg": None,
    "Challenge2_Training_Task12_Images/100.jpg": None,
    "ICDAR2015/train/img_1.jpg": None,
    "icdar 13 train/img_1.jpg": None,
    "ICDAR/2015/train/img_1.jpg": None,
    "MLT2019/train/img_1.jpg": None,
    "ic15_train/img_1.jpg": None,
    "mlt2017/ch4_training_images/img_1.jpg": None,
    "@eaDir/train/img_1.jpg": None,
    "train/@eaDir/img_1.jpg/SYNOPHOTO_THUMB_M.jpg": None,
    "#recycle/train/img_1.jpg": None,
    "$RECYCLE.BIN/train/img_1.jpg": None,
    "lost+found/train/img_1.jpg": None,
    "ch8_test_images/img_1.jpg": None,
    "train/test/img_1.jpg": None,
    "ch8_training_word_images_gt/img_1.png": None,
    "train/word_images/img_1.png": None,
    "train/img_1.txt": None,
    "train/img_1": None,
    "train/.img_1.jpg": None,
    ".train/img_1.jpg": None,
    "__MACOSX/train/img_1.jpg": None,
    "train/Thumbs.db": None,
}


def told(listing):
    if listing.unplaced:
        return "unplaced"
    places = list(listing.files)
    return places[0] if places else None


@pytest.mark.parametrize("path", PLACES)
def test_the_place_of_a_file_in_folders(tmp_path, path):
    file = tmp_path / "val" / "test images" / "mlt" / path  # the user's own path says nothing
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    assert (
        told(mlt_s.list_source(str(tmp_path / "val" / "test images" / "mlt"), ("image", "label"), {})) == PLACES[path]
    )


@pytest.mark.parametrize("path", PLACES)
def test_the_place_of_a_member_of_an_archive(tmp_path, path):
    write_zip(tmp_path / "val" / "everything.zip", {path: b"x"})
    assert told(mlt_s.list_source(str(tmp_path / "val"), ("image", "label"), {})) == PLACES[path]


@pytest.mark.parametrize(
    "archive, path, place",
    [
        ("training.zip", "img_1.jpg", ("image", "train")),
        ("Validation_Labels.ZIP", "img_1.png", ("label", "validation")),
        ("training.zip", "val/img_1.jpg", ("image", "validation")),
        ("val/mlt.zip", "img_1.jpg", ("image", "validation")),
        ("mlt.zip", "labels/train/img_1.png", ("label", "train")),
        ("train_val.zip", "img_1.jpg", "unplaced"),
        ("train_val.zip", "val/img_1.jpg", ("image", "validation")),
        ("ch8_test_images.zip", "train/img_1.jpg", None),
        ("training_word_images.zip", "img_1.png", None),
    ],
)
def test_the_name_of_an_archive_counts_as_a_folder_does(tmp_path, archive, path, place):
    write_zip(tmp_path / "mlt" / archive, {path: b"x"})
    assert told(mlt_s.list_source(str(tmp_path / "mlt"), ("image", "label"), {})) == place


ADVICE = (
    "MLT uses the same names in both splits, so each needs an archive or folder of its own, inside the folder given, "
    "with train or training, val or validation in its name (and not both; nor both image and label)."
)


def test_label_maps_of_no_known_split_are_an_error(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    write_zip(folder / LABELS, {f"MLT_S_labels/img_{n}.png": label_file(n) for n in range(1, 6)})
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(folder)
    members = ", ".join(f"{folder / LABELS}, member MLT_S_labels/img_{n}.png" for n in (1, 2, 3))
    assert str(raised.value) == f"Cannot tell the split of 5 label maps: {members} and 2 more. {ADVICE}"


def test_images_of_no_known_split_and_no_others_are_an_error(load_registered, tmp_path):
    folder = tmp_path / "mlt"
    write_zip(folder / "pictures.zip", {"img_1.jpg": image_file(1)})
    write_zip(folder / LABELS, label_members({"img_1": label_file(1)}, {}))
    text = str(failure(lambda: load_registered(folder)))
    picture = f"{folder / 'pictures.zip'}, member img_1.jpg"
    assert text == f"Cannot tell the split of 1 image: {picture}. {ADVICE}"


def test_label_maps_given_below_data_dir_are_not_images_too(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    unpacked(folder / LABELS, folder)
    (folder / "MLT_S_labels").rename(folder / "masks")
    (folder / "masks" / "training_labels").rename(folder / "masks" / "train")
    (folder / "masks" / "validation_labels").rename(folder / "masks" / "val")
    dataset = load_registered(folder, label_maps=str(folder / "masks"))
    assert ids(dataset["train"]) == numbers(1, 5)
    assert np.array_equal(np.asarray(dataset["train"][1]["label"]), label_values(seed=2))


def test_several_folders_are_refused_in_words(tmp_path):
    with pytest.raises(mlt_s.MltSError, match=r"data_dir takes a path or an address, .*, not \['a', 'b'\]\.$"):
        mlt_s.MltS(data_dir=["a", "b"])


def test_the_class_takes_no_positional_arguments():
    with pytest.raises(TypeError, match="positional"):
        mlt_s.MltS("labels")  # the library's first one would be the cache folder


def test_images_of_no_known_split_are_left_out_with_a_warning(load_registered, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    write_zip(folder / "pictures.zip", {f"img_{n}.jpg": image_file(90 + n) for n in range(1, 5)})
    dataset = load_registered(folder)
    assert len(dataset["train"]) == 5
    places = ", ".join(f"{folder / 'pictures.zip'}, member img_{n}.jpg" for n in (1, 2, 3))
    assert f"Left out 4 images of no known split: {places} and 1 more. {ADVICE}" in caplog.text


def test_what_is_no_known_label_map_is_said_where_label_maps_alone_are_loaded_too(load_registered, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    write_zip(folder / "more training labels.zip", {"img_9.jpg": image_file(9)})  # label maps are PNG files
    assert len(load_registered(folder, "labels")["train"]) == 5
    assert "are not PNG files" in caplog.text and str(folder / "more training labels.zip") in caplog.text


# --- The same name twice -------------------------------------------------------------------------------------------


def _archive_twice(folder):
    shutil.copy(folder / IMAGES, folder / "ch8_training_images_1 (1).zip")


def _repacked_by_another_program(folder):
    with zipfile.ZipFile(folder / IMAGES) as archive:
        write_zip(
            folder / "training.zip", {name: archive.read(name) for name in archive.namelist()}, zipfile.ZIP_STORED
        )


def _folder_beside_its_zip(folder):
    with zipfile.ZipFile(folder / IMAGES) as archive:
        archive.extractall(folder / "ch8_training_images_1")


def _two_folders(folder):
    shutil.copytree(unpacked(folder / IMAGES), folder / "train")


def _five_copies(folder):
    _archive_twice(folder)
    _folder_beside_its_zip(folder)
    _repacked_by_another_program(folder)
    shutil.copytree(folder / "ch8_training_images_1", folder / "train")


def _other_case(folder):
    with zipfile.ZipFile(folder / IMAGES) as archive:
        write_zip(folder / "training.zip", {name.upper(): archive.read(name) for name in archive.namelist()})


def _labels_beside_their_zip(folder):
    with zipfile.ZipFile(folder / LABELS) as archive:
        archive.extractall(folder)


COPIES = [
    _archive_twice,
    _repacked_by_another_program,
    _folder_beside_its_zip,
    _two_folders,
    _five_copies,
    _other_case,
    _labels_beside_their_zip,
]


@pytest.mark.parametrize("copy", COPIES)
def test_copies_of_a_file_are_one(load_registered, tmp_path, copy):
    folder = mlt(tmp_path / "mlt")
    expected = load_registered(folder)["train"]
    copy(folder)
    dataset = load_registered(folder)["train"]
    assert ids(dataset) == numbers(1, 5)
    for before, after in zip(expected, dataset):
        assert np.array_equal(np.asarray(before["image"]), np.asarray(after["image"]))
        assert np.array_equal(np.asarray(before["label"]), np.asarray(after["label"]))


def test_that_archives_hold_the_same_is_known_without_reading_both(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    copy = folder / "training (copy).zip"
    data = (folder / IMAGES).read_bytes()
    copy.write_bytes(bytes(data.index(b"PK\1\2")) + data[data.index(b"PK\1\2") :])  # nothing but its directory
    assert ids(load_registered(folder, split="train", streaming=True)) == numbers(1, 5)


def test_two_contents_in_two_archives_are_found_before_anything_is_read(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    other = write_zip(folder / "training (of a friend).zip", {"img_2.jpg": image_file(77)})
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(folder, streaming=True)
    places = [f"{folder / IMAGES}, member img_2.jpg", f"{other}, member img_2.jpg"]
    assert_two_contents(raised.value, *places)


def test_two_contents_in_one_archive_are_found(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    with zipfile.ZipFile(folder / IMAGES, "a") as archive:
        archive.writestr("old/img_2.jpg", image_file(77))
    text = str(failure(lambda: load_registered(folder)))
    assert_two_contents(text, f"{folder / IMAGES}, member img_2.jpg", f"{folder / IMAGES}, member old/img_2.jpg")


def test_two_label_maps_are_found(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    other = write_zip(folder / "more labels.zip", label_members({}, {"img_2": label_file(77)}))
    text = str(failure(lambda: load_registered(folder)))
    member = "member MLT_S_labels/validation_labels/img_2.png"
    assert_two_contents(text, f"{folder / LABELS}, {member}", f"{other}, {member}")


def test_one_name_with_two_extensions_is_found(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    other = write_zip(folder / "training png.zip", {"img_2.png": image_file(2, "PNG")})
    text = str(failure(lambda: load_registered(folder)))
    assert_two_contents(text, f"{folder / IMAGES}, member img_2.jpg", f"{other}, member img_2.png")


def test_one_name_in_two_cases_is_found(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    other = write_zip(folder / "training again.zip", {"IMG_2.JPG": image_file(77)})
    text = str(failure(lambda: load_registered(folder)))
    assert_two_contents(text, f"{folder / IMAGES}, member img_2.jpg", f"{other}, member IMG_2.JPG")


def loose_with_other_content(folder, change):
    with zipfile.ZipFile(folder / IMAGES) as archive:
        archive.extractall(folder / "train")
    file = folder / "train" / "img_2.jpg"
    file.write_bytes(change(file.read_bytes()))
    return file


def test_a_loose_file_of_another_size_is_found_before_anything_is_read(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    file = loose_with_other_content(folder, lambda data: data + b"x")
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(folder, streaming=True)
    assert_two_contents(raised.value, file, f"{folder / IMAGES}, member img_2.jpg")


@pytest.mark.parametrize("streaming", [False, True])
def test_a_loose_file_of_the_same_size_is_found_when_its_pair_is_read(load_registered, tmp_path, streaming):
    folder = mlt(tmp_path / "mlt")
    file = loose_with_other_content(folder, lambda data: data[:-3] + b"x" + data[-2:])
    error = failure(lambda: list(load_registered(folder, split="train", streaming=streaming)))
    assert_two_contents(error, file, f"{folder / IMAGES}, member img_2.jpg")


def test_two_loose_files_of_the_same_size_are_found_when_their_pair_is_read(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    file = loose_with_other_content(folder, lambda data: data[:-3] + b"x" + data[-2:])
    other = unpacked(folder / IMAGES) / "img_2.jpg"
    error = failure(lambda: list(load_registered(folder, split="train", streaming=True)))
    assert_two_contents(error, file, other)


def test_a_label_map_may_be_larger_than_its_image(load_registered, tmp_path):
    """In bytes, as a copy with metadata is. Only the file of the image itself is refused."""
    label = png_with(label_file(1), b"tEXt", b"Comment\0" + b"made with care " * 200)
    image = image_file(1)
    assert len(label) > len(image)
    (example,) = load_registered(write_pairs(tmp_path, {"img_1.jpg": (image, label)}))["train"]
    assert np.array_equal(np.asarray(example["label"]), label_values(seed=1))


def test_the_same_name_in_both_splits_is_two_images(load_registered, tmp_path):
    dataset = load_registered(mlt(tmp_path / "mlt"))
    assert ids(dataset["train"])[:3] == ids(dataset["validation"])
    assert np.array_equal(np.asarray(dataset["train"][0]["label"]), label_values(seed=1))
    assert np.array_equal(np.asarray(dataset["validation"][0]["label"]), label_values(seed=501))


# --- Label maps without image --------------------------------------------------------------------------------------

MISSING = """\
2 label maps of the train split without an image: img_4, img_5.
4 label maps of the validation split without an image: img_1, img_2, img_3 and 1 more.
Searched {folder}.
Found: ch8_training_images_1.zip (3 images).
Not found, of MLT's nine image archives: ch8_training_images_2.zip, ch8_training_images_3.zip, \
ch8_training_images_4.zip, ch8_training_images_5.zip, ch8_training_images_6.zip, ch8_training_images_7.zip, \
ch8_training_images_8.zip, ch8_validation_images.zip.
Fetch what is missing from https://rrc.cvc.uab.es/?ch=8&com=downloads, or load the pairs that are there:
    {call}"""

CALLS = {
    "registered": 'load_dataset("mlt_s", data_dir="{folder}", missing_images="skip")',
    "class": 'load_dataset("mlt_s", data_dir="{folder}", missing_images="skip")',
    "script": 'load_dataset("path/to/mlt_s.py", data_dir="{folder}", missing_images="skip", trust_remote_code=True)',
}


def without_two_archives(folder):
    """Of training, img_1 to img_3 are there; of validation, nothing."""
    mlt(folder, train=5, validation=4)
    (folder / MORE_IMAGES).unlink()
    (folder / "ch8_validation_images.zip").unlink()
    return folder


def called(line):
    """Runs the call in a line of an error message."""
    line = line.replace("path/to/mlt_s.py", str(ROOT / "mlt_s.py"))
    return eval(line, {"load_dataset": datasets.load_dataset, "mlt_s": mlt_s})


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("route", ROUTES)
def test_label_maps_without_image_are_an_error_that_says_all(tmp_path, route, streaming):
    folder = without_two_archives(tmp_path / "mlt")
    error = failure(lambda: Loader(route, tmp_path / "cache")(folder, streaming=streaming))
    assert str(error) == MISSING.format(folder=folder, call=CALLS[route].format(folder=folder))


@pytest.mark.parametrize("route", ROUTES)
def test_the_call_that_it_prints_loads_the_rest(tmp_path, route):
    folder = without_two_archives(tmp_path / "mlt")
    line = str(failure(lambda: Loader(route, tmp_path / "cache")(folder))).splitlines()[-1].strip()
    assert ids(called(line)["train"]) == ["img_1", "img_2", "img_3"]


def test_the_call_that_it_prints_works_for_a_folder_with_quotes(load_registered, tmp_path):
    folder = without_two_archives(tmp_path / 'my "mlt" \\ set')
    line = str(failure(lambda: load_registered(folder))).splitlines()[-1].strip()
    assert ids(called(line)["train"]) == ["img_1", "img_2", "img_3"]


def test_the_call_that_it_prints_names_the_label_maps(load_registered, tmp_path):
    folder = without_two_archives(tmp_path / "mlt")
    labels = shutil.move(folder / LABELS, tmp_path / "labels of mine.zip")
    line = str(failure(lambda: load_registered(folder, label_maps=str(labels)))).splitlines()[-1].strip()
    assert ids(called(line)["train"]) == ["img_1", "img_2", "img_3"]


def test_at_an_address_it_prints_a_call_of_the_class(tmp_path):
    folder, filesystem = without_two_archives(tmp_path / "mlt"), MemoryFileSystem()
    for path in folder.glob("*.zip"):
        filesystem.pipe_file(f"/mlt_s_join/{path.name}", path.read_bytes())
    error = failure(lambda: Loader("class", tmp_path / "cache")("memory://mlt_s_join", streaming=True))
    line = 'mlt_s.MltS(data_dir="memory://mlt_s_join", missing_images="skip")'
    assert str(error) == MISSING.format(folder="memory://mlt_s_join", call=line)
    assert ids(called(line).as_streaming_dataset(split="train")) == ["img_1", "img_2", "img_3"]
    filesystem.rm("/mlt_s_join", recursive=True)


def test_found_are_folders_and_archives_with_their_counts(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt", train=5)
    unpacked(folder / IMAGES)
    (folder / "ch8_validation_images.zip").unlink()
    lines = str(failure(lambda: load_registered(folder))).splitlines()
    assert "Found: ch8_training_images_1 (3 images), ch8_training_images_2.zip (2 images)." in lines
    (absent,) = [line for line in lines if line.startswith("Not found")]
    assert "ch8_training_images_1.zip" not in absent and "ch8_validation_images.zip" in absent


def test_skipped_is_said_with_counts_and_names(load, tmp_path, caplog):
    load(without_two_archives(tmp_path / "mlt"), missing_images="skip")
    assert "2 label maps of the train split without an image, skipped: img_4, img_5." in caplog.text
    assert (
        "4 label maps of the validation split without an image, skipped: img_1, img_2, img_3 and 1 more." in caplog.text
    )


def test_a_split_of_which_everything_is_skipped_is_left_out(load, tmp_path):
    dataset = load(without_two_archives(tmp_path / "mlt"), missing_images="skip")
    assert {split: ids(examples) for split, examples in dataset.items()} == {"train": ["img_1", "img_2", "img_3"]}


def test_skip_with_nothing_missing_says_nothing_of_it(load_registered, tmp_path, caplog):
    assert len(load_registered(mlt(tmp_path / "mlt"), missing_images="skip")["train"]) == 5
    assert "skipped" not in caplog.text


def test_where_everything_is_skipped_it_says_how_to_get_images(load, tmp_path):
    folder = tmp_path / "mlt"
    write_zip(folder / IMAGES, {"img_99.jpg": image_file(99)})
    write_zip(folder / LABELS, label_members({"img_1": label_file(1)}, {}))
    text = str(failure(lambda: load(folder, missing_images="skip")))
    assert text.startswith(f"No label map in {folder} has its image there.")
    assert mlt_s.IMAGES_URL in text


@pytest.mark.parametrize("value", ["ignore", "Skip", "", True])
def test_another_value_of_the_option_is_refused(load, tmp_path, value):
    folder = mlt(tmp_path / "mlt")
    text = str(failure(lambda: load(folder, missing_images=value)))
    assert text == f'missing_images={value!r}: it takes "error" or "skip".'


# --- Nothing there -------------------------------------------------------------------------------------------------

FETCH = "Register at https://rrc.cvc.uab.es/?ch=8&com=downloads"
THEN = {
    "registered": 'load_dataset("mlt_s", data_dir="path/to/that/folder")',
    "class": 'load_dataset("mlt_s", data_dir="path/to/that/folder")',
    "script": 'load_dataset("path/to/mlt_s.py", data_dir="path/to/that/folder", trust_remote_code=True)',
}
# Of a folder that is empty or not there, the library itself says so before a registered builder runs.
OWN_ROUTES = [route for route in ROUTES if route != "registered"]


def assert_says_how(text, route):
    assert FETCH in text
    for archive in ("ch8_training_images_1.zip", "ch8_training_images_8.zip", "ch8_validation_images.zip", LABELS):
        assert archive in text
    assert text.splitlines()[-1].strip() == THEN[route]


@pytest.mark.parametrize("route", ROUTES)
def test_without_data_dir_it_says_how_to_get_the_images(tmp_path, monkeypatch, route):
    (tmp_path / "notes.txt").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    text = str(failure(lambda: Loader(route, tmp_path / "cache")(None)))
    assert text.startswith("MLT's images have to be fetched by hand.")
    assert_says_how(text, route)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("of", ["*.zip", "ch8_training_images_*.zip"])
def test_of_data_files_it_says_that_it_takes_their_folder(tmp_path, route, of):
    folder = mlt(tmp_path / "mlt")
    text = str(failure(lambda: Loader(route, tmp_path / "cache")(None, data_files=str(folder / of))))
    assert "data_files" in text and str(folder / "ch8_training_images_1.zip") in text
    assert text.splitlines()[-1].strip() == THEN[route].replace("path/to/that/folder", str(folder))


@pytest.mark.parametrize("route", ROUTES)
def test_of_data_files_of_other_names_it_says_that_it_takes_a_folder(tmp_path, route):
    mlt(tmp_path / "mlt")
    images = unpacked(tmp_path / "mlt" / "ch8_training_images_1.zip")
    text = str(failure(lambda: Loader(route, tmp_path / "cache")(None, data_files=str(images / "*.jpg"))))
    assert "data_dir, and no data_files" in text
    assert_says_how(text, route)


def test_label_maps_alone_say_that_data_files_are_not_used(load, tmp_path, caplog, monkeypatch):
    """Otherwise they would be downloaded, although they are present."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    folder = mlt(tmp_path / "mlt")
    failed = failure(lambda: load(None, "labels", data_files=str(folder / LABELS)))
    assert "could not be downloaded" in str(failed)
    assert str(folder / LABELS) in caplog.text and f'data_dir="{folder}"' in caplog.text


@pytest.mark.parametrize("archive, options", [(LABELS, {}), (IMAGES, {"label_maps": LABELS})], ids=["labels", "images"])
def test_of_a_single_archive_it_says_to_give_its_folder(tmp_path, archive, options):
    folder = mlt(tmp_path / "mlt")
    options = {name: str(folder / value) for name, value in options.items()}
    text = str(failure(lambda: mlt_s.MltS(data_dir=folder / archive, **options).as_streaming_dataset()))
    assert f"{folder / archive} (a single archive: data_dir is the folder that holds all of them)" in text


@pytest.mark.parametrize("route", OWN_ROUTES)
def test_of_an_empty_folder_it_says_how_to_get_the_images(tmp_path, route):
    folder = tmp_path / "mlt"
    folder.mkdir()
    text = str(failure(lambda: Loader(route, tmp_path / "cache")(folder)))
    assert text.startswith(f"There are no images of MLT in {folder}.")
    assert_says_how(text, route)


@pytest.mark.parametrize("route", ROUTES)
def test_of_a_folder_without_images_it_says_how_to_get_them(tmp_path, route):
    folder = mlt(tmp_path / "mlt")
    for archive in folder.glob("ch8_*.zip"):
        archive.unlink()
    text = str(failure(lambda: Loader(route, tmp_path / "cache")(folder)))
    assert text.startswith(f"There are no images of MLT in {folder}.")
    assert_says_how(text, route)


@pytest.mark.parametrize("route", OWN_ROUTES)
def test_of_a_folder_that_is_not_there_it_says_that(tmp_path, route):
    folder = tmp_path / "no such folder"
    text = str(failure(lambda: Loader(route, tmp_path / "cache")(folder)))
    assert text == f"There is nothing at {folder}: check data_dir and label_maps."


def test_a_link_to_nowhere_is_said(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / "ch8_training_images_3.zip").symlink_to(tmp_path / "unplugged disk" / "images.zip")
    text = str(failure(lambda: load_registered(folder)))
    assert str(folder / "ch8_training_images_3.zip") in text and "link to nothing" in text


def test_label_maps_that_hold_none_are_said(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    labels = write_zip(tmp_path / "gt.zip", {"train/gt_img_1.txt": b"1,2,3,4,5,6,7,8,Latin,x"})
    text = str(failure(lambda: load(folder, label_maps=str(labels))))
    assert f"no label maps in {labels}" in text and "PNG files" in text
    assert "training_labels and validation_labels" in text and "mlt-s build" in text


def test_label_maps_that_are_not_there_are_said(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    text = str(failure(lambda: load(folder, label_maps=str(tmp_path / "labels.zip"))))
    assert text == f"There is nothing at {tmp_path / 'labels.zip'}: check data_dir and label_maps."


# --- Order and shards ----------------------------------------------------------------------------------------------


def test_odd_names_are_ordered_by_their_numbers(load_registered, tmp_path):
    ordered = [
        "1",
        "2",
        "10",
        "a",
        "img_1",
        "img_1a",
        "img_1b",
        "img_1b2",
        "img_1b10",
        "img_2",
        "img_10",
        "img_" + "9" * 40,
    ]
    pairs = {f"{stem}.jpg": (image_file(), label_file()) for stem in ordered[::-1]}
    assert ids(load_registered(write_pairs(tmp_path / "mlt", pairs), split="train")) == ordered


def test_the_published_counts_give_shards_for_any_number_of_nodes():
    assert len(mlt_s.in_shards(list(range(5540)))) == 3840
    assert len(mlt_s.in_shards(list(range(1356)))) == 960


def test_shards_of_any_count_keep_every_pair_in_order():
    for count in range(3001):
        shards = mlt_s.in_shards(list(range(count)))
        assert [pair for shard in shards for pair in shard] == list(range(count)), count


def test_shards_hold_one_pair_or_two():
    for count in range(3001):
        assert {len(shard) for shard in mlt_s.in_shards(list(range(count)))} <= {1, 2}, count


def test_the_number_of_shards_is_the_largest_15_times_a_power_of_two():
    for count in range(15, 3001):
        shards = len(mlt_s.in_shards(list(range(count))))
        assert shards in (15, 30, 60, 120, 240, 480, 960, 1920) and shards <= count < 2 * shards, count


def test_nodes_that_share_the_shards_differ_by_one_pair_at_most():
    for count in [*range(3001), 5540]:
        sizes = np.array([len(shard) for shard in mlt_s.in_shards(list(range(count)))], int)
        for nodes in (1, 2, 3, 4, 5, 6, 8, 10, 12, 16):
            if len(sizes) and len(sizes) % nodes == 0:
                parts = sizes.reshape(-1, nodes).sum(axis=0)  # node r takes the shards r, r + nodes, ...
                assert parts.max() - parts.min() <= 1, (count, nodes)


def test_processes_share_the_published_counts_about_equally():
    for count in (5540, 1356):
        sizes = np.array([len(shard) for shard in mlt_s.in_shards(list(range(count)))])
        for processes in (2, 3, 4, 5, 6, 8):
            parts = [part.sum() for part in np.array_split(sizes, processes)]  # num_proc takes contiguous ones
            assert max(parts) <= 1.5 * count / processes, (count, processes)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_as_it_was_after_listing_and_after_an_error(tmp_path, enabled):
    folder = mlt(tmp_path / "mlt")
    write_zip(folder / "training_images_9.zip", {"img_2.jpg": image_file(77)})
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        listing = mlt_s.list_source(str(folder), ("image", "label"), {})
        assert gc.isenabled() == enabled
        with pytest.raises(mlt_s.MltSError, match="^One name, two contents"):
            mlt_s.join(listing, "train", ("image", "label"))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
