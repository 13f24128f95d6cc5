"""What README and docs/ show is run, what they say happens, and they, dataset_infos.json and code agree."""

import http.server
import importlib.util
import json
import os
import re
import shutil
import threading

import datasets
import forks
import numpy as np
import PIL.Image
import pytest
from archives import (
    add_words,
    encoded,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    words_file,
    words_of,
    write_zip,
)
from conftest import ROOT, VERSION
from hub import Hub
from pages import TEXT, blocks, commands, languages

import mlt_s
import mlt_s_tools
from mlt_s_tools.cli import main

README = TEXT["README.md"]
TROUBLESHOOTING = TEXT["docs/troubleshooting.md"]
PYTHON = [block for block in blocks("python") if block.page != "docs/recipes.md"]  # see test_recipes.py
NEEDS_TRANSFORMERS = re.compile("transformers|TextTrainer|EpochCallback")


def title(block):
    lines = block.code.splitlines()
    line = next((line for line in lines[::-1] if "mlt" in line or "=" in line), lines[0])
    return re.sub(r"\W+", "-", f"{block.page} {line}")[:60]


def is_for_this_version(block):
    """Scripts run below 4 only, and transformers 5 goes with none of the oldest versions."""
    if NEEDS_TRANSFORMERS.search(block.code) and importlib.util.find_spec("transformers") is None:
        return False
    return "trust_remote_code" not in block.code or VERSION < (4, 0)


def python(code, folder, installed=True, **environment):
    """Runs code in a fresh process whose working and home directory are the folder's; without mlt_s, if asked."""
    environment = {**os.environ, "HOME": str(folder), "HF_HOME": str(folder / "hf"), **environment}
    for name in ("HF_MODULES_CACHE", "PYTHONPATH"):
        environment.pop(name, None)
    if installed:
        environment["PYTHONPATH"] = os.path.dirname(mlt_s.__file__)
    return forks.python(code, env=environment, cwd=folder)


@pytest.fixture
def home(tmp_path):
    mlt(tmp_path / "mlt")
    write_zip(tmp_path / "mlt" / "ch8_training_images_3.zip", {"img_6.jpg": image_file(6)})  # has no label map
    add_words(tmp_path / "mlt", range(1, 7), range(1, 4))
    write_zip(tmp_path / "weak.zip", label_members({"img_6": label_file(6)}, {}))
    (tmp_path / "path" / "to").mkdir(parents=True)
    shutil.copy(ROOT / "mlt_s.py", tmp_path / "path" / "to")
    return tmp_path


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    mlt_s_tools.build(mlt(folder / "mlt"), folder / "mlt-s-built", jobs=1)
    return folder / "mlt-s-built"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """What training leaves: a model and its image processor."""
    if importlib.util.find_spec("transformers") is None:
        return None
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    folder = tmp_path_factory.mktemp("checkpoint") / "mit-b0"
    small = {"depths": [1] * 4, "hidden_sizes": [8] * 4, "decoder_hidden_size": 8, "num_attention_heads": [1] * 4}
    SegformerForSemanticSegmentation(SegformerConfig(**small)).save_pretrained(folder)
    SegformerImageProcessor().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("block", list(filter(is_for_this_version, PYTHON)), ids=title)
