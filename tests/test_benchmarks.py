"""`python -m benchmarks` on a handful of small files: what it writes, never how long it took."""

import importlib.util
import json
import os
import random
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
from archives import label_values, picture
from conftest import ROOT
from PIL import Image

import mlt_s

sys.path.append(str(ROOT))  # last, so that all but the benchmarks, which are run from a clone, is what was installed
from benchmarks import __main__ as benchmarks  # noqa: E402
from benchmarks import formats, groups, regression, report, steps  # noqa: E402

pytestmark = pytest.mark.once

SETTINGS = mlt_s.logger.level, datasets.are_progress_bars_disabled(), os.environ.get("HF_HUB_OFFLINE")
# The least share of which the training pairs make 120 shards, which 8 nodes can deal out; small pictures.
# The servers are near: at 50 ms, two thirds of a run are waiting. Fresh processes are started where imports are all
# that is measured, to the first example, and from the Hub; elsewhere they would do so again.
SHARE = "0.022"
SMALL = {
    "epoch_share": 0.004,
    "counts": 0.01,
    "size": (240, 80),
    "delay": 0.005,
    "copies": ("converted", "memory"),
}


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
    (run,) = results["runs"]
    assert list(results["measured"]) == run["groups"] == list(groups.NAMES)
    for group, measured in results["measured"].items():
        assert all(len(rounds) == 1 and rounds[0]["seconds"] > 0 for rounds in measured.values())
        assert list(measured) == [name for name, (_, needs) in needs_of(group).items() if are_here(needs)]


def test_contenders_whose_packages_are_missing_are_left_out_by_name(out, results):
    (run,) = results["runs"]
    page = (out / "README.md").read_text()
    for group in groups.NAMES:
        left_out = [title for title, needs in needs_of(group).values() if not are_here(needs)]
        assert run["left_out"].get(group, []) == left_out
        assert all(title in page for title in left_out)
    assert not are_here(["no_such_package"])


def needs_of(group):
    """For each contender, its title and the packages without which it cannot run."""
    contenders = groups.named(group).contenders.items()
    return {name: (contender.title, [*contender.needs, *contender.here]) for name, contender in contenders}


def are_here(packages):
    return all(importlib.util.find_spec(name) for name in packages)


def test_ratios_are_those_of_the_seconds(results):
    seconds = {name: rounds[0]["seconds"] for name, rounds in results["measured"]["prepare"].items()}
    ratio = results["ratios"]["prepare_2"]
    assert ratio["least"] == ratio["median"] == ratio["most"]
    assert ratio["median"] == pytest.approx(seconds["zips_2"] / seconds["unzip"])


def test_results_name_the_machine_and_the_commit(results):
    (run,) = results["runs"]
    assert run["machine"]["cores"] >= 1 and re.fullmatch(r"[0-9a-f]{7,}\+?|unknown", run["machine"]["commit"])
    assert (run["share"], run["rounds"]) == (float(SHARE), 1)
    assert run["command"] == f"python -m benchmarks {SHARE} --rounds 1"


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
    epoch = results["runs"][0]["pairs"]
    decoded = {name: rounds[0]["pairs"] for name, rounds in measured["decode"].items()}
    assert decoded == {name: epoch * (4 if name.endswith("_2") else 1) for name in decoded}
    assert {rounds[0]["pairs"] for rounds in measured["train"].values()} == {epoch}
    digests = {rounds[0].get("digest") for rounds in measured["train"].values()} - {None}
    assert len(digests) == 1


def test_all_formats_hand_over_the_same_pairs(results):
    order = {name: taken for name, (taken,) in results["measured"]["order"].items()}
    assert {"stream", "archive_dataset", "built", "webdataset", "imagefolder", "plain"} <= set(order)
    assert len({(taken["pairs"], taken["digest"]) for taken in order.values()}) == 1
    read = {name: taken["pairs"] for name, (taken,) in results["measured"]["converted"].items()}
    assert set(read.values()) == {results["runs"][0]["pairs"]}


def test_what_is_handed_over_is_told_by_name_and_pixels():
    example = {"image_id": "img_1", "image": picture(seed=1), "label": Image.fromarray(label_values(seed=1))}
    changed = {**example, "label": example["label"].copy()}
    changed["label"].putpixel((0, 0), 1 - min(1, example["label"].getpixel((0, 0))))
    seen, other = steps.seen(example), steps.seen(changed)
    assert (seen["image_id"], seen["image"]) == ("img_1", other["image"])
    assert seen["label"] != other["label"] and seen == steps.seen({**example})


def test_another_pair_or_another_pixel_is_a_problem(results, monkeypatch, capsys):
    wrong = json.loads(json.dumps(results))
    wrong["measured"]["order"]["webdataset"][0]["digest"] += 1
    wrong["measured"]["order"]["built"][0]["resumed_right"] = False
    monkeypatch.setattr(benchmarks, "run", lambda *words, **sizes: wrong)
    assert benchmarks.main([]) == 1
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()[-2:]] == ["webdataset.", "built."]


