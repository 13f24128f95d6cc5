"""Records that are damaged or malicious: one clear error or the right result, never a traceback."""

import copy
import json
import random
import shutil
import zipfile

import numpy as np
import pytest
from archives import add_words, mlt

import mlt_s
from mlt_s_tools import records
from mlt_s_tools.cli import main
from mlt_s_tools.hub import manifest
from mlt_s_tools.looking.page import read_problems
from mlt_s_tools.weak import archive, label
from mlt_s_tools.weak.baseline import Baseline

pytestmark = pytest.mark.once

DEEP = "[" * 100_000 + "]" * 100_000
ROUNDS = 40  # of each file
STRANGE = [None, True, -1, 10**30, 0.5, "", "x" * 70, "\ud800", [], [[]], {}, {"a": 1}, [1, 2], [None]]


def places(value, path=()):
    """The paths of all values within a value."""
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def damaged(value, draw):
    """A copy of a value in which one nested value is changed or missing."""
    (*path, last) = draw.choice([path for path in places(value) if path])
    value = copy.deepcopy(value)
    holder = value
    for key in path:
        holder = holder[key]
    if draw.random() < 0.2:
        del holder[last]
    else:
        holder[last] = draw.choice(STRANGE)
    return value


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records") / "mlt"
    return add_words(mlt(folder, train=3, validation=2), range(1, 4), range(1, 3))


def said(capsys, *words):
    """The exit status, and what stands on stderr: a line or nothing."""
    status = main([str(word) for word in words])
    text = capsys.readouterr().err
    assert text == "" if status == 0 else text.startswith("mlt-s: ") and text.count("\n") == 1, text
    return status, text


# --- The build -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "out"
    assert main(["build", str(folder), str(out), "--config", "labels", "--jobs", "1"]) == 0
    return out


@pytest.fixture
def built(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "out")


