"""Disks that are full, read-only or do not answer, and machines at their limits: said as such, nothing half written.

Full is what a child process finds that may write only so many bytes to a file (RLIMIT_FSIZE), and /dev/full. What
cannot be written is a folder below a file, as root may write to any folder.
"""

import json
import os
import resource
import socket
import subprocess
import sys
import textwrap

import datasets
import numpy as np
import PIL.Image
import pytest
from archives import (
    add_words,
    encoded,
    failure,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    write_zip,
)
from conftest import ROOT, Loader
from test_download import answer_with, serve  # noqa: F401

import mlt_s
import mlt_s_tools
from mlt_s_tools import output
from mlt_s_tools.cli import main
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.writing import whole, write_json

once = pytest.mark.once


@pytest.fixture
def folder(tmp_path):
    return add_words(mlt(tmp_path / "mlt"), range(1, 6), range(1, 4))


@pytest.fixture
def nowhere(tmp_path):
    """A folder that cannot be created."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "cache"


def where_files_end_at(size, code, *arguments):
    """The output of another Python that runs the code, and can write only so many bytes to a file."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- The cache -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_a_cache_that_cannot_be_written_is_said(folder, nowhere, streaming):
    for route in ("registered", "class"):
        error = failure(lambda route=route: Loader(route, nowhere)(folder, split="train", streaming=streaming))
        assert str(error).startswith(
            f"{nowhere}, the cache of `datasets`, cannot be written: [Errno 20] Not a directory"
        )
        assert "Load with another cache_dir, or set HF_DATASETS_CACHE before you import datasets" in str(error)


def test_a_folder_of_downloads_that_cannot_be_written_is_said(folder, nowhere, tmp_path, serve, monkeypatch):  # noqa: F811
    mlt_s_tools.build(folder, tmp_path / "built", configs=("labels",), jobs=1)
    server = serve(answer_with((folder / "MLT_S_labels.zip").read_bytes()))
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", nowhere)
    for fetch in (
        lambda: mlt_s.MltS(data_dir=str(folder), label_maps=str(tmp_path / "built"), cache_dir=str(tmp_path / "cache")),
        lambda: mlt_s.fetch_label_archive(server.url, str(nowhere)),
    ):
        error = failure(fetch)
        said = f"{nowhere}, where `datasets` keeps its downloads, cannot be written ([Errno 20] Not a directory"
        assert str(error).startswith(said) and "Set HF_DATASETS_CACHE to a folder" in str(error)


def test_a_full_disk_is_said_by_a_download_and_by_gathering_a_built_set(folder, tmp_path, serve):  # noqa: F811
    mlt_s_tools.build(folder, tmp_path / "built", configs=("labels",), jobs=1)
    server = serve(answer_with((folder / "MLT_S_labels.zip").read_bytes()))
    code = """
        import sys
        from archives import failure
        import mlt_s, datasets
        url, built, downloads = sys.argv[1:]
        datasets.config.DOWNLOADED_DATASETS_PATH = downloads
        print(failure(lambda: mlt_s.fetch_label_archive(url, downloads)))
        print(failure(lambda: mlt_s.list_label_maps(built, {})))
    """
    downloads = tmp_path / "downloads"
    said = where_files_end_at(500, code, server.url, tmp_path / "built", downloads).splitlines()
    advice = "Set HF_DATASETS_CACHE to a folder that can be written and has space, before you import datasets."
    assert said == [f"{downloads}, where `datasets` keeps its downloads, has no space left. {advice}"] * 2
    assert [path for path in downloads.iterdir() if path.suffix != ".lock"] == []


# --- What commands write -------------------------------------------------------------------------------------------

REPORTS = (
    *("a.json", "a.csv", "worst.png", "plot.png", "plot.html", "compare.json", "differ.png"),
    *("check.json", "sheet.png", "page.html", "weak.json", "weak.png"),
)


