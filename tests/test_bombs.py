"""Small files that would cost minutes or gigabytes: refused by archive and member, or read in little memory."""

from __future__ import annotations

import json
import tracemalloc
from functools import partial

import datasets
import pyarrow as pa
import pytest
from archives import encoded, failure, jpeg_with, label_file, label_members, mlt, picture, png_with, write_zip
from bombs import (
    JPEG,
    MEGABYTE,
    PNG,
    crowded_exif,
    fill_bytes,
    in_one_dictionary,
    large,
    lines,
    many_chunks,
    many_scans,
    many_segments,
    of_long_ids,
    of_nothing,
    of_nulls,
    of_zeros,
    overlapping,
    packed_text,
    pair_of,
    scripts,
    with_words,
)

import mlt_s
from mlt_s_tools.cli import main

pytestmark = pytest.mark.once

MEMBER = mlt_s.Member("/mlt/images.zip", "img_1.jpg", 1, "")


def streamed(folder, split="train", **options) -> list[dict]:
    return list(mlt_s.MltS(data_dir=str(folder), **options).as_streaming_dataset()[split])


def allocated(call) -> int:
    """The peak memory of a call in bytes, as allocated by Python, numpy and zlib."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- Pictures ------------------------------------------------------------------------------------------------------

EXIF = b"Exif\0\0"
CROWDED = crowded_exif(60_000)
BIG_ENTRY = b"\0\x80\7\0" + b"\xff" * 7 + bytes(9)
REFUSED = {
    "PNG chunks without end": (many_chunks(1 << 16), "more than 65,536 chunks"),
    "fill bytes without end": (fill_bytes(2 * MEGABYTE), "1,048,576 bytes outside them"),
    "fill bytes to the end of the file": (JPEG[:2] + b"\xff" * 2 * MEGABYTE, "1,048,576 bytes outside them"),
    "zeros between segments": (fill_bytes(1, b"\xff\xe5\0\2" + bytes(2 * MEGABYTE)), "1,048,576 bytes outside them"),
    "segments without end": (many_segments(1001), "more than 1,000 segments"),
    "markers without end": (fill_bytes(1001, b"\xff\xd0"), "more than 1,000 segments"),
    "scans without end": (many_scans(64), "more than 64 scans"),
    "EXIF in a JPEG": (jpeg_with(JPEG, EXIF + CROWDED), "tags that claim 299,"),
    "EXIF in two parts": (jpeg_with(JPEG, EXIF + CROWDED[:50_000], EXIF + CROWDED[50_000:]), "tags that claim 299,"),
    "EXIF in a PNG": (png_with(PNG, b"eXIf", CROWDED), "tags that claim 299,"),
    "EXIF behind the pixels of a PNG": (png_with(PNG, b"eXIf", CROWDED, after=True), "tags that claim 299,"),
    "a TIFF": (CROWDED, "tags that claim 299,"),
    "a BigTIFF": (
        b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0" + (5000).to_bytes(8, "little") + BIG_ENTRY * 5000,
        "tags that claim 500,",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_picture_with_excessive_metadata_is_refused_by_archive_and_member(tmp_path, kind):
    image, reason = REFUSED[kind]
    folder = pair_of(tmp_path / "mlt", image)
    text = str(failure(lambda: streamed(folder)))
    assert text.startswith(f"{folder / 'ch8_training_images_1.zip'}, member img_1.jpg has ")
    assert reason in text and "damaged" in text


@pytest.mark.parametrize("kind", ["PNG chunks without end", "EXIF in a PNG"])
def test_a_label_map_is_looked_at_as_an_image_is(tmp_path, kind):
    label, reason = REFUSED[kind]
    folder = pair_of(tmp_path / "mlt", JPEG, label)
    text = str(failure(lambda: streamed(folder)))
    assert text.startswith(f"{folder / 'MLT_S_labels.zip'}, member MLT_S_labels/training_labels/img_1.png has ")
    assert reason in text


def test_exif_in_webp_is_looked_at_as_well(tmp_path):
    folder = pair_of(tmp_path / "mlt", encoded(picture(), "WEBP", exif=EXIF + CROWDED))
    text = str(failure(lambda: streamed(folder)))
    assert f"{folder / 'ch8_training_images_1.zip'}, member img_1.jpg is a WEBP file whose orientation tag" in text


@pytest.mark.parametrize("keyword", [b"XML:com.adobe.xmp", b"Raw profile type exif"])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_packed_text_of_a_png_is_not_unpacked(keyword, kind):
    file = packed_text(40 * MEGABYTE, 3, keyword, kind)
    assert len(file) < MEGABYTE / 5
    assert allocated(lambda: mlt_s.stored_image(file, MEMBER)) < 2 * MEGABYTE
    assert mlt_s.stored_image(file, MEMBER) == (PNG, (24, 16), 1)


@pytest.mark.parametrize("role", ["image", "label"])
def test_a_picture_that_pillow_only_warns_of_is_too_large(tmp_path, monkeypatch, role):
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 400 * 400 - 1)  # the error of Pillow's begins at twice as many
    given = (large(400), None) if role == "image" else (JPEG, large(400, label=True))
    folder = pair_of(tmp_path / "mlt", *given)
    text = str(failure(lambda: streamed(folder)))
    assert "is too large: Image size (160000 pixels) exceeds limit of 159999 pixels." in text
    assert ", member img_1.jpg " in text if role == "image" else "training_labels/img_1.png" in text


def test_what_pictures_have_is_not_too_much():
    """As many segments, scans and fill bytes as the most elaborate of files have, and a camera's video behind it."""
    whole = encoded(picture(), progressive=True)
    profile = jpeg_with(
        whole, *[b"ICC_PROFILE\0" + bytes([at, 255]) + bytes(60_000) for at in range(1, 256)], marker=0xE2
    )
    padded = profile[:2] + b"\xff" * 60_000 + profile[2:]
    video = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\2" * 1000
    for file in profile, padded, whole + video, many_scans(50):
        stored, size, _ = mlt_s.stored_image(file, MEMBER)
        assert (stored, size) == (file, (24, 16))


