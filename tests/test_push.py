"""Pushing a built folder to a Hub, by the real client, and loading it from there as somebody else does."""

import json
import os
import textwrap

import forks
import pytest
from archives import add_words, mlt
from hub import Hub

import mlt_s
from mlt_s_tools import build

TOKENS = {"hf_write": ("ann", "write", ["lab"]), "hf_read": ("ann", "read", ["lab"]), "hf_other": ("bob", "write", [])}
CONFIGS = ("segmentation", "words", "labels")
SCRIPT = {"mlt_s.py": b"import datasets", "README.md": b"# A script\n"}

# `tried` is the text of our error, or what a call returned.
TOOLS = """
    import json, os, pathlib, sys
    from mlt_s import MltSError
    from mlt_s_tools.hub import push

    def tried(call, *arguments):
        try:
            return call(*arguments)
        except MltSError as error:
            return str(error)

    def prepared(repo, private=False, token="hf_write"):
        os.environ.pop("HF_TOKEN", None)
        if token:
            os.environ["HF_TOKEN"] = token
        return tried(push.prepare, repo, private)

    out = pathlib.Path(sys.argv[1])
"""

# Without `import mlt_s`, as anybody else has it. The viewer, which is looked for otherwise, is no part of the Hub here.
READER = """
    import io, json, sys, datasets, PIL.Image
    datasets.config.USE_PARQUET_EXPORT = False

    def plain(value):
        if isinstance(value, PIL.Image.Image):
            return [value.mode, list(value.size), value.tobytes().hex()]
        if isinstance(value, dict):
            return {name: plain(inner) for name, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    def rows(split):
        return [plain(row) for row in split]
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return add_words(mlt(tmp_path_factory.mktemp("mlt")), range(1, 6), range(1, 4))


@pytest.fixture(scope="module")
def out(data_dir, tmp_path_factory):
    """A built folder."""
    out = tmp_path_factory.mktemp("built") / "out"
    build(data_dir, out, CONFIGS, jobs=1)
    return out


@pytest.fixture
def hub():
    with Hub(TOKENS) as hub:
        yield hub


def source(data_dir, config, split):
    return mlt_s.MltS(config_name=config, data_dir=str(data_dir)).as_streaming_dataset(split=split)


def told(code, hub, home, *arguments, token="hf_write", **environment):
    """Runs code in a process of its own and returns what it told, as JSON, in its last line."""
    variables = {**hub.environment(home, token), "PYTHONPATH": os.path.dirname(mlt_s.__file__), **environment}
    done = forks.python(code, *arguments, env=variables, cwd=home.parent)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def pushed(code, hub, tmp_path, out, **options):
    return told(textwrap.dedent(TOOLS) + textwrap.dedent(code), hub, tmp_path / "home", out, **options)


def read(code, hub, tmp_path, *arguments, **options):
    return told(textwrap.dedent(READER) + textwrap.dedent(code), hub, tmp_path / "other", *arguments, **options)


def content(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def committed(hub, name):
    return {path: held for path, held in hub.files(name).items() if path != ".gitattributes"}


# --- What arrives --------------------------------------------------------------------------------------------------


def plain(value):
    if hasattr(value, "tobytes"):
        return [value.mode, list(value.size), value.tobytes().hex()]
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def mlt_s_build(hub, tmp_path, *arguments, token="hf_write"):
    """Runs the command with its exit status, and what it said."""
    code = "import sys; from mlt_s_tools import cli; sys.exit(cli.main(sys.argv[1:]))"
    variables = {**hub.environment(tmp_path / "home", token), "PYTHONPATH": os.path.dirname(mlt_s.__file__)}
    return forks.python(code, "build", *arguments, "--jobs", "1", env=variables)


def test_what_is_pushed_loads_for_anybody_as_the_source_does(hub, tmp_path, data_dir):
    out = tmp_path / "out"
    done = mlt_s_build(hub, tmp_path, data_dir, out, "--config", *CONFIGS, "--push-to", "lab/mlt_s")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"On the Hub: {hub.endpoint}/datasets/lab/mlt_s"
    assert committed(hub, "lab/mlt_s") == content(out)
    assert b'load_dataset("lab/mlt_s")' in hub.files("lab/mlt_s")["README.md"]
    assert not hub.repositories["lab/mlt_s"].private
    found, id2label = read(
        """
        from huggingface_hub import hf_hub_download
        found = {}
        for config in (None, "segmentation", "words", "labels"):
            for streaming in (False, True):
                splits = datasets.load_dataset("lab/mlt_s", config, streaming=streaming)
                found[f"{config} {streaming}"] = {name: rows(split) for name, split in splits.items()}
        with open(hf_hub_download("lab/mlt_s", "id2label.json", repo_type="dataset")) as file:
            id2label = json.load(file)
        assert "mlt_s" not in sys.modules
        print(json.dumps([found, id2label]))
        """,
        hub,
        tmp_path,
        token=None,
    )
    assert id2label == {"0": "background", "1": "text"}
    for config in (None, *CONFIGS):
        expected = {
            split: [plain(row) for row in source(data_dir, config or "segmentation", split)]
            for split in ("train", "validation")
        }
        assert found[f"{config} False"] == found[f"{config} True"] == expected


def test_it_has_what_the_segmentation_example_of_transformers_takes(hub, tmp_path, out):
    hub.put("lab/mlt-s", content(out))
    told_of = read(
        """
        import numpy as np
        from huggingface_hub import hf_hub_download
        ds = datasets.load_dataset("lab/mlt-s")
        labels = [np.array(label) for split in ds.values() for label in split["label"]]
        images = [np.array(image.convert("RGB")) for split in ds.values() for image in split["image"]]
        id2label = json.load(open(hf_hub_download("lab/mlt-s", "id2label.json", repo_type="dataset"), "r"))
        print(json.dumps({
            "columns": {name: split.column_names for name, split in ds.items()},
            "labels": [
                sorted({str(label.dtype) for label in labels}),
                sorted({label.ndim for label in labels}),
                np.unique(labels).tolist(),
            ],
            "same sizes": [image.shape[:2] for image in images] == [label.shape for label in labels],
            "id2label": {int(value): name for value, name in id2label.items()} == {0: "background", 1: "text"},
        }))
        """,
        hub,
        tmp_path,
        token=None,
    )
    columns = ["image_id", "image", "label"]
    assert told_of["columns"] == {"train": columns, "validation": columns}
    assert told_of["labels"] == [["uint8"], [2], [0, 1, 255]]
    assert told_of["same sizes"] and told_of["id2label"]


def test_only_what_belongs_to_a_build_goes_up(hub, tmp_path, out):
    more = tmp_path / "out"
    for name, held in {**content(out), "data/train-9.parquet.part": b"", "state.json": b"", "mine.py": b""}.items():
        (more / name).parent.mkdir(parents=True, exist_ok=True)
        (more / name).write_bytes(held)
    code = """
        push.prepare("lab/name", False)
        push.upload(out, "lab/name")
        print(0)
    """
    pushed(code, hub, tmp_path, more)
    assert committed(hub, "lab/name") == content(out)


def test_private_is_private(hub, tmp_path, out):
    hub.put("lab/mine", {"README.md": b"# Mine\n"}, private=True)
    told = pushed(
        'print(json.dumps([prepared("lab/secret", True), prepared("lab/mine", True), prepared("lab/mine")]))',
        hub,
        tmp_path,
        out,
    )
    assert told == [None, None, None]
    assert hub.repositories["lab/secret"].private


def test_files_of_an_earlier_build_are_deleted_in_the_same_commit(hub, tmp_path, out):
    stale = {"data/train-00000-of-00002.parquet": b"1", "labels/train-00001-of-00002.parquet": b"2"}
    kept = {"notes.txt": b"kept", "extra/own.parquet": b"kept"}
    hub.put("lab/name", {**stale, **kept, "manifest.json": b"{}", "data/train-00000-of-00001.parquet": b"replaced"})
    before = hub.repositories["lab/name"].head
    said = pushed(
        """
        import contextlib, io
        push.prepare("lab/name", False)
        with contextlib.redirect_stdout(io.StringIO()) as said:
            push.upload(out, "lab/name")
        print(json.dumps(said.getvalue()))
        """,
        hub,
        tmp_path,
        out,
    )
    assert said == "Deleted from lab/name: 2 Parquet files of an earlier build.\n"
    assert committed(hub, "lab/name") == {**content(out), **kept}
    assert hub.repositories["lab/name"].head.parent is before


def test_an_upload_that_was_cut_off_goes_on(hub, tmp_path, out):
    hub.put("lab/name", {"README.md": b"# New\n"})
    hub.fail("POST", "/commit/", 403)
    first, second = pushed(
        'print(json.dumps([tried(push.upload, out, "lab/name") for attempt in range(2)]))', hub, tmp_path, out
    )
    assert first.startswith(f"The Hub at {hub.endpoint} did not take the upload of {out} to lab/name: ")
    assert "run the same command again" in first
    assert second == f"{hub.endpoint}/datasets/lab/name"
    assert committed(hub, "lab/name") == content(out)
    uploads = [request.path for request in hub.requests if request.method == "PUT"]
    assert len(uploads) == len(set(uploads)) == 5  # four Parquet files and the picture, each once


# --- What is refused, before anything is built ---------------------------------------------------------------------

LOG_IN = "Log in with `hf auth login` (`huggingface-cli login` below huggingface_hub 0.34), or set HF_TOKEN"
TOKENS_PAGE = "https://huggingface.co/settings/tokens"
NO_NAME = "not a valid repository name", "such as ann/mlt-s"
# case: a call, and the facts that its message has
REFUSED = {
    "no token": (
        'prepared("lab/new", token=None)',
        "There is no token for the Hub",
        LOG_IN,
        TOKENS_PAGE,
    ),
    "unknown token": (
        'prepared("lab/new", token="hf_none")',
        "The Hub does not know your token",
        LOG_IN,
        TOKENS_PAGE,
    ),
    "read-only token": (
        'prepared("lab/new", token="hf_read")',
        "Your token, of ann, may only read",
        LOG_IN,
        TOKENS_PAGE,
    ),
    "foreign namespace": (
        'prepared("lab/new", token="hf_other")',
        "Your token, of bob, has no right to write to lab/new",
        TOKENS_PAGE,
    ),
    "foreign repository": (
        'prepared("lab/name", token="hf_other")',
        "Your token, of bob, has no right to write to lab/name",
        TOKENS_PAGE,
    ),
    "no namespace": ('prepared("new")', "'new' is ", *NO_NAME),
    "no name": ('prepared("lab/a new one")', "'lab/a new one' is ", *NO_NAME),
    "path": ('prepared("a/b/c")', "'a/b/c' is ", *NO_NAME),
    "script": (
        'prepared("lab/mlt_s")',
        "lab/mlt_s holds mlt_s.py, a loading script",
        "Delete the script, or choose another name",
    ),
    "public": (
        'prepared("lab/name", True)',
        "lab/name is public",
        "{endpoint}/datasets/lab/name/settings",
    ),
    "another data set": (
        'prepared("lab/cats")',
        "lab/cats holds Parquet files that mlt-s did not build (data/train-0.parquet and others)",
        "Delete them, or choose another name",
    ),
    "no list of files": (
        'prepared("lab/unlisted")',
        "The Hub at {endpoint} does not say which files lab/unlisted holds",
    ),
    "a failing Hub": ('prepared("lab/fails")', "The Hub at {endpoint} did not create lab/fails: "),
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """What the calls above say, of one process as the client takes a second to import."""
    folder = tmp_path_factory.mktemp("refused")
    with Hub(TOKENS) as hub:
        hub.put("lab/mlt_s", SCRIPT)
        hub.put("lab/name", {"README.md": b"# Public\n"})
        hub.put("lab/cats", {"data/train-0.parquet": b""})
        hub.put("lab/unlisted", {"data/train-0.parquet": b""})
        hub.repositories["lab/unlisted"].is_listed = False
        before = {name: hub.files(name) for name in hub.repositories}
        hub.fail("POST", "/repos/create", 402)
        calls = ", ".join(call for call, *_ in reversed(REFUSED.values()))
        said = pushed(f"print(json.dumps([{calls}]))", hub, folder, folder)
        assert {name: hub.files(name) for name in hub.repositories} == before
        yield dict(zip(reversed(REFUSED), said)), hub.endpoint


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_pushed_to_is_refused(refused, case):
    said, endpoint = refused
    assert all(fact.format(endpoint=endpoint) in said[case] for fact in REFUSED[case][1:])
    assert "\n" not in said[case]


def test_nothing_is_built_that_cannot_be_pushed(hub, tmp_path, data_dir):
    hub.put("lab/mlt_s", SCRIPT)
    done = mlt_s_build(hub, tmp_path, data_dir, tmp_path / "out", "--push-to", "lab/mlt_s")
    assert done.returncode == 2 and REFUSED["script"][1] in done.stderr
    assert not (tmp_path / "out").exists() and hub.files("lab/mlt_s") == SCRIPT


def test_a_script_of_another_name_does_not_prevent_a_push(hub, tmp_path, out):
    hub.put("lab/name", SCRIPT)
    assert pushed('print(json.dumps(prepared("lab/name")))', hub, tmp_path, out) is None


def test_without_a_hub_the_reason_is_said(hub, tmp_path, out):
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    said = pushed('print(json.dumps(prepared("lab/new")))', hub, tmp_path, out, **nobody)
    assert said.startswith("The Hub at http://127.0.0.1:9 did not say whose your token is: ")
    assert said.endswith("Check the connection, and try again.")


# --- The library's own way -----------------------------------------------------------------------------------------


def test_push_to_hub_of_a_loaded_set_loads_back(hub, tmp_path, data_dir):
    told(
        """
        import sys, datasets, mlt_s
        datasets.load_dataset("mlt_s", "words", data_dir=sys.argv[1]).push_to_hub("lab/other")
        print(0)
        """,
        hub,
        tmp_path / "home",
        data_dir,
    )
    found = read(
        """
        splits = datasets.load_dataset("lab/other")
        print(json.dumps({name: rows(split) for name, split in splits.items()}))
        """,
        hub,
        tmp_path,
        token=None,
    )
    for split in ("train", "validation"):
        assert found[split] == [plain(row) for row in source(data_dir, "words", split)]
