"""`mlt-s weak label`: an archive of label maps for images that have words, how it is resumed, loaded and recognised."""

import hashlib
import io
import json
import random
import re
import shlex
import shutil
import threading
import time
import zipfile

import filelock
import numpy as np
import pytest
from archives import (
    add_words,
    encoded,
    image_file,
    label_values,
    mlt,
    unpacked,
    words_file,
    words_line,
    words_of,
    write_zip,
)
from conftest import ROOT
from datasets import load_dataset
from networks import drawn, drawn_mlt
from PIL import Image
from test_loading import ids
from web import Web

import mlt_s
import mlt_s_tools
from mlt_s_tools import weak
from mlt_s_tools.cli import main
from mlt_s_tools.weak import archive, label, model
from mlt_s_tools.weak.baseline import Baseline
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.rule import Thresholds, label_map

once = pytest.mark.once
MADE = "mlt-s weak baseline"


@pytest.fixture
def folder(tmp_path):
    """Five and three pairs with words, img_7 and img_8 of training with words alone, and img_9 with nothing."""
    folder = mlt(tmp_path / "mlt")
    add_words(folder, (1, 2, 3, 4, 5, 7, 8), (1, 2, 3))
    return write_zip(folder / "ch8_training_images_3.zip", {f"img_{n}.jpg": image_file(n) for n in (7, 8, 9)}).parent


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "weak.zip"


@pytest.fixture(autouse=True)
def made_folder(out):
    out.parent.mkdir()


def run(folder, out, *words):
    return main(["weak", "label", str(folder), str(out), "--model", "baseline", *words])


def members(out):
    """Name -> content."""
    with zipfile.ZipFile(out) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def record(out):
    return json.loads(members(out)["MLT_S_labels/weak.json"])


def pixels(content):
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def wanted(seed, thresholds=None):
    """The label map of the training image of this number (500 more in validation), by hand."""
    words = mlt_s.parse_words(words_file(*words_of(seed)), mlt_s.Member("gt.txt", None, 0, ""))
    image = Image.open(io.BytesIO(image_file(seed)))
    (patches,) = of_readable(Baseline(), [(image, words)])
    return label_map(image.size, words, patches, thresholds or Thresholds())


# --- What comes out ------------------------------------------------------------------------------------------------


@once
def test_every_image_with_words_gets_the_label_map_of_the_rule_in_the_layout_of_the_authors(folder, out, capsys):
    assert run(folder, out) == 0
    found = members(out)
    assert list(found) == [
        "MLT_S_labels/weak.json",
        *(f"MLT_S_labels/training_labels/img_{n}.png" for n in (1, 2, 3, 4, 5, 7, 8)),
        *(f"MLT_S_labels/validation_labels/img_{n}.png" for n in (1, 2, 3)),
    ]
    for part, numbers, offset in (("training", (1, 2, 3, 4, 5, 7, 8), 0), ("validation", (1, 2, 3), 500)):
        for n in numbers:
            assert np.array_equal(pixels(found[f"MLT_S_labels/{part}_labels/img_{n}.png"]), wanted(offset + n))
    said = capsys.readouterr().out
    assert f"{out}: 10 label maps by baseline" in said
    assert "train: 7 images with 14 words, 7 unreadable and " in said
    assert "train: 1 image without ground truth, not labelled: img_9" in said
    assert f'label_maps="{out}"' in said
    assert [path.name for path in out.parent.iterdir()] == ["weak.zip"]


@once
def test_the_record_says_by_what_and_how_many(folder, out):
    run(folder, out, "--upper", "0.8", "--lower", "0.1")
    found = record(out)
    labels = {split: [] for split in ("train", "validation")}
    for name, content in members(out).items():
        if name.endswith(".png"):
            labels["train" if "training" in name else "validation"].append(pixels(content))
    assert np.array_equal(labels["train"][0], wanted(1, Thresholds(0.8, 0.1)))
    assert found["made_by"] == "mlt-s weak"
    assert found["model"] == {"name": "baseline"}
    assert found["thresholds"] == {"upper": 0.8, "lower": 0.1, "least_share": 0.05}
    assert found["unlabelled_only"] is False
    assert found["without_ground_truth"] == {"train": 1}
    assert list(found["splits"]) == ["train", "validation"]
    for split, images in (("train", 7), ("validation", 3)):
        counts = found["splits"][split]
        assert (counts["images"], counts["words"], counts["unreadable"]) == (images, 2 * images, images)
        for name, value in (("background", 0), ("text", 1), ("uncertain", 255)):
            assert counts[name] == sum(np.count_nonzero(one == value) for one in labels[split])


