"""The card of a built repository: its metadata match the data, its code runs, and its statements are true."""

import dataclasses
import importlib.util
import io
import json
import os
import re
import shutil
import sys
import zipfile

import datasets
import forks
import jinja2.meta
import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
from archives import add_words, label_file, label_members, label_values, mlt, png_with, unpacked, write_zip
from conftest import ROOT
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard, DatasetCardData

import mlt_s
from mlt_s_tools import SAMPLE, build, cli
from mlt_s_tools.hub import card, layout
from mlt_s_tools.looking.preview import contact_sheet, label_sheet
from mlt_s_tools.origin import REPAIRED_OTHERS


class Repository:
    """A built folder, and the examples in its picture."""

    def __init__(self, out, data_dir, configs, palette, repo):
        self.out, self.built = out, build(data_dir, out, configs, palette=palette, jobs=1)
        config = layout.widest(configs, layout.FOLDERS[configs[0]])
        source = mlt_s.MltS(config_name=config, data_dir=str(data_dir)).as_streaming_dataset(split="train")
        self.examples = [(f"train  {example['image_id']}", example) for example in source]
        if repo:
            card.write(out, self.built, self.examples, repo)

    @property
    def text(self):
        return (self.out / "README.md").read_text(encoding="utf-8")

    @property
    def data(self):
        return DatasetCard(self.text).data

    @property
    def blocks(self):
        return re.findall(r"```python\n(.*?)```", self.text, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder with ~/mlt in it."""
    folder = tmp_path_factory.mktemp("home")
    add_words(mlt(folder / "mlt"), range(1, 6), range(1, 4))
    return folder


@pytest.fixture(scope="module")
def repositories(home):
    return {
        "all": Repository(home / "all", home / "mlt", ("segmentation", "words", "labels"), False, None),
        "colours": Repository(home / "colours", home / "mlt", ("segmentation",), True, "lab/mlt-s"),
        "labels": Repository(home / "labels", home / "mlt", ("labels",), False, None),
    }


@pytest.fixture(params=["all", "colours", "labels"])
def repository(request, repositories):
    return repositories[request.param]


def loaded(repository, config, cache, **options):
    return datasets.load_dataset(str(repository.out), config, cache_dir=str(cache), **options)


# --- The metadata --------------------------------------------------------------------------------------------------


def test_the_metadata_are_those_of_the_data(repository, tmp_path):
    infos = DatasetInfosDict.from_dataset_card_data(repository.data)
    assert set(infos) == set(repository.built.configs)
    for config, info in infos.items():
        splits = loaded(repository, config, tmp_path)
        assert info.features == next(iter(splits.values())).features == mlt_s.MltS(config_name=config).info.features
        assert list(info.features) == list(splits["train"].features)
        assert {name: split.num_examples for name, split in info.splits.items()} == {"train": 5, "validation": 3}
        for name, split in splits.items():
            assert len(split) == info.splits[name].num_examples
            assert info.splits[name].num_bytes == pytest.approx(split.data.nbytes, rel=0.02)
        files = (repository.out / layout.FOLDERS[config]).iterdir()
        assert info.download_size == sum(file.stat().st_size for file in files)
        assert info.dataset_size == sum(split.num_bytes for split in info.splits.values())


def test_the_files_of_a_configuration_are_named(repositories):
    both = repositories["all"].data.configs
    splits = ("train", "validation")
    data, labels = (
        [{"split": split, "path": f"{folder}/{split}-*"} for split in splits] for folder in ("data", "labels")
    )
    assert both == [
        {
            "config_name": "segmentation",
            "default": True,
            "data_files": data,
            "columns": ["image_id", "image", "label"],
        },
        {"config_name": "words", "data_files": data},
        {"config_name": "labels", "data_files": labels},
    ]
    assert repositories["colours"].data.configs == [
        {"config_name": "segmentation", "default": True, "data_files": data}
    ]
    assert repositories["labels"].data.configs == [{"config_name": "labels", "default": True, "data_files": labels}]


def test_the_default_is_the_first_configuration(repository, tmp_path):
    default, named = (loaded(repository, name, tmp_path, split="train") for name in (None, repository.built.configs[0]))
    assert default.column_names == named.column_names and default["image_id"][:] == named["image_id"][:]


def test_lists_are_written_as_every_version_reads_them(repositories):
    words = next(info for info in repositories["all"].data.dataset_info if info["config_name"] == "words")
    assert words["features"][3]["name"] == "words"
    quad, script, *_ = words["features"][3]["list"]
    assert quad == {"name": "quad", "list": {"list": "float64"}}
    assert script["dtype"]["class_label"]["names"]["8"] == "None"


def test_the_rest_is_as_in_the_readme_of_the_project(repository):
    fields = ("license", "task_categories", "task_ids", "language", "multilinguality", "pretty_name", "tags")
    project = DatasetCard((ROOT / "README.md").read_text(encoding="utf-8")).data
    for field in (*fields, "annotations_creators", "source_datasets"):
        assert repository.data.get(field) == project.get(field)
    assert repository.data.size_categories == ["n<1K"]


@pytest.mark.parametrize(
    "rows, category", [(999, "n<1K"), (1_000, "1K<n<10K"), (6_896, "1K<n<10K"), (10_000, "10K<n<100K")]
)
def test_the_size_category_follows_the_count(rows, category):
    assert card.size_category(rows) == category


def test_a_split_without_examples_is_none(repositories, tmp_path):
    whole = repositories["all"]
    part = layout.Built(("segmentation", "words"), False, tuple(whole.built.files_of("words", "validation")))
    os.symlink(whole.out / "data", tmp_path / "data")
    card.write(tmp_path, part, whole.examples)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert [entry["split"] for entry in DatasetCard(text).data.configs[0]["data_files"]] == ["validation"]
    assert 'split="train"' not in text and '| "words" | 0 | 3 |' in text


# --- What it shows runs --------------------------------------------------------------------------------------------


def run(code, home):
    done = forks.run(code, home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_folder(repository, block):
    """The block with the folder in place of the repository's id."""
    name = "lab/mlt-s" if "lab/mlt-s" in block else card.PLACEHOLDER
    return block.replace(f"hf://datasets/{name}", str(repository.out)).replace(name, str(repository.out))


def is_training(block):
    return "torch" in block


COLUMNS = {
    "ds": ["image_id", "image", "label"],
    "with_words": ["image_id", "image", "label", "words"],
    "labels": ["image_id", "label"],
}


def test_the_calls_run(repository, home):
    configs = repository.built.configs
    first, *joins = (of_folder(repository, block) for block in repository.blocks if not is_training(block))
    names = [name for name in COLUMNS if f"\n{name} = " in first]
    assert len(names) == len(configs) and len(joins) == ("labels" in configs)
    shown = "".join(f"print({name}['train'].column_names)\n" for name in names)
    joined = "print(ds['train'].column_names, len(ds['train']))"
    told = run("\n".join([first, "print(sorted(example))", shown, *(f"{join}\n{joined}" for join in joins)]), home)
    expected = [sorted(COLUMNS[names[0]]), *map(COLUMNS.get, names), *(f"{COLUMNS['ds']} 5" for join in joins)]
    assert told.splitlines() == list(map(str, expected))


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
@pytest.mark.parametrize("name", ["all", "colours"])
def test_the_training_loop_runs(repositories, home, name):
    repository = repositories[name]
    (block,) = filter(is_training, repository.blocks)
    shown = """
batch = next(iter(loader))
print(tuple(batch["pixel_values"].shape), batch["pixel_values"].max().item() <= 1, batch["labels"].unique().tolist())
print(loss(torch.zeros(5, 2, *SIZE), batch["labels"]).item() > 0)
"""
    assert run(of_folder(repository, block) + shown, home).splitlines() == [
        "(5, 3, 512, 512) True [0, 1, 255]",
        "True",
    ]


def test_there_is_no_training_loop_without_images(repositories):
    assert not any(map(is_training, repositories["labels"].blocks))


# --- What it says is so --------------------------------------------------------------------------------------------


def sections(text):
    """Level, heading and text of each section, without code; the Hub calls some of them optional."""
    parts = re.split(r"^(#+) (.*?)(?: \[optional\])?$", re.sub(r"```.*?```", "code", text, flags=re.DOTALL), flags=re.M)
    return [(len(marks), heading, body.strip()) for marks, heading, body in zip(*(parts[at::3] for at in (1, 2, 3)))]


def test_every_section_of_the_hubs_template_is_there_in_its_order_and_none_is_empty(repository):
    template = DatasetCard.default_template_path.read_text(encoding="utf-8").partition("\n---\n")[2]
    (_, title, _), *of_hub = sections(template)
    (_, own_title, _), *own = sections(DatasetCard(repository.text).text)
    assert own_title == "Dataset Card for MLT_S" and title.startswith("Dataset Card for ")
    wanted = [section[:2] for section in of_hub]
    assert len(wanted) > 20 and [section[:2] for section in own if section[:2] in wanted] == wanted
    for (level, heading, body), (next_level, *_) in zip(own, [*own[1:], (0,)]):
        assert body or next_level > level, f"nothing stands below {heading}"


@pytest.mark.parametrize("name", ["card.md", "sample_card.md"])
def test_the_template_takes_what_it_is_given_and_nothing_else(repositories, name):
    template = jinja2.Environment().parse((ROOT / "mlt_s_tools/hub" / name).read_text(encoding="utf-8"))
    given = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Template, "render", lambda self, **words: given.extend(words) or "")
        built = dataclasses.replace(repositories["all"].built, is_sample="sample" in name)
        card.made(built, DatasetCardData())
    assert jinja2.meta.find_undeclared_variables(template) == set(given)


