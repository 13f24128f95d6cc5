"""What commands write to a terminal: printable whatever names they meet, and to streams of any kind."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from archives import add_words, encoded, image_file, label_file, label_members, mlt, write_zip
from conftest import ROOT
from PIL import Image
from test_download import serve  # noqa: F401
from tqdm import tqdm

import mlt_s
from mlt_s_tools.cli import main
from mlt_s_tools.terminal import PrintableStream, printable

pytestmark = pytest.mark.once

# What a terminal obeys: a title by ESC and BEL, colours by C1, the direction of writing, a cursor that goes back.
HOSTILE = "x\x1b]0;owned\x07\x9b31m\u202egnp\r\x08"
SPELLED = printable(HOSTILE)


def said(capsys, *words):
    """The exit status, and all that is written, in which nothing moves a cursor."""
    status = main([str(word) for word in words])
    text = "".join(capsys.readouterr())
    assert all(c.isprintable() or c == "\n" for c in text), ascii(text)
    return status, text


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 2, "validation": 3})
    return add_words(mlt(tmp_path / "mlt", train=2, validation=3), (1, 2), (1, 2, 3))


def add_pair(folder, name, image=None):
    """Adds a training pair of that name, and its words."""
    with zipfile.ZipFile(folder / "MLT_S_labels.zip", "a") as archive:
        archive.writestr(f"MLT_S_labels/training_labels/{name}.png", label_file(9))
    write_zip(folder / "ch8_training_images_3.zip", {f"{name}.jpg": image or image_file(9)})
    write_zip(folder / "more_training_localization_transcription_gt.zip", {f"gt_{name}.txt": b""})


def write_predictions(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(encoded(Image.fromarray(np.zeros((16, 24), np.uint8)), "PNG"))
    return folder


def test_what_moves_a_cursor_is_spelled_out():
    assert printable("img_1 é 漢 ক") == "img_1 é 漢 ক"
    assert SPELLED == r"x\x1b]0;owned\x07\x9b31m\u202egnp\r\x08"
    assert printable("\udcff\u200b") == r"\udcff\u200b"


# --- Names ---------------------------------------------------------------------------------------------------------


def test_evaluate_with_hostile_names(folder, tmp_path, capsys):
    add_pair(folder, HOSTILE)
    names = ["img_1.png", "img_2.png", f"{HOSTILE}.png", f"{HOSTILE}y.png"]
    predictions = write_predictions(tmp_path / "predictions", names)
    (predictions / "img_2.png").write_bytes(b"\x1b[31m")
    status, text = said(capsys, "evaluate", predictions, folder, "--split", "train", "--per-image")
    assert status == 1 and SPELLED in text and f"{SPELLED}y.png" in text


def test_weak_label_with_hostile_names(folder, tmp_path, capsys):
    write_zip(folder / "ch8_training_images_3.zip", {f"{HOSTILE}.jpg": image_file(9)})
    status, text = said(capsys, "weak", "label", folder, tmp_path / f"{HOSTILE}.zip", "--model", "baseline")
    assert status == 0 and f"without ground truth, not labelled: {SPELLED}" in text and f"{SPELLED}.zip" in text


def test_a_page_with_hostile_names(folder, tmp_path, capsys):
    add_pair(folder, HOSTILE, b"\x1b[31m")
    status, text = said(capsys, "preview", folder, "--html", tmp_path / f"{HOSTILE}.html", "--split", "train")
    assert status == 0 and f"member {SPELLED}.jpg is not an image" in text and f"{SPELLED}.html" in text


def test_a_build_with_hostile_names(folder, tmp_path, capsys):
    add_pair(folder, HOSTILE, b"\x1b[31m")
    status, text = said(capsys, "build", folder, tmp_path / "out", "--jobs", 1)
    assert status == 2 and r"member x\x1b]0;owned\x07\x9b31m\u202egnp" in text


def test_a_build_of_a_hostile_record(folder, tmp_path, capsys):
    assert said(capsys, "build", folder, tmp_path / "out", "--config", "labels", "--jobs", 1)[0] == 0
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({**told, "configs": [HOSTILE]}))
    status, text = said(capsys, "build", folder, tmp_path / "out", "--config", "labels", "--jobs", 1)
    assert status == 2 and "of x\\x1b]0;owned" in text


def test_a_hostile_server(folder, serve, capsys):  # noqa: F811
    def answer(handler, server):
        handler.wfile.write(f"HTTP/1.1 403 {HOSTILE}\r\n\r\n".encode("latin-1", "replace"))

    status, text = said(capsys, "preview", folder, "--label-maps", serve(answer).url)
    assert status == 2 and r"HTTP Error 403: x\x1b]0;owned\x07\x9b31m" in text


def test_words_that_are_no_command(capsys):
    with pytest.raises(SystemExit):
        main(["check", "mlt", HOSTILE])
    text = capsys.readouterr().err
    assert all(c.isprintable() or c == "\n" for c in text) and SPELLED in text


def test_warnings_of_the_loader(folder, tmp_path, caplog):
    folder = write_zip(folder / f"{HOSTILE}.zip", {"img_1.png": label_file(1)}).parent
    builder = mlt_s.MltS(data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
    assert len(list(builder.as_streaming_dataset(split="train"))) == 2
    (text,) = [text for text in caplog.messages if "of no known split" in text]
    assert SPELLED in text and text.isprintable()


def test_a_progress_bar_moves_the_cursor_as_before():
    plain, guarded = io.StringIO(), io.StringIO()
    stream = PrintableStream(guarded, with_bars=True)
    for file in (plain, stream):
        with tqdm(total=3, file=file, ncols=40, mininterval=0, bar_format="{desc}{n}", leave=False) as outer:
            for _ in range(3):
                with tqdm(total=2, file=file, ncols=40, mininterval=0, bar_format="{desc}{n}", position=1) as inner:
                    inner.update()
                outer.update()
    assert guarded.getvalue() == plain.getvalue() and "\x1b[A" in plain.getvalue()
    stream.write("50000" * 20_000 + "\r" * 100_000 + "!")  # in no time
    assert guarded.getvalue().endswith(r"\r!")


# --- Encodings -----------------------------------------------------------------------------------------------------


def test_names_that_are_no_unicode_do_not_stop_evaluate(folder, tmp_path, capsys):
    strange = os.fsdecode(b"img_\xff.png")
    predictions = write_predictions(tmp_path / "predictions", ["img_1.png", strange])
    status, text = said(capsys, "evaluate", predictions, folder, "--json", tmp_path / "a.json", "--csv", tmp_path / "b")
    assert status == 1 and r"img_\udcff.png" in text
    report = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert report["extra"] == [str(predictions / strange)]


def run(*words, code=None, **options):
    """The command in a process of its own, in C's locale."""
    code = code or "import sys; from mlt_s_tools.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environment", {})}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, env=environment, **{"stdout": -1, "stderr": -1, **options})