@once
def test_the_archive_holds_no_date(folder, out):
    run(folder, out)
    with zipfile.ZipFile(out) as opened:
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@once
def test_words_with_too_little_text_are_counted(tmp_path, out):
    grey = Image.new("RGB", (24, 16), "grey")
    file = io.BytesIO()
    grey.save(file, "PNG")
    write_zip(tmp_path / "one" / "ch8_training_images_1.zip", {"img_1.png": file.getvalue()})
    line = words_line([(2, 2), (9, 2), (9, 9), (2, 9)])
    gt = "ch8_training_localization_transcription_gt_v2.zip"
    write_zip(tmp_path / "one" / gt, {"gt_img_1.txt": words_file(line, line)})
    run(tmp_path / "one", out)
    counts = record(out)["splits"]["train"]
    assert (counts["too_little"], counts["uncertain"], counts["background"]) == (2, 64, 24 * 16 - 64)


@once
def test_an_image_whose_ground_truth_has_no_word_is_background(folder, out):
    write_zip(folder / "ch8_training_images_4.zip", {"img_10.jpg": image_file(10)})
    extra = folder / "more_training_localization_transcription_gt.zip"
    write_zip(extra, {"gt_img_10.txt": b"\xef\xbb\xbf"})
    run(folder, out)
    assert not pixels(members(out)["MLT_S_labels/training_labels/img_10.png"]).any()


@once
def test_a_label_map_lies_in_the_frame_of_the_stored_pixels(tmp_path, out):
    folder = tmp_path / "one"
    write_zip(folder / "ch8_training_images_1.zip", {"img_1.jpg": image_file(1, orientation=6)})
    gt = "ch8_training_localization_transcription_gt_v2.zip"
    write_zip(folder / gt, {"gt_img_1.txt": words_file(*words_of(1))})
    run(folder, out)
    assert np.array_equal(pixels(members(out)["MLT_S_labels/training_labels/img_1.png"]), wanted(1))


# --- By the network ------------------------------------------------------------------------------------------------


@once
def test_without_a_model_it_is_the_network_that_ships(shipped, tmp_path, out, capsys):
    folder = drawn_mlt(tmp_path / "drawn", train=(1, 2))
    (folder / "MLT_S_labels.zip").unlink()
    assert main(["weak", "label", str(folder), str(out), "--upper", "0.5", "--lower", "0.5"]) == 0
    name = f"network {hashlib.sha256(shipped.read_bytes()).hexdigest()[:8]}"
    assert f"{out}: 2 label maps by {name}" in capsys.readouterr().out
    assert record(out)["model"]["name"] == name and record(out)["model"]["engine"] in ("torch cpu", "torch cuda")
    for number in (1, 2):
        content = members(out)[f"MLT_S_labels/training_labels/img_{number}.png"]
        text = drawn(f"Train{number}")[1]
        assert set(np.unique(pixels(content))) == {0, 1}
        assert np.count_nonzero((pixels(content) == 1) != text) < 0.08 * text.sum()
        assert Image.open(io.BytesIO(content)).info == {"Software": f"mlt-s weak {name}"}


@once
@pytest.mark.parametrize("engine", ["numpy", "torch cpu"])
def test_the_network_ends_in_the_same_bytes_and_another_engine_does_not_go_on(
    shipped, tmp_path, out, monkeypatch, capsys, engine
):
    folder = drawn_mlt(tmp_path / "drawn", train=range(1, 6))
    command = ["weak", "label", str(folder)]
    monkeypatch.setattr(model, "fastest_engine", lambda: engine)
    monkeypatch.setattr(label, "BATCH", 2)
    assert main([*command, str(out.with_name("at_once.zip"))]) == 0
    probabilities, asked = model.NetworkModel.probabilities, []

    def stopping(self, examples):
        asked.append(examples)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return probabilities(self, examples)

    with monkeypatch.context() as patched:
        patched.setattr(model.NetworkModel, "probabilities", stopping)
        assert main([*command, str(out)]) == 130
    with monkeypatch.context() as patched:
        patched.setattr(model, "fastest_engine", lambda: "torch cpu" if engine == "numpy" else "numpy")
        assert main([*command, str(out)]) == 2
        assert ", by another model, or by the same one on another engine." in capsys.readouterr().err
    assert main([*command, str(out)]) == 0
    assert out.read_bytes() == out.with_name("at_once.zip").read_bytes()