def test_all_formats_go_on_where_they_were_stopped(results):
    order = {name: taken for name, (taken,) in results["measured"]["order"].items()}
    assert all(taken["resumed_right"] for taken in order.values())
    assert order["webdataset"]["resume_share"] > 0.5  # it reads again what was seen
    assert order["archive_dataset"]["resume_share"] < order["webdataset"]["resume_share"]


def test_what_is_not_converted_takes_no_disk(results):
    kept = {name: taken["kept"] for name, (taken,) in results["measured"]["converted"].items()}
    assert {name for name, size in kept.items() if not size} == {"stream", "archive_dataset"}
    fastest = max(taken["pairs_per_second"] for (taken,) in results["measured"]["converted"].values() if taken["kept"])
    ratio = results["measured"]["converted"]["stream"][0]["pairs_per_second"] / fastest
    assert results["ratios"]["converted_stream"]["median"] == pytest.approx(ratio)


def test_neighbours_of_the_archive_are_counted():
    assert steps.neighbours(range(10)) == steps.neighbours(range(10)[::-1]) == 1
    assert steps.neighbours([0, 2, 4, 1, 3]) == 0
    assert steps.neighbours([3, 4, 0, 2, 1]) == 2 / 4
    shuffled = random.Random(0).sample(range(20_000), 20_000)
    assert steps.neighbours(shuffled) == pytest.approx(2 / 20_000, abs=1.5e-4)


def test_shards_are_even_for_two_workers():
    for pairs in (1, 2, 17, 111, 299, 1662, 6896):
        size = formats.shard_size(pairs)
        assert 1 <= size <= 80 and (pairs == 1 or -(-pairs // size) % 2 == 0)


def test_the_servers_are_asked_for_what_an_epoch_needs(results):
    remote = {name: taken for name, (taken, *_) in results["measured"]["remote"].items() if "bytes_per_byte" in taken}
    assert {"http_stream_0", "hf_stream_2", "webdataset_http_0", "imagefolder_hf_2"} <= set(remote)
    epoch = results["runs"][0]["pairs"]
    assert {name: taken["pairs"] for name, taken in remote.items()} == {
        name: epoch * (4 if name.endswith("_2") else 1) for name in remote
    }
    # Of small files most is what stands around them; of tar files, which are read whole, blocks of 512 bytes.
    assert all(0.9 < taken["bytes_per_byte"] < 2 for taken in remote.values())


def test_a_run_of_some_groups_keeps_the_figures_of_the_others(out, results, tmp_path):
    for name in ("README.md", "results.json"):
        shutil.copy(out / name, tmp_path)
    assert benchmarks.main([SHARE, "--rounds", "2", "--only", "finding"], tmp_path, **SMALL) == 0
    merged = json.loads((tmp_path / "results.json").read_text())
    (first, second) = merged["runs"]
    assert first == {**results["runs"][0], "groups": [name for name in groups.NAMES if name != "finding"]}
    assert (second["groups"], second["rounds"]) == (["finding"], 2)
    assert second["command"] == f"python -m benchmarks {SHARE} --rounds 2 --only finding"
    assert list(merged["measured"]) == list(groups.NAMES)
    assert [len(rounds) for rounds in merged["measured"]["finding"].values()] == [2, 2]
    assert {**merged["measured"], "finding": 0} == {**results["measured"], "finding": 0}
    assert report.tables(merged) in (tmp_path / "README.md").read_text()
    assert second["command"] in report.tables(merged) and first["command"] in report.tables(merged)


def test_what_the_nodes_read_sums_to_the_whole(results):
    (read,) = results["measured"]["nodes"]["stream"]
    assert sum(read["nodes"]) == pytest.approx(read["whole"], rel=0.005)
    assert sum(read["dealt"]) == read["pairs"] and max(read["dealt"]) - min(read["dealt"]) <= 1


def test_streams_leave_nothing_on_disk(results):
    measured = results["measured"]
    kept = {
        name: rounds[0]["kept"]
        for group in ("first", "decode", "converted", "order", "train", "resume", "nodes", "memory")
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
    (run,) = results["runs"]
    with pytest.raises(SystemExit, match="another share: 0.5"):
        regression.worsened(results, {**results, "runs": [{**run, "share": 0.5}]})


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
        "import signal, pathlib; from benchmarks import __main__ as benchmarks, processes\n"
        "processes.PATIENCE = 0  # as on a busy machine, where cleaning up takes longer\n"
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
    """Whether two processes prepare the set, judging by the names of the files that they write."""
    try:
        return any(folder.glob("mlt_s_benchmarks_*/tmp*/scratch/mlt_s/**/*-00000-of-00002.arrow"))
    except FileNotFoundError:  # a folder of a contender that is through was removed meanwhile
        return False


def _text(path):
    try:
        return path.read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return ""