def test_what_the_pages_show_runs(block, home, built, checkpoint):
    (home / "mlt-s-built").symlink_to(built)
    (home / "masks").mkdir()
    write_zip(home / "masks" / "labels.zip", label_members({"img_1": mask(1)}, {"img_1": mask(2)}))
    if checkpoint:
        shutil.copytree(checkpoint, home / "runs" / "mit-b0")
    code = re.sub(r"^%pip .*", "", block.code, flags=re.MULTILINE).replace("/content/drive/MyDrive/", "~/")
    if 'label_maps="~/masks"' in code:  # of two pairs
        code = code.replace("text_value=255)", 'text_value=255, missing_images="skip")')
    code = code.replace("preset.training(seed=0)", "preset.training(seed=0, size=(64, 64))")  # not 512: seconds
    done = forks.run(code, home)
    assert done.returncode == 0, done.stderr
    if 'from_pretrained("runs/mit-b0")' in code:  # from a checkpoint to what mlt-s evaluate takes
        masks = {path.name: PIL.Image.open(path).size for path in (home / "my-masks").iterdir()}
        assert masks == {f"img_{n}.png": (24, 16) for n in (1, 2, 3)}
    if "count_logits(logits" in code:
        assert re.search(r"loss \d+\.\d{3}\nepoch 0: fgIoU \d+\.\d\d%\n", done.stdout)
    if "cross_entropy" in code:
        assert re.fullmatch(r"loss \d+\.\d{3}\n", done.stdout)
    if "TextTrainer(" in code:
        assert list((home / "runs").glob("checkpoint-1"))
        assert 0 <= float(done.stdout.splitlines()[-1]) <= 1
    if "processing_class" in code:
        assert (home / "runs" / "checkpoint-1" / "preprocessor_config.json").exists()
    if "__main__" in code:
        assert sorted(re.findall(r"img_\d", done.stdout)) == [f"img_{n}" for n in range(1, 6)]


def mask(seed):
    """A mask of 0 and 255, as a PNG file."""
    return encoded(PIL.Image.fromarray(np.uint8(label_values(seed=seed) == 1) * 255), "PNG")


def test_an_error_in_a_block_is_seen(home):
    done = forks.run("import mlt_s\nprint(mlt_s.LABEL_MAP.names)\nraise SystemExit(mlt_s.no_such_name)", home)
    assert (done.returncode, done.stdout) == (1, "['background', 'text']\n")
    assert "AttributeError" in done.stderr
    assert forks.run("print(mlt_s)", home).returncode == 1  # nothing is left of the block before


def test_all_blocks_are_of_a_kind_that_is_tested():
    assert languages() == {"python", "bash", "text", "bibtex"}
    assert [block.page for block in blocks("bibtex")] == ["README.md"]
    assert len(blocks("text")) == 1  # the tree of folders below


def test_the_folders_that_the_readme_shows_load(tmp_path, load_registered):
    """Each line of the tree names a file of either split."""
    made = {"jpg": image_file, "png": label_file, "txt": lambda n: words_file(*words_of(n))}
    (tree,) = blocks("text")
    for path in tree.code.split():
        file = tmp_path / path.replace("~/", "")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made[file.suffix[1:]]("val" in path))
    loaded = load_registered(tmp_path / "mlt", "words")
    assert {split: rows["image_id"] for split, rows in loaded.items()} == {"train": ["img_1"], "validation": ["img_1"]}
    for split in loaded:
        (row,) = loaded[split]
        assert np.array_equal(np.asarray(row["label"]), label_values(seed=split == "validation"))
        assert len(row["words"]) == len(words_of(split == "validation"))


COMMANDS = commands()
OURS = [(page, words[1:]) for page, words in COMMANDS if words[0] == "mlt-s"]
PUSH = [words for _, words in OURS if "--push-to" in words]
WEAK = [words for _, words in OURS if words[0] == "weak"]


