"""The prepared cache is used as long as the sources are unchanged, and made again if one has changed."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import datasets
import numpy as np
import PIL.Image
import pytest
from archives import (
    encoded,
    failure,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    picture,
    unpacked,
    write_zip,
)
from conftest import ROOT, Loader

import mlt_s


def ids(dataset):
    return [example["image_id"] for example in dataset]


def prepared(load):
    """The files of prepared examples, each with its inode and time of writing."""
    files = [path for path in sorted(Path(load.cache).rglob("*")) if path.suffix == ".arrow"]
    return {path.relative_to(load.cache): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def assert_label_is(example, seed):
    assert np.array_equal(np.asarray(example["label"]), label_values(seed=seed))


def assert_image_is(example, seed):
    difference = np.asarray(example["image"], int) - np.asarray(picture(seed=seed), int)
    assert np.abs(difference).mean() < 12


def unpressed(seed):
    """The label map of that seed in a file of the same size for every seed."""
    return encoded(PIL.Image.fromarray(label_values(seed=seed)), "PNG", compress_level=0)


def write_labels(folder, seed=0):
    """MLT_S_labels.zip, always of the same names and sizes: the label map of training image N has `seed` + N."""
    training = {f"img_{n}": unpressed(seed + n) for n in range(1, 6)}
    validation = {f"img_{n}": unpressed(500 + n) for n in range(1, 4)}
    return write_zip(folder / "MLT_S_labels.zip", label_members(training, validation), method=zipfile.ZIP_STORED)


# --- Served again


def test_the_second_load_prepares_nothing(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    load(folder)
    first = prepared(load)
    again = load(folder)
    assert len(first) == 2  # train and validation
    assert prepared(load) == first
    assert ids(again["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    assert_label_is(again["validation"][2], 503)


def _copied(folder):
    return Path(shutil.copytree(folder, folder.parent / "another disk" / "MLT 2017", copy_function=shutil.copyfile))


def _moved(folder):
    return Path(shutil.move(folder, folder.parent / "training_data"))


def _parent_renamed(folder):
    inner = folder.parent / "before" / "mlt"
    inner.parent.mkdir()
    shutil.move(folder, inner)
    return inner.parent.rename(folder.parent / "val") / "mlt"


def _touched(folder):
    for archive in folder.iterdir():
        os.utime(archive, (1, 1))
    return folder


def _with_what_is_not_wanted(folder):
    write_zip(
        folder / "ch8_training_localization_transcription_gt_v2.zip", {"gt_img_1.txt": b"1,2,3,4,5,6,7,8,Latin,x"}
    )
    write_zip(folder / "ch8_test_images.zip", {"img_1.jpg": image_file(78)})
    (folder / "notes about train.txt").write_text("x")
    (folder / "training_images.csv").write_text("x")
    (folder / "README.md").write_text("x")
    return folder


def _in_a_folder_deeper(folder):
    (folder / "archives").mkdir()
    for archive in folder.glob("*.zip"):
        shutil.move(archive, folder / "archives")
    return folder


def _packed_again(folder):
    images = {f"img_{n}.jpg": image_file(500 + n) for n in (3, 1, 2)}
    write_zip(folder / "ch8_validation_images.zip", images, method=zipfile.ZIP_STORED)
    return folder


@pytest.mark.parametrize(
    "change",
    [_copied, _moved, _parent_renamed, _touched, _with_what_is_not_wanted, _in_a_folder_deeper, _packed_again],
)
def test_the_same_content_is_not_prepared_again(load, tmp_path, change):
    folder = mlt(tmp_path / "mlt")
    load(folder)
    first = prepared(load)
    again = load(change(folder))
    assert prepared(load) == first
    assert_label_is(again["train"][4], 5)


def test_a_tree_copied_with_its_times_is_not_prepared_again(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    for archive in sorted(folder.glob("*.zip")):
        unpacked(archive)
    load(folder)
    first = prepared(load)
    load(shutil.copytree(folder, tmp_path / "another disk"))  # copies times, as `cp -a` and `rsync -a` do
    assert prepared(load) == first


def test_a_relative_folder_is_the_same_folder(load, tmp_path, monkeypatch):
    load(mlt(tmp_path / "mlt"))
    first = prepared(load)
    monkeypatch.chdir(tmp_path)
    assert ids(load("mlt")["validation"]) == ["img_1", "img_2", "img_3"]
    assert prepared(load) == first


def test_label_maps_from_elsewhere_are_not_prepared_again(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    elsewhere = shutil.move(folder / "MLT_S_labels.zip", tmp_path)
    load(folder, label_maps=str(elsewhere))
    first = prepared(load)
    moved = shutil.move(elsewhere, tmp_path / "labels.zip")
    load(folder, label_maps=str(moved))
    assert prepared(load) == first


def test_what_was_prepared_by_name_serves_the_class(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    load_registered(folder)
    first = prepared(load_registered)
    by_class = Loader("class", load_registered.cache)
    assert ids(by_class(folder)["validation"]) == ["img_1", "img_2", "img_3"]
    assert prepared(by_class) == first


# --- Made anew


def test_a_replaced_label_archive_is_seen(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    before = write_labels(folder).stat()
    load(folder)
    after = write_labels(folder, seed=900)
    os.utime(after, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert after.stat().st_size == before.st_size  # neither size nor time tells
    dataset = load(folder)
    assert_label_is(dataset["train"][2], 903)
    assert_label_is(dataset["validation"][2], 503)


def test_going_back_serves_what_was_prepared_before(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    load(folder)
    shutil.copy(folder / "MLT_S_labels.zip", tmp_path)
    write_labels(folder, seed=900)
    load(folder)
    both = prepared(load)
    shutil.copy(tmp_path / "MLT_S_labels.zip", folder)
    assert_label_is(load(folder)["train"][2], 3)
    assert prepared(load) == both


def test_an_added_image_archive_is_seen(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    away = shutil.move(folder / "ch8_training_images_2.zip", tmp_path)
    assert ids(load(folder, missing_images="skip")["train"]) == ["img_1", "img_2", "img_3"]
    shutil.move(away, folder)
    assert ids(load(folder, missing_images="skip")["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]


def test_a_removed_image_archive_is_seen(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    load(folder, missing_images="skip")
    (folder / "ch8_training_images_2.zip").unlink()
    assert ids(load(folder, missing_images="skip")["train"]) == ["img_1", "img_2", "img_3"]


def test_a_replaced_image_is_seen(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    load(folder)
    write_zip(folder / "ch8_training_images_2.zip", {"img_4.jpg": image_file(4), "img_5.jpg": image_file(77)})
    dataset = load(folder)
    assert_image_is(dataset["train"][3], 4)
    assert_image_is(dataset["train"][4], 77)


def test_an_added_loose_file_is_seen(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    unpacked(folder / "MLT_S_labels.zip", folder)
    write_zip(folder / "ch8_training_images_3.zip", {"img_6.jpg": image_file(6)})
    assert len(load(folder)["train"]) == 5
    (folder / "MLT_S_labels" / "training_labels" / "img_6.png").write_bytes(label_file(6))
    dataset = load(folder)
    assert ids(dataset["train"])[5:] == ["img_6"]
    assert_label_is(dataset["train"][5], 6)


@pytest.mark.parametrize("role", ["label", "image"])
def test_a_changed_loose_file_is_seen(load, tmp_path, role):
    folder = mlt(tmp_path / "mlt")
    for archive in sorted(folder.glob("*.zip")):
        unpacked(archive, folder if archive.name == "MLT_S_labels.zip" else None)
    load(folder)
    if role == "label":
        file, content = folder / "MLT_S_labels" / "training_labels" / "img_2.png", label_file(42)
    else:
        file, content = folder / "ch8_training_images_1" / "img_2.jpg", image_file(42)
    written = file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=(written, written + 1_000_000))  # a millisecond later, however quick this test is
    example = load(folder)["train"][1]
    (assert_label_is if role == "label" else assert_image_is)(example, 42)


def test_a_loose_file_of_the_same_size_is_seen(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    write_labels(folder)
    label = unpacked(folder / "MLT_S_labels.zip", folder) / "MLT_S_labels" / "training_labels" / "img_1.png"
    load(folder)
    written = label.stat()
    label.write_bytes(unpressed(42))
    assert label.stat().st_size == written.st_size
    os.utime(label, ns=(written.st_atime_ns, written.st_mtime_ns + 1_000_000))
    assert_label_is(load(folder)["train"][0], 42)


def test_other_code_prepares_anew_by_class(tmp_path, monkeypatch):
    folder = mlt(tmp_path / "mlt")
    load = Loader("class", tmp_path / "cache")
    load(folder)
    first = prepared(load)
    monkeypatch.setattr(mlt_s, "SOURCE_HASH", "of an earlier release")
    load(folder)
    assert len(prepared(load)) == 2 * len(first)


# --- Kept apart


def test_a_relative_folder_in_two_working_directories_is_two_folders(load, tmp_path, monkeypatch):
    mlt(tmp_path / "first" / "mlt", train=4)
    mlt(tmp_path / "second" / "mlt", train=6)
    monkeypatch.chdir(tmp_path / "first")
    assert len(load("mlt")["train"]) == 4
    monkeypatch.chdir(tmp_path / "second")
    assert len(load("mlt")["train"]) == 6
    monkeypatch.chdir(tmp_path / "first")
    assert len(load("mlt")["train"]) == 4


def test_what_was_prepared_with_images_skipped_does_not_hide_the_error(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    (folder / "ch8_training_images_2.zip").unlink()
    assert len(load(folder, missing_images="skip")["train"]) == 3
    with pytest.raises(Exception, match="2 label maps of the train split .*img_4, img_5"):
        load(folder)


def test_label_maps_given_and_found_are_kept_apart(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    given = write_labels(tmp_path / "mine", seed=900)
    for _ in ("prepared", "from the cache"):
        assert_label_is(load(folder)["train"][2], 3)
        assert_label_is(load(folder, label_maps=str(given))["train"][2], 903)


def test_configurations_are_kept_apart(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    for _ in ("prepared", "from the cache"):
        assert load(folder, "labels")["train"].column_names == ["image_id", "label"]
        assert load(folder)["train"].column_names == ["image_id", "image", "label"]


def test_features_are_kept_apart(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    raw = datasets.Features(
        {
            "image_id": datasets.Value("string"),
            "image": datasets.Image(decode=False),
            "label": datasets.Image(decode=False),
        }
    )
    for _ in ("prepared", "from the cache"):
        assert load(folder)["train"][0]["image"].mode == "RGB"
        assert load(folder, features=raw)["train"][0]["image"]["bytes"][:2] == b"\xff\xd8"


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
def test_files_in_the_working_directory_do_not_stand_in_for_the_archives(load, tmp_path, monkeypatch, streaming):
    folder = mlt(tmp_path / "mlt")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "MLT_S_labels" / "training_labels").mkdir(parents=True)
    for name in ("img_1", "img_1.jpg"):
        (elsewhere / name).write_bytes(image_file(77))
    for name in ("img_1.png", "MLT_S_labels/training_labels/img_1.png"):
        (elsewhere / name).write_bytes(label_file(77))
    monkeypatch.chdir(elsewhere)
    example = next(iter(load(folder, split="train", streaming=streaming)))
    assert_image_is(example, 1)
    assert_label_is(example, 1)


# --- Interrupted, at once, damaged

_LOAD = """
    import os
    import signal
    import sys
    from conftest import Loader
    route, cache, folder = sys.argv[1:]
    load = Loader(route, cache)
