"""Archives behind a token or a password: workers get in, no more is fetched than is read, and no secret is shown."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import subprocess
import sys
import textwrap
import traceback
import zipfile

import fsspec
import numpy as np
import PIL.Image
import pytest
from archives import encoded, failure, image_file, label_file, label_members, label_values, mlt, write_zip
from conftest import ROOT
from fsspec.implementations.memory import MemoryFileSystem
from hub import Hub

import mlt_s
from mlt_s_tools import cli

TOKEN = "hf_n0tForYourEyes"
PASSWORD = "n0tForYourEyes:either@all"


# --- The Hub, by its real client -----------------------------------------------------------------------------------

# How a user gets the pairs of a private repository, with a token that only this call gets.
FROM_THE_HUB = """
    import copy, logging, pickle, sys
    import datasets, mlt_s, numpy as np
    from torch.utils.data import DataLoader

    def main():
        logging.basicConfig(level=logging.DEBUG)
        logging.getLogger("mlt_s").setLevel(logging.DEBUG)
        builder = mlt_s.MltS(data_dir="hf://datasets/lab/mlt", token=sys.stdin.read())
        stream = builder.as_streaming_dataset(split="train")
        loader = DataLoader(stream, batch_size=None, num_workers=1, multiprocessing_context="spawn")
        for example in loader:
            print(example["image_id"], int(np.asarray(example["label"], int).sum()))
        print(builder.config, stream, copy.deepcopy(builder.config), builder, builder.info)
        print(pickle.loads(pickle.dumps(stream)), pickle.loads(pickle.dumps(builder.config)))
        builder.download_and_prepare()
        print(builder.as_dataset(split="train"))

    if __name__ == "__main__":
        main()