def test_nothing_of_the_template_is_left(repository):
    assert not re.search(r"\{\{|\{%|<!--", repository.text.replace("{{COCO", ""))
    assert not re.search(r"\n\n\n(?!def|train)", repository.text)  # two blank lines are Python's


def test_values_and_attribution_stand_in_each(repository):
    for value, color in mlt_s.LABEL_MAP.colors.items():
        name = mlt_s.LABEL_MAP.int2str(value)
        assert re.search(rf"^\| {value} \| {name}.* \| {card.COLOR_NAMES[name]} \|$", repository.text, re.MULTILINE)
        assert PIL.Image.new("RGB", (1, 1), card.COLOR_NAMES[name]).getpixel((0, 0))[:1] == color[:1]
    assert mlt_s.CITATION in repository.text
    for words in ("CC BY 4.0", "Bonechi", "Nayef", mlt_s.HOMEPAGE, mlt_s.IMAGES_URL, "Changed here", "Machine-made"):
        assert words in repository.text
    assert str(mlt_s.LABEL_MAP.id2label) in repository.text


def test_of_the_values_only_255_is_to_be_ignored(repository):
    (table,) = re.findall(r"\| value \| class \|.*\n((?:\|.*\n)+)", repository.text)
    advice = {row.split(" | ")[0]: "ignore" in row for row in table.splitlines()[1:]}
    assert advice == {"| 0": False, "| 1": False, "| 255": True}


