"""Folders as real disks have them: other data sets, masks, predictions, a NAS's own folders, half downloads, links."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from archives import (
    add_words,
    assert_two_contents,
    encoded,
    failure,
    image_file,
    label_file,
    label_values,
    mlt,
    picture,
    unpacked,
    write_zip,
)
from fsspec.implementations.memory import MemoryFileSystem

import mlt_s
from mlt_s_tools import cli

IMAGES, MORE_IMAGES, VALIDATION, LABELS = (
    "ch8_training_images_1.zip",
    "ch8_training_images_2.zip",
    "ch8_validation_images.zip",
    "MLT_S_labels.zip",
)


def drawn(folder: Path, train=range(1, 6), validation=range(1, 4)) -> Path:
    """Label maps as people keep them: PNG files in train and val, of the seeds of `archives.mlt`."""
    for split, numbers, offset in (("train", train, 0), ("val", validation, 500)):
        (folder / split).mkdir(parents=True, exist_ok=True)
        for n in numbers:
            (folder / split / f"img_{n}.png").write_bytes(label_file(offset + n))
    return folder


def assert_whole(dataset):
    """The five training and three validation pairs of `archives.mlt`, to the pixel."""
    for split, count, offset in (("train", 5, 0), ("validation", 3, 500)):
        assert [example["image_id"] for example in dataset[split]] == [f"img_{n}" for n in range(1, count + 1)]
        for n, example in enumerate(dataset[split], 1):
            photo = np.asarray(PIL.Image.open(io.BytesIO(image_file(offset + n))))
            assert np.array_equal(np.asarray(example["image"]), photo)
            assert np.array_equal(np.asarray(example["label"]), label_values(seed=offset + n))


def checked(folder: Path, tmp_path: Path, *options: str) -> dict:
    """What `mlt-s check --json` writes."""
    cli.main(["check", str(folder), "--json", str(tmp_path / "check.json"), *options])
    return json.loads((tmp_path / "check.json").read_text())


# --- A label map is nobody's image ---------------------------------------------------------------------------------

SPELLINGS = {
    "through a link, and not": ("{link}", "{real}/drawn"),
    "not, and through a link": ("{real}", "{link}/drawn"),
    "with dots": ("{real}", "{real}/more/../drawn"),
    "with dots behind a link": ("{real}", "{link}/../mlt/drawn"),
    "as an address of files": ("{real}", "file://{real}/drawn"),
    "the folder as an address of files": ("file://{real}", "{real}/drawn"),
    "with more slashes": ("{real}/", "{real}//drawn/"),
    "below a link in the folder": ("{real}", "{outside}"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_label_maps_in_the_folder_are_not_images_however_the_path_is_spelled(tmp_path, spelling):
    """Two images are missing, and PNG files of their names lie in a folder called train."""
    real = mlt(tmp_path / "disk" / "mlt")
    (real / MORE_IMAGES).unlink()
    (real / "more").mkdir()
    outside = drawn(tmp_path / "outside") if "outside" in SPELLINGS[spelling][1] else drawn(real / "drawn")
    if outside.parent == tmp_path:
        (real / "drawn").symlink_to(outside)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "mlt").symlink_to(real)
    names = {"real": real, "link": tmp_path / "home" / "mlt", "outside": outside}
    data_dir, label_maps = (text.format(**names) for text in SPELLINGS[spelling])
    builder = mlt_s.MltS(cache_dir=str(tmp_path / "cache"), data_dir=data_dir, label_maps=label_maps)
    error = failure(lambda: builder.as_streaming_dataset(split="train"))
    assert "2 label maps of the train split without an image: img_4, img_5." in str(error)


@pytest.mark.parametrize(
    "data_dir, label_maps", [("memory://disk", "memory:///disk/drawn"), ("memory:///disk", "memory://disk/drawn/")]
)
def test_label_maps_in_the_folder_are_not_images_however_the_address_is_spelled(tmp_path, data_dir, label_maps):
    filesystem, folder = MemoryFileSystem(), mlt(tmp_path / "mlt")
    (folder / MORE_IMAGES).unlink()
    drawn(folder / "drawn")
    filesystem.put(str(folder), "/disk", recursive=True)
    try:
        builder = mlt_s.MltS(cache_dir=str(tmp_path / "cache"), data_dir=data_dir, label_maps=label_maps)
        error = failure(lambda: builder.as_streaming_dataset(split="train"))
    finally:
        filesystem.rm("/disk", recursive=True)
    assert "2 label maps of the train split without an image: img_4, img_5." in str(error)


def test_colons_in_the_name_of_a_folder_mean_nothing(tmp_path):
    """Also after a builder has streamed: then `datasets` replaces some functions of `os` by its own."""
    mlt(tmp_path / "all" / "MLT::2017" / "a::b")
    for _ in range(2):
        builder = mlt_s.MltS(data_dir=str(tmp_path / "all"), cache_dir=str(tmp_path / "cache"))
        assert_whole(builder.as_streaming_dataset())


def test_one_file_under_two_names_is_one(tmp_path):
    """As on a file system that ignores case: another path, and the same file."""
    folder = mlt(tmp_path / "mlt")
    (folder / MORE_IMAGES).unlink()
    labels = write_zip(tmp_path / "maps.zip", {f"train/img_{n}.png": label_file(n) for n in range(1, 6)})
    os.link(labels, folder / "MAPS.zip")
    builder = mlt_s.MltS(cache_dir=str(tmp_path / "cache"), data_dir=str(folder), label_maps=str(labels))
    error = failure(lambda: builder.as_streaming_dataset(split="train"))
    assert "2 label maps of the train split without an image: img_4, img_5." in str(error)


@pytest.mark.parametrize(
    "place", ["masks_train", "runs/train_predictions", "outputs/epoch 3/train", "train/labels_png"]
)
def test_masks_and_predictions_are_not_images(load, tmp_path, place):
    folder = mlt(tmp_path / "mlt")
    (folder / MORE_IMAGES).unlink()
    labels = shutil.move(folder / LABELS, tmp_path / LABELS)
    (folder / place).mkdir(parents=True)
    for n in (4, 5):
        (folder / place / f"img_{n}.png").write_bytes(label_file(n))
    error = failure(lambda: load(folder, label_maps=str(labels), streaming=True))
    assert "2 label maps of the train split without an image: img_4, img_5." in str(error)
    with_skip = load(folder, label_maps=str(labels), missing_images="skip", split="train", streaming=True)
    assert [example["image_id"] for example in with_skip] == ["img_1", "img_2", "img_3"]


@pytest.mark.parametrize("kind", ["grey", "palette", "colours", "speckled"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_label_map_beside_the_images_is_refused_where_its_image_is_missing(
    load_registered, tmp_path, kind, streaming
):
    folder = mlt(tmp_path / "mlt", width=240, height=160)
    train = unpacked(folder / IMAGES, folder / "train")
    (train / "img_2.jpg").unlink()
    values = np.zeros((160, 240), np.uint8)
    values[40:80, 30:200] = 1
    values[90:100, 30:200] = 255
    if kind == "speckled":  # one that packs badly
        values[:80] = np.random.default_rng(0).choice([0, 1, 255], (80, 240))
    mask = PIL.Image.fromarray(values)
    if kind == "palette":
        mask.putpalette([0, 0, 0, 255, 0, 0])
    if kind == "colours":
        mask = mlt_s.LABEL_MAP.colorize(mask)
    (train / "img_2.png").write_bytes(encoded(mask, "PNG"))
    error = failure(lambda: list(load_registered(folder, split="train", streaming=streaming)))
    assert str(train / "img_2.png") in str(error) and "looks like a label map" in str(error)


def test_predictions_below_label_maps_are_no_label_maps(load_registered, tmp_path):
    folder, made = mlt(tmp_path / "mlt"), tmp_path / "made"
    unpacked(folder / LABELS, made / "labels")
    (made / "predictions" / "train").mkdir(parents=True)
    (made / "predictions" / "train" / "img_1.png").write_bytes(label_file(9))
    assert_whole(load_registered(folder, label_maps=str(made)))


def test_a_label_map_listed_as_its_own_image_is_refused(tmp_path):
    """`label_maps` is the folder that the images lie in, too."""
    everything = tmp_path / "everything"
    write_zip(everything / "pictures" / "train.zip", {"img_1.png": image_file(1, "PNG")})
    builder = mlt_s.MltS(
        cache_dir=str(tmp_path / "cache"), data_dir=str(everything / "pictures"), label_maps=str(everything)
    )
    error = failure(lambda: builder.as_streaming_dataset(split="train"))
    assert f"{everything / 'pictures' / 'train.zip'}, member img_1.png" in str(error)
    assert "both for the label map and for the image of img_1" in str(error)


def test_label_maps_and_images_in_one_folder_are_not_asked_for_twice(tmp_path):
    folder = mlt(tmp_path / "mlt")
    (tmp_path / "link").symlink_to(folder)
    options = {"cache_dir": str(tmp_path / "cache"), "data_dir": str(folder), "label_maps": str(tmp_path / "link")}
    assert "Leave label_maps out" in str(failure(lambda: mlt_s.MltS(**options)))


# --- Folders called masks -------------------------------------------------------------------------------------------

MASKS = ["masks", "mask", "seg", "gt", "annotations", "labelmaps", "SegmentationMasks"]


@pytest.mark.parametrize("name", MASKS)
def test_folders_called_masks_are_label_maps(load_registered, tmp_path, name):
    folder = mlt(tmp_path / "mlt")
    (folder / LABELS).unlink()
    drawn(folder / name)
    assert_whole(load_registered(folder))


def test_masks_in_an_archive_are_label_maps(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    unpacked(folder / LABELS, tmp_path)
    labels = tmp_path / "MLT_S_labels"
    for split, part in (("train", "training"), ("val", "validation")):
        members = {path.name: path.read_bytes() for path in (labels / f"{part}_labels").iterdir()}
        write_zip(folder / f"{split}_masks.zip", members)
    assert_whole(load_registered(folder))


def test_beside_the_authors_archive_masks_are_left_out_and_named(load_registered, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    drawn(folder / "masks", train=[1, 2], validation=[])
    (folder / "masks" / "train" / "img_1.png").write_bytes(label_file(77))
    assert_whole(load_registered(folder))
    assert str(folder / "masks" / "train") in caplog.text and "label_maps=" in caplog.text
    report = checked(folder, tmp_path)
    assert report["splits"]["train"]["images"] == 5
    assert not [problem for problem in report["problems"] if problem["kind"] == "two-contents"]
    assert [note["text"] for note in report["notes"] if note["kind"] == "masks"] == ["masks/train"]


def test_masks_are_chosen_by_label_maps(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    drawn(folder / "masks")
    (folder / "masks" / "train" / "img_1.png").write_bytes(label_file(77))
    dataset = load_registered(folder, label_maps=str(folder / "masks"))
    assert np.array_equal(np.asarray(dataset["train"][0]["label"]), label_values(seed=77))


def test_a_folder_called_gt_that_holds_photos_is_one_of_images(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    unpacked(folder / IMAGES, folder / "train" / "images with gt")
    unpacked(folder / MORE_IMAGES, folder / "gt" / "train")
    assert_whole(load_registered(folder))


def test_masks_of_no_split_harm_nobody(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / "thesis" / "masks").mkdir(parents=True)
    (folder / "thesis" / "masks" / "figure.png").write_bytes(label_file(3))
    assert_whole(load_registered(folder))


def test_masks_beside_images_of_their_names_are_told_apart_before_anything_is_advised(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    unpacked(folder / IMAGES, folder / "train_imgs")
    drawn(folder / "drawn", train=[1, 2, 3], validation=[])
    error = failure(lambda: load_registered(folder))
    assert_two_contents(error, folder / "train_imgs" / "img_1.jpg", folder / "drawn" / "train" / "img_1.png")
    assert f'label_maps="{folder / "drawn"}"' in str(error)
    masked = load_registered(folder, label_maps=str(folder / "drawn"), split="train")
    assert [example["image_id"] for example in masked] == ["img_1", "img_2", "img_3"]


def test_label_maps_that_are_no_png_are_said_to_be_that(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / LABELS).unlink()
    for split in ("train", "val"):
        (folder / f"{split}_labels").mkdir()
        (folder / f"{split}_labels" / "img_1.jpg").write_bytes(image_file(1))
    text = str(failure(lambda: load_registered(folder)))
    assert "PNG" in text and str(folder / "train_labels") in text and str(folder / "val_labels") in text


# --- Other data sets beside MLT -------------------------------------------------------------------------------------

OTHERS = [
    "ch4_training_images.zip",
    "ICDAR2015/train",
    "Challenge4_Training_Images.zip",
    "icdar2015_train.zip",
    "TextSeg/train",
]


def beside(folder: Path, place: str, numbers) -> None:
    """Another set's images of the names of MLT's."""
    members = {f"img_{n}.jpg": image_file(900 + n) for n in numbers}
    if place.endswith(".zip"):
        write_zip(folder / place, members)
    else:
        (folder / place).mkdir(parents=True)
        for name, data in members.items():
            (folder / place / name).write_bytes(data)


@pytest.mark.parametrize("place", OTHERS)
def test_another_set_is_left_out_and_named_once(load, tmp_path, caplog, place):
    folder = mlt(tmp_path / "mlt")
    beside(folder, place, range(1, 6))
    assert_whole(load(folder))
    if load.route != "script":  # whose module has a logger of its own name
        named = [record for record in caplog.records if place.split("/")[0] in record.getMessage()]
        assert len(named) == 1


@pytest.mark.parametrize("place", OTHERS)
def test_another_set_does_not_stand_in_for_what_is_missing(load_registered, tmp_path, place):
    folder = mlt(tmp_path / "mlt")
    (folder / MORE_IMAGES).unlink()
    beside(folder, place, range(1, 6))
    text = str(failure(lambda: load_registered(folder)))
    assert "2 label maps of the train split without an image: img_4, img_5." in text
    assert place.split("/")[0] in text
    report = checked(folder, tmp_path)
    assert report["splits"]["train"]["without_image"] == ["img_4", "img_5"]
    (note,) = [note for note in report["notes"] if note["kind"] == "other-set"]
    assert place.split("/")[0] in note["text"]


def test_images_from_inside_and_outside_mlts_archives_are_counted(load_registered, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    (folder / MORE_IMAGES).unlink()
    beside(folder, "downloads/train.zip", [4, 5])
    assert len(load_registered(folder)["train"]) == 5
    said = [record.getMessage() for record in caplog.records if "downloads/train.zip" in record.getMessage()]
    assert len(said) == 1 and "3 examples" in said[0] and "2 examples" in said[0] and said[0].startswith("train: ")
    (note,) = [note for note in checked(folder, tmp_path)["notes"] if note["kind"] == "elsewhere-images"]
    assert "downloads/train.zip" in note["text"]


@pytest.mark.parametrize("ours", ["whole", "a second download", "unpacked"])
def test_mlts_own_images_are_never_from_elsewhere(load_registered, tmp_path, caplog, ours):
    folder = mlt(tmp_path / "mlt")
    if ours == "a second download":
        (folder / IMAGES).rename(folder / "ch8_training_images_1 (1).zip")
    if ours == "unpacked":
        unpacked(folder / IMAGES)
    assert_whole(load_registered(folder))
    assert "from elsewhere" not in caplog.text


def test_unlabelled_images_are_named_as_mlts_are(load_registered, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    write_zip(
        folder / "train.zip", {"100.jpg": image_file(100), "IMG_9.JPG": image_file(9), "sign.png": image_file(8, "PNG")}
    )
    dataset = load_registered(folder, unlabelled=True)
    assert [example["image_id"] for example in dataset["train"]][5:] == ["IMG_9"]
    (said,) = [record.getMessage() for record in caplog.records if "100.jpg" in record.getMessage()]
    assert "2 images" in said and "sign.png" in said
    report = checked(folder, tmp_path, "--pixels")
    assert report["splits"]["train"]["images"] == 6
    assert [note["text"].startswith("train: 2 images") for note in report["notes"] if note["kind"] == "stranger"] == [
        True
    ]


def test_a_labelled_image_may_have_any_name(load_registered, tmp_path):
    folder = tmp_path / "mlt"
    write_zip(folder / "train.zip", {"street.jpg": image_file(1)})
    write_zip(folder / LABELS, {"MLT_S_labels/training_labels/street.png": label_file(1)})
    assert [example["image_id"] for example in load_registered(folder, unlabelled=True)["train"]] == ["street"]


# --- What disks hold besides ----------------------------------------------------------------------------------------


def _thumbnails(folder):
    for n in range(1, 6):
        thumbnail = folder / "train" / "@eaDir" / f"img_{n}.jpg" / "SYNOPHOTO_THUMB_M.jpg"
        thumbnail.parent.mkdir(parents=True)
        thumbnail.write_bytes(image_file(n, width=6, height=4))


def _thumbnails_of_the_same_names(folder):
    (folder / "@eaDir" / "train").mkdir(parents=True)
    (folder / "@eaDir" / "train" / "img_1.jpg").write_bytes(image_file(77))


def _recycled(folder):
    for name in ("#recycle", "@Recycle", "$RECYCLE.BIN", "System Volume Information", ".Trash-1000", "lost+found"):
        (folder / name).mkdir()
        (folder / name / "ch8_training_images_1.zip").write_bytes(b"PK, and no more")
        write_zip(folder / name / "train.zip", {"img_1.jpg": image_file(77)})


def _links_to_nothing(folder):
    (folder / "thesis").symlink_to(folder / "gone")
    (folder / "train").symlink_to(folder / "unplugged")
    (folder / "circle").symlink_to(folder / "circle")


def _broken_archives(folder):
    (folder / "thesis.zip").write_bytes(b"")
    (folder / "slides.zip").write_bytes(b"PK\3\4 and no more")
    (folder / "TextSeg.zip").write_bytes(b"<html>")


def _other_kinds(folder):
    write_zip(folder / "everything.zip", {"train.zip": b"", "notes.tar.gz": b""})
    (folder / "movie.7z").write_bytes(b"7z")
    (folder / "more.zip.001").write_bytes(b"PK")
    (folder / "ch8_training_images_3.zip.crdownload").write_bytes(b"PK")


BESIDE = [_thumbnails, _thumbnails_of_the_same_names, _recycled, _links_to_nothing, _broken_archives, _other_kinds]


@pytest.mark.parametrize("add", BESIDE)
def test_what_lies_beside_a_whole_set_harms_nobody(load, tmp_path, add):
    folder = mlt(tmp_path / "mlt")
    add(folder)
    assert_whole(load(folder))
    report = checked(folder, tmp_path, "--pixels")
    # Of so small a set archives are missing, and nothing else is a problem.
    assert {problem["kind"] for problem in report["problems"]} <= {"missing-archive", "label-map-count"}


def test_what_cannot_be_read_is_named(load_registered, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    _links_to_nothing(folder)
    _broken_archives(folder)
    load_registered(folder)
    (said,) = [record.getMessage() for record in caplog.records if "Cannot be read" in record.getMessage()]
    for name in ("thesis", "train", "circle", "thesis.zip", "slides.zip"):
        assert f"{folder / name} (" in said
    noted = [note["text"] for note in checked(folder, tmp_path)["notes"] if note["kind"] == "unreadable"]
    assert len(noted) == 1 and "slides.zip" in noted[0]


def test_where_something_is_missing_what_cannot_be_read_comes_first(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    shutil.move(folder / MORE_IMAGES, folder / "the rest of training.zip")
    (folder / "the rest of training.zip").write_bytes((folder / "the rest of training.zip").read_bytes()[:-30])
    lines = str(failure(lambda: load_registered(folder))).splitlines()
    assert str(folder / "the rest of training.zip") in lines[0]
    assert "img_4, img_5" in lines[1]


@pytest.mark.parametrize("name", [IMAGES, LABELS, VALIDATION, "CH8_training_images_7.ZIP", "my labels.zip"])
@pytest.mark.parametrize("spoil", ["of 0 bytes", "without a file", "link to nothing"])
def test_what_bears_a_name_that_is_needed_is_an_error(load_registered, tmp_path, name, spoil):
    folder = mlt(tmp_path / "mlt")
    (folder / name).unlink(missing_ok=True)
    if spoil == "link to nothing":
        (folder / name).symlink_to(tmp_path / "gone")
    else:
        (folder / name).touch() if spoil == "of 0 bytes" else write_zip(folder / name, {})
    error = failure(lambda: load_registered(folder))
    assert str(folder / name) in str(error)
    assert not (spoil == "link to nothing" and str(tmp_path / "gone") not in str(error))
    chain = [error]
    while chain[-1].__cause__ is not None:
        assert chain[-1].__cause__ not in chain  # who prints all causes comes to an end
        chain.append(chain[-1].__cause__)


def test_of_several_unreadable_archives_the_first_is_named_and_the_others_are_counted(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    for name in (IMAGES, VALIDATION, LABELS):
        (folder / name).write_bytes(b"cut off")
    first, more = str(failure(lambda: load_registered(folder))).split("Fetch it again.")
    assert str(folder / LABELS) in first and more.strip() == "Of what is needed, 2 more cannot be read."


@pytest.mark.parametrize("spoil", ["without a file", "link to nothing"])
def test_check_goes_on_where_one_that_is_needed_cannot_be_read(tmp_path, spoil):
    folder = mlt(tmp_path / "mlt")
    name = "ch8_training_images_3.zip"
    (folder / name).symlink_to(tmp_path / "gone") if spoil == "link to nothing" else write_zip(folder / name, {})
    report = checked(folder, tmp_path)
    assert report["splits"]["train"]["pairs"] == 5
    assert [name in problem["text"] for problem in report["problems"] if problem["kind"] == "damaged-archive"] == [True]


def test_what_is_left_out_is_said_of_a_set_from_the_cache_too(load, tmp_path, caplog):
    folder = mlt(tmp_path / "mlt")
    load(folder)
    drawn(folder / "masks")
    beside(folder, "ch4_training_images.zip", [1])
    caplog.clear()
    assert_whole(load(folder))
    if load.route != "script":  # whose module has a logger of its own name
        said = [record.getMessage() for record in caplog.records]
        assert sum(str(folder / "masks" / "train") in text for text in said) == 1
        assert sum("ch4_training_images.zip" in text for text in said) == 1


def _nested(folder):
    write_zip(folder / "training.zip", {MORE_IMAGES: (folder / MORE_IMAGES).read_bytes()})
    return f"{folder / 'training.zip'}, member {MORE_IMAGES}", "unpack the outer one"


def _in_parts(folder):
    (folder / f"{MORE_IMAGES}.001").write_bytes((folder / MORE_IMAGES).read_bytes()[:50])
    return str(folder / f"{MORE_IMAGES}.001"), "join the parts"


def _as_tar(folder):
    with tarfile.open(folder / "train.tar.gz", "w:gz") as archive:
        archive.add(folder / MORE_IMAGES, MORE_IMAGES)
    return str(folder / "train.tar.gz"), "unpack it"


def _half(folder):
    (folder / f"{MORE_IMAGES}.part").write_bytes(b"PK")
    return str(folder / f"{MORE_IMAGES}.part"), "did not end"


@pytest.mark.parametrize("pack", [_nested, _in_parts, _as_tar, _half])
def test_what_was_found_in_place_of_what_is_missing_is_said(load_registered, tmp_path, pack):
    folder = mlt(tmp_path / "mlt")
    place, remedy = pack(folder)
    (folder / MORE_IMAGES).unlink()
    text = str(failure(lambda: load_registered(folder)))
    assert "img_4, img_5" in text and f"{place} (" in text and remedy in text
    (note,) = [note for note in checked(folder, tmp_path)["notes"] if note["kind"] == "packed"]
    assert remedy in note["text"]


@pytest.mark.parametrize(
    "extension, format", [("webp", "WEBP"), ("jfif", "JPEG"), ("tif", "TIFF"), ("TIFF", "TIFF"), ("bmp", "BMP")]
)
def test_images_saved_in_another_format_are_found(load, tmp_path, extension, format):
    folder = mlt(tmp_path / "mlt")
    train = unpacked(folder / IMAGES, folder / "TrainImages")
    options = {"lossless": True} if format == "WEBP" else {"quality": 100} if format == "JPEG" else {}
    data = encoded(picture(seed=2), format, **options)
    (train / "img_2.jpg").unlink()
    (train / f"img_2.{extension}").write_bytes(data)
    example = load(folder, split="train")[1]
    assert np.array_equal(np.asarray(example["image"]), np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB")))
    assert np.array_equal(np.asarray(example["label"]), label_values(seed=2))


# --- Drives without inodes ------------------------------------------------------------------------------------------


@pytest.fixture
def without_inodes(monkeypatch):
    """A drive that reports inode 0 for every file, as some network drives do."""
    real = os.stat

    def stat(path, **options):
        status = real(path, **options)
        return os.stat_result((status[0], 0, *status[2:10]), {"st_mtime_ns": status.st_mtime_ns})

    monkeypatch.setattr(mlt_s.os, "stat", stat)  # a copy of os, once a stream was made: `datasets` puts it there


def test_no_folder_is_taken_for_another_one(load_registered, tmp_path, without_inodes):
    folder = mlt(tmp_path / "mlt")
    for archive in (IMAGES, MORE_IMAGES, VALIDATION, LABELS):
        unpacked(folder / archive)
    (folder / MORE_IMAGES[:-4] / "back").symlink_to(folder)
    assert_whole(load_registered(folder))


def test_label_maps_are_found_on_a_drive_without_inodes(tmp_path, without_inodes):
    folder = mlt(tmp_path / "mlt")
    drawn(folder / "drawn")
    builder = mlt_s.MltS(cache_dir=str(tmp_path / "cache"), data_dir=str(folder), label_maps=str(folder / "drawn"))
    assert_whole(builder.as_streaming_dataset())


# --- Archives of more than 4 GiB without Zip64 records --------------------------------------------------------------


def finder_zip(path: Path, members: list, size: int = 1 << 31) -> Path:
    """An archive as macOS Finder writes it: offsets modulo 2**32. Between the members lie films of `size` bytes each.

    Members are (name, content). The films are holes, so the file takes no disk.
    """
    directory = []
    with open(path, "wb") as file:
        for at, (name, content) in enumerate(members):
            for entry, data, length in ((name, content, len(content)), (f"film_{at}.mov", None, size)):
                crc = zlib.crc32(data) if data is not None else 0
                sizes = struct.pack("<HHHHHIII", 20, 0, 0, 0, 0, crc, length, length)
                directory.append((entry.encode(), sizes, file.tell() % (1 << 32)))
                file.write(b"PK\3\4" + sizes + struct.pack("<HH", len(entry), 0) + entry.encode())
                file.write(data) if data is not None else file.seek(length, os.SEEK_CUR)
        start = file.tell()
        for entry, sizes, offset in directory:
            head = struct.pack("<HHHHHII", len(entry), 0, 0, 0, 0, 0, offset)
            file.write(b"PK\1\2" + struct.pack("<H", 20) + sizes + head + entry)
        end = file.tell() - start, start % (1 << 32), 0
        file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(directory), len(directory), *end))
    return path


@pytest.mark.parametrize("route", ["prepared", "streaming"])
def test_offsets_that_went_round_are_put_right(load_registered, tmp_path, route):
    folder = mlt(tmp_path / "mlt")
    (folder / IMAGES).unlink()
    (folder / MORE_IMAGES).unlink()
    archive = finder_zip(folder / IMAGES, [(f"img_{n}.jpg", image_file(n)) for n in range(1, 6)])
    assert archive.stat().st_size > 2 * (1 << 32)
    assert_whole(load_registered(folder, streaming=route == "streaming"))


def test_an_archive_of_which_only_the_directory_lies_beyond_is_read(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    members = [(f"img_{n}.jpg", image_file(n)) for n in range(1, 4)]
    (folder / IMAGES).unlink()
    finder_zip(folder / IMAGES, members, size=(1 << 32) // 3)
    assert_whole(load_registered(folder))


def test_offsets_that_are_merely_wrong_are_not_guessed(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / MORE_IMAGES).unlink()
    archive = finder_zip(folder / MORE_IMAGES, [(f"img_{n}.jpg", image_file(n)) for n in (4, 5)], size=3 << 30)
    with open(archive, "r+b") as file:
        file.write(b"XX")  # the first member's header
    text = str(failure(lambda: load_registered(folder)))
    assert str(archive) in text and "4 GiB" in text and "unpack" in text


def test_a_large_archive_with_zip64_records_is_read_as_it_says(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    archive = finder_zip(folder / IMAGES, [("img_9.jpg", image_file(9))] * 3)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as written:
        for n in (1, 2, 3):
            written.writestr(f"img_{n}.jpg", image_file(n))
            written.fp.seek(3 << 30, os.SEEK_CUR)  # a hole, as the next member begins where the file stands
            written.start_dir = written.fp.tell()
    assert archive.stat().st_size > (1 << 32)
    assert_whole(load_registered(folder))


def test_its_directory_may_be_in_another_order_than_its_members(load_registered, tmp_path):
    """The offsets are right: one that is less than the one before does not mean an overflow."""
    folder = mlt(tmp_path / "mlt")
    (folder / IMAGES).unlink()
    with zipfile.ZipFile(folder / IMAGES, "w", zipfile.ZIP_STORED) as written:
        for n in (1, 2, 3):
            written.writestr(f"img_{n}.jpg", image_file(n))
            written.fp.seek(3 << 30, os.SEEK_CUR)
            written.start_dir = written.fp.tell()
        written.filelist[1:] = written.filelist[:0:-1]
    assert_whole(load_registered(folder))


def test_words_of_other_challenges_are_left_out(load_registered, tmp_path):
    folder = add_words(mlt(tmp_path / "mlt"), range(1, 6), range(1, 4))
    write_zip(
        folder / "ch4_training_localization_transcription_gt.zip",
        {"gt_img_1.txt": b"\xef\xbb\xbf1,1,2,2,3,3,4,4,x\r\n"},
    )
    words = load_registered(folder, "words")["train"][0]["words"]
    assert [word["transcription"] for word in words] == ["word, 1", "###"]