@pytest.mark.parametrize("page", sorted({page for page, words in OURS if words[0] != "weak"}))
def test_the_commands_that_the_pages_show_run(page, home, monkeypatch):
    """All of a page, one after the other, in one home."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    (home / "mlt_s_tools").symlink_to(ROOT / "mlt_s_tools")
    (home / "predictions").mkdir()
    for n in (1, 2, 3):
        text = PIL.Image.fromarray(np.uint8(label_values(seed=500 + n) == 1))
        (home / "predictions" / f"img_{n}.png").write_bytes(encoded(text, "PNG"))
    shutil.copytree(home / "predictions", home / "others")
    others = (
        {f"img_{n}": label_file(offset + n) for n in numbers} for offset, numbers in ((9, range(1, 6)), (7, (1, 2, 3)))
    )
    write_zip(home / "labels.zip", label_members(*others))
    can_plot = importlib.util.find_spec("matplotlib")  # which goes with every version, and is not tried with each
    for words in (words for shown, words in OURS if shown == page and words not in PUSH + WEAK):
        if "--plot" in words and not can_plot:
            continue
        # The small set in this home lacks archives, and a part of the validation set.
        assert main(words) == (words[0] in ("check", "evaluate")), words
        for option, name in zip(words, words[1:]):
            if option in ("--json", "--csv", "--html", "--out", "--plot"):
                assert (home / name).stat().st_size, words
    if page == "docs/evaluate.md":
        assert json.loads((home / "figures.json").read_text())["figures"]["fgiou"] == 1
    if page == "docs/check.md":
        assert json.loads((home / "check.json").read_text()) and (home / "preview.png").exists()
        assert "img_3" in (home / "pairs.html").read_text(encoding="utf-8")
    if page == "docs/share.md":
        assert datasets.load_dataset(str(home / "mlt-s-all"), "words", split="train")[0]["words"]


def test_each_command_of_ours_is_shown():
    assert {words[0] for _, words in OURS} == {"demo", "check", "preview", "evaluate", "compare", "build", "weak"}
    assert len(PUSH) == 1


def optional_dependencies():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return re.findall(r"^(\w+) = \[", text.partition("[project.optional-dependencies]")[2].partition("\n[")[0], re.M)


def parsed(words):
    """Code that has an example, and torchrun, read these words as they would be called."""
    script, *options = next(words[i:] for i in range(len(words)) if words[i].endswith(".py"))
    launched = f"from torch.distributed.run import get_args_parser; get_args_parser().parse_args({words[1:]!r})\n"
    own = f"import runpy; runpy.run_path({str(ROOT / script)!r})['parser']().parse_args({options!r})\n"
    return launched * (words[0] == "torchrun") + own


@pytest.mark.once
def test_every_other_command_that_the_pages_show_is_one_that_there_is(home):
    """What installs and clones is looked at word by word; .ci/run runs those of the README."""
    code = ""
    for page, words in COMMANDS:
        words = words[1:] if re.fullmatch(r"[A-Z_]+=\w+", words[0]) else words
        if words[:2] == ["pip", "install"]:
            (what,) = words[2:]
            extra = re.fullmatch(r"\.\[(\w+)\]", what)
            assert (
                what == "."
                or re.fullmatch(r"git\+https://[\w./-]+/lab/mlt-s-loader", what)
                or (extra and extra[1] in optional_dependencies())
            ), (page, words)
        elif words[0] in ("python", "torchrun"):
            code += parsed(words)
        else:
            assert " ".join(words) in (
                "git clone https://github.com/lab/mlt-s-loader", "cd mlt-s-loader", "python3 -m venv .venv",
                ". .venv/bin/activate", "pytest",
            ) or words[0] == "mlt-s", (page, words)  # fmt: skip
    done = forks.run(code, home)
    assert code and done.returncode == 0, done.stderr


def test_what_the_readme_shows_for_ci_stands_there_as_lines():
    for end in ("mlt-s demo", "pytest"):
        assert re.search(rf"^python3 -m venv .* && {end}$", README, re.MULTILINE)


@pytest.mark.once
def test_the_network_makes_and_repairs_label_maps_as_the_pages_show(shipped, home, monkeypatch, capsys):
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    (home / "weak.zip").unlink()
    for words in [words for page, words in OURS if page == "README.md" and words in WEAK]:
        assert main(words) == 0
    assert main(["weak", "evaluate", "~/mlt"]) == 0
    assert "validation: figures of 3 images, with the threshold 0.5" in capsys.readouterr().out
    sources = [str(home / "mlt" / "MLT_S_labels.zip"), str(home / "weak.zip")]
    made = datasets.load_dataset("mlt_s", data_dir=str(home / "mlt"), label_maps=sources, split="train")[5]
    assert made["image_id"] == "img_6" and made["label"].info["Software"].startswith("mlt-s weak network")
    repaired = datasets.load_dataset("mlt_s", data_dir=str(home / "mlt"), label_maps="repaired.zip", split="train")[0]
    assert repaired["label"].info["Software"].startswith("mlt-s weak repair by network")


def test_what_the_pages_push_arrives(home):
    (command,) = PUSH
    with Hub({"hf_ann": ("ann", "write", ["lab"])}) as hub:
        environment = {**hub.environment(home, "hf_ann"), "HOME": str(home)}
        environment["PYTHONPATH"] = os.path.dirname(mlt_s.__file__)
        code = f"from mlt_s_tools.cli import main; raise SystemExit(main({command!r}))"
        done = forks.python(code, env=environment, cwd=home)
        assert done.returncode == 0, done.stderr
        arrived = hub.files("lab/mlt-s-labels")
    assert b'label_maps="hf://datasets/lab/mlt-s-labels"' in arrived["README.md"]
    assert [path for path in arrived if path.endswith(".parquet")] == [
        "labels/train-00000-of-00001.parquet",
        "labels/validation-00000-of-00001.parquet",
    ]


def test_the_pages_show_every_way():
    calls = "\n".join(block.code for block in PYTHON)
    for call in (
        'load_dataset("mlt_s", data_dir="~/mlt")',
        "streaming=True",
        'load_dataset("path/to/mlt_s.py", data_dir="~/mlt", trust_remote_code=True)',
        'load_dataset("mlt_s", "labels", data_dir="~/mlt")',
        "mlt_s.MltS(config_name=",
    ):
        assert call in calls


def front_matter():
    import yaml

    return yaml.safe_load(README.split("---\n")[1])


def test_the_card_is_valid_for_the_hub():
    from huggingface_hub import DatasetCard

    card = DatasetCard(README)
    assert card.data.license == "cc-by-4.0" == front_matter()["license"]
    assert mlt_s.LICENSE.lower().replace(" ", "-") == card.data.license
    assert card.data.task_categories == ["image-segmentation"]
    low, high = {"1K<n<10K": (1_000, 10_000)}[card.data.size_categories[0]]
    assert low < sum(mlt_s.PUBLISHED_COUNTS.values()) < high


def test_readme_and_code_state_the_same_facts():
    assert f"{sum(mlt_s.PUBLISHED_COUNTS.values()):,} images" in README
    assert mlt_s.CITATION in README
    assert mlt_s.IMAGES_URL in README and mlt_s.HOMEPAGE in README
    archives = (mlt_s.IMAGE_ARCHIVES[0], mlt_s.IMAGE_ARCHIVES[7], mlt_s.IMAGE_ARCHIVES[8], *mlt_s.WORDS_ARCHIVES)
    for name in (mlt_s.LABEL_ARCHIVE, *archives):
        assert f"`{name}`" in README
    names = {**mlt_s.LABEL_MAP.id2label, mlt_s.LABEL_MAP.ignore_index: mlt_s.LABEL_MAP.ignore_name}
    for value, name in names.items():
        assert re.search(rf"^\| {value} \| {name}", README, re.MULTILINE)


@pytest.mark.parametrize("config", list(mlt_s.MltS.builder_configs))
def test_dataset_infos_and_code_state_the_same_facts(config):
    stated = json.loads((ROOT / "dataset_infos.json").read_text(encoding="utf-8"))[config]
    info = mlt_s.MltS(config_name=config).info
    for field in ("description", "citation", "homepage", "license"):
        assert stated[field] == getattr(info, field)
    assert datasets.Features.from_dict(stated["features"]) == info.features
    assert stated["version"]["version_str"] == str(info.version)
    assert {name: split["num_examples"] for name, split in stated["splits"].items()} == mlt_s.PUBLISHED_COUNTS


# --- Troubleshooting -------------------------------------------------------------------------------------------


@pytest.fixture
def hub():
    """A Hub that knows no repository, as the real one answers without a token."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("X-Error-Message", "Invalid username or password.")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_without_the_import_the_library_looks_on_the_hub(home, hub):
    code = 'from datasets import load_dataset; load_dataset("mlt_s", data_dir="~/mlt")'
    done = python(code, home, HF_ENDPOINT=hub, HF_HUB_OFFLINE="0", no_proxy="127.0.0.1")
    said = done.stderr.strip().splitlines()[-1]
    assert "DatasetNotFoundError: Dataset 'mlt_s' doesn't exist on the Hub or cannot be accessed." in said
    assert "`DatasetNotFoundError: Dataset 'mlt_s' doesn't exist on the Hub or cannot be accessed.`" in TROUBLESHOOTING