def test_words_are_said_to_fit_where_there_are_some(repositories):
    assert "Image, words and label map fit" in repositories["all"].text
    assert "Image and label map fit" in repositories["colours"].text


def test_what_grey_would_make_of_a_palette(repositories):
    text = repositories["colours"].text
    label = PIL.Image.new("P", (1, 1), 1)
    label.putpalette([0, 0, 0, 255, 0, 0])
    assert label.convert("L").getpixel((0, 0)) == 76 and "text would be 76" in text
    assert "np.asarray" in text and 'mode "P"' in text and "plain viewer" not in text
    assert "plain viewer" in repositories["all"].text and "palette" not in repositories["all"].text


def test_parts_are_said_to_be_parts(repositories):
    assert '| "words" | 5 | 3 |' in repositories["all"].text
    assert "These are not the counts published" in repositories["all"].text
    files = [
        layout.File(f"labels/{split}-0.parquet", split, rows, 0, 1, 1, "")
        for split, rows in mlt_s.PUBLISHED_COUNTS.items()
    ]
    text = card.made(layout.Built(("labels",), False, tuple(files)), DatasetCardData()).text
    assert '| "labels" | 5,540 | 1,356 |' in text and "These are not the counts published" not in text


# --- Whose label maps they are --------------------------------------------------------------------------------------