"""


def from_the_hub(hub, tmp_path, code, stdin=TOKEN):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(code))
    environment = {**hub.environment(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, script], env=environment, input=stdin, capture_output=True, text=True)


def noise(seed, width=700, height=500):
    """A picture that hardly compresses, like a photograph."""
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def large_pairs(folder, numbers):
    """Pairs of half a megabyte; between two of them lies an image that has no label map."""
    images = {f"img_{n}.jpg": encoded(noise(n), "JPEG", quality=95) for n in range(1, 2 * max(numbers))}
    write_zip(folder / "ch8_training_images_1.zip", images, zipfile.ZIP_STORED)
    write_zip(folder / "MLT_S_labels.zip", label_members({f"img_{n}": label_file(n, 700, 500) for n in numbers}, {}))
    return {path.name: path for path in folder.iterdir()}


def bytes_of(archives, wanted):
    """Bytes of the wanted members, and of the directories, of archives."""
    members, directories = 0, 0
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            directories += path.stat().st_size - archive.start_dir
            members += sum(entry.compress_size for entry in archive.infolist() if wanted(entry.filename))
    return members, directories


def test_of_the_hub_no_more_is_fetched_than_the_members_and_workers_have_the_token(tmp_path):
    numbers = (1, 3, 5, 7)
    archives = large_pairs(tmp_path / "mlt", numbers)
    wanted = {f"img_{n}{extension}" for n in numbers for extension in (".jpg", ".png")}
    members, directories = bytes_of(archives.values(), lambda name: name.rsplit("/", 1)[-1] in wanted)
    with Hub({TOKEN: ("ann", "read", ["lab"])}) as hub:
        hub.put("lab/mlt", {name: path.read_bytes() for name, path in archives.items()}, private=True)
        done = from_the_hub(hub, tmp_path, FROM_THE_HUB)
        assert done.returncode == 0, done.stderr
        served = sum(request.sent for request in hub.requests if "/resolve/" in request.path)
    expected = [f"img_{n} {label_values(700, 500, n).astype(int).sum()}" for n in numbers]
    assert done.stdout.splitlines()[: len(numbers)] == expected
    assert members > 1_500_000
    # Both by the stream and in preparing; directories are read when the builder is made and in either way once more.
    assert 2 * members < served <= 1.05 * 2 * members + 4 * directories
    assert done.stdout.count("MltSConfig(") == 3
    assert TOKEN not in done.stdout + done.stderr
    written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert any(path.name == "dataset_info.json" for path in written)
    assert [path for path in written if TOKEN.encode() in path.read_bytes() or TOKEN in str(path)] == []


def test_a_token_that_no_header_takes_is_not_shown_in_the_error(tmp_path):
    code = """
        import sys, mlt_s
        mlt_s.PAUSES = (0, 0, 0)
        mlt_s.MltS(data_dir="hf://datasets/lab/mlt", token=sys.stdin.read())
    """
    with Hub({TOKEN: ("ann", "read", ["lab"])}) as hub:
        hub.put("lab/mlt", {}, private=True)
        done = from_the_hub(hub, tmp_path, code, TOKEN + "\n")  # with the line end of the file it was read from
    assert "mlt_s.MltSError: Cannot read hf://datasets/lab/mlt: " in done.stderr
    assert TOKEN not in done.stderr and TOKEN not in done.stdout


# --- Options of a file system --------------------------------------------------------------------------------------

OPTIONS = {"key": "AKIAn0t", "client_kwargs": {"headers": {"Authorization": f"Bearer {TOKEN}"}}, "timeout": 7}


@pytest.mark.parametrize("given", ["storage_options", "remote_options"])
def test_options_reach_the_file_system_and_are_not_shown(tmp_path, given):
    folder = mlt(tmp_path / "mlt")
    builder = mlt_s.MltS(data_dir=str(folder), cache_dir=str(tmp_path / "cache"), **{given: OPTIONS})
    for config in (builder.config, pickle.loads(pickle.dumps(builder.config)), copy.deepcopy(builder.config)):
        assert config.remote_options == OPTIONS
        for text in (repr(config), str(config), f"{vars(config)}", f"{config.remote_options}"):
            assert "remote_options" in text or "client_kwargs" in text
            assert TOKEN not in text and "AKIAn0t" not in text


def test_options_given_twice_are_all_kept(tmp_path):
    folder = mlt(tmp_path / "mlt")
    options = {"remote_options": {"endpoint": "here"}, "storage_options": {"expand": True}}
    builder = mlt_s.MltS(data_dir=str(folder), cache_dir=str(tmp_path / "cache"), **options)
    assert builder.config.remote_options == {"endpoint": "here", "expand": True}


class GuardedFileSystem(MemoryFileSystem):
    """A file system whose errors contain the request's credentials, as with many clients."""

    protocol = "guarded"
    cachable = False

    def __init__(self, token, headers, **kwargs):
        super().__init__(**kwargs)
        self.token, self.sent = token, headers["Authorization"].split()[1]

    def find(self, path, **kwargs):
        raise PermissionError(f"401 for https://ann:{PASSWORD}@host{path}?X-Sig={TOKEN}, {self.token}, {self.sent}")


@pytest.mark.once
def test_what_an_error_of_the_file_system_tells_of_secrets_is_not_shown(tmp_path):
    fsspec.register_implementation("guarded", GuardedFileSystem, clobber=True)
    options = {"token": "abc123", "headers": {"Authorization": "Bearer def456"}}
    error = failure(lambda: mlt_s.list_source("guarded://mlt", ("image",), options))
    shown = "".join(traceback.format_exception(error))
    assert "401 for https://***@host" in str(error) and "Check that it is there" in str(error)
    for secret in (TOKEN, options["token"], options["headers"]["Authorization"].split()[1], *PASSWORD.split(":")):
        assert secret not in shown


