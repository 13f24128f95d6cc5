"""`mlt-s check`: given these archives, what is said about them, and what is the exit status."""

import contextlib
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from archives import assert_two_contents, encoded, image_file, label_members, png_with, raw_png, unpacked, write_zip
from conftest import REAL
from fsspec.implementations.memory import MemoryFileSystem

import mlt_s
from mlt_s_tools import SAMPLE, build, cli
from mlt_s_tools import check as package
from mlt_s_tools.check import findings, ground_truth, inventory, pixels, report

pytestmark = pytest.mark.once  # all of it stands on the archives, none of it on what the library prepares

IMAGES = mlt_s.IMAGE_ARCHIVES
TRUTH = mlt_s.WORDS_ARCHIVES
LABELS = "MLT_S_labels.zip"
WIDTH, HEIGHT = 24, 16
WORD = (2, 3, 9, 6)  # left, top, right, bottom: where the text is, and the word of the ground truth
CORNERS = (2, 3, 9, 3, 9, 6, 2, 6)  # of that word


# --- A small whole set, to be spoiled in one way a test ------------------------------------------------------------


def label(*changes, word=WORD):
    """A label map (height, width) with text where the word is; changes are (row, column, value)."""
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    left, top, right, bottom = word
    values[top : bottom + 1, left : right + 1] = 1
    for row, column, value in changes:
        values[row, column] = value
    return values


def png(values):
    return encoded(PIL.Image.fromarray(values), "PNG")


def words(left, top, right, bottom):
    return f"\ufeff{left},{top},{right},{top},{right},{bottom},{left},{bottom},Latin,a, b\r\n".encode()


def line(*corners, script="Latin", text="a"):
    """A line of ground truth, of eight numbers."""
    return ",".join([*map(str, corners), script, text]).encode() + b"\n"


# With a corner outside the image, folded over, without area, and of a script that MLT does not have.
ODD_WORDS = line(-1, 3, 9, 3, 9, 6, 2, 6) + line(2, 3, 9, 6, 9, 3, 2, 6) + line(*(2, 3) * 4, script="Klingon")


def whole_set(folder, train=None, images=None, truth=None):
    """Eight training images, one an archive, six with a label map; two of each for validation.

    Args:
        train: stem -> label map, to replace or add.
        images: file name -> content of the training image, to replace.
        truth: stem -> ground truth of the training image, to replace.
    """
    for number in range(1, 9):
        name = f"img_{number}.jpg"
        write_zip(folder / IMAGES[number - 1], {name: (images or {}).get(name, image_file(number))})
    write_zip(folder / IMAGES[8], {f"img_{number}.jpg": image_file(500 + number) for number in (1, 2)})
    train = {**{f"img_{number}": png(label()) for number in range(1, 7)}, **(train or {})}
    write_zip(folder / LABELS, label_members(train, {f"img_{number}": png(label()) for number in (1, 2)}))
    texts = {f"gt_img_{number}.txt": words(*WORD) for number in range(1, 9)}
    texts.update({f"gt_{stem}.txt": data for stem, data in (truth or {}).items()})
    write_zip(folder / TRUTH[0], texts)
    write_zip(folder / TRUTH[1], {f"gt_img_{n}.txt": words(*WORD) for n in (1, 2)})
    return folder


@pytest.fixture(autouse=True)
def small_counts(monkeypatch):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 6, "validation": 2})
    monkeypatch.setattr(mlt_s, "IMAGE_COUNTS", {"train": 8, "validation": 2})


@pytest.fixture(autouse=True)
def no_script_said_yet(monkeypatch):
    monkeypatch.setattr(mlt_s, "unknown_scripts", set())


@pytest.fixture
def check(tmp_path, capsys):
    """Runs `mlt-s check`: the exit status, what was printed (blanks and line breaks as one blank), and the JSON."""

    def run(folder, *options, jobs=1):
        file = tmp_path / "report.json"
        status = cli.main(["check", str(folder), "--jobs", str(jobs), "--json", str(file), *options])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=status, out=out, flat=flat(out), err=err, json=json.loads(file.read_text()))

    return run


def flat(text):
    return " ".join(text.split())


def found(checked, kind, among="problems"):
    return [finding for finding in checked.json[among] if finding["kind"] == kind]


def kinds(checked, among="problems"):
    return [finding["kind"] for finding in checked.json[among]]


def states(checked):
    return {place["name"]: place["state"] for place in checked.json["archives"]}


# --- All well ------------------------------------------------------------------------------------------------------


def test_the_whole_set_is_well(check, tmp_path):
    checked = check(whole_set(tmp_path / "mlt"))
    assert (checked.status, checked.json["problems"], checked.json["notes"]) == (0, [], [])
    assert "names and sizes" in checked.out.splitlines()[-1] and "--pixels" in checked.out.splitlines()[-1]
    assert checked.json["splits"]["train"] == {
        "images": 8, "images_published": 8, "label_maps": 6, "weak": 0, "label_maps_published": 6, "pairs": 6,
        "without_image": [], "ground_truth": 8, "without_ground_truth": [],
    }  # fmt: skip


def test_the_whole_set_read_is_well(check, tmp_path):
    checked = check(whole_set(tmp_path / "mlt"), "--pixels")
    assert (checked.status, checked.json["problems"], checked.json["notes"]) == (0, [], [])
    assert checked.out.splitlines()[-1] == "All well."
    seen = checked.json["pixels"]
    assert (seen["image_kinds"], seen["label_kinds"]) == ({"JPEG RGB": 10}, {"PNG L": 8})
    text = 8 * 4
    assert seen["shares"]["train"] == {
        "label_maps": 6, "background": 6 * (WIDTH * HEIGHT - text), "text": 6 * text, "uncertain": 0
    }  # fmt: skip
    assert (seen["with_words"], seen["text_with_words"], seen["text_outside"]) == (8, 8 * text, 0)


def test_several_processes_see_what_one_sees(check, tmp_path):
    maps = {"img_2": png(label((0, 0, 2))), "img_3": png(label(word=(12, 9, 20, 12)))}
    strange = line(0, 0, 99, 99, 99, 0, 0, 99, script="Greek") + line(*CORNERS, script="Elvish")
    truth = {"img_4": strange, "img_10": strange, "img_5": strange, "img_6": b"no word"}
    folder = whole_set(tmp_path / "mlt", train=maps, truth=truth)
    checked = check(folder, "--pixels", jobs=2)
    assert checked.json == check(folder, "--pixels", jobs=1).json
    assert [problem["image_id"] for problem in checked.json["problems"]] == ["img_2", "img_6"]