@once
@pytest.mark.parametrize(
    "words, call",
    [
        (["label", "mlt", "network", "weak.zip"], "mlt-s weak label mlt weak.zip --model network"),
        (["label", "mlt", "baseline", "w.zip", "--unlabelled-only"], "mlt-s weak label mlt w.zip --model baseline"),
        (["evaluate", "mlt", "network"], "mlt-s weak evaluate mlt --model network"),
        (["repair", "mlt", "network", "r.zip"], "mlt-s weak repair mlt r.zip --model network"),
        (["train", "mlt", "network", "out"], "mlt-s weak train mlt out --model network"),
    ],
)
def test_the_order_of_arguments_of_before_is_told_the_call_of_now(words, call, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["weak", *words])
    assert f"the model is an option now, and may be left out: {call}\n" in capsys.readouterr().err


# --- Only what has none --------------------------------------------------------------------------------------------


@once
def test_unlabelled_only_leaves_out_what_has_a_label_map_in_the_folder(folder, out, capsys):
    assert run(folder, out, "--unlabelled-only") == 0
    assert list(members(out))[1:] == [f"MLT_S_labels/training_labels/img_{n}.png" for n in (7, 8)]
    said = capsys.readouterr().out
    assert "train: 1 image without ground truth, not labelled: img_9" in said
    loaded = eval(said.rpartition("Load them by ")[2], {"load_dataset": load_dataset})
    assert list(loaded["train"]["image_id"]) == [f"img_{n}" for n in (1, 2, 3, 4, 5, 7, 8)]
    assert record(out)["unlabelled_only"] is True
    assert list(record(out)["splits"]) == ["train"]


@once
def test_an_image_that_has_a_label_map_does_not_lack_ground_truth(folder, out, capsys):
    add_words(folder, (1, 7, 8), (1, 2, 3))
    run(folder, out, "--unlabelled-only")
    assert record(out)["without_ground_truth"] == {"train": 1}
    assert "not labelled: img_9\n" in capsys.readouterr().out


@once
def test_or_in_the_label_maps_that_are_given(folder, out, capsys):
    elsewhere = folder.parent / "elsewhere.zip"
    (folder / "MLT_S_labels.zip").rename(elsewhere)
    assert run(folder, out, "--unlabelled-only", "--label-maps", str(elsewhere)) == 0
    assert list(members(out))[1:] == [f"MLT_S_labels/training_labels/img_{n}.png" for n in (7, 8)]
    assert f'label_maps=["{elsewhere}", "{out}"]' in capsys.readouterr().out


@once
def test_the_call_that_loads_them_runs_for_a_folder_at_an_address_too(folder, out, capsys):
    with Web(folder) as web:
        assert main(["weak", "label", web.url, str(out), "--model", "baseline"]) == 0
        call = capsys.readouterr().out.rpartition("Load them by ")[2]
        train = eval(call, {"mlt_s": mlt_s}).as_streaming_dataset(split="train")
        assert [example["image_id"] for example in train] == [f"img_{n}" for n in (1, 2, 3, 4, 5, 7, 8)]
        assert all(example["label"].info["Software"] == MADE for example in train)


@once
def test_otherwise_no_label_map_is_looked_for(folder, out, monkeypatch):
    (folder / "MLT_S_labels.zip").unlink()
    monkeypatch.setattr(mlt_s, "fetch_label_archive", lambda *arguments: pytest.fail("it would be downloaded"))
    assert run(folder, out) == 0
    assert record(out)["splits"]["train"]["images"] == 7


@once
def test_for_unlabelled_only_the_authors_archive_is_downloaded_if_it_is_missing(folder, out, monkeypatch):
    (folder / "MLT_S_labels.zip").rename(folder.parent / "fetched.zip")
    monkeypatch.setattr(mlt_s, "fetch_label_archive", lambda *arguments: str(folder.parent / "fetched.zip"))
    assert run(folder, out, "--unlabelled-only") == 0
    assert record(out)["splits"]["train"]["images"] == 2


@once
def test_nothing_without_a_label_map_is_said(folder, out, capsys):
    (folder / "ch8_training_images_3.zip").unlink()
    assert run(folder, out, "--unlabelled-only") == 2
    said = capsys.readouterr().err
    assert "every image that has ground truth has a label map" in said and "--unlabelled-only" in said
    assert list(out.parent.iterdir()) == []