# --- Archives ------------------------------------------------------------------------------------------------------


def test_members_that_overlap_are_refused_by_archive(tmp_path):
    folder = overlapping(tmp_path / "mlt", 20, MEGABYTE)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 10_000
    text = str(failure(lambda: streamed(folder)))
    assert text.startswith(f"{folder / 'ch8_training_images_1.zip'} (")
    assert "its members img_1.jpg and img_2.jpg overlap" in text


def test_an_archive_that_is_not_needed_is_passed_over_where_members_overlap(tmp_path, caplog):
    folder = mlt(tmp_path / "mlt", 1, 1)
    other = overlapping(tmp_path / "other", 20, MEGABYTE) / "ch8_training_images_1.zip"
    other.rename(folder / "train_more.zip")
    (example,) = streamed(folder)
    assert example["image_id"] == "img_1"
    assert f"{folder / 'train_more.zip'} (its members img_1.jpg and img_2.jpg overlap)" in caplog.text


def test_folders_and_empty_files_overlap_nothing(tmp_path):
    folder = mlt(tmp_path / "mlt", 2, 1)
    labels = label_members({"img_1": label_file(1), "img_2": label_file(2)}, {"img_1": label_file(501)})
    write_zip(folder / "MLT_S_labels.zip", {"MLT_S_labels/": b"", "MLT_S_labels/empty": b"", **labels})
    assert [example["image_id"] for example in streamed(folder)] == ["img_1", "img_2"]


# --- Label maps in Parquet -----------------------------------------------------------------------------------------