# --- Passwords in addresses ----------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    "address, shown",
    [
        (f"https://ann:{PASSWORD}@host:8000/mlt", "https://***@host:8000/mlt"),
        (f"http://{TOKEN}@host/a b@c", "http://***@host/a b@c"),
        (f"ftp://ann:{PASSWORD}@host/mlt", "ftp://ann:***@host/mlt"),
        (f"https://host/labels.zip?X-Amz-Signature={TOKEN}&b=1", "https://host/labels.zip?X-Amz-Signature=***&b=1"),
        (f"https://host/labels.zip?a=1&token={TOKEN}", "https://host/labels.zip?a=1&token=***"),
        (f"https://host/labels.zip?t={TOKEN}&pwd=cat", "https://host/labels.zip?t=***&pwd=***"),
        (f"https://host/?p[a]=eyJhbGciOiJI.eyJzdWIiOiIx.{TOKEN}", "https://host/?p[a]=***"),
        ("https://host/get?id=1b4e28ba-2fa1-11d2-883f-0016d3cca427", "https://host/get?id=***"),
        ("https://host/a?download=1&id=12345678901234567890", "https://host/a?download=1&id=12345678901234567890"),
        (
            "https://host/a.php?file=MLT_S_labels_v2_2020.zip&x=1",
            "https://host/a.php?file=MLT_S_labels_v2_2020.zip&x=1",
        ),
        (mlt_s.IMAGES_URL, mlt_s.IMAGES_URL),
        ("hf://datasets/me/mlt@main/a@b", "hf://datasets/me/mlt@main/a@b"),
        ("abfs://container@account.dfs.core.windows.net/mlt", "abfs://container@account.dfs.core.windows.net/mlt"),
        ("http://127.0.0.1:80/a@b?page=2", "http://127.0.0.1:80/a@b?page=2"),
        ("/home/ann:b/x@y.zip", "/home/ann:b/x@y.zip"),
    ],
)
def test_of_an_address_all_is_shown_but_its_secrets(address, shown, caplog):
    assert str(mlt_s.MltSError(f"Cannot read {address}: no.")) == f"Cannot read {shown}: no."
    assert repr(mlt_s.MltSConfig(data_dir=address)).count(repr(shown)) == 1
    with caplog.at_level(logging.WARNING, "mlt_s"):
        mlt_s.logger.warning("Left out %s.", address)
    assert caplog.messages == [f"Left out {shown}."]


@pytest.fixture
def guarded():
    """The address of a folder in memory that has a password in it, and leaves out another data set's archive."""
    filesystem = MemoryFileSystem()

    def put(folder):
        for file in sorted(folder.iterdir()):
            filesystem.pipe(f"/ann:{PASSWORD}@nas/{file.name}", file.read_bytes())
        return f"memory://ann:{PASSWORD}@nas"

    yield put
    filesystem.rm(f"/ann:{PASSWORD}@nas", recursive=True)


def assert_hidden(*texts):
    for text in texts:
        assert PASSWORD not in text and PASSWORD.split("@")[0] not in text


@pytest.mark.once
def test_check_shows_no_password_of_an_address(tmp_path, guarded, capsys):
    folder, file = mlt(tmp_path / "mlt"), tmp_path / "report.json"
    damaged = write_zip(folder / "ch8_training_images_3.zip", {"img_4.jpg": image_file(4)}, zipfile.ZIP_STORED)
    damaged.write_bytes(damaged.read_bytes()[:-30])
    assert cli.main(["check", guarded(folder), "--pixels", "--jobs", "1", "--json", str(file)]) == 1
    printed = capsys.readouterr()
    report = json.loads(file.read_text())
    assert report["data_dir"] == "memory://ann:***@nas"
    assert "memory:///ann:***@nas/ch8_training_images_3.zip" in [finding["archive"] for finding in report["problems"]]
    assert_hidden(printed.out, printed.err, file.read_text())


@pytest.mark.once
def test_neither_loading_nor_a_build_shows_or_writes_a_password(tmp_path, guarded, capsys, caplog):
    folder = mlt(tmp_path / "mlt")
    (folder / "icdar2015.zip").write_bytes((folder / "ch8_training_images_1.zip").read_bytes())
    address = guarded(folder)
    with caplog.at_level(logging.DEBUG, "mlt_s"):
        dataset = mlt_s.MltS(data_dir=address, cache_dir=str(tmp_path / "cache")).as_streaming_dataset()
        assert cli.main(["build", address, str(tmp_path / "set"), "--jobs", "1"]) == 0
    assert len(list(dataset["train"])) == 5
    assert "icdar2015.zip" in caplog.text
    printed = capsys.readouterr()
    written = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
    assert any(path.name == "README.md" for path in written)
    assert_hidden(printed.out, printed.err, caplog.text, repr(dataset), *map(str, written))
    for path in written:
        assert PASSWORD.encode() not in path.read_bytes()
    MemoryFileSystem().rm(f"/ann:{PASSWORD}@nas/ch8_training_images_1.zip")
    error = failure(lambda: list(dataset["train"]))
    assert "memory://" in str(error) and "ch8_training_images_1.zip, member img_1.jpg" in str(error)
    assert_hidden("".join(traceback.format_exception(error)))