CLAIMS = ("Machine-made", "not sure of a word", "Nobody drew them", "a network made the label maps")
UNKNOWN = "Not known to be the authors'"


def card_of(out, **options):
    build(out.parent / "mlt", out, jobs=1, verify=False, **options)
    return DatasetCard((out / "README.md").read_text(encoding="utf-8"))


def given(folder, text, name="training_labels_reann"):
    """Label maps by others, of 0 and `text`, for three of five images."""
    for n in range(1, 4):
        path = folder / name / f"img_{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(np.uint8(label_values(seed=n) == 1) * np.uint8(text)).save(path)
    return {"label_maps": str(folder), "missing_images": "skip", "text_value": text}


@pytest.mark.parametrize("text", [1, 255])
def test_of_corrected_label_maps_only_what_is_known_is_said(tmp_path, text):
    mlt(tmp_path / "mlt")
    made = card_of(tmp_path / "out", **given(tmp_path / "corrected", text))
    assert UNKNOWN in made.text and not any(claim in made.text for claim in CLAIMS)
    assert "| 3 | 0 |" in made.text and "These are not the counts published" in made.text
    assert made.data.license == "unknown" and "annotations_creators" not in made.data.to_dict()
    told = json.loads((tmp_path / "out" / "croissant.json").read_text(encoding="utf-8"))
    assert not {"license", "creator", "rai:dataAnnotationProtocol"} & set(told)
    assert "machine-made" not in told["description"]
    is_masks = text == 255
    assert ("nothing is uncertain" in made.text, "Many pixels around text are 255" in made.text) == (is_masks, False)
    assert ("# 0 and 1\n" in made.text) == is_masks


@pytest.mark.parametrize("place", ["archive", "unpacked", "elsewhere", "in the folder", "downloaded"])
def test_the_authors_are_told_by_the_name_of_their_archive(tmp_path, monkeypatch, place):
    folder = mlt(tmp_path / "mlt")
    archive, label_maps = folder / "MLT_S_labels.zip", None
    if place == "unpacked":
        unpacked(archive)
    elif place == "elsewhere":
        label_maps = str(archive.rename(tmp_path / archive.name))
    elif place == "in the folder":
        archive.rename(folder / "my_labels.zip")
    elif place == "downloaded":
        archive.rename(tmp_path / "0123-MLT_S_labels.zip")
        monkeypatch.setattr(mlt_s, "fetch_label_archive", lambda *_: str(tmp_path / "0123-MLT_S_labels.zip"))
    made = card_of(tmp_path / "out", label_maps=label_maps)
    assert (UNKNOWN in made.text, "Machine-made" in made.text) == (
        (True, False) if "in the" in place else (False, True)
    )


def test_label_maps_that_are_signed_are_known_too(tmp_path):
    mlt(tmp_path / "mlt")
    signed = png_with(label_file(1), b"tEXt", mlt_s.SIGNATURE + b" baseline")
    weak = write_zip(tmp_path / "weak.zip", label_members({"img_1": signed}, {}))
    made = card_of(tmp_path / "out", label_maps=[str(weak)], missing_images="skip")
    assert "By `mlt-s weak`: 1 of train" in made.text and UNKNOWN not in made.text
    others = given(tmp_path / "corrected", 1)["label_maps"]
    (tmp_path / "corrected" / "training_labels_reann" / "img_1.png").unlink()
    made = card_of(tmp_path / "both", label_maps=[str(weak), others], missing_images="skip")
    assert "By `mlt-s weak`: 1 of train" in made.text and UNKNOWN in made.text


def test_what_was_repaired_of_others_is_as_little_known_as_they_are(tmp_path):
    mlt(tmp_path / "mlt")
    maker = f" {REPAIRED_OTHERS} baseline".encode()
    signed = png_with(label_file(1), b"tEXt", mlt_s.SIGNATURE + maker)
    repaired = write_zip(tmp_path / "repaired.zip", label_members({"img_1": signed}, {}))
    made = card_of(tmp_path / "out", label_maps=str(repaired), missing_images="skip")
    assert UNKNOWN in made.text and "By `mlt-s weak`: 1 of train" in made.text
    assert made.data.license == "unknown" and not any(claim in made.text for claim in CLAIMS)