ROWS = {
    "a dictionary of one long value": (partial(in_one_dictionary, count=10_000, size=10 * MEGABYTE), "label maps"),
    "a dictionary of a value longer than any": (partial(in_one_dictionary, count=10_000, size=17 * MEGABYTE), "17,82"),
    "long ids": (partial(of_long_ids, count=10_000, size=MEGABYTE), "the image_id 'iiii"),
    "an id longer than a file's name may be": (partial(of_long_ids, count=1, size=252), "the image_id 'iiii"),
    "zeros": (partial(of_zeros, count=4, size=10 * MEGABYTE), "a row group larger than all label maps of MLT_S"),
    "nulls": (partial(of_nulls, count=2_000_000), "2,000,000 rows"),
    "empty label maps": (partial(of_nothing, count=50_001), "50,001 rows"),
    "an empty label map": (partial(of_nothing, count=1), "a label map that is not a PNG file: it is empty"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows_that_no_label_maps_have_are_refused_by_their_file(tmp_path, monkeypatch, kind):
    make, reason = ROWS[kind]
    folder = make(tmp_path / "set")
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", tmp_path / "downloads")
    monkeypatch.setattr(mlt_s, "LARGEST_LABEL_ARCHIVE", 60 * MEGABYTE)
    monkeypatch.setattr(mlt_s, "LARGEST_GROUP", 32 * MEGABYTE)
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        text = str(failure(lambda: mlt_s.list_label_maps(str(folder), {})))
    finally:
        pa.set_memory_pool(before)
    assert text.startswith(f"{folder / 'labels' / 'train-00000-of-00001.parquet'} ")
    assert reason in text
    assert pool.max_memory() < 60 * MEGABYTE
    assert [file.name for file in (tmp_path / "downloads").iterdir() if not file.name.endswith(".lock")] == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_limits_hold_for_all_files_together(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", tmp_path / "downloads")
    monkeypatch.setattr(mlt_s, "MOST_LABEL_MAPS", 25)
    file = in_one_dictionary(tmp_path / "set", 10, 0) / "labels" / "train-00000-of-00001.parquet"
    for number in (1, 2):
        (file.parent / f"train-0000{number}-of-00003.parquet").write_bytes(file.read_bytes())
    text = str(failure(lambda: mlt_s.list_label_maps(str(tmp_path / "set"), {})))
    assert text.startswith(f"{file.parent / 'train-00002-of-00003.parquet'} holds 26 rows")


# --- Ground truth --------------------------------------------------------------------------------------------------

GROUND_TRUTH = {
    "line ends without end": (b"\r\n" * MEGABYTE, "2,097,152 bytes"),
    "words without end": (lines(2001), "more than 2,000 words"),
    "words on top of each other": (lines(11, "0,0,24,0,24,24,0,24,Latin,word"), "words of 11 times the area of"),
    "words that reach far beyond": (lines(11, "-9,-9,99,-9,99,99,-9,99,Latin,word"), "words of 11 times the area of"),
}


@pytest.mark.parametrize("kind", GROUND_TRUTH)
@pytest.mark.parametrize("route", ["load", "check"])
def test_more_words_than_any_image_has_are_refused_by_archive_and_member(tmp_path, kind, route):
    content, reason = GROUND_TRUTH[kind]
    folder = with_words(tmp_path / "mlt", content, 24)
    if route == "load":
        text = str(failure(lambda: streamed(folder, config_name="words")))
    else:
        main(["check", str(folder), "--pixels", "--jobs", "1", "--json", str(tmp_path / "check.json")])
        problems = json.loads((tmp_path / "check.json").read_text())["problems"]
        (text,) = [problem["text"] for problem in problems if problem["kind"] == "no-word"]
    place = folder / "ch8_training_localization_transcription_gt_v2.zip"
    shown = place if route == "load" else place.name  # check names places from the folder on
    assert text.startswith(f"{shown}, member gt_img_1.txt holds {reason}")


def test_as_many_words_as_the_fullest_image_has_load(tmp_path):
    """Side by side over all of the image; turned ones, whose rectangles overlap; and some on the smallest of images."""
    row = "".join(f"{x},0,{x + 19},0,{x + 19},9,{x},9,Latin,word\n" for x in range(0, 400, 20))
    turned = "200,0,400,200,200,400,0,200,Latin,word\n" * 8
    dots = "0,0,0,0,0,0,0,0,Latin,.\n" * 9
    for name, content, side, count in ("rows", row * 50 + turned, 400, 1008), ("dots", dots, 1, 9):
        (example,) = streamed(with_words(tmp_path / name, content.encode(), side), config_name="words")
        assert len(example["words"]) == count


def test_unknown_scripts_are_named_a_few_times_and_not_for_ever(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mlt_s, "unknown_scripts", set())
    (example,) = streamed(with_words(tmp_path / "mlt", scripts(1000), 100), config_name="words")
    assert [word["script"] for word in example["words"]] == [-1] * 1000
    assert len([record for record in caplog.records if "'script " in record.getMessage()]) == 10