@once
def test_on_a_full_disk_what_was_there_stays_and_the_file_is_named(folder, tmp_path):
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for number in range(1, 4):
        content = encoded(PIL.Image.fromarray(np.uint8(label_values(seed=500 + number) == 1)), "PNG")
        (predictions / f"img_{number}.png").write_bytes(content)
    out = tmp_path / "out"
    out.mkdir()
    others = write_zip(tmp_path / "others.zip", label_members({f"img_{n}": label_file(9 + n) for n in (1, 2)}, {}))
    of_yesterday = {"a.csv": b"image_id,state", "page.html": output.GENERATOR, "plot.html": output.GENERATOR}
    picture = encoded(PIL.Image.new("L", (1, 1)), "PNG", pnginfo=output.signed())
    for name in REPORTS:
        content = of_yesterday.get(name) or (b'{"status": 2, "error": ""}' if name.endswith("json") else picture)
        (out / name).write_bytes(content)
    before = {name: (out / name).read_bytes() for name in REPORTS}
    code = """
        import contextlib, io, sys
        from mlt_s_tools.cli import main
        predictions, folder, out, others = sys.argv[1:]
        for name, *words in (
            ("a.json", "evaluate", predictions, folder, "--json"),
            ("a.csv", "evaluate", predictions, folder, "--csv"),
            ("worst.png", "evaluate", predictions, folder, "--worst", "2", "--out"),
            ("plot.png", "evaluate", predictions, folder, "--plot"),
            ("plot.html", "evaluate", predictions, folder, "--plot"),
            ("compare.json", "compare", f"{folder}/MLT_S_labels.zip", others, "--json"),
            ("differ.png", "compare", f"{folder}/MLT_S_labels.zip", others, "--worst", "1", "--out"),
            ("check.json", "check", folder, "--json"),
            ("sheet.png", "preview", folder, "--out"),
            ("page.html", "preview", folder, "--html"),
            ("weak.json", "weak", "evaluate", folder, "--model", "baseline", "--json"),
            ("weak.png", "weak", "evaluate", folder, "--model", "baseline", "--out"),
        ):
            with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
                status = main([*words, f"{out}/{name}"])
            print(name, status, said.getvalue().strip().splitlines()[-1])
    """
    said = where_files_end_at(100, code, predictions, folder, out, others).splitlines()
    for name, line in zip(REPORTS, said):
        assert line == f"{name} 2 mlt-s: [Errno 27] File too large: '{out / name}'"
        assert (out / name).read_bytes() == before[name]
    assert len(said) == len(REPORTS) == len(list(out.iterdir()))


@once
def test_a_device_is_written_as_it_is_and_named(folder, tmp_path, capsys):
    for words in (["preview", folder, "--out"], ["check", folder, "--json"]):
        assert main([str(word) for word in [*words, "/dev/full"]]) == 2
        assert "mlt-s: [Errno 28] No space left on device: '/dev/full'" in capsys.readouterr().err
    assert os.stat("/dev/full").st_rdev


@once
def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.json", tmp_path / "link.json"
    target.write_text("{}")
    target.chmod(0o640)
    link.symlink_to(target)
    write_json(link, {"name": "é\udcff"})
    assert link.is_symlink() and json.loads(target.read_text(encoding="utf-8")) == {"name": "é\udcff"}
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["a.json"]


@once
def test_two_that_write_one_file_at_a_time_do_not_get_at_each_other(tmp_path):
    with whole(tmp_path / "a.txt", "w") as first:
        first.write("first")
        with whole(tmp_path / "a.txt", "w") as second:
            second.write("second")
        assert (tmp_path / "a.txt").read_text() == "second"
    assert (tmp_path / "a.txt").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@once
def test_a_report_that_cannot_be_written_is_said_before_the_work(folder, nowhere, monkeypatch, capsys):
    monkeypatch.setattr("mlt_s_tools.check.inventories.take", lambda *arguments: pytest.fail("it looked first"))
    assert main(["check", str(folder), "--json", str(nowhere / "a.json")]) == 2
    assert f"mlt-s: [Errno 20] Not a directory: '{nowhere / 'a.json'}'" in capsys.readouterr().err


