"""Other people's sets beside ours: concatenated and interleaved, prepared and streamed, whichever comes first."""

import copy
import pickle

import datasets
import numpy as np
import pytest
from archives import encoded, label_file, label_values, picture, write_pairs

import mlt_s
from mlt_s import LABEL_MAP, RGB_IMAGE, LabelMap, RGBImage

# img_1, img_2, ...: modes that an image file may have, and its format.
MODES = {"RGB": "JPEG", "P": "PNG", "L": "JPEG", "RGBA": "PNG", "CMYK": "JPEG", "1": "PNG"}
NUMBERS = range(1, len(MODES) + 1)
OURS = [f"img_{n}" for n in NUMBERS]
THEIRS = ["their_1", "their_2"]


@pytest.fixture
def folder(tmp_path):
    """A training set of images in all modes."""
    pairs = {}
    for n, (mode, format) in enumerate(MODES.items(), 1):
        pairs[f"img_{n}.{format.lower()}"] = (encoded(picture(seed=n).convert(mode), format), label_file(n))
    return write_pairs(tmp_path / "mlt", pairs)


def their_set(streaming):
    """Somebody else's set of a colour and a grey image, with label maps, all of them plain images."""
    features = datasets.Features(
        {"image_id": datasets.Value("string"), "image": datasets.Image(), "label": datasets.Image()}
    )
    images = [encoded(picture(seed=n).convert(mode), "PNG") for n, mode in ((31, "RGB"), (32, "L"))]
    columns = {
        "image_id": THEIRS,
        "image": [{"path": None, "bytes": image} for image in images],
        "label": [{"path": None, "bytes": label_file(n)} for n in (31, 32)],
    }
    dataset = datasets.Dataset.from_dict(columns, features=features)
    return dataset.to_iterable_dataset() if streaming else dataset


def by_id(dataset):
    examples = list(dataset)
    return {example["image_id"]: example for example in examples}, [example["image_id"] for example in examples]


def assert_ours_are_right(examples, numbers=NUMBERS):
    for n in numbers:
        example = examples[f"img_{n}"]
        assert example["image"].mode == "RGB", n
        assert np.array_equal(np.asarray(example["label"]), label_values(seed=n))


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
@pytest.mark.parametrize("join", [datasets.concatenate_datasets, datasets.interleave_datasets])
def test_ours_first_keeps_our_schema(load, folder, join, streaming):
    ours = load(folder, split="train", streaming=streaming)
    joined = join([ours, their_set(streaming)])
    assert joined.features == ours.features
    if streaming:  # of prepared sets, the library takes the features from what it wrote, where it has but its own
        assert joined.features["label"].names == ["background", "text"]
    examples, order = by_id(joined)
    if join is datasets.concatenate_datasets:
        assert order == OURS + THEIRS
        assert_ours_are_right(examples)
    else:
        assert order[:4] == ["img_1", "their_1", "img_2", "their_2"]
        assert_ours_are_right(examples, (1, 2))
    assert [examples[name]["image"].mode for name in THEIRS] == ["RGB", "RGB"]
    assert np.array_equal(np.asarray(examples["their_1"]["image"]), np.asarray(picture(seed=31)))
    assert np.array_equal(np.asarray(examples["their_2"]["label"]), label_values(seed=32))


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
@pytest.mark.parametrize("join", [datasets.concatenate_datasets, datasets.interleave_datasets])
def test_theirs_first_keeps_theirs(load, folder, join, streaming):
    ours = load(folder, split="train", streaming=streaming)
    joined = join([their_set(streaming), ours])
    assert type(joined.features["image"]) is type(joined.features["label"]) is datasets.Image
    examples, order = by_id(joined)
    one_by_one = ["their_1", "img_1", "their_2"]  # here the releases differ in where they stop
    assert order[:3] == ([*THEIRS, "img_1"] if join is datasets.concatenate_datasets else one_by_one)
    assert examples["their_2"]["image"].mode == "L"
    assert np.array_equal(np.asarray(examples["img_1"]["label"]), label_values(seed=1))
    # As docs/loading.md says: a cast of theirs makes all of them RGB.
    both = join([their_set(streaming).cast_column("image", RGB_IMAGE), ours])
    examples, order = by_id(both)
    assert {example["image"].mode for example in examples.values()} == {"RGB"}
    assert_ours_are_right(examples, [n for n, name in enumerate(OURS, 1) if name in order])


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
@pytest.mark.parametrize("ours_first", [True, False])
def test_image_and_label_alone(load_registered, folder, ours_first, streaming):
    ours = load_registered(folder, split="train", streaming=streaming)
    sets = [dataset.select_columns(["image", "label"]) for dataset in (ours, their_set(streaming))]
    examples = list(datasets.concatenate_datasets(sets if ours_first else sets[::-1]))
    seeds = [*NUMBERS, 31, 32] if ours_first else [31, 32, *NUMBERS]
    assert len(examples) == len(seeds)
    for seed, example in zip(seeds, examples):
        assert np.array_equal(np.asarray(example["label"]), label_values(seed=seed))