# --- Stopped, and called again -------------------------------------------------------------------------------------


class Stopping(Baseline):
    """A baseline that is interrupted when it is asked for the n-th time."""

    def __init__(self, after):
        self.left = after

    def probabilities(self, examples):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().probabilities(examples)


@pytest.fixture
def interrupted(monkeypatch, folder, out):
    """A function that labels the folder in batches of two images and is interrupted after some of them."""

    def interrupt(after, *words):
        with monkeypatch.context() as patched:
            patched.setattr(label, "BATCH", 2)
            patched.setattr(label, "open_model", lambda name: Stopping(after))
            return run(folder, out, *words)

    return interrupt


@once
@pytest.mark.parametrize("after", [0, 1, 3])
def test_interrupted_it_goes_on_and_ends_in_the_same_bytes(interrupted, folder, out, capsys, after):
    run(folder, out.with_name("at_once.zip"))
    assert interrupted(after) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not out.exists()
    partial = out.with_name("weak.zip.partial")
    assert len(list(partial.glob("*/*.png"))) == 2 * after
    assert interrupted(5 - after) == 0  # and no batch more than are left
    assert out.read_bytes() == out.with_name("at_once.zip").read_bytes()
    assert not partial.exists()


@once
def test_a_line_cut_off_and_a_label_map_that_is_gone_are_made_again(interrupted, folder, out):
    run(folder, out.with_name("at_once.zip"))
    interrupted(3)
    partial = out.with_name("weak.zip.partial")
    sorted((partial / "train").glob("*.png"))[1].unlink()
    with open(partial / "finished.jsonl", "a") as file:
        file.write('{"split": "train", "ima')
    assert interrupted(3) == 0
    assert out.read_bytes() == out.with_name("at_once.zip").read_bytes()


@once
@pytest.mark.parametrize(
    "words, reason",
    [
        (["--upper", "0.9"], "with other thresholds"),
        (["--unlabelled-only"], "of another choice of images (--unlabelled-only)"),
    ],
)
def test_other_arguments_than_those_of_the_interrupted_run_are_refused(interrupted, folder, out, capsys, words, reason):
    interrupted(1)
    capsys.readouterr()
    assert run(folder, out, *words) == 2
    said = capsys.readouterr().err
    assert f"{out}.partial holds" in said and f"{reason}." in said and "the same arguments" in said
    assert run(folder, out) == 0  # the words of then


@once
def test_so_is_another_model_and_another_image(interrupted, folder, out, monkeypatch, capsys):
    interrupted(1)
    with monkeypatch.context() as patched:
        patched.setattr(Stopping, "record", {"weights": "other"})
        assert interrupted(1) == 2
    assert ", by another model, or by the same one on another engine." in capsys.readouterr().err
    write_zip(folder / "ch8_training_images_4.zip", {"img_9.jpg": image_file(9)})
    (folder / "ch8_training_images_3.zip").unlink()
    assert run(folder, out) == 2
    assert ", of other images." in capsys.readouterr().err


@once
def test_so_are_other_images_of_the_same_names(interrupted, folder, out, capsys):
    interrupted(2)
    made = {path: path.read_bytes() for path in out.with_name("weak.zip.partial").glob("*/*.png")}
    mlt(folder, width=30)
    assert run(folder, out) == 2
    assert ", of other images, label maps or ground truth." in capsys.readouterr().err
    assert len(made) == 4 and all(path.read_bytes() == label for path, label in made.items())


@once
def test_after_a_damaged_image_was_replaced_it_resumes(interrupted, folder, out, capsys):
    run(folder, out.with_name("at_once.zip"))
    archive_of_two = folder / "ch8_training_images_2.zip"  # img_4 and img_5, of the second and third batch
    whole = archive_of_two.read_bytes()
    write_zip(archive_of_two, {"img_4.jpg": image_file(4), "img_5.jpg": image_file(5)[:300]})
    assert interrupted(9) == 2
    assert "member img_5.jpg" in (said := capsys.readouterr().err) and "Fetch it again" in said
    archive_of_two.write_bytes(whole)
    assert interrupted(3) == 0  # batches: two of five were labelled
    assert "made again" not in capsys.readouterr().out
    assert out.read_bytes() == out.with_name("at_once.zip").read_bytes()