LATE_FILES = {
    "evaluate --csv": ("evaluate", "{data}", "{data}", "--csv", "{file}.csv"),
    "evaluate --json": ("evaluate", "{data}", "{data}", "--json", "{file}.json"),
    "evaluate --out": ("evaluate", "{data}", "{data}", "--worst", "1", "--out", "{file}.png"),
    "evaluate --plot, a picture": ("evaluate", "{data}", "{data}", "--plot", "{file}.png"),
    "evaluate --plot, a page": ("evaluate", "{data}", "{data}", "--plot", "{file}.html"),
    "compare --json": ("compare", "{data}", "{data}", "--json", "{file}.json"),
    "compare --out": ("compare", "{data}", "{data}", "--worst", "1", "--out", "{file}.png"),
    "weak evaluate --json": ("weak", "evaluate", "{data}", "--json", "{file}.json"),
    "weak evaluate --out": ("weak", "evaluate", "{data}", "--out", "{file}.png"),
    "preview --out": ("preview", "{data}", "--out", "{file}.png"),
    "preview --html": ("preview", "{data}", "--html", "{file}.html"),
    "demo --out": ("demo", "--out", "{file}.png"),
}


@once
@pytest.mark.parametrize("words", LATE_FILES.values(), ids=LATE_FILES)
def test_a_file_in_a_folder_that_is_not_there_is_refused_before_the_work(words, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Source, "__init__", lambda *arguments: pytest.fail("it looked first"))
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: pytest.fail("it loaded first"))
    file = tmp_path / "nodir" / "f"
    assert main([word.format(data=folder, file=file) for word in words]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "No such file or directory" in said.err and f"{file}." in said.err
    assert not file.parent.exists()


# --- What is no damage ---------------------------------------------------------------------------------------------


def no_damage(error, *said):
    text = str(error)
    assert "damaged" not in text and "etch" not in text, text
    assert all(part in text for part in said), text


def test_too_many_open_files_are_no_damage(folder):
    listing = mlt_s.list_source(str(folder), ("image", "label"), {})
    (pair, *_), _ = mlt_s.join(listing, "train", ("image", "label"))
    limits, opened = resource.getrlimit(resource.RLIMIT_NOFILE), []
    mlt_s.read_example(pair, {})
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        with pytest.raises(OSError):
            while True:
                opened.append(open(os.devnull))
        errors = [failure(lambda: mlt_s.read_example(pair, {}))]
        errors.append(failure(lambda: mlt_s.list_source(str(folder / "MLT_S_labels.zip"), ("label",), {})))
        errors.append(failure(lambda: mlt_s.list_source(str(folder), ("label",), {})))
    finally:
        for file in opened:
            file.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    for error in errors:
        no_damage(error, "Cannot read ", "Too many open files", "raise the limit (ulimit -n)")
    assert mlt_s.read_example(pair, {})["image_id"] == pair.image_id


@once
def test_a_drive_that_does_not_answer_is_no_damage(tmp_path):
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(str(tmp_path / "s"))
        for path, number in (("/proc/self/mem", 5), (tmp_path / "s", 6)):  # EIO, ENXIO
            member = mlt_s.Member(str(path), None, 5, "")
            error = failure(lambda member=member: mlt_s.read_member(member, {}))
            no_damage(error, f"Cannot read {path}: [Errno {number}]", "The disk or network drive does not answer")


@once
@pytest.mark.parametrize("what", ["image", "label"])
def test_memory_that_ran_out_is_no_damage(folder, monkeypatch, capsys, what):
    def none_left(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(PIL.Image, "open", none_left)
    member = mlt_s.Member("img_1", None, 0, "")
    with pytest.raises(MemoryError):
        mlt_s.stored_image(image_file(1), member) if what == "image" else mlt_s.indexed_label(label_file(1), member)
    assert main(["check", str(folder), "--pixels", "--jobs", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mlt-s: memory ran out") and "--jobs" in said and said.count("\n") == 1