def test_label_maps_alone(load_registered, folder):
    ours = load_registered(folder, "labels", split="train")
    theirs = their_set(False).remove_columns("image")
    for sets in ([ours, theirs], [theirs, ours]):
        examples, _ = by_id(datasets.concatenate_datasets(sets))
        assert np.array_equal(np.asarray(examples["img_2"]["label"]), label_values(seed=2))
        assert np.array_equal(np.asarray(examples["their_2"]["label"]), label_values(seed=32))


def test_from_the_cache_as_well(load, folder):
    load(folder, split="train")
    ours = load(folder, split="train")
    joined = datasets.concatenate_datasets([ours, their_set(False)])
    assert_ours_are_right(by_id(joined)[0])
    again = joined.filter(lambda example: example["image_id"].startswith("img")).select(range(4))
    assert_ours_are_right(by_id(again)[0], (1, 2, 3, 4))


def test_every_image_is_rgb_after_each_thing_that_a_user_does(load, folder):
    ours = load(folder, split="train")
    later = {
        "as it is": ours,
        "mapped": ours.map(lambda example: {"length": len(example["image_id"])}),
        "mapped, from the cache": ours.map(lambda example: {"length": len(example["image_id"])}),
        "mapped by processes": ours.map(lambda example: {"width": example["image"].width}, num_proc=2),
        "filtered": ours.filter(lambda example: True),
        "cast": ours.cast_column("image", datasets.Image(decode=False)).cast_column("image", RGB_IMAGE),
    }
    for dataset in later.values():
        assert_ours_are_right(by_id(dataset)[0])
    with_images = ours.map(lambda example: {"image": example["image"].resize((12, 8))})
    assert [(image.mode, image.size) for image in with_images["image"]] == [("RGB", (12, 8))] * len(MODES)


def test_what_is_written_is_a_plain_image_that_takes_a_cast(load_registered, folder, tmp_path):
    ours = load_registered(folder, split="train")
    ours.save_to_disk(str(tmp_path / "saved"))
    ours.to_parquet(str(tmp_path / "train.parquet"))
    saved = datasets.load_from_disk(str(tmp_path / "saved"))
    parquet = datasets.Dataset.from_parquet(str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "cache"))
    theirs = their_set(False).cast_column("image", RGB_IMAGE)
    for dataset in (saved, parquet):
        assert type(dataset.features["image"]) is datasets.Image
        assert_ours_are_right(by_id(dataset)[0])
        assert_ours_are_right(by_id(datasets.concatenate_datasets([dataset, theirs]))[0])
        assert_ours_are_right(by_id(datasets.concatenate_datasets([dataset, ours]))[0])
        back = dataset.cast_column("image", RGB_IMAGE)
        assert_ours_are_right(by_id(datasets.concatenate_datasets([back, their_set(False)]))[0])


def test_a_plain_image_that_the_user_asks_for_stays_one(load, folder):
    wanted = datasets.Features({"image_id": datasets.Value("string"), "image": datasets.Image(), "label": LABEL_MAP})
    for _ in ("prepared", "from the cache"):
        dataset = load(folder, split="train", features=wanted)
        assert type(dataset.features["image"]) is datasets.Image
        assert [example["image"].mode for example in dataset] == list(MODES)


# --- The feature itself


def test_it_equals_what_others_have_from_both_sides():
    for other in (datasets.Image(), datasets.Image(mode="RGB"), RGBImage()):
        assert RGB_IMAGE == other and other == RGB_IMAGE
        assert not RGB_IMAGE != other and not other != RGB_IMAGE


@pytest.mark.parametrize(
    "other", [datasets.Image(mode="L"), datasets.Image(decode=False), LABEL_MAP, LabelMap(), None, "Image"], ids=repr
)
def test_it_differs_from_everything_else_from_both_sides(other):
    assert RGB_IMAGE != other and other != RGB_IMAGE
    assert not RGB_IMAGE == other and not other == RGB_IMAGE


def test_it_serializes_as_an_image_of_the_library():
    ours, plain = (datasets.Features({"image": feature}) for feature in (RGB_IMAGE, datasets.Image(mode="RGB")))
    assert ours.to_dict() == plain.to_dict() == {"image": {"mode": "RGB", "_type": "Image"}}
    assert ours._to_yaml_list() == plain._to_yaml_list()
    assert ours.arrow_schema.metadata == plain.arrow_schema.metadata
    assert RGBImage.__hash__ is None
    for again in (copy.deepcopy(RGB_IMAGE), pickle.loads(pickle.dumps(RGB_IMAGE))):
        assert type(again) is RGBImage and again.mode == "RGB"


def test_the_loader_has_it_in_all_configurations_with_images():
    for config in ("segmentation", "words"):
        assert type(mlt_s.MltS(config_name=config).info.features["image"]) is RGBImage