def build(capsys, folder, out):
    return said(capsys, "build", folder, out, "--config", "labels", "--jobs", 1, "--no-verify")


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_manifest_is_an_error_or_makes_no_difference(folder, built, capsys, seed):
    draw = random.Random(seed)
    whole = json.loads((built / "manifest.json").read_text())
    parquet = {path: path.read_bytes() for path in built.rglob("*.parquet")}
    for _ in range(ROUNDS // 4):
        (built / "manifest.json").write_text(json.dumps(damaged(whole, draw)))
        status, text = build(capsys, folder, built)
        assert status == 0 or f"{built} is not empty" in text or f"{built} holds another build" in text
        assert {path: path.read_bytes() for path in built.rglob("*.parquet")} == parquet


@pytest.mark.parametrize(
    "text, reason",
    [
        (DEEP, "its values are nested too deep"),
        ("[]", "it is not an object"),
        ('{"format": ' + "9" * 5000 + "}", "it holds a number of 5,000 digits"),
        ('{"format": true}', "format is not a count"),
        ('{"format": 2, "configs": ["labels"]}', "it lacks 'palette'"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said(folder, built, capsys, text, reason):
    (built / "manifest.json").write_text(text)
    status, text = build(capsys, folder, built)
    assert status == 2
    assert f"manifest.json is not a record of a build: {reason}. Give a new folder." in text


def test_a_manifest_of_an_older_version_is_one_of_another_version(folder, built, capsys):
    told = json.loads((built / "manifest.json").read_text())
    for file in told["files"]:
        del file["weak"]
    (built / "manifest.json").write_text(json.dumps({**told, "format": 1}))
    assert f"{built} holds another build, by another version of mlt-s." in build(capsys, folder, built)[1]


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_record_of_a_stopped_build_is_an_error_or_makes_no_difference(folder, built, capsys, seed):
    draw = random.Random(seed)
    told = json.loads((built / "manifest.json").read_text())
    keys = {key.rstrip("?") for key in manifest.SHAPES[manifest.RECORD]} - {"files"}
    lines = [{key: told[key] for key in sorted(keys)}, *told["files"]]
    parquet = {path: path.read_bytes() for path in built.rglob("*.parquet")}
    for _ in range(ROUNDS // 4):
        (built / "manifest.json").unlink(missing_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in damaged(lines, draw))
        (built / manifest.RECORD).write_text(text)
        status, text = build(capsys, folder, built)
        assert status == 0 or f"{built} is not empty" in text or f"{built} holds another build" in text
        assert {path: path.read_bytes() for path in built.rglob("*.parquet")} == parquet


def test_a_line_of_the_record_that_is_nested_too_deep(folder, built, capsys):
    (built / "manifest.json").unlink()
    (built / manifest.RECORD).write_text(f"{DEEP}\n")
    status, text = build(capsys, folder, built)
    assert status == 2 and f"{manifest.RECORD} is not a record of a build: its values are nested too deep" in text


# --- Weak label maps -----------------------------------------------------------------------------------------------


def weak_label(capsys, folder, out):
    return said(capsys, "weak", "label", folder, out, "--model", "baseline")


def with_record(out, text):
    """The archive with another record."""
    with zipfile.ZipFile(out) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, text if name.endswith("weak.json") else content)


def test_a_damaged_record_of_weak_label_maps_is_an_error_or_makes_no_difference(folder, tmp_path, capsys):
    out, draw = tmp_path / "weak.zip", random.Random(0)
    assert weak_label(capsys, folder, out)[0] == 0
    with zipfile.ZipFile(out) as opened:
        whole = json.loads(opened.read("MLT_S_labels/weak.json"))
    for _ in range(ROUNDS):
        with_record(out, json.dumps(damaged(whole, draw)))
        status, text = weak_label(capsys, folder, out)
        assert status == 0 or f"{out} is there already" in text
    for text in (DEEP, json.dumps({**whole, "splits": 7}), json.dumps({**whole, "kind": "?"}), '{"format": 2}'):
        with_record(out, text)
        assert f"{out} is there already, and was not written by mlt-s weak" in weak_label(capsys, folder, out)[1]
    with_record(out, json.dumps({**whole, "splits": {"train": dict.fromkeys(whole["splits"]["train"], 0)}}))
    assert weak_label(capsys, folder, out)[0] == 0  # a record of no pixels, whose shares are none


def test_a_record_that_unpacks_to_more_than_any_has_is_not_read(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(records, "LARGEST", 100_000)
    out = tmp_path / "weak.zip"
    assert weak_label(capsys, folder, out)[0] == 0
    with zipfile.ZipFile(out) as opened:
        whole = json.loads(opened.read("MLT_S_labels/weak.json"))
    with_record(out, json.dumps({**whole, "more": " " * 100_000}))
    assert "was not written by mlt-s weak" in weak_label(capsys, folder, out)[1]


class Stopping(Baseline):
    """A baseline that is interrupted when it is asked for the second time."""

    asked = 0

    def probabilities(self, examples):
        self.asked += 1
        if self.asked > 1:
            raise KeyboardInterrupt
        return super().probabilities(examples)


def test_for_a_damaged_line_of_the_journal_only_its_label_map_is_made_again(folder, tmp_path, capsys, monkeypatch):
    out, draw = tmp_path / "weak.zip", random.Random(0)
    partial = tmp_path / "weak.zip.partial" / archive.FINISHED
    weak_label(capsys, folder, tmp_path / "whole.zip")
    monkeypatch.setattr(label, "BATCH", 3)
    for round in range(ROUNDS // 2):
        with monkeypatch.context() as patched:
            patched.setattr(label, "open_model", lambda name: Stopping())
            assert main(["weak", "label", str(folder), str(out), "--model", "baseline"]) == 130
            capsys.readouterr()
        order, *lines = map(json.loads, partial.read_text().splitlines())
        assert len(lines) == 3
        text = "".join(json.dumps(line) + "\n" for line in [order, *damaged(lines, draw)])
        partial.write_text(f"{text}{DEEP}\n" if round == 0 else text)
        assert weak_label(capsys, folder, out)[0] == 0
        with zipfile.ZipFile(out) as opened, zipfile.ZipFile(tmp_path / "whole.zip") as whole:
            assert opened.namelist() == whole.namelist()
            assert all(opened.read(name) == whole.read(name) for name in whole.namelist() if name.endswith(".png"))
        out.unlink()


# --- A check -------------------------------------------------------------------------------------------------------


def test_a_damaged_report_of_a_check_is_refused_or_read(folder, tmp_path):
    path, draw = tmp_path / "check.json", random.Random(0)
    finding = {"kind": "size", "text": "odd", "archive": None, "member": None, "split": "train", "image_id": "img_1"}
    outside = [{"share": 0.5, "split": "train", "image_id": "img_2", "text": 3, "orientation": 1}]
    whole = {"problems": [finding], "notes": [finding], "pixels": {"outside": outside}}
    path.write_text(json.dumps(whole))
    assert {key: len(problems) for key, problems in read_problems(path).items()} == {
        ("train", "img_1"): 2,
        ("train", "img_2"): 1,
    }
    for _ in range(10 * ROUNDS):
        path.write_text(json.dumps(damaged(whole, draw)))
        try:
            read = read_problems(path)
        except mlt_s.MltSError as error:
            assert str(error).startswith(f"{path} ")
        else:
            assert all(isinstance(problem.text, str) for problems in read.values() for problem in problems)
            assert all(np.isfinite(problem.weight) for problems in read.values() for problem in problems)


@pytest.mark.parametrize(
    "text, reason",
    [
        (DEEP, "its values are nested too deep"),
        ("\xff", "utf-8"),
        ('{"problems": [3], "notes": [], "pixels": null}', "problems[0] is not an object"),
        ('{"problems": [], "notes": [], "pixels": {"outside": [{"share": 1e999}]}}', "pixels.outside[0]"),
        ('{"error": ["no"]}', "error is not text"),
    ],
)
def test_what_is_wrong_with_a_report_is_said(tmp_path, text, reason):
    (tmp_path / "check.json").write_text(text, encoding="latin-1")
    with pytest.raises(mlt_s.MltSError) as error:
        read_problems(tmp_path / "check.json")
    assert str(tmp_path / "check.json") in str(error.value) and reason in str(error.value)


def test_a_report_larger_than_any_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LARGEST", 1000)
    (tmp_path / "check.json").write_text("[" + "0," * 1000)
    with pytest.raises(mlt_s.MltSError, match="it has more than 1,000 bytes"):
        read_problems(tmp_path / "check.json")