@once
def test_label_maps_whose_image_or_words_have_changed_are_made_again(interrupted, folder, out, capsys):
    interrupted(3)
    members = {f"img_{n}.jpg": image_file(n) for n in (1, 3)}
    write_zip(folder / "ch8_training_images_1.zip", {**members, "img_2.jpg": image_file(2, quality=50)})
    run(folder, out.with_name("at_once.zip"))
    capsys.readouterr()
    assert interrupted(3) == 0
    assert "1 label map of the interrupted run made again" in (said := capsys.readouterr().out) and ": img_2\n" in said
    assert out.read_bytes() == out.with_name("at_once.zip").read_bytes()


@once
@pytest.mark.parametrize("is_file", [True, False])
def test_what_others_have_in_place_of_its_folder_is_left_alone(folder, out, capsys, is_file):
    there = out.with_name("weak.zip.partial")
    mine = there if is_file else there / "notes.txt"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    assert run(folder, out) == 2
    said = capsys.readouterr().err
    assert str(there) in said and "another name" in said and ("notes.txt" in said) != is_file
    assert mine.read_text() == "mine" and not out.exists()


@once
def test_a_finished_archive_is_not_made_again(interrupted, folder, out, capsys):
    run(folder, out)
    before = out.read_bytes()
    capsys.readouterr()
    assert interrupted(0) == 0
    said = capsys.readouterr().out
    assert f"{out} is done already." in said
    assert "train: 7 images with 14 words" in said
    assert out.read_bytes() == before


@once
def test_what_a_run_left_that_was_killed_at_its_end_is_removed(interrupted, folder, out, capsys):
    run(folder, out)
    partial = out.with_name("weak.zip.partial")
    (partial / "train").mkdir(parents=True)
    (partial / "train" / "img_1.png").write_bytes(b"")
    assert interrupted(0) == 0
    assert f"{out} is done already." in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ["weak.zip"]


@once
def test_who_waited_while_another_one_finished_makes_nothing(folder, out, capsys, monkeypatch):
    run(folder, out.with_name("before.zip"))
    acquire = filelock.FileLock.acquire

    def finished_meanwhile(lock, **options):
        out.with_name("before.zip").rename(out)
        return acquire(lock, **options)

    monkeypatch.setattr(filelock.FileLock, "acquire", finished_meanwhile)
    monkeypatch.setattr(archive.Gathering, "add", lambda *arguments: pytest.fail("it was made again"))
    assert run(folder, out) == 0
    assert f"{out} is done already." in capsys.readouterr().out
    assert not out.with_name("weak.zip.partial").exists()


@once
@pytest.mark.parametrize("moment", ["before the lock is there", "while it waits"])
@pytest.mark.parametrize("is_finished", [True, False])
def test_who_waited_while_another_one_took_its_folder_away(folder, out, capsys, monkeypatch, moment, is_finished):
    run(folder, out.with_name("before.zip"))
    whole, ends = out.with_name("before.zip").read_bytes(), [True]
    acquire = filelock.FileLock.acquire

    def end_of_the_other():
        ends.clear()
        if is_finished:
            out.write_bytes(whole)
        shutil.rmtree(out.with_name("weak.zip.partial"))

    def acquired(lock, **options):
        if ends and moment.startswith("before"):
            end_of_the_other()
        result = acquire(lock, **options)
        if ends:
            end_of_the_other()
        return result

    monkeypatch.setattr(filelock.FileLock, "acquire", acquired)
    assert run(folder, out) == 0
    assert (f"{out} is done already." in capsys.readouterr().out) == is_finished
    assert out.read_bytes() == whole
    assert sorted(path.name for path in out.parent.iterdir()) == ["before.zip", "weak.zip"]


def gather(out, order, pause, told):
    """Makes an archive of six label maps, as `weak label` does, or finds it done."""
    try:
        time.sleep(pause)
        keys = [("train", str(number)) for number in range(6)]
        with archive.gathering(str(out), order, dict.fromkeys(keys, "")) as gathering:
            for key in keys if gathering else ():
                if not gathering.has(*key):
                    gathering.add(*key, key[1].encode(), dict.fromkeys(archive.COUNTS["label"], 1))
            told.append("made" if gathering and gathering.finish({}) else "done already")
    except Exception as error:
        told.append(repr(error))


@once
def test_of_several_at_a_time_one_makes_it_and_the_others_say_that_it_is_done(out):
    draw = random.Random(0)
    order = archive.order_of("label", Baseline(), {"upper": 0.7}, "source")
    for _ in range(25):
        told = []
        several = [threading.Thread(target=gather, args=(out, order, 0.01 * draw.random(), told)) for _ in range(4)]
        for one in several:
            one.start()
        for one in several:
            one.join()
        assert sorted(told) == ["done already"] * 3 + ["made"]
        assert [path.name for path in out.parent.iterdir()] == ["weak.zip"]
        out.unlink()