def test_where_all_is_by_weak_nobody_is_named_as_its_author(tmp_path):
    mlt(tmp_path / "mlt")
    signed = png_with(label_file(1), b"tEXt", mlt_s.SIGNATURE + b" baseline")
    weak = write_zip(tmp_path / "weak.zip", label_members({"img_1": signed}, {}))
    made = card_of(tmp_path / "out", label_maps=str(weak), missing_images="skip")
    (curated,) = (line for line in made.text.splitlines() if "Curated by" in line)
    assert "Bonechi" not in curated and "all by `mlt-s weak`" in curated
    told = json.loads((tmp_path / "out" / "croissant.json").read_text(encoding="utf-8"))
    assert "creator" not in told and told["rai:machineAnnotationTools"] == ["mlt-s weak"]


OF_MLT = ("Nayef", "Bonechi", "cc-by-4.0", "creativecommons", "challenge", mlt_s.CITATION.strip()[:40])
SAMPLE_CONFIGS = [("segmentation",), ("labels",), ("segmentation", "words", "labels")]


@pytest.mark.once
@pytest.mark.parametrize("configs", SAMPLE_CONFIGS)
@pytest.mark.parametrize("place", ["bundled", "unpacked"])
def test_the_bundled_sample_is_called_drawn_and_nobody_elses(tmp_path, place, configs):
    folder = SAMPLE
    if place == "unpacked":
        folder = shutil.copytree(SAMPLE, tmp_path / "mlt")
        for archive in folder.glob("*.zip"):
            unpacked(archive)
    build(folder, tmp_path / "out", configs, jobs=1, palette="words" in configs)
    made = DatasetCard((tmp_path / "out" / "README.md").read_text(encoding="utf-8"))
    croissant = (tmp_path / "out" / "croissant.json").read_text(encoding="utf-8")
    assert "No image of MLT is in here, and no label map of MLT_S" in made.text
    assert not [claim for claim in OF_MLT for text in (made.content, croissant) if claim in text]
    assert (made.data.license, made.data.source_datasets) == ("apache-2.0", ["original"])
    assert json.loads(croissant)["license"].startswith("https://www.apache.org/")
    assert ("palette" in made.text) == ("words" in configs)
    (block,) = re.findall(r"```python\n(.*?)```", made.text, re.DOTALL)
    names = {}
    exec(block.replace(card.PLACEHOLDER, str(tmp_path / "out")), names)
    for config in configs:
        assert {split: len(of) for split, of in names[config].items()} == {"train": 14, "validation": 6}
        assert f'| "{config}" | 14 | 6 | ' in made.text


def test_what_only_bears_the_names_of_the_sample_is_mlts(repositories, home):
    source = mlt_s.MltS(data_dir=str(home / "mlt")).pairs()
    ids = {(split, pair.image_id) for split, pairs in source.items() for pair in pairs}
    sample = mlt_s.MltS(data_dir=str(SAMPLE)).pairs()
    assert ids & {(split, pair.image_id) for split, pairs in sample.items() for pair in pairs}
    assert not repositories["all"].built.is_sample and "Nayef" in repositories["all"].text


def test_other_label_maps_of_the_sample_are_not_said_to_be_drawn_with_it(tmp_path):
    with zipfile.ZipFile(SAMPLE / "MLT_S_labels.zip") as authors:
        label = authors.read("MLT_S_labels/training_labels/img_2.png")
    others = write_zip(tmp_path / "others.zip", {"training_labels/img_2.png": label})
    build(SAMPLE, tmp_path / "out", label_maps=str(others), jobs=1, missing_images="skip")
    made = DatasetCard((tmp_path / "out" / "README.md").read_text(encoding="utf-8"))
    assert made.data.license == "unknown" and "which others made" in made.text