def test_unpacked_into_folders_of_their_names_is_well(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    for archive in list(folder.iterdir()):
        unpacked(archive)
    checked = check(folder, "--pixels")
    assert (checked.status, checked.json["notes"]) == (0, [])
    assert set(states(checked).values()) == {"folder"}


def test_unpacked_into_one_folder_a_split_is_well(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    for name in IMAGES:
        unpacked(folder / name, folder / ("train" if "training" in name else "validation"))
    checked = check(folder)
    assert (checked.status, set(kinds(checked, "notes"))) == (0, {"elsewhere"})
    assert states(checked)[IMAGES[0]] == "elsewhere"
    assert ("train", 8) in [(place["name"], place["files"]) for place in checked.json["archives"]]


def test_label_maps_that_lie_elsewhere(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    elsewhere = shutil.move(folder / LABELS, tmp_path / "labels_of_mlt_s.zip")
    assert check(folder).status == 1
    assert check(folder, "--label-maps", str(elsewhere)).status == 0


def test_label_maps_that_lie_in_the_folder_under_any_name(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    (folder / LABELS).rename(folder / "training_maps.zip")
    (folder / "maps").mkdir()
    with zipfile.ZipFile(folder / "training_maps.zip") as archive:
        members = {name.replace("_labels", ""): archive.read(name) for name in archive.namelist()}
    (folder / "training_maps.zip").unlink()
    maps = write_zip(folder / "maps.zip", members)
    checked = check(folder, "--label-maps", str(maps))
    assert (checked.status, checked.json["notes"]) == (0, [])


def test_a_remote_folder(check, tmp_path):
    filesystem = MemoryFileSystem()
    for file in whole_set(tmp_path / "mlt").iterdir():
        filesystem.pipe(f"/check/{file.name}", file.read_bytes())
    checked = check("memory://check", "--pixels", "--checksums")
    assert (checked.status, checked.json["pixels"]["looked"]) == (0, 28)
    filesystem.rm("/check", recursive=True)


def test_upper_case_names_are_known(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    (folder / IMAGES[0]).rename(folder / IMAGES[0].upper())
    assert check(folder).status == 0


# --- What is missing -----------------------------------------------------------------------------------------------


def test_a_missing_archive_and_the_label_maps_that_lack_their_image(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    (folder / IMAGES[2]).unlink()
    checked = check(folder)
    assert (checked.status, sorted(kinds(checked))) == (1, ["label-map-without-image", "missing-archive"])
    assert found(checked, "missing-archive")[0]["archive"] == IMAGES[2]
    assert "train: 1 label map: img_3" in checked.flat
    assert f"Fetch them from {mlt_s.IMAGES_URL}" in checked.flat
    assert checked.json["splits"]["train"]["without_image"] == ["img_3"]
    assert checked.out.splitlines()[-1] == "2 problems, 0 notes."


def test_a_missing_archive_is_a_problem_though_every_label_map_has_its_image(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    (folder / IMAGES[7]).unlink()  # img_8, which has no label map
    assert kinds(check(folder)) == ["missing-archive"]


def test_no_label_maps(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    (folder / LABELS).unlink()
    checked = check(folder)
    assert (checked.status, kinds(checked)) == (1, ["no-label-maps"])
    assert (
        "MLT_S_labels.zip is missing Put MLT_S_labels.zip into the folder, or name it with --label-maps" in checked.flat
    )


def test_label_maps_of_a_built_set(tmp_path, check):
    folder = whole_set(tmp_path / "mlt")
    build(folder, tmp_path / "built", configs=("labels",), jobs=1)
    (folder / LABELS).unlink()
    checked = check(folder, "--label-maps", str(tmp_path / "built"), "--pixels")
    assert (checked.status, kinds(checked)) == (0, [])
    assert (checked.json["splits"]["train"]["pairs"], checked.json["splits"]["validation"]["pairs"]) == (6, 2)


@pytest.mark.parametrize("published", [5, 7])
def test_another_number_of_label_maps(check, tmp_path, monkeypatch, published):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": published, "validation": 2})
    checked = check(whole_set(tmp_path / "mlt"))
    assert (checked.status, kinds(checked)) == (1, ["label-map-count"])
    assert f"train: 6; published are {published}" in checked.flat


def test_another_number_of_images_is_a_note(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    (unpacked(folder / IMAGES[7]) / "img_8.jpg").rename(tmp_path / "away.jpg")
    write_zip(folder / IMAGES[7], {"README.txt": b""})
    checked = check(folder)
    assert (checked.status, kinds(checked, "notes")) == (0, ["image-count"])
    assert "train: 7; MLT has 8" in checked.flat


def test_ground_truth_that_lies_elsewhere(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    unpacked(folder / TRUTH[0], folder / "training_gt")
    checked = check(folder, "--pixels")
    assert (checked.status, checked.json["pixels"]["with_words"]) == (0, 8)
    assert states(checked)[TRUTH[0]] == "elsewhere"


def test_ground_truth_may_be_missing(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    for name in TRUTH:
        (folder / name).unlink()
    checked = check(folder, "--pixels")
    assert (checked.status, checked.json["pixels"]["with_words"]) == (0, 0)
    assert "not there" in checked.out and "of the text lies outside" not in checked.out


def test_label_maps_of_no_known_split(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    write_zip(folder / "more_labels.zip", {"img_1.png": png(label())})
    checked = check(folder)
    assert (checked.status, kinds(checked)) == (1, ["unplaced-label-map"])
    assert "1 label map: more_labels.zip, member img_1.png" in checked.flat


# --- Names seen twice ----------------------------------------------------------------------------------------------


def test_a_name_with_two_contents(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    write_zip(folder / "more_training_images.zip", {"img_2.jpg": image_file(77)})
    checked = check(folder, "--pixels")
    (problem,) = checked.json["problems"]
    assert (checked.status, problem["kind"], problem["image_id"]) == (1, "two-contents", "img_2")
    places = f"{IMAGES[1]}, member img_2.jpg", "more_training_images.zip, member img_2.jpg"
    assert_two_contents(problem["text"], *places)
    assert not re.search("remove|delete|take away", problem["advice"], re.IGNORECASE)
    assert f"{IMAGES[1]}, member img_2.jpg" in checked.flat
    assert checked.json["splits"]["train"]["pairs"] == 6 - 1
    assert checked.json["splits"]["train"]["without_image"] == []


def test_label_maps_that_are_taken_for_images_are_named_by_a_line_that_works_anywhere(check, tmp_path, monkeypatch):
    folder = whole_set(tmp_path / "my mlt")
    (folder / LABELS).rename(tmp_path / LABELS)
    write_zip(folder / "my training.zip", {f"img_{number}.png": png(label()) for number in range(1, 7)})
    monkeypatch.chdir(tmp_path)
    (option,) = set(re.findall(r'label_maps="[^"]+"', check("my mlt").out))
    monkeypatch.chdir(folder)
    assert len(eval(f"mlt_s.MltS(data_dir={str(folder)!r}, {option})").pairs()["train"]) == 6


def test_a_name_with_one_content_twice_is_a_note(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    shutil.copy(folder / IMAGES[1], folder / "ch8_training_images_2 (1).zip")
    checked = check(folder, "--pixels")
    assert (checked.status, kinds(checked, "notes")) == (0, ["copies"])
    assert "train, images: 1 name: img_2" in checked.flat


@pytest.mark.parametrize("change, status, problems, notes", [(0, 0, [], ["copies"]), (0xFF, 1, ["two-contents"], [])])
def test_a_loose_copy_is_compared_when_it_is_read(check, tmp_path, change, status, problems, notes):
    folder = whole_set(tmp_path / "mlt")
    content = bytearray(image_file(2))
    content[-10] ^= change
    (folder / "training").mkdir()
    (folder / "training" / "img_2.jpg").write_bytes(content)
    assert kinds(check(folder), "notes") == ["maybe-copies"]
    checked = check(folder, "--pixels")
    assert (checked.status, kinds(checked), kinds(checked, "notes")) == (status, problems, notes)


# --- Damage --------------------------------------------------------------------------------------------------------


def test_a_cut_off_archive_hides_no_other(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    archive = folder / IMAGES[1]
    archive.write_bytes(archive.read_bytes()[:-40])
    checked = check(folder, "--pixels", "--checksums")
    assert (checked.status, sorted(kinds(checked))) == (1, ["damaged-archive", "label-map-without-image"])
    assert f"{IMAGES[1]} ({archive.stat().st_size:,} bytes) is not a zip archive, or is cut off" in checked.flat
    assert "Fetch it again." in checked.flat
    assert states(checked)[IMAGES[1]] == "damaged"
    assert checked.json["splits"]["train"]["pairs"] == 5
    assert checked.json["pixels"]["shares"]["train"]["label_maps"] == 6


@pytest.mark.parametrize("config, name, kept", [("segmentation", IMAGES[1], 5), ("words", TRUTH[1], 6)])
def test_the_way_round_a_cut_off_archive_is_one(check, tmp_path, config, name, kept):
    folder = whole_set(tmp_path / "mlt")
    archive = folder / name
    archive.write_bytes(archive.read_bytes()[:-40])
    some = {"data_dir": str(folder), "missing_images": "skip"}
    with pytest.raises(mlt_s.MltSError, match=re.escape(name)):
        mlt_s.MltS(config_name=config, **some).pairs()
    (problem,) = found(check(folder), "damaged-archive")
    assert re.search('with missing_images="skip" too: .*move it out of the folder', problem["advice"])
    archive.rename(tmp_path / name)
    assert len(mlt_s.MltS(config_name=config, **some).pairs()["train"]) == kept


def test_a_cut_off_label_archive(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    archive = folder / LABELS
    archive.write_bytes(archive.read_bytes()[:100])
    checked = check(folder)
    assert (checked.status, kinds(checked)) == (1, ["damaged-archive"])
    assert checked.json["splits"]["train"]["images"] == 8


def test_an_archive_without_rights_to_read(check, tmp_path, monkeypatch):
    folder = whole_set(tmp_path / "mlt")

    read_range = mlt_s.read_range

    def refusing(address, *arguments):
        if address.endswith(IMAGES[1]):
            raise PermissionError(13, "Permission denied", address)
        return read_range(address, *arguments)

    monkeypatch.setattr(mlt_s, "read_range", refusing)
    checked = check(folder)
    assert (checked.status, kinds(checked)[-1]) == (1, "damaged-archive")
    assert f"Cannot read {IMAGES[1]}: [Errno 13] Permission denied" in checked.flat


def test_a_flipped_byte_is_found_by_reading(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    archive = write_zip(folder / IMAGES[1], {"img_2.jpg": image_file(2)}, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[200] ^= 1
    archive.write_bytes(content)
    assert check(folder).status == 0
    checked = check(folder, "--pixels")
    (problem,) = checked.json["problems"]
    assert (checked.status, problem["kind"]) == (1, "unreadable-file")
    assert (problem["archive"], problem["member"], problem["split"], problem["image_id"]) == (
        IMAGES[1], "img_2.jpg", "train", "img_2"
    )  # fmt: skip
    assert "CRC-32" in checked.out and "fetch it again" in checked.flat


def test_the_crc_of_every_member_is_checked(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    members = {"img_2.jpg": image_file(2), "notes/README.txt": b"of no use to anyone" * 10}
    archive = write_zip(folder / IMAGES[1], members, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[content.index(b"of no use")] ^= 1
    archive.write_bytes(content)
    (problem,) = check(folder, "--pixels").json["problems"]
    assert (problem["kind"], problem["member"]) == ("unreadable-file", "notes/README.txt")


def test_a_loose_jpeg_cut_off(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    image = unpacked(folder / IMAGES[1]) / "img_2.jpg"
    image.write_bytes(image.read_bytes()[:-40])
    checked = check(folder, "--pixels")
    assert (checked.status, kinds(checked)) == (1, ["broken-image"])
    assert re.search(r"ch8_training_images_2/img_2\.jpg (is|cannot) .*truncated", checked.flat)


def test_an_image_without_a_label_map_is_decoded_too(check, tmp_path):
    checked = check(whole_set(tmp_path / "mlt", images={"img_8.jpg": b"<html>log in</html>"}), "--pixels")
    assert "img_8.jpg is not an image, or is cut off in its header: it starts with b'<html>log in" in checked.flat


def test_a_bad_image_does_not_hide_its_bad_label_map(check, tmp_path):
    folder = whole_set(tmp_path / "mlt", train={"img_2": b"no PNG"}, images={"img_2.jpg": b"no JPEG"})
    assert sorted(kinds(check(folder, "--pixels"))) == ["broken-image", "broken-label-map"]


def test_a_picture_with_more_text_than_pillow_reads_is_not_called_damaged(check, tmp_path):
    image, text = image_file(1, "PNG"), (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000)))
    folder = whole_set(tmp_path / "mlt", train={"img_2": png_with(png(label()), *text)})
    write_zip(folder / "ch8_training_images_9.zip", {"img_9.png": png_with(image, *text)})
    checked = check(folder, "--pixels")
    found = {problem["kind"]: problem["text"] for problem in checked.json["problems"]}
    assert set(found) == {"broken-image", "broken-label-map"}
    assert all("MAX_TEXT_CHUNK" in text and "etch" not in text for text in found.values())


# --- Pixels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2, 254])
def test_other_values_in_a_label_map(check, tmp_path, value):
    changes = [(0, column, value) for column in range(3)]
    checked = check(whole_set(tmp_path / "mlt", train={"img_2": png(label(*changes))}), "--pixels")
    (problem,) = checked.json["problems"]
    assert (checked.status, problem["kind"], problem["image_id"]) == (1, "label-values", "img_2")
    assert f"member MLT_S_labels/training_labels/img_2.png holds the value {value} (3 pixels)" in checked.flat


def test_sizes_that_differ(check, tmp_path):
    checked = check(whole_set(tmp_path / "mlt", train={"img_2": png(label()[:-1])}), "--pixels")
    assert (checked.status, kinds(checked)) == (1, ["size"])
    assert "img_2.png is 24 x 15" in checked.flat and "img_2.jpg is 24 x 16" in checked.flat


def test_orientations_and_what_was_done(check, tmp_path):
    tagged = image_file(2, orientation=6)
    upright = png(np.rot90(label(), k=-1).copy())
    checked = check(whole_set(tmp_path / "mlt", train={"img_2": upright}, images={"img_2.jpg": tagged}), "--pixels")
    assert checked.status == 0
    assert "1 image with tag 6: the loader sets it to 1" in checked.flat and "1 label map turned back" in checked.flat
    assert (checked.json["pixels"]["orientations"]["6"], checked.json["pixels"]["turned"]) == (1, {"6": 1})
    assert checked.json["pixels"]["text_outside"] == 0  # compared in the stored frame


def test_formats_and_modes(check, tmp_path):
    images = {"img_1.jpg": image_file(1, "PNG"), "img_2.jpg": image_file(2, "GIF")}
    labels = {"img_3": raw_png(label(), kind=3, palette=[0, 0, 0, 255, 0, 0])}
    seen = check(whole_set(tmp_path / "mlt", train=labels, images=images), "--pixels").json["pixels"]
    assert seen["image_kinds"]["JPEG RGB"] == 8 and seen["image_kinds"]["PNG RGB"] == 1
    assert any(kind.startswith("GIF ") for kind in seen["image_kinds"])
    assert seen["label_kinds"] == {"PNG L": 7, "PNG P": 1}


def test_label_maps_with_no_text_are_a_note(check, tmp_path):
    empty = {name: png(0 * label()) for name in ("img_5", "img_2")}
    checked = check(whole_set(tmp_path / "mlt", train=empty), "--pixels")
    assert (checked.status, checked.json["pixels"]["no_text"]["train"]) == (0, ["img_2", "img_5"])
    assert "Label maps with no text pixel train: 2 label maps: img_2, img_5" in checked.flat


def test_exif_that_cannot_be_read_is_a_note_not_a_warning(check, tmp_path, caplog):
    broken = png_with(image_file(2, "PNG"), b"eXIf", b"garbage garbage!")
    checked = check(whole_set(tmp_path / "mlt", images={"img_2.jpg": broken}), "--pixels")
    assert (checked.status, kinds(checked, "notes"), checked.err, caplog.text) == (0, ["exif"], "", "")
    assert f"{IMAGES[1]}, member img_2.jpg has EXIF data that cannot be read" in checked.flat


# --- Ground truth --------------------------------------------------------------------------------------------------


def test_text_outside_every_word_worst_first(check, tmp_path):
    turned = png(label()[::-1, ::-1].copy())
    shifted = png(label(word=(2, 3, 17, 6)))  # twice as wide as the word
    checked = check(whole_set(tmp_path / "mlt", train={"img_2": shifted, "img_3": turned}), "--pixels")
    worst = [(one["image_id"], one["share"], one["text"]) for one in checked.json["pixels"]["outside"]]
    assert worst == [("img_3", 1.0, 32), ("img_2", 0.5, 64)]
    assert re.search(r"train {2}img_3 +100\.0% +32 +1\n *train {2}img_2 +50\.0% +64 +1\n", checked.out)
    assert (checked.status, kinds(checked, "notes")) == (0, ["outside-words"])
    assert "train: 1 label map: img_3 They may be turned, shifted" in checked.flat


def test_only_the_ten_worst_are_printed(check, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "SHOWN", 2)
    turned = {f"img_{n}": png(label()[::-1, ::-1].copy()) for n in (1, 2, 3)}
    checked = check(whole_set(tmp_path / "mlt", train=turned), "--pixels")
    assert len(checked.json["pixels"]["outside"]) == 3
    assert re.findall(r"^train {2}img_\d", checked.out, re.MULTILINE) == ["train  img_1", "train  img_2"]


def test_words_are_counted_by_script(check, tmp_path):
    lines = [line(*CORNERS, script=script) for script in ("Arabic", "arabic", "Bangla", "Klingon", "Greek", "Greek")]
    lines += [line(*CORNERS, text="###"), b"\r\n", line(*CORNERS, text=" ### "), line(*CORNERS, text="a###")]
    checked = check(whole_set(tmp_path / "mlt", truth={"img_2": b"".join(lines)}), "--pixels")
    seen = checked.json["pixels"]["words"]
    of_train = seen["train"]
    assert (of_train["files"], of_train["words"], of_train["unreadable"]) == (8, 7 + 9, 2)
    assert list(of_train["by_script"]) == list(mlt_s.SCRIPTS)
    assert {script: count for script, count in of_train["by_script"].items() if count} == {
        "Arabic": 2, "Latin": 7 + 3, "Bangla": 1
    }  # fmt: skip
    assert list(of_train["unknown_scripts"].items()) == [("Greek", 2), ("Klingon", 1)]
    assert (seen["validation"]["words"], seen["validation"]["by_script"]["Latin"]) == (2, 2)
    rows = [" ".join(row.split()) for row in checked.out.splitlines()]
    start = rows.index("Words train validation both")
    assert rows[start + 1 : start + 1 + len(mlt_s.SCRIPTS)] == [
        "Arabic 2 0 2", "Latin 10 2 12", "Chinese 0 0 0", "Japanese 0 0 0", "Korean 0 0 0", "Bangla 1 0 1",
        "Symbols 0 0 0", "Mixed 0 0 0", "None 0 0 0",
    ]  # fmt: skip
    assert rows[start + 10].endswith("script of MLT 3 0 3")
    assert rows[start + 11 : start + 13] == ["all 16 2 18", "unreadable 2 0 2"]


def test_a_script_that_mlt_does_not_have_is_a_note_not_a_warning(check, tmp_path, caplog):
    strange = line(*CORNERS, script="Klingon") + 2 * line(*CORNERS, script=" Gr\x1beek ")
    checked = check(whole_set(tmp_path / "mlt", truth={"img_2": strange}), "--pixels")
    assert (checked.status, kinds(checked, "notes"), caplog.text) == (0, ["unknown-script"], "")
    assert "train: 'Gr\\x1beek' (2 words), 'Klingon' (1 word) They load with the script -1." in checked.flat


def test_files_without_words_are_counted(check, tmp_path):
    checked = check(whole_set(tmp_path / "mlt", truth={"img_2": b"", "img_3": b"\xef\xbb\xbf\r\n"}), "--pixels")
    of_train = checked.json["pixels"]["words"]["train"]
    assert (checked.status, of_train["files"], of_train["words"]) == (0, 8, 6)
    assert [one["image_id"] for one in checked.json["pixels"]["outside"]] == ["img_2", "img_3"]


def test_ground_truth_by_split_without_reading(check, tmp_path):
    checked = check(whole_set(tmp_path / "mlt"))
    assert "Ground truth files pairs with it pairs without train 8 6 0 validation 2 2 0" in checked.flat


def test_pairs_without_ground_truth_are_a_problem(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    write_zip(folder / TRUTH[0], {f"gt_img_{number}.txt": words(*WORD) for number in (1, 2, 3, 6, 7, 8)})
    checked = check(folder, "--pixels")
    assert (checked.status, kinds(checked), checked.json["notes"]) == (1, ["pair-without-ground-truth"], [])
    assert checked.json["splits"]["train"]["without_ground_truth"] == ["img_4", "img_5"]
    assert "train: 2 pairs: img_4, img_5 Fetch its archive again from" in checked.flat
    assert 'the configuration "words"' in checked.flat and 'missing_images="skip"' in checked.flat
    assert "pairs without train 6 4 2 validation 2 2 0" in checked.flat
    assert checked.json["pixels"]["with_words"] == 4 + 2


@pytest.mark.parametrize("lacking", [["gt_img_4.txt"], []])
def test_the_configuration_words_stops_where_pairs_lack_ground_truth(check, tmp_path, lacking):
    folder = whole_set(tmp_path / "mlt")
    files = {f"gt_img_{number}.txt": words(*WORD) for number in range(1, 9)}
    write_zip(folder / TRUTH[0], {name: data for name, data in files.items() if name not in lacking})
    builder = mlt_s.MltS(config_name="words", data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(mlt_s.MltSError, match="img_4") if lacking else contextlib.nullcontext():
        builder.as_streaming_dataset(split="train")
    assert check(folder).status == len(lacking)


def test_images_without_label_map_may_lack_ground_truth(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    write_zip(folder / TRUTH[0], {f"gt_img_{number}.txt": words(*WORD) for number in range(1, 7)})
    assert (check(folder).status, check(folder).json["splits"]["train"]["ground_truth"]) == (0, 6)


def test_ground_truth_of_one_split_alone_is_a_note(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    (folder / TRUTH[1]).unlink()
    checked = check(folder)
    assert (checked.status, kinds(checked, "notes")) == (0, ["no-ground-truth"])
    assert 'validation: none, and train has some Only the configuration "words" needs it' in checked.flat
    assert "pairs without train 8 6 0 validation 0 0 2" in checked.flat


def test_ground_truth_of_no_known_split_is_a_note(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    write_zip(folder / "more.zip", {"gt_img_1.txt": words(*WORD), "train_and_val/gt_img_2.txt": words(*WORD)})
    checked = check(folder)
    assert (checked.status, kinds(checked, "notes")) == (0, ["unplaced-ground-truth"])
    assert "2 files: more.zip, member gt_img_1.txt, more.zip, member train_and_val/gt_img_2.txt" in checked.flat


def test_ground_truth_of_two_contents(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    write_zip(folder / "more_training_gt.zip", {"gt_img_2.txt": words(1, 1, 5, 5)})
    checked = check(folder, "--pixels")
    (problem,) = checked.json["problems"]
    assert (checked.status, problem["kind"], problem["image_id"]) == (1, "two-contents", "img_2")
    places = f"{TRUTH[0]}, member gt_img_2.txt", "more_training_gt.zip, member gt_img_2.txt"
    assert_two_contents(problem["text"], *places)
    assert checked.json["splits"]["train"]["pairs"] == 6
    assert checked.json["splits"]["train"]["without_ground_truth"] == []
    assert checked.json["pixels"]["words"]["train"]["files"] == 7


@pytest.mark.parametrize("text, kind", [(words(*WORD), "copies"), (words(9, 3, 2, 6), "two-contents")])
def test_a_loose_copy_of_ground_truth_is_compared_when_it_is_read(check, tmp_path, text, kind):
    folder = whole_set(tmp_path / "mlt")
    (folder / "training").mkdir()
    (folder / "training" / "gt_img_2.txt").write_bytes(text)
    assert kinds(check(folder), "notes") == ["maybe-copies"]
    checked = check(folder, "--pixels")
    assert kinds(checked) + kinds(checked, "notes") == [kind]
    assert "gt_img_2.txt" in checked.out


def test_names_in_another_case_or_unicode_form_belong_together(check, tmp_path):
    folder = whole_set(tmp_path / "mlt", images={"img_1.jpg": image_file(1)})
    write_zip(folder / IMAGES[0], {"IMG_\u00e9.jpg": image_file(1)})
    maps = {"img_e\u0301": png(label()), **{f"img_{number}": png(label()) for number in range(2, 7)}}
    write_zip(folder / LABELS, label_members(maps, {f"img_{number}": png(label()) for number in (1, 2)}))
    names = ["Img_\u00c9", *(f"img_{number}" for number in range(2, 9))]
    write_zip(folder / TRUTH[0], {f"GT_{name}.TXT": words(*WORD) for name in names})
    checked = check(folder, "--pixels")
    assert (checked.status, checked.json["notes"], checked.json["pixels"]["with_words"]) == (0, [], 8)


@pytest.mark.parametrize(
    "text, said",
    [
        (words(*WORD) + b"\r\n1,2,3\r\nx\r\n", "line 3, is not a valid ground-truth line: it has 3 fields, not 10: '1"),
        (line("nan", *CORNERS[1:]), "line 1, is not a valid ground-truth line: 'nan' is not a number of pixels"),
        (line(*CORNERS) + b"1,2\xff", "line 2, is not a valid ground-truth line: it is not UTF-8, from b'\\xff' on"),
    ],
)
def test_a_line_that_is_no_word_is_a_problem(check, tmp_path, text, said):
    checked = check(whole_set(tmp_path / "mlt", truth={"img_2": text}), "--pixels")
    (problem,) = checked.json["problems"]
    assert (checked.status, problem["kind"], problem["member"]) == (1, "no-word", "gt_img_2.txt")
    assert (problem["split"], problem["image_id"]) == ("train", "img_2")
    assert f"{TRUTH[0]}, member gt_img_2.txt, {said}" in checked.flat
    assert "correct it, and check again" in checked.flat
    assert (checked.json["pixels"]["words"]["train"]["files"], checked.json["pixels"]["with_words"]) == (7, 7)


def test_a_line_that_is_no_word_of_an_image_without_label_map(check, tmp_path):
    assert kinds(check(whole_set(tmp_path / "mlt", truth={"img_8": b"no word"}), "--pixels")) == ["no-word"]


def test_words_outside_their_image(check, tmp_path):
    far = line(2, 3, WIDTH + 1, 3, WIDTH + 1, 6, 2, 6)
    edge = line(0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT)
    before = line(-0.5, 3, 9, 3, 9, 6, 2, 6)
    truth = {"img_2": far + edge + before, "img_7": far, "img_3": words(*WORD) + edge}
    checked = check(whole_set(tmp_path / "mlt", truth=truth), "--pixels")
    assert (checked.status, kinds(checked, "notes")) == (0, ["word-outside-image"])
    assert (
        "train: 3 words in 2 images: img_2, img_7; none of them would lie inside if the image were turned by its "
        "orientation tag They load as they are" in checked.flat
    )
    assert checked.json["pixels"]["words"]["train"]["outside"] == [
        {"image_id": "img_2", "words": 2, "inside_if_turned": 0, "orientation": 1},
        {"image_id": "img_7", "words": 1, "inside_if_turned": 0, "orientation": 1},
    ]


@pytest.mark.parametrize("orientation, inside", [(3, "none"), (6, "1"), (8, "1")])
def test_words_of_the_frame_that_viewers_show(check, tmp_path, orientation, inside):
    upright = line(2, 3, 9, 3, 9, WIDTH - 2, 2, WIDTH - 2)  # lower than the stored image, which lies on its side
    truth, images = {"img_2": upright}, {"img_2.jpg": image_file(2, orientation=orientation)}
    checked = check(whole_set(tmp_path / "mlt", truth=truth, images=images), "--pixels")
    assert (checked.status, kinds(checked, "notes")) == (0, ["word-outside-image"])
    assert f"train: 1 word in 1 image: img_2; {inside} of them would lie inside if" in checked.flat
    (one,) = checked.json["pixels"]["words"]["train"]["outside"]
    assert (one["orientation"], one["inside_if_turned"]) == (orientation, int(inside == "1"))


def test_words_without_an_image_lie_neither_in_nor_out(check, tmp_path):
    folder = whole_set(tmp_path / "mlt", truth={"img_8": line(900, 3, 909, 3, 909, 6, 900, 6)})
    (folder / IMAGES[7]).unlink()
    checked = check(folder, "--pixels")
    assert (kinds(checked), checked.json["notes"]) == (["missing-archive"], [])
    assert checked.json["pixels"]["words"]["train"]["words"] == 8


def test_words_that_fold_over_or_have_no_area(check, tmp_path):
    folded, flat, point = (2, 3, 9, 6, 9, 3, 2, 6), (2, 3, 9, 3, 9, 3, 2, 3), (2, 3) * 4
    truth = {"img_2": line(*folded) + line(*flat) + words(*WORD)[3:], "img_8": line(*point)}
    checked = check(whole_set(tmp_path / "mlt", truth=truth), "--pixels")
    assert (checked.status, kinds(checked, "notes")) == (0, ["misshapen-word"])
    assert "train: 1 folded word and 2 flat words in 2 images: img_2, img_8" in checked.flat
    assert checked.json["pixels"]["words"]["train"]["misshapen"] == [
        {"image_id": "img_2", "folded": 1, "without_area": 1},
        {"image_id": "img_8", "folded": 0, "without_area": 1},
    ]


SHAPES = [
    ((2, 3, 9, 3, 9, 6, 2, 6), "sound"),
    ((2, 6, 9, 6, 9, 3, 2, 3), "sound"),  # the other way round
    ((0, 0, 8, 0, 2, 2, 0, 8), "sound"),  # with a dent
    ((0, 0, 0, 0, 8, 0, 8, 8), "sound"),  # a triangle
    ((0, 0, 1, 0, 1, 1, 0, 0), "sound"),  # the least that whole numbers give
    ((0, 0, 8, 8, 8, 0, 0, 8), "folded"),
    ((0, 0, 8, 0, 0, 8, 8, 8), "folded"),
    ((1e5, -1e5, -1e5, 1e5, 1e5, 1e5, -1e5, -1e5), "folded"),
    ((0, 0, 0.1, 0.1, 0.3, 0.3, 0.7, 0.7), "without area"),
    ((0, 0, 8, 0, 4, 0, 6, 0), "without area"),
]


@pytest.mark.parametrize("corners, shape", SHAPES)
def test_the_shape_of_a_word(corners, shape):
    seen = ground_truth.counted(mlt_s.parse_words(line(*corners), None), line(*corners))
    assert (seen.folded, seen.without_area) == (shape == "folded", shape == "without area")


def test_ground_truth_that_is_damaged_is_a_problem(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    files = {f"gt_img_{number}.txt": words(*WORD) for number in (2, 1, 3, 4, 5, 6)}
    archive = write_zip(folder / TRUTH[0], files, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[content.index(b"Latin")] ^= 1
    archive.write_bytes(content)
    checked = check(folder, "--pixels")
    assert [(one["kind"], one["member"]) for one in checked.json["problems"]] == [("unreadable-file", "gt_img_2.txt")]
    assert checked.json["pixels"]["with_words"] == 5 + 2


def test_the_bundled_sample_lies_within_its_words(check):
    checked = check(SAMPLE, "--pixels")
    seen = checked.json["pixels"]
    assert (seen["with_words"], seen["text_outside"] / seen["text_with_words"] < 0.01) == (20, True)
    assert not set(kinds(checked)) - {"missing-archive", "label-map-count"}
    assert not set(kinds(checked, "notes")) - {"elsewhere", "image-count", "no-text"}


def test_the_words_of_the_bundled_sample(check):
    seen = check(SAMPLE, "--pixels").json["pixels"]["words"]
    counts = {split: list(words["by_script"].values()) for split, words in seen.items()}
    assert counts == {"train": [12, 159, 13, 17, 5, 19, 20, 2, 2], "validation": [8, 77, 2, 3, 11, 6, 6, 2, 2]}
    assert [(of["files"], of["words"], of["unreadable"]) for of in seen.values()] == [(17, 249, 9), (7, 117, 10)]
    assert [of["unknown_scripts"] for of in seen.values()] == [{}, {}]


@pytest.mark.skipif(not REAL.is_dir(), reason="the four real pairs are not beside this clone")
def test_the_real_pairs_have_their_published_pixels(check):
    shares = check(REAL, "--pixels").json["pixels"]["shares"]
    assert list(shares["train"].values()) == [2, 1776992 + 754516, 92135 + 5235, 14642 + 1337]
    assert list(shares["validation"].values()) == [2, 164477 + 234341, 12846 + 9719, 6567 + 3943]


# --- Checksums -----------------------------------------------------------------------------------------------------


def test_an_md5_that_is_the_known_one(check, tmp_path, monkeypatch):
    folder = whole_set(tmp_path / "mlt")
    for name in inventory.KNOWN_MD5:
        monkeypatch.setitem(inventory.KNOWN_MD5, name, hashlib.md5((folder / name).read_bytes()).hexdigest())
    checked = check(folder, "--checksums")
    assert (checked.status, checked.json["notes"]) == (0, [])
    assert checked.out.count(" same\n") == 11 and checked.out.count(" no value\n") == 1


def test_an_md5_that_differs_is_no_damage(check, tmp_path):
    checked = check(whole_set(tmp_path / "mlt"), "--checksums")
    assert (checked.status, kinds(checked, "notes")) == (0, ["md5"] * 11)
    assert "MD5 differs from the value known to this project (second-hand)" in checked.flat
    assert "not prove damage" in checked.flat and "7b26e10d949c00fb4411f40b4f1fce6e" in checked.flat


# --- Could not look ------------------------------------------------------------------------------------------------


def test_no_folder(check, tmp_path):
    checked = check(tmp_path / "nowhere")
    assert (checked.status, checked.out) == (2, "")
    assert checked.err == f"mlt-s: There is nothing at {tmp_path / 'nowhere'}: check data_dir and label_maps.\n"
    assert (checked.json["status"], "nothing at" in checked.json["error"]) == (2, True)


def test_a_file_in_place_of_a_folder(check, tmp_path):
    (tmp_path / "mlt").write_bytes(b"")
    checked = check(tmp_path / "mlt")
    assert (checked.status, "is a file: give the folder of the archives." in checked.err) == (2, True)


@pytest.mark.parametrize("archive", [IMAGES[0], LABELS, TRUTH[0]])
def test_a_single_archive_in_place_of_its_folder(check, tmp_path, archive):
    checked = check(whole_set(tmp_path / "mlt") / archive)
    assert checked.status == 2 and f"{archive} is a single archive" in checked.err
    assert "give the folder" in checked.err


def test_an_archive_of_the_whole_set_is_looked_at(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    for archive in list(folder.iterdir()):
        unpacked(archive)
    assert check(Path(shutil.make_archive(tmp_path / "all", "zip", folder))).json["splits"]["train"]["pairs"] == 6


def test_no_rights_to_the_folder(check, tmp_path, monkeypatch):
    def refusing(path):
        raise PermissionError(13, "Permission denied", path)

    folder = whole_set(tmp_path / "mlt")
    monkeypatch.setattr(mlt_s.os, "scandir", refusing)  # which `datasets` replaces by a copy where a builder streamed
    checked = check(folder)
    assert (checked.status, "Permission denied" in checked.err) == (2, True)


def test_a_report_that_cannot_be_written(tmp_path, capsys):
    assert cli.main(["check", str(tmp_path), "--json", str(tmp_path / "no" / "report.json")]) == 2
    assert "report.json" in capsys.readouterr().err


# --- How it is said ------------------------------------------------------------------------------------------------


def test_json_says_what_is_printed(check, tmp_path):
    maps = {"img_2": png(label((0, 0, 7))), "img_3": png(0 * label())}
    folder = whole_set(tmp_path / "mlt", train=maps, truth={"img_4": ODD_WORDS, "img_5": b"no word"})
    (folder / IMAGES[5]).unlink()
    write_zip(folder / TRUTH[1], {"gt_img_2.txt": words(*WORD)})
    checked = check(folder, "--pixels", "--checksums")
    assert {"pair-without-ground-truth", "no-word"} < set(kinds(checked))
    assert {"unknown-script", "word-outside-image", "misshapen-word"} < set(kinds(checked, "notes"))
    for finding in checked.json["problems"] + checked.json["notes"]:
        assert flat(finding["text"]) in checked.flat and flat(finding["advice"]) in checked.flat
    for place in checked.json["archives"]:
        assert place["name"] in checked.out
    for name, split in checked.json["splits"].items():
        *numbers, truth = [value for key, value in split.items() if isinstance(value, int) and key != "weak"]
        assert " ".join([name, *map(str, numbers), str(len(split["without_image"]))]) in checked.flat
        lacking = len(split["without_ground_truth"])
        assert f"{name} {truth} {split['pairs'] - lacking} {lacking}" in checked.flat
    assert f"{len(checked.json['problems'])} problems, {len(checked.json['notes'])} notes." in checked.out
    assert checked.status == checked.json["status"] == 1


def test_every_key_of_the_json_is_explained(check, tmp_path, capsys):
    folder = whole_set(tmp_path / "mlt", train={"img_2": png(label()[::-1].copy())}, truth={"img_3": ODD_WORDS})
    written = check(folder, "--pixels").json
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])
    said = capsys.readouterr().out
    lists = [written["archives"][0], written["splits"]["train"], written["pixels"], written["pixels"]["outside"][0]]
    of_words = written["pixels"]["words"]["train"]
    lists += [of_words, of_words["outside"][0], of_words["misshapen"][0]]
    for keys in [written, *lists, report.Finding._fields]:
        assert [key for key in keys if not re.search(rf"\b{key}\b", said)] == []


def test_findings_of_a_pair_are_found_by_it(check, tmp_path):
    maps = {"img_2": png(label((0, 0, 2))), "img_3": png(label()[::-1, ::-1].copy())}
    truth = {"img_4": words(*WORD) + ODD_WORDS, "img_5": b"no word"}
    found_by = report.by_pair(check(whole_set(tmp_path / "mlt", train=maps, truth=truth), "--pixels").json)
    assert set(found_by) == {("train", f"img_{number}") for number in (2, 3, 4, 5)}
    assert found_by["train", "img_4"] == [
        "1 word with a corner outside the image",
        "2 words with crossing sides or without area",
    ]
    assert "is not a valid ground-truth line" in found_by["train", "img_5"][0]
    assert "holds the value 2 (1 pixel)" in found_by["train", "img_2"][0]
    assert ["100.0% of its text" in text for text in found_by["train", "img_3"]] == [True]


def test_many_findings_of_a_kind_are_cut_short(check, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "SHOWN", 2)
    folder = whole_set(tmp_path / "mlt")
    for name in IMAGES[:5]:
        (folder / name).unlink()
    checked = check(folder)
    assert "and 3 more: --json FILE has them all" in checked.out
    assert len(found(checked, "missing-archive")) == 5


def test_problems_stand_last(check, tmp_path):
    folder = whole_set(tmp_path / "mlt", train={"img_2": png(0 * label())})
    (folder / IMAGES[5]).unlink()
    out = check(folder, "--pixels").out
    assert out.index("Archive") < out.index("Split") < out.index("Notes: 1") < out.index("Problems: 2")


@pytest.mark.parametrize("width", [72, 80, 120])
def test_it_fits_the_terminal(check, tmp_path, monkeypatch, width):
    truth = {"img_4": ODD_WORDS, "img_5": b"no word"}
    folder = whole_set(tmp_path / "mlt", train={"img_2": png(label()[::-1].copy())}, truth=truth)
    (folder / IMAGES[5]).unlink()
    monkeypatch.chdir(tmp_path)
    seen = {}
    monkeypatch.setattr(package, "as_text", lambda of, *_: seen.setdefault("lines", report.as_text(of, width)))
    check("mlt", "--pixels", "--checksums")
    assert max(map(len, seen["lines"][1:])) <= width  # the first is the folder


def test_names_cannot_move_the_cursor(check, tmp_path):
    folder = whole_set(tmp_path / "mlt")
    write_zip(folder / "more_labels.zip", {"\x1b[2Jimg_\u200f1.png": png(label())})
    checked = check(folder)
    assert "\x1b" not in checked.out and "\\x1b[2Jimg_\\u200f1.png" in checked.out


# --- In a process of its own ---------------------------------------------------------------------------------------

PROGRAM = "import sys; from mlt_s_tools.cli import main; raise SystemExit(main(sys.argv[1:]))"


def started(arguments, code=PROGRAM, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(mlt_s.__file__).parent), **options.pop("env", {})}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=environment, **options)


def on_terminal(arguments, **env):
    """What a run writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    env = {"COLUMNS": "80", "TERM": "xterm", **env}
    process = started(arguments, stdout=theirs, stderr=subprocess.DEVNULL, env=env)
    os.close(theirs)
    written = b""
    try:
        while block := os.read(ours, 1 << 16):
            written += block
    except OSError:  # how the end of a terminal reads
        pass
    os.close(ours)
    process.wait()
    return written.decode()


def test_a_note_has_words_for_whatever_the_loader_leaves_out():
    assert set(mlt_s.LEFT_OUT) <= set(findings.NOTES)


def test_colour_on_a_terminal_only(tmp_path):
    assert "\x1b[1;31mProblems" in on_terminal(["check", SAMPLE], NO_COLOR="")
    assert "\x1b" not in on_terminal(["check", SAMPLE], NO_COLOR="1")
    piped = started(["check", SAMPLE], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = piped.communicate()
    assert (piped.returncode, b"\x1b" in out, err) == (1, False, b"")


def test_an_interrupt_leaves_a_partial_report(check, tmp_path, monkeypatch):
    calls = iter(range(100))
    look = pixels.look

    def interrupted(work, options):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return look(work, options)

    monkeypatch.setattr(pixels, "look", interrupted)
    checked = check(whole_set(tmp_path / "mlt"), "--pixels")
    assert (checked.status, checked.json["complete"], checked.json["pixels"]["looked"]) == (130, False, 9)
    assert checked.out.splitlines()[-1].startswith("Interrupted after 9 of 28 files.")
    assert checked.json["splits"]["train"]["pairs"] == 6


def started_slowly(folder):
    """Starts `mlt-s check --pixels` with two processes that read files slowly."""
    code = textwrap.dedent(
        """
        import multiprocessing, pathlib, sys, time
        multiprocessing.set_start_method("fork")
        from mlt_s_tools.check import pixels
        look = pixels.look
        def slow(work, options):
            pathlib.Path("looking").touch()
            time.sleep(0.3)
            return look(work, options)
        pixels.look = slow
        pixels.look.__qualname__, pixels.look.__module__ = "look", pixels.__name__
        from mlt_s_tools.cli import main
        raise SystemExit(main(sys.argv[1:]))
        """
    )
    arguments = ["check", SAMPLE, "--pixels", "--jobs", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": folder, "start_new_session": True}
    process = started(arguments, code, **pipes)
    deadline = time.monotonic() + 120
    while not (folder / "looking").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    return process


def test_control_c_ends_all_processes_quietly(tmp_path):
    process = started_slowly(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, b"")
    assert re.search(rb"Interrupted after \d+ of 68 files\.", out)


def test_what_is_killed_leaves_no_process_behind(tmp_path):
    process = started_slowly(tmp_path)
    process.kill()
    process.communicate(timeout=120)  # an error, unless every process that holds its output has ended
    assert process.returncode == -signal.SIGKILL


def test_a_killed_process_is_no_hang(check, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "look_at", lambda work, options: os.kill(os.getpid(), signal.SIGKILL))
    checked = check(whole_set(tmp_path / "mlt"), "--pixels", jobs=2)
    assert (checked.status, checked.json["complete"]) == (2, False)
    assert "A process was killed after 0 of 28 files" in checked.flat and "--jobs 1" in checked.flat