@pytest.fixture
def beside_a_clone(home):
    clone = home / "mlt_s"
    clone.mkdir()
    for name in ("mlt_s.py", "dataset_infos.json", "README.md"):
        shutil.copy(ROOT / name, clone)
    return home


def test_a_clone_beside_is_imported_as_an_empty_package(beside_a_clone):
    uninstalled = (
        "import os, sys; sys.path = [p for p in sys.path if not os.path.exists(os.path.join(p, 'mlt_s.py'))]\n"
    )
    done = python(uninstalled + "import mlt_s; mlt_s.MltS", beside_a_clone, installed=False)
    assert "AttributeError: module 'mlt_s' has no attribute 'MltS'" in done.stderr


def test_installed_the_module_wins_over_a_clone_beside(beside_a_clone):
    code = 'import mlt_s; from datasets import load_dataset; print(len(load_dataset("mlt_s", data_dir="mlt")["train"]))'
    done = python(code, beside_a_clone)
    assert done.stdout.strip().endswith("5"), done.stderr


def test_a_path_to_the_script_works_below_4_only(beside_a_clone):
    code = (
        "from datasets import load_dataset\n"
        'print(len(load_dataset("mlt_s", data_dir="mlt", trust_remote_code=True)["train"]))'
    )
    done = python(code, beside_a_clone, installed=False)
    if VERSION < (4, 0):
        assert done.stdout.strip().endswith("5"), done.stderr
    else:
        assert "RuntimeError: Dataset scripts are no longer supported, but found mlt_s.py" in done.stderr