@once
@pytest.mark.parametrize("content", ["[]", "{", "5"])
def test_so_is_an_archive_with_another_record(folder, out, capsys, content):
    write_zip(out, {"MLT_S_labels/weak.json": content})
    before = out.read_bytes()
    assert run(folder, out) == 2
    assert f"{out} is there already, and " in capsys.readouterr().err
    assert out.read_bytes() == before


@once
def test_what_is_there_already_and_is_something_else_is_refused(folder, out, capsys):
    out.write_bytes(b"mine")
    assert run(folder, out) == 2
    assert f"{out} is there already, and was not written by mlt-s weak" in capsys.readouterr().err
    assert out.read_bytes() == b"mine"
    out.unlink()
    run(folder, out)
    assert run(folder, out, "--lower", "0.2") == 2
    assert f"{out} is there already, and holds label maps with other thresholds" in capsys.readouterr().err


@once
def test_an_archive_of_an_earlier_version_is_said_to_be_one(folder, out, capsys):
    earlier = {"format": 1, "model": {"name": "baseline"}, "thresholds": {}, "unlabelled_only": False, "source": ""}
    write_zip(out, {"MLT_S_labels/weak.json": json.dumps(earlier)})
    assert run(folder, out) == 2
    assert f"{out} is there already, and holds label maps by another version of mlt-s" in capsys.readouterr().err


@once
def test_two_at_a_time_are_refused(folder, out, monkeypatch):
    monkeypatch.setattr(archive.resuming, "PATIENCE", 0)
    with archive.gathering(str(out), {"kind": "label"}, {}):
        with pytest.raises(mlt_s.MltSError, match="Another mlt-s weak is writing .*: wait for it, or give"):
            with archive.gathering(str(out), {"kind": "label"}, {}):
                pass


@once
def test_a_full_disk_is_said_and_what_is_made_is_kept(folder, out, monkeypatch, capsys):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(archive.Gathering, "finish", full)
        assert run(folder, out) == 2
    said = capsys.readouterr().err
    assert f"no space left for {out}" in said and "run the same command again" in said
    assert len(list(out.with_name("weak.zip.partial").glob("*/*.png"))) == 10


# --- What it refuses before it begins ------------------------------------------------------------------------------


@once
@pytest.mark.parametrize("name", ["weak", "test.zip", "weak_images.zip", "word.zip", ".weak.zip"])
def test_a_name_that_the_loader_would_pass_over_is_refused(folder, out, capsys, name):
    assert run(folder, out.with_name(name)) == 2
    said = capsys.readouterr().err
    assert f"The loader would not look for label maps in an archive named {name}: give a name that ends in .zip" in said
    assert list(out.parent.iterdir()) == []


@once
@pytest.mark.parametrize("inside", ["weak.zip", "deep/weak.zip"])
def test_an_archive_among_those_that_are_loaded_is_refused(folder, inside, capsys):
    assert run(folder, folder / inside) == 2
    said = capsys.readouterr().err
    assert f"{folder / inside} lies in {folder}, where label maps are looked for: give another folder." in said


@once
def test_so_is_one_in_a_folder_of_label_maps(folder, out, tmp_path, capsys):
    (tmp_path / "maps").mkdir()
    (folder / "MLT_S_labels.zip").rename(tmp_path / "maps" / "MLT_S_labels.zip")
    words = ["--unlabelled-only", "--label-maps", str(tmp_path / "maps")]
    assert run(folder, tmp_path / "maps" / "weak.zip", *words) == 2
    assert f"lies in {tmp_path / 'maps'}, where label maps are looked for" in capsys.readouterr().err