"""


def start(code, load, folder, **options):
    """Starts another Python, with the `load` and `folder` of this test."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_LOAD) + textwrap.dedent(code), load.route, load.cache, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_killed_preparation_leaves_nothing_to_trip_over(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    code = """
        import itertools
        from datasets.arrow_writer import ArrowWriter
        write, written = ArrowWriter.write, itertools.count(1)
        def write_and_die(self, *arguments, **options):
            write(self, *arguments, **options)
            if next(written) == 7:  # of 5 and 3: one split is whole, one is not
                self.write_examples_on_file()
                os.kill(os.getpid(), signal.SIGKILL)
        ArrowWriter.write = write_and_die
        load(folder)
    """
    killed = start(code, load, folder)
    _, said = killed.communicate()
    assert killed.returncode == -signal.SIGKILL, said
    dataset = load(folder)
    assert ids(dataset["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    assert ids(dataset["validation"]) == ["img_1", "img_2", "img_3"]
    assert_label_is(dataset["validation"][2], 503)


def test_two_processes_prepare_at_once(load, tmp_path):
    folder = mlt(tmp_path / "mlt", train=40)
    code = """
        print("ready", flush=True)
        sys.stdin.readline()
        print([example["image_id"] for example in load(folder)["train"]] == [f"img_{n}" for n in range(1, 41)])
    """
    both = [start(code, load, folder, stdin=subprocess.PIPE) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n", "ready\n"]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate() for process in both]
    assert [printed for printed, _ in answers] == ["True\n", "True\n"], "\n".join(said for _, said in answers)
    assert len(prepared(load)) == 2  # train and validation, once


@pytest.fixture
def damaged(tmp_path):
    """A folder whose third training label map is damaged, and the function that mends it."""
    folder = mlt(tmp_path / "mlt")
    good = {f"img_{n}": label_file(n) for n in range(1, 6)}
    archive = write_zip(folder / "MLT_S_labels.zip", label_members(good, {}), method=zipfile.ZIP_STORED)
    whole = archive.read_bytes()
    data = bytearray(whole)
    data[data.index(good["img_3"]) + len(good["img_3"]) // 2] ^= 0xFF  # the archive's directory is whole
    archive.write_bytes(data)
    return folder, lambda: archive.write_bytes(whole)


def what_is_wrong_in(folder):
    member = f"{folder / 'MLT_S_labels.zip'}, member MLT_S_labels/training_labels/img_3.png"
    return f"{member} cannot be read: its CRC-32 is not the one in the archive's directory."


@pytest.mark.parametrize("num_proc", [None, 2], ids=["one process", "two processes"])
def test_a_damaged_member_ends_in_our_own_error(load, damaged, num_proc):
    folder, _ = damaged
    with pytest.raises(Exception) as failed:
        load(folder, num_proc=num_proc)
    assert failed.type.__name__ == "MltSError"
    assert what_is_wrong_in(folder) in str(failed.value)


@pytest.mark.parametrize("num_proc", [None, 2], ids=["one process", "two processes"])
def test_after_the_damage_is_mended_the_next_load_gives_everything(load, damaged, num_proc):
    folder, mend = damaged
    failure(lambda: load(folder, num_proc=num_proc))
    mend()
    dataset = load(folder, num_proc=num_proc)
    assert ids(dataset["train"]) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    assert_label_is(dataset["train"][2], 3)