def test_a_folder_that_is_not_there_is_refused_by_the_library_first(home):
    done = python('import mlt_s, datasets; datasets.load_dataset("mlt_s", data_dir="nowhere")', home)
    assert "EmptyDatasetError" in done.stderr


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
def test_what_is_seen_where_the_call_is_wrong_stands_in_troubleshooting(home, streaming, monkeypatch):
    """Of each row the words that a user would search for."""
    monkeypatch.chdir(home)
    folder = str(home / "mlt")
    plain = datasets.load_dataset(folder, split="train", cache_dir=str(home / "cache"), streaming=streaming)
    assert list(next(iter(plain))) == ["image"] and "A set with the column `image` alone" in TROUBLESHOOTING
    with pytest.raises(ValueError) as raised:
        datasets.load_dataset("mlt_s", "~/mlt", streaming=streaming)
    assert f"`ValueError: {raised.value}`" in TROUBLESHOOTING
    with pytest.raises(Exception) as raised:
        datasets.load_dataset("mlt_s", data_dir=str(home / "mlt" / "MLT_S_labels.zip"), streaming=streaming)
    assert type(raised.value).__name__ == "EmptyDatasetError"
    assert "a single zip (give the folder that holds it)" in TROUBLESHOOTING


def test_a_stream_takes_no_slices_as_the_pages_say(home):
    with pytest.raises(ValueError) as raised:
        datasets.load_dataset("mlt_s", data_dir=str(home / "mlt"), split="train[:10%]", streaming=True)
    assert f"`ValueError: {raised.value}`" in TROUBLESHOOTING


def test_a_path_after_the_import_fails_from_4_on_as_the_pages_say(home):
    code = 'import mlt_s, datasets; datasets.load_dataset("path/to/mlt_s.py", data_dir="mlt")'
    said = python(code, home).stderr
    scripts = "contains custom code", "Dataset scripts are no longer supported, but found mlt_s.py"
    words = scripts[VERSION >= (4, 0)]
    assert words in said and words in TROUBLESHOOTING
