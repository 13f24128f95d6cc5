"""`python -m benchmarks` on a handful of small files: what it writes, never how long it took."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import datasets
import pytest
from conftest import ROOT

import mlt_s

sys.path.append(str(ROOT))  # last, so that all but the benchmarks, which are run from a clone, is what was installed
from benchmarks import __main__ as benchmarks  # noqa: E402
from benchmarks import groups, regression, report  # noqa: E402

pytestmark = pytest.mark.once

SETTINGS = mlt_s.logger.level, datasets.are_progress_bars_disabled(), os.environ.get("HF_HUB_OFFLINE")
# The least share of which the training pairs make 120 shards, which 8 nodes can deal out; small pictures.
SHARE, SMALL = "0.022", {"epoch_share": 0.004, "counts": 0.01, "size": (240, 80)}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where one run of everything has written."""
    out = tmp_path_factory.mktemp("benchmarks")
    shutil.copy(benchmarks.HERE / "README.md", out)
    assert benchmarks.main([SHARE, "--rounds", "1"], out, **SMALL) == 0
    return out


@pytest.fixture(scope="module")
def results(out):
    return json.loads((out / "results.json").read_text())


def test_all_contenders_are_measured(results):
    assert set(results["measured"]) == set(groups.NAMES)
    for group, measured in results["measured"].items():
        assert list(measured) == list(groups.named(group).contenders)
        assert all(len(rounds) == 1 and rounds[0]["seconds"] > 0 for rounds in measured.values())


def test_ratios_are_those_of_the_seconds(results):
    seconds = {name: rounds[0]["seconds"] for name, rounds in results["measured"]["prepare"].items()}
    ratio = results["ratios"]["prepare_2"]
    assert ratio["least"] == ratio["median"] == ratio["most"]
    assert ratio["median"] == pytest.approx(seconds["zips_2"] / seconds["unzip"])


def test_results_name_the_machine_and_the_commit(results):
    assert results["machine"]["cores"] >= 1 and re.fullmatch(r"[0-9a-f]{7,}\+?|unknown", results["machine"]["commit"])
    assert (results["share"], results["rounds"]) == (float(SHARE), 1)


def test_the_page_has_tables_and_plots_and_keeps_its_text(out, results):
    page, before = (folder.joinpath("README.md").read_text() for folder in (out, benchmarks.HERE))
    assert report.tables(results) in page
    for name in groups.NAMES:
        assert all(contender.title in page for contender in groups.named(name).contenders.values())
    assert page.split("<!--")[0] == before.split("<!--")[0] and page.split("-->")[-1] == before.split("-->")[-1]
    plots = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert plots and all((out / plot).read_bytes().startswith(b"\x89PNG") for plot in plots)


def test_epochs_are_whole_and_all_see_the_same_pixels(results):
    measured = results["measured"]
    epoch = results["pairs"]
    decoded = {name: rounds[0]["pairs"] for name, rounds in measured["decode"].items()}
    assert decoded == {name: epoch * (4 if name.endswith("_2") else 1) for name in decoded}
    assert {rounds[0]["pairs"] for rounds in measured["train"].values()} == {epoch}
    digests = {rounds[0].get("digest") for rounds in measured["train"].values()} - {None}
    assert len(digests) == 1


def test_what_the_nodes_read_sums_to_the_whole(results):
    (read,) = results["measured"]["nodes"]["stream"]
    assert sum(read["nodes"]) == pytest.approx(read["whole"], rel=0.005)
    assert sum(read["dealt"]) == read["pairs"] and max(read["dealt"]) - min(read["dealt"]) <= 1


def test_streams_leave_nothing_on_disk(results):
    measured = results["measured"]
    kept = {
        name: rounds[0]["kept"]
        for group in ("first", "decode", "train", "resume", "nodes", "memory")
        for name, rounds in measured[group].items()
        if name.startswith(("stream", "archive_dataset"))
    }
    assert len(kept) > 10 and not any(kept.values()), kept


def test_a_worse_ratio_is_named_and_ends_with_1(tmp_path, results, capsys, monkeypatch):
    earlier = json.loads(json.dumps(results))
    earlier["ratios"]["resume_stream"]["median"] /= 10  # seconds, which are no ratio
    earlier["ratios"]["nodes"]["median"] /= 10
    path = tmp_path / "earlier.json"
    path.write_text(json.dumps(earlier))
    monkeypatch.setattr(benchmarks, "run", lambda *words, **sizes: results)
    assert benchmarks.main(["--against", str(path)]) == 1
    assert regression.worsened(results, earlier) == capsys.readouterr().out.splitlines()[-1:]
    assert regression.worsened(results, earlier)[0].startswith("nodes: ")
    path.write_text(json.dumps(results))
    assert benchmarks.main(["--against", str(path)]) == 0


def test_figures_of_another_size_are_no_comparison(results):
    with pytest.raises(SystemExit, match="another share"):
        regression.worsened(results, {**results, "share": 0.5})


def test_a_run_leaves_the_settings_of_its_process_alone(out):
    assert SETTINGS == (mlt_s.logger.level, datasets.are_progress_bars_disabled(), os.environ.get("HF_HUB_OFFLINE"))


@pytest.fixture
def temporary():
    """A folder for temporary files with a short path: processes meet at a socket in there, of 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="mlt_s_") as folder:
        yield Path(folder)


def test_an_interrupted_run_leaves_no_process_and_no_file(tmp_path, temporary):
    out = tmp_path / "out"
    out.mkdir()
    words = [SHARE, "--rounds", "1000", "--only", "prepare"]
    code = (
        "import signal, pathlib; from benchmarks import __main__ as benchmarks\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it\n"
        f"benchmarks.main({words}, pathlib.Path({str(out)!r}), **{SMALL})"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE) as run:
        try:
            while not _two_prepare(temporary):
                assert run.poll() is None, run.stderr.read()
                time.sleep(0.01)
            os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C does
            assert run.communicate()[1].decode().endswith("KeyboardInterrupt\n") and run.returncode == -signal.SIGINT
        finally:
            if run.poll() is None:  # the test has failed, and must not wait for a thousand rounds
                os.killpg(run.pid, signal.SIGKILL)
    for _ in range(500):  # the system may take a moment to bury them
        left = [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if str(temporary) in _text(path)]
        if not left:
            break
        time.sleep(0.01)
    assert (left, list(temporary.iterdir()), list(out.iterdir())) == ([], [], [])


def _two_prepare(folder):
    """Whether two processes prepare, by the name of a file that one of them writes."""
    try:
        return any(folder.glob("mlt_s_benchmarks_*/tmp*/scratch/mlt_s/**/*-00000-of-00002.arrow"))
    except FileNotFoundError:  # a folder of a contender that is through was removed meanwhile
        return False


def _text(path):
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return ""