@once
def test_what_is_no_model_is_refused_with_what_to_do(folder, out, tmp_path, capsys, monkeypatch):
    assert main(["weak", "label", str(folder), str(out), "--model", "basline"]) == 2
    said = capsys.readouterr().err
    assert "There is no model at" in said and "basline, which is not a folder." in said
    assert "baseline" in said and "mlt-s weak train DATA_DIR OUT" in said
    with pytest.raises(mlt_s.MltSError, match="which holds no weak.json"):
        weak.open_model(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(mlt_s.MltSError, match="which holds no weak.json"):
        weak.open_model("~/out")
    assert list(out.parent.iterdir()) == []


@once
@pytest.mark.parametrize(
    "archives, text",
    [
        ("ch8_*_gt_v2.zip", "There is no ground truth file in"),
        ("ch8_*_images*.zip", "There is no image in"),
    ],
)
def test_without_words_or_images_it_says_what_to_fetch(folder, out, capsys, archives, text):
    for path in folder.glob(archives):
        path.unlink()
    assert run(folder, out) == 2
    said = capsys.readouterr().err
    assert text in said and "whose split is known" in said and mlt_s.IMAGES_URL in said


def plain_folder(folder):
    """Two images and their ground truth, unpacked; no name tells a split."""
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"img_{number}.jpg").write_bytes(image_file(number))
        (folder / f"gt_img_{number}.txt").write_bytes(words_file(*words_of(number)))
    return folder


@once
def test_of_images_of_no_known_split_it_says_what_repair_says(tmp_path, out, capsys):
    folder = plain_folder(tmp_path / "mine")
    assert run(folder, out) == 2
    said = capsys.readouterr().err
    assert f"Cannot tell the split of 2 images: {folder / 'img_1.jpg'}, {folder / 'img_2.jpg'}." in said
    assert "train or training, val or validation in its name" in said and mlt_s.IMAGES_URL not in said
    assert main(["weak", "repair", str(folder), str(out), "--model", "baseline"]) == 2
    assert capsys.readouterr().err == said
    assert list(out.parent.iterdir()) == []


@once
def test_of_a_folder_that_is_named_for_its_split_it_says_to_give_the_one_above(tmp_path, out, capsys):
    folder = plain_folder(tmp_path / "mine" / "training")
    assert run(folder, out) == 2
    said = capsys.readouterr().err
    assert "Cannot tell the split of 2 images" in said and f'data_dir="{folder.parent}"' in said
    assert run(folder.parent, out) == 0
    assert set(members(out)) >= {f"MLT_S_labels/training_labels/img_{n}.png" for n in (1, 2)}


@once
def test_so_it_does_of_ground_truth_beside_images_whose_split_is_known(folder, out, capsys):
    for path in folder.glob("ch8_*_gt_v2.zip"):
        path.unlink()
    write_zip(folder / "words.zip", {"gt_img_1.txt": words_file(*words_of(1))})
    assert run(folder, out) == 2
    said = capsys.readouterr().err
    assert f"Cannot tell the split of 1 ground truth file: {folder / 'words.zip'}, member gt_img_1.txt." in said


@once
def test_images_and_words_of_other_names_are_nothing_to_label(folder, out, capsys):
    for path in folder.glob("ch8_*_gt_v2.zip"):
        path.unlink()
    add_words(folder, (77,), (77,))
    assert run(folder, out) == 2
    assert "no image has a ground truth file of the same name" in capsys.readouterr().err


@once
def test_a_line_that_is_no_word_is_said_before_the_first_image(folder, out, capsys):
    extra = folder / "more_validation_localization_transcription_gt.zip"
    write_zip(folder / "more_validation_images.zip", {"img_4.jpg": image_file(504)})
    write_zip(extra, {"gt_img_4.txt": b"1,2,3"})
    assert run(folder, out) == 2
    assert f"{extra}, member gt_img_4.txt, line 1, is not a valid ground-truth line" in capsys.readouterr().err
    assert list(out.parent.iterdir()) == []


@once
@pytest.mark.parametrize(
    "words, text",
    [
        (["--upper", "0.2"], "not lower 0.3 and upper 0.2"),
        (["--upper", "70"], "'70' is not a number from 0 to 1"),
        (["--lower", "x"], "'x' is not a number from 0 to 1"),
        (["--label-maps", "a.zip"], "--label-maps needs --unlabelled-only"),
    ],
)
def test_words_that_make_no_sense_are_refused(folder, out, capsys, words, text):
    with pytest.raises(SystemExit, match="2"):
        run(folder, out, *words)
    assert text in capsys.readouterr().err


# --- Taken as the authors' archive is ------------------------------------------------------------------------------


@pytest.fixture
def both(folder, out):
    run(folder, out, "--unlabelled-only")
    return [str(folder / "MLT_S_labels.zip"), str(out)]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("is_unpacked", [False, True])