@pytest.mark.parametrize("weak", [False, True])
def test_of_masks_of_0_and_255_nothing_is_called_uncertain_but_what_mlt_s_weak_made(tmp_path, weak):
    mlt(tmp_path / "mlt")
    options = given(tmp_path / "masks", 255)
    if weak:
        signed = png_with(label_file(4), b"tEXt", mlt_s.SIGNATURE + b" baseline")
        options["label_maps"] = [
            options["label_maps"],
            str(write_zip(tmp_path / "weak.zip", label_members({"img_4": signed}, {}))),
        ]
    made = card_of(tmp_path / "out", configs=("segmentation", "labels"), **options).text
    seen = {value for of in shown(tmp_path / "out") for value in np.unique(of).tolist()}
    assert (255 in seen) == weak
    for said in ("| 255 |", "yellow", "255 as white", "Ignore 255", "**Uncertain**", "# 0, 1 and 255\n"):
        assert (said in made) == weak, said
    told = (tmp_path / "out" / "croissant.json").read_text(encoding="utf-8")
    assert ("255 uncertain" in told, "nothing in them is uncertain" in told) == (weak, not weak)


def shown(out):
    """The label maps of a build, as arrays."""
    for file in (out / "labels").iterdir():
        for row in pq.read_table(file)["label"].to_pylist():
            yield np.asarray(PIL.Image.open(io.BytesIO(row["bytes"])))


def test_a_download_is_never_nothing(repositories):
    for config, size in re.findall(r'^\| "(\w+)" \|.*\| ([^|]+) \|$', repositories["all"].text, re.MULTILINE):
        files = (repositories["all"].out / layout.FOLDERS[config]).iterdir()
        number, unit = size.split()
        assert unit == "kB" and float(number) == pytest.approx(sum(f.stat().st_size for f in files) / 1000, abs=0.06)


def test_without_jinja2_it_is_said_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr("mlt_s_tools.hub.plan.make", lambda *_: pytest.fail("the archives were read"))
    assert cli.main(["build", str(mlt(tmp_path / "mlt")), str(tmp_path / "out")]) == 2
    assert 'pip install "mlt-s[build]"' in capsys.readouterr().err and not (tmp_path / "out").exists()


# --- What else stands in it ----------------------------------------------------------------------------------------


def test_the_repository_is_named_where_it_is_known(repositories):
    assert 'load_dataset("lab/mlt-s")' in repositories["colours"].text
    assert card.PLACEHOLDER not in repositories["colours"].text
    assert f"`{card.PLACEHOLDER}` stands for this repository" in repositories["all"].text


def test_label_maps_alone_say_where_the_images_are(repositories):
    text = repositories["labels"].text
    assert "The images are not in here" in text and "ch8_validation_images.zip" in text
    assert f'label_maps="hf://datasets/{card.PLACEHOLDER}"' in text
    assert "pixel on pixel" not in text and "`image`" not in text


def test_words_are_explained_where_there_are_some(repositories):
    numbers = ", ".join(f"{value} {name}" for value, name in enumerate(mlt_s.SCRIPTS))
    assert numbers in repositories["all"].text and "`quad`" in repositories["all"].text
    assert "`quad`" not in repositories["colours"].text


# --- What stands beside it -----------------------------------------------------------------------------------------


def test_the_names_of_the_classes_are_a_file(repository):
    names = json.loads((repository.out / "id2label.json").read_text(encoding="utf-8"))
    assert names == {"0": "background", "1": "text"}


def test_the_picture_is_a_contact_sheet(repositories):
    for name in ("all", "colours"):
        repository = repositories[name]
        with PIL.Image.open(repository.out / "preview.png") as picture:
            assert np.array_equal(picture, contact_sheet(repository.examples))
        assert "](preview.png)" in repository.text


def test_the_picture_of_label_maps_alone_shows_them_with_the_legend(repositories):
    with PIL.Image.open(repositories["labels"].out / "preview.png") as picture:
        assert np.array_equal(picture, label_sheet(repositories["labels"].examples))


def test_the_same_is_written_again(repository, tmp_path):
    for folder in {file.folder for file in repository.built.files}:
        os.symlink(repository.out / folder, tmp_path / folder)
    named = "lab/mlt-s" if "lab/mlt-s" in repository.text else None
    card.write(tmp_path, repository.built, repository.examples, named)
    for name in ("README.md", "croissant.json", "id2label.json", "preview.png"):
        assert (tmp_path / name).read_bytes() == (repository.out / name).read_bytes()
