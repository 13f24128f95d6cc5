"""The Croissant metadata of a build: valid, the same examples as `load_dataset`, and nothing that nobody published."""

from __future__ import annotations

import json
from collections import Counter

import datasets
import mlcroissant
import pytest
from archives import add_words, mlt

import mlt_s
from mlt_s_tools import build
from mlt_s_tools.hub import card, croissant, layout

pytestmark = pytest.mark.once

BUILDS = {
    "all": {"configs": ("segmentation", "words", "labels")},
    "palette": {"configs": ("segmentation",), "palette": True},
    "labels": {"configs": ("labels",)},
}


@pytest.fixture(scope="module", params=BUILDS)
def out(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    build(add_words(mlt(folder / "mlt"), range(1, 6), range(1, 4)), folder / "out", jobs=1, **BUILDS[request.param])
    return folder / "out"


def opened(out):
    return mlcroissant.Dataset(out / croissant.NAME)


def plain(example):
    """A record of mlcroissant as `load_dataset` has an example, with the bytes of its pictures."""
    row = {key.split("/")[1]: value for key, value in example.items()}
    text = {name: row[name].decode() for name in ("split", "image_id")}
    pictures = {name: row[name].fp.getvalue() for name in ("image", "label") if name in row}
    words = [
        {name.split("/")[-1]: value.decode() if isinstance(value, bytes) else value for name, value in word.items()}
        for word in row.get("words", ())
    ]
    return {**text, **pictures, **({"words": words} if "words" in row else {})}


def loaded(out, config, tmp_path):
    for split, examples in datasets.load_dataset(str(out), config, cache_dir=str(tmp_path)).items():
        for column in {"image", "label"} & set(examples.features):
            examples = examples.cast_column(column, datasets.Image(decode=False))
        for example in examples:
            pictures = {name: example[name]["bytes"] for name in ("image", "label") if name in example}
            yield {"split": split, **example, **pictures}


def configs_of(out):
    return json.loads((out / "manifest.json").read_text())["configs"]


def test_it_is_valid_and_lacks_only_a_date_that_nobody_published(out):
    context = opened(out).metadata.ctx
    assert context.is_v1_1() and not context.issues.errors
    assert [warning for warning in context.issues.warnings if "datePublished" not in warning] == []


def test_it_reads_the_examples_of_load_dataset(out, tmp_path):
    assert {records.uuid for records in opened(out).metadata.record_sets} == set(configs_of(out))
    for config in configs_of(out):
        read = [plain(record) for record in opened(out).records(config)]
        assert read == list(loaded(out, config, tmp_path)), config
        assert Counter(row["split"] for row in read) == {"train": 5, "validation": 3}


def test_a_split_alone_can_be_asked_for(out):
    config = configs_of(out)[0]
    rows = [plain(row) for row in opened(out).records(config, filters={f"{config}/split": "validation"})]
    assert [(row["split"], row["image_id"]) for row in rows] == [("validation", f"img_{n}") for n in range(1, 4)]


def test_it_holds_what_the_loader_and_the_card_say(out):
    told, text = opened(out).metadata, (out / "README.md").read_text(encoding="utf-8")
    assert (told.cite_as, told.url) == (mlt_s.CITATION.strip(), mlt_s.HOMEPAGE)
    assert told.license[0] in text and mlt_s.IMAGES_URL in told.data_collection
    authors = [person.name for person in told.creators]
    assert len(authors) == 4 and all(", ".join(reversed(name.split())) in mlt_s.CITATION for name in authors)
    assert tuple(told.in_language) == card.LANGUAGES
    assert any("palette" in step for step in told.data_preprocessing_protocol) == ("palette" in text)
    has_images = "image" in {field.name for records in told.record_sets for field in records.fields}
    assert any("Orientation" in step for step in told.data_preprocessing_protocol) == has_images


def described(weak=0, **options):
    files = (layout.File("labels/train-00000-of-00001.parquet", "train", 9, weak, 1, 1, ""),)
    return croissant.metadata(layout.Built(("labels",), False, files, **options), (), ())


def test_who_made_masks_of_0_and_255_is_not_claimed():
    assert "rai:dataAnnotationProtocol" in described() and "rai:machineAnnotationTools" in described()
    told = described(text_value=255)
    assert not {"rai:dataAnnotationProtocol", "rai:machineAnnotationTools"} & set(told)
    assert any("255" in step for step in told["rai:dataPreprocessingProtocol"])
    assert not any("255" in limit for limit in told["rai:dataLimitations"])


def test_label_maps_of_mlt_s_weak_are_counted():
    told = described(weak=4)
    assert "mlt-s weak" in told["rai:machineAnnotationTools"] and "mlt-s weak" not in str(described())
    assert any(limit.startswith("4 label maps") for limit in told["rai:dataLimitations"])