def test_in_the_folder_of_the_images_it_is_said_once_that_it_joins_in(
    load_registered, folder, both, caplog, streaming, is_unpacked
):
    place = folder / "weak.zip"
    shutil.copy(both[1], place)
    if is_unpacked:
        place = unpacked(place) / "MLT_S_labels"
    (folder / "network").mkdir()
    (folder / "network" / "weak.json").write_text("{}")  # of mlt-s weak train, which makes no label maps
    for _ in range(2):  # the second time it is prepared already
        caplog.clear()
        train = load_registered(folder, split="train", streaming=streaming)
        assert ids(train) == [f"img_{n}" for n in (1, 2, 3, 4, 5, 7, 8)]
        (said,) = (line for line in caplog.messages if "mlt-s weak" in line)
        assert said.startswith("train: 2 label maps by mlt-s weak") and f"among 7: {place}. " in said
    caplog.clear()
    load_registered(folder, label_maps=[both[0], str(place)], split="train", streaming=streaming)
    load_registered(folder, label_maps=both[0], split="train", streaming=streaming)
    assert "mlt-s weak" not in caplog.text  # whoever named it knows it


@pytest.mark.parametrize("streaming", [False, True])
def test_it_loads_beside_the_authors_and_each_label_map_says_who_made_it(load, folder, both, streaming):
    train = list(load(folder, label_maps=both, split="train", streaming=streaming))
    assert [example["image_id"] for example in train] == [f"img_{n}" for n in (1, 2, 3, 4, 5, 7, 8)]
    made_by = [example["label"].info.get("Software") for example in train]
    assert made_by == [None] * 5 + [MADE] * 2
    for example, n in zip(train, (1, 2, 3, 4, 5)):
        assert np.array_equal(example["label"], label_values(seed=n))
    for example, n in zip(train[5:], (7, 8)):
        assert np.array_equal(example["label"], wanted(n))


def test_the_archive_loads_without_that_of_the_authors(load_registered, folder, out):
    run(folder, out)
    loaded = load_registered(folder, label_maps=str(out), missing_images="skip")
    assert {split: len(examples) for split, examples in loaded.items()} == {"train": 7, "validation": 3}
    assert np.array_equal(loaded["validation"][1]["label"], wanted(502))


@once
def test_check_and_preview_take_it(folder, both, tmp_path, capsys):
    maps = [word for path in both for word in ("--label-maps", path)]
    main(["check", str(folder), *maps, "--pixels", "--jobs", "1"])
    said = capsys.readouterr().out
    assert "train: 2 of 7" in said
    assert "damaged" not in said and "with other values" not in said
    page = tmp_path / "preview.png"
    assert main(["preview", str(folder), *maps, "--ids", "img_1", "img_7", "--out", str(page)]) == 0
    assert "of 10 pairs" in capsys.readouterr().out
    assert Image.open(page).size[0] > 1000


def test_a_built_set_keeps_who_made_a_label_map(folder, both, tmp_path):
    mlt_s_tools.build(folder, tmp_path / "built", label_maps=both, jobs=1)
    built = mlt_s.datasets.load_dataset(str(tmp_path / "built"), split="train", cache_dir=str(tmp_path / "cache"))
    assert [example["label"].info.get("Software") for example in built] == [None] * 5 + [MADE] * 2
    assert np.array_equal(built[5]["label"], wanted(7))


# --- The page ------------------------------------------------------------------------------------------------------


@once
def test_what_the_page_shows_runs(shipped, tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "weak.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = drawn_mlt(tmp_path / "mlt", train=(1, 2), validation=(1,))
    write_zip(folder / "ch8_training_images_2.zip", {"img_3.png": encoded(drawn("Train3")[0], "PNG")})
    write_zip(
        folder / "more_training_localization_transcription_gt.zip",
        {"gt_img_3.txt": words_file(words_line(drawn("Train3")[2]))},
    )
    shutil.copy(folder / "MLT_S_labels.zip", tmp_path / "corrected.zip")
    blocks = re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)
    commands = [line for kind, block in blocks if kind == "bash" for line in block.splitlines()]
    for number, command in enumerate(command for command in commands if command.startswith("mlt-s ")):
        words = shlex.split(command, comments=True)[1:]
        if words[1] == "train":
            shutil.rmtree("network", ignore_errors=True)
            words += ["--steps", "1", "--even-if-worse"]
        if words[1] == "label" and number:
            (tmp_path / "weak.zip").unlink()
        assert main(words) == 0, command
    (code,) = (block for kind, block in blocks if kind == "python")
    found = {}
    exec(code, found)
    assert found["patch"].values.shape == (41, 131)