def test_an_ascii_terminal_does_not_stop_evaluate(folder, tmp_path):
    predictions = write_predictions(tmp_path / "predictions", ["img_1.png", "é漢.png", os.fsdecode(b"\xff.png")])
    done = run("evaluate", predictions, folder, environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 1 and rb"\xe9\u6f22.png" in done.stdout and rb"\udcff.png" in done.stdout
    assert b"Traceback" not in done.stderr


# --- Tables --------------------------------------------------------------------------------------------------------


def test_no_cell_of_the_table_is_a_formula(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 0, "validation": 5})
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "img_1"]
    folder = tmp_path / "mlt"
    write_zip(folder / "ch8_validation_images.zip", {f"{name}.jpg": image_file(1) for name in names})
    write_zip(folder / "MLT_S_labels.zip", label_members({}, {name: label_file(1) for name in names}))
    predictions = write_predictions(tmp_path / "predictions", [f"{name}.png" for name in names])
    assert said(capsys, "evaluate", predictions, folder, "--csv", tmp_path / "all.csv")[0] == 0
    with open(tmp_path / "all.csv", newline="", encoding="utf-8") as file:
        found = [row[0] for row in csv.reader(file)][1:]
    assert sorted(found) == sorted(["'=1+1", "'+1", "'-1", "'@SUM(A1)", "img_1"])


# --- Long ids ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["i" * 1000, "é" * 200, "CON", 'a"b:c?'])
def test_images_of_any_name_are_labelled(tmp_path, capsys, name):
    folder = tmp_path / "mlt"
    write_zip(folder / "ch8_training_images_1.zip", {f"{name}.jpg": image_file(1)})
    write_zip(folder / "ch8_training_localization_transcription_gt_v2.zip", {f"gt_{name}.txt": b""})
    assert said(capsys, "weak", "label", folder, tmp_path / "weak.zip", "--model", "baseline")[0] == 0
    builder = mlt_s.MltS(data_dir=str(folder), label_maps=str(tmp_path / "weak.zip"), cache_dir=str(tmp_path / "cache"))
    (example,) = builder.as_streaming_dataset(split="train")
    assert example["image_id"] == name and not np.asarray(example["label"]).any()


# --- Streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_closed_streams_change_nothing(folder, tmp_path, closed):
    def close():
        for descriptor in closed:
            os.close(descriptor)

    done = run("check", folder, "--json", tmp_path / "check.json", preexec_fn=close)
    assert b"Traceback" not in done.stderr
    report = json.loads((tmp_path / "check.json").read_text(encoding="utf-8"))
    assert done.returncode == report["status"] == 1  # not the whole of MLT
    assert done.stdout == b""


def test_a_full_disk_behind_stdout_is_said(folder):
    with open("/dev/full", "wb") as full:
        done = run("check", folder, stdout=full)
    assert done.returncode == 2
    assert done.stderr == b"mlt-s: [Errno 28] No space left on device: 'stdout'\n"


def test_and_one_behind_stderr_changes_nothing(folder, tmp_path):
    predictions = write_predictions(tmp_path / "predictions", ["img_1.png"])
    with open("/dev/full", "wb") as full:
        done = run("evaluate", predictions, folder, stderr=full)
    assert done.returncode == 1 and b"fgIoU" in done.stdout


def test_a_reader_that_has_had_enough_is_no_error(folder):
    reading, writing = os.pipe()
    os.close(reading)
    done = run("check", folder, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_json_may_go_to_stdout(folder, tmp_path):
    predictions = write_predictions(tmp_path / "predictions", ["img_1.png"])
    done = run("evaluate", predictions, folder, "--json", "/dev/stdout")
    assert done.returncode == 1 and b'"whole_split": false' in done.stdout
