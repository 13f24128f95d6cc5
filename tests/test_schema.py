"""The label schema: values, names and colours of a label map, and what is kept of them after each operation."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap

import datasets
import forks
import numpy as np
import PIL.Image
import pytest
import torch
from archives import label_values, mlt
from conftest import ROOT

import mlt_s
from mlt_s import LABEL_MAP, LabelMap

VALUES = np.array([[0, 1, 255], [255, 0, 1]], np.uint8)
COLORS = [[[0, 0, 0], [255, 0, 0], [255, 222, 0]], [[255, 222, 0], [0, 0, 0], [255, 0, 0]]]

# What no label map holds, and what only looks like a class.
NO_VALUES = [2, 254, -1, 256, 1.0, 1.5, float("nan"), True, False, "1", "text", None, b"\x01", {0: 1}]
NO_NAMES = ["", "Text", "ignore", "1", 0, 1, 255, True, None, b"text"]


def run_python(code, tmp_path, *arguments, importable=False):
    """What a fresh Python says, in another folder; with this project importable, or without any trace of it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["HF_HOME"] = str(tmp_path / "another home")
    if importable:
        environment["PYTHONPATH"] = str(ROOT)
    else:
        code = "import sys\nsys.modules['mlt_s'] = None  # not even where the project is installed\n" + textwrap.dedent(
            code
        )
    done = forks.python(code, *arguments, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return done


# --- Names and values


def test_the_classes_are_the_indices_of_the_logits():
    assert LABEL_MAP.names == ["background", "text"]
    assert LABEL_MAP.num_classes == 2
    assert LABEL_MAP.id2label == {0: "background", 1: "text"}
    assert LABEL_MAP.label2id == {"background": 0, "text": 1}


def test_uncertain_is_no_class():
    assert LABEL_MAP.ignore_index == 255
    assert LABEL_MAP.ignore_name == "uncertain"
    assert LABEL_MAP.int2str(255) == "uncertain"
    assert LABEL_MAP.str2int("uncertain") == 255


@pytest.mark.parametrize(
    "values, names",
    [
        (0, "background"),
        (np.uint8(1), "text"),
        (np.int64(255), "uncertain"),
        ([], []),
        ([1, 0], ["text", "background"]),
        ((1, 255), ["text", "uncertain"]),
        ([[0, 1], [255, 0]], [["background", "text"], ["uncertain", "background"]]),
        (np.array([1, 255], np.uint8), ["text", "uncertain"]),
        (np.array([0, 1]), ["background", "text"]),
        (np.array([[0], [255]], np.int32), [["background"], ["uncertain"]]),
        (np.array(1, np.uint8), "text"),
        ([np.uint8(0), np.array([1])], ["background", ["text"]]),
        (torch.tensor(255), "uncertain"),
        (torch.tensor([[0], [1]], dtype=torch.uint8), [["background"], ["text"]]),
    ],
    ids=repr,
)
def test_int2str_keeps_the_shape(values, names):
    assert LABEL_MAP.int2str(values) == names


@pytest.mark.parametrize(
    "names, values",
    [
        ("text", 1),
        (np.str_("background"), 0),
        ([], []),
        (["text", "uncertain"], [1, 255]),
        (("text", "background"), [1, 0]),
        ([["text"], ["uncertain", "background"]], [[1], [255, 0]]),
        (np.array(["text", "background"]), [1, 0]),
        (np.array([["text"], ["uncertain"]]), [[1], [255]]),
    ],
    ids=repr,
)
def test_str2int_keeps_the_shape(names, values):
    assert LABEL_MAP.str2int(names) == values


@pytest.mark.parametrize("value", NO_VALUES, ids=repr)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [0, [1, value]]], ids=["scalar", "nested"])
def test_int2str_refuses_what_is_no_value_of_a_label_map(value, wrap):
    with pytest.raises(ValueError) as refused:
        LABEL_MAP.int2str(wrap(value))
    assert str(refused.value) == f"{value!r} is not a pixel value of a label map; known are [0, 1, 255]."


@pytest.mark.parametrize(
    "values",
    [
        np.array([0, 2]),
        np.uint8(254),
        np.array([[0.0, 1.0]]),
        np.array([True]),
        np.bool_(True),
        np.array(["0"]),
        torch.tensor(2),
    ],
    ids=repr,
)
def test_int2str_refuses_arrays_of_anything_else(values):
    with pytest.raises(ValueError, match="is not a pixel value of a label map; known are"):
        LABEL_MAP.int2str(values)


@pytest.mark.parametrize("name", NO_NAMES, ids=repr)
@pytest.mark.parametrize("wrap", [lambda name: name, lambda name: ["text", [name]]], ids=["scalar", "nested"])
def test_str2int_refuses_what_is_no_name(name, wrap):
    with pytest.raises(ValueError) as refused:
        LABEL_MAP.str2int(wrap(name))
    assert (
        str(refused.value) == f"{name!r} is not a name of a label map; known are ['background', 'text', 'uncertain']."
    )


# --- The published colours


@pytest.mark.parametrize(
    "label_map",
    [VALUES, VALUES.astype(np.int64), VALUES.tolist(), PIL.Image.fromarray(VALUES), np.asfortranarray(VALUES)],
    ids=["uint8", "int64", "lists", "picture", "columns first"],
)
def test_colorize_draws_the_published_colours(label_map):
    picture = LABEL_MAP.colorize(label_map)
    assert (picture.mode, picture.size) == ("RGB", (3, 2))
    assert np.asarray(picture).tolist() == COLORS


def test_colorize_leaves_the_label_map_alone():
    label_map = PIL.Image.fromarray(VALUES)
    LABEL_MAP.colorize(label_map)
    assert label_map.mode == "L" and np.array_equal(np.asarray(label_map), VALUES)


@pytest.mark.parametrize("value", [2, 254, 256, 257, -1, 0.5])
def test_colorize_refuses_other_values_by_name(value):
    with pytest.raises(ValueError, match=r"A label map holds \[0, 1, 255\], not \[" + str(value)):
        LABEL_MAP.colorize(np.array([[0, value], [1, 255]]))


@pytest.mark.parametrize(
    "label_map, shape",
    [
        (PIL.Image.fromarray(np.array(COLORS, np.uint8)), r"\(2, 3, 3\)"),
        (VALUES[None], r"\(1, 2, 3\)"),
        (VALUES[0], r"\(3,\)"),
        (1, r"\(\)"),
    ],
    ids=["RGB", "batch", "row", "scalar"],
)
def test_colorize_refuses_other_shapes_by_name(label_map, shape):
    with pytest.raises(ValueError, match=r"has the shape \(height, width\), not " + shape):
        LABEL_MAP.colorize(label_map)


def test_colorize_takes_what_loading_gives(load, tmp_path):
    example = load(mlt(tmp_path / "mlt"))["train"][0]
    colors = np.asarray(LABEL_MAP.colorize(example["label"]))
    assert np.array_equal((colors == (255, 222, 0)).all(axis=2), label_values(seed=1) == 255)
    assert np.array_equal((colors == (255, 0, 0)).all(axis=2), label_values(seed=1) == 1)


# --- A plain Image to everyone else


def test_equals_a_plain_image_from_both_sides():
    assert LABEL_MAP == datasets.Image()
    assert datasets.Image() == LABEL_MAP
    assert LABEL_MAP == LabelMap()
    assert not LABEL_MAP != datasets.Image()


@pytest.mark.parametrize(
    "other",
    [
        datasets.Image(decode=False),
        datasets.Image(mode="L"),
        datasets.Value("int64"),
        datasets.ClassLabel(2),
        None,
        "Image",
    ],
    ids=repr,
)
def test_differs_from_everything_else_from_both_sides(other):
    assert LABEL_MAP != other and other != LABEL_MAP
    assert not LABEL_MAP == other and not other == LABEL_MAP


def test_hashes_as_a_plain_image_does():
    assert LabelMap.__hash__ is datasets.Image.__hash__ is None


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))], ids=["copy", "deepcopy", "pickle"]
)
def test_copies_keep_the_schema(again):
    feature = again(LabelMap(decode=False))
    assert type(feature) is LabelMap
    assert feature.decode is False and feature.names == ["background", "text"]


def test_its_classes_are_printed():
    """As `ClassLabel` prints its own, where a user looks: `ds.features`."""
    classes = "LabelMap(names=['background', 'text'], ignore_index=255"
    assert f"{classes})" in repr(datasets.Features({"label": mlt_s.LABEL_MAP}))
    assert repr(mlt_s.LabelMap(decode=False)) == f"{classes}, decode=False)"
    assert repr(mlt_s.LabelMap(mode="L", id="x")) == f"{classes}, mode='L', id='x')"


def test_serializes_as_a_plain_image():
    ours = datasets.Features({"label": LABEL_MAP})
    plain = datasets.Features({"label": datasets.Image()})
    assert ours.to_dict() == plain.to_dict() == {"label": {"_type": "Image"}}
    assert ours._to_yaml_list() == plain._to_yaml_list()
    assert ours.arrow_schema == plain.arrow_schema
    assert ours.arrow_schema.metadata == plain.arrow_schema.metadata
    assert datasets.Features.from_dict(ours.to_dict()) == ours == plain


# --- Through the library, on every route


def assert_has_schema(dataset):
    assert dataset.features["label"].names == ["background", "text"]
    assert dataset.features["label"].ignore_index == 255


def assert_labels_are(dataset, numbers):
    for example, number in zip(dataset, numbers, strict=True):
        assert example["label"].mode == "L"
        assert np.array_equal(np.asarray(example["label"]), label_values(seed=number))


@pytest.mark.parametrize("config", ["segmentation", "labels"])
def test_schema_after_loading_and_from_the_cache(load, tmp_path, config):
    folder = mlt(tmp_path / "mlt")
    for _ in ("prepared", "from the cache"):
        for dataset in load(folder, config).values():
            assert_has_schema(dataset)


@pytest.mark.parametrize("config", ["segmentation", "labels"])
def test_schema_when_streaming(load, tmp_path, config):
    for stream in load(mlt(tmp_path / "mlt"), config, streaming=True).values():
        assert_has_schema(stream)
        assert_has_schema(stream.take(2))
        assert_has_schema(stream.skip(1))
        assert_has_schema(stream.shuffle(seed=1, buffer_size=1))


def test_schema_when_streaming_what_was_prepared_before(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    load(folder)
    stream = load(folder, split="train", streaming=True)
    assert_has_schema(stream)
    assert_labels_are(stream, [1, 2, 3, 4, 5])


def test_schema_of_a_builder_of_what_was_prepared_before(tmp_path):
    options = {"data_dir": str(mlt(tmp_path / "mlt")), "cache_dir": str(tmp_path / "cache")}
    mlt_s.MltS(**options).download_and_prepare()
    builder = mlt_s.MltS(**options)
    assert_has_schema(builder.info)
    assert_has_schema(builder.as_dataset(split="train"))


def test_schema_of_a_split_from_the_cache(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    load(folder)
    dataset = load(folder, split="train[1:3]")
    assert_has_schema(dataset)
    assert_labels_are(dataset, [2, 3])


@pytest.mark.parametrize("times", [1, 2], ids=["prepared", "from the cache"])
@pytest.mark.parametrize(
    "change, numbers",
    [
        (lambda dataset: dataset.select([3, 1]), [4, 2]),
        (lambda dataset: dataset.select(range(2)), [1, 2]),
        (lambda dataset: dataset.filter(lambda name: name != "img_2", input_columns="image_id"), [1, 3, 4, 5]),
        (lambda dataset: dataset.sort("image_id", reverse=True), [5, 4, 3, 2, 1]),
        (lambda dataset: dataset.shuffle(seed=1).sort("image_id"), [1, 2, 3, 4, 5]),
        (lambda dataset: dataset.train_test_split(test_size=2, shuffle=False)["test"], [4, 5]),
        (lambda dataset: dataset.shard(2, 1, contiguous=True), [4, 5]),
        (lambda dataset: dataset.to_iterable_dataset(), [1, 2, 3, 4, 5]),
        (lambda dataset: dataset.select_columns(["image_id", "label"]), [1, 2, 3, 4, 5]),
        (lambda dataset: dataset.remove_columns("image"), [1, 2, 3, 4, 5]),
        (lambda dataset: dataset.flatten_indices(), [1, 2, 3, 4, 5]),
    ],
    ids=[
        "select",
        "range",
        "filter",
        "sort",
        "shuffle",
        "test split",
        "shard",
        "iterable",
        "columns",
        "remove",
        "flatten",
    ],
)
def test_schema_after_what_leaves_the_column_alone(load, tmp_path, change, numbers, times):
    folder = mlt(tmp_path / "mlt")
    for _ in range(times):
        dataset = load(folder, split="train")
    changed = change(dataset)
    assert_has_schema(changed)
    assert_labels_are(changed, numbers)


def _with_width(example):
    return {"width": example["image"].width}


def _with_widths(batch):
    return {"width": [image.width for image in batch["image"]]}


def _mirrored(example):
    return {"label": example["label"].transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)}


@pytest.mark.parametrize(
    "function, options",
    [
        (_with_width, {"keep_in_memory": True}),
        (_with_width, {}),
        (_with_widths, {"batched": True, "batch_size": 2}),
        (_with_width, {"num_proc": 2}),
        (_with_width, {"load_from_cache_file": False, "writer_batch_size": 1}),
    ],
    ids=["in memory", "cached", "batched", "processes", "fresh"],
)
def test_map_runs_and_runs_from_its_cache(load, tmp_path, function, options):
    dataset = load(mlt(tmp_path / "mlt"), split="train")
    for _ in ("fresh", "cached"):
        mapped = dataset.map(function, **options)
        assert mapped["width"][:] == [24] * 5
        assert_labels_are(mapped, [1, 2, 3, 4, 5])
        assert mapped.features["label"] == LABEL_MAP


def test_map_in_processes_runs_where_a_part_is_cached(load, tmp_path):
    dataset = load(mlt(tmp_path / "mlt"), split="train")
    dataset.map(_with_width, num_proc=2)
    parts = sorted((tmp_path / "cache").rglob("cache-*_of_00002.arrow"))
    assert len(parts) == 2
    parts[1].unlink()
    mapped = dataset.map(_with_width, num_proc=2)
    assert_labels_are(mapped, [1, 2, 3, 4, 5])


def test_map_may_rewrite_the_label(load_registered, tmp_path):
    dataset = load_registered(mlt(tmp_path / "mlt"), split="train")
    for _ in ("fresh", "cached"):
        mirrored = dataset.map(_mirrored)
        assert np.array_equal(np.asarray(mirrored[2]["label"]), label_values(seed=3)[:, ::-1])
        assert mirrored.features["label"] == LABEL_MAP


@pytest.mark.parametrize("times", [1, 2], ids=["prepared", "from the cache"])
def test_streaming_map_and_filter(load, tmp_path, times):
    folder = mlt(tmp_path / "mlt")
    for _ in range(times):
        stream = load(folder, split="train", streaming=True)
    mapped = stream.map(_with_width).filter(lambda example: example["image_id"] != "img_1")
    examples = list(mapped)  # once: 2.21 gives a mapped stream only one time (huggingface/datasets issue 7085)
    assert [example["width"] for example in examples] == [24] * 4
    assert_labels_are(examples, [2, 3, 4, 5])


def test_loaded_and_mapped_concatenate_in_both_orders(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    dataset = load(folder, split="train")
    for _ in ("fresh", "cached"):
        mapped = dataset.map(lambda example: {"image_id": example["image_id"] + " again"})
    assert_labels_are(datasets.concatenate_datasets([dataset, mapped]), [1, 2, 3, 4, 5] * 2)
    assert_labels_are(datasets.concatenate_datasets([mapped, dataset]), [1, 2, 3, 4, 5] * 2)
    assert_has_schema(datasets.concatenate_datasets([dataset, load(folder, split="train")]))


def test_a_stream_concatenates_with_the_loaded(load, tmp_path):
    folder = mlt(tmp_path / "mlt")
    streamed = load(folder, split="train", streaming=True)
    loaded = load(folder, split="train").to_iterable_dataset()
    assert_labels_are(datasets.concatenate_datasets([streamed, loaded]), [1, 2, 3, 4, 5] * 2)
    assert_labels_are(datasets.concatenate_datasets([loaded, streamed]), [1, 2, 3, 4, 5] * 2)


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
def test_the_file_itself_is_one_cast_away(load, tmp_path, streaming):
    dataset = load(mlt(tmp_path / "mlt"), split="train", streaming=streaming)
    raw = next(iter(dataset.cast_column("label", datasets.Image(decode=False))))["label"]
    assert raw["path"] is None
    assert raw["bytes"].startswith(b"\x89PNG")
    back = next(iter(dataset.cast_column("label", LabelMap(decode=False)).cast_column("label", LABEL_MAP)))["label"]
    assert np.array_equal(np.asarray(back), label_values(seed=1))


@pytest.mark.parametrize("times", [1, 2], ids=["prepared", "from the cache"])
def test_arrays_by_format(load, tmp_path, times):
    folder = mlt(tmp_path / "mlt")
    for _ in range(times):
        dataset = load(folder, split="train")
    label = dataset.with_format("numpy")[0]["label"]
    assert label.dtype == np.uint8
    assert np.array_equal(label, label_values(seed=1))


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
def test_features_of_the_users_own_are_respected(load, tmp_path, streaming):
    folder = mlt(tmp_path / "mlt")
    wanted = datasets.Features(
        {
            "image_id": datasets.Value("large_string"),
            "image": datasets.Image(mode="L"),
            "label": datasets.Image(decode=False),
        }
    )
    for _ in ("prepared", "from the cache"):
        dataset = load(folder, split="train", streaming=streaming, features=wanted)
        assert dataset.features == wanted
        example = next(iter(dataset))
        assert example["image"].mode == "L"
        assert example["label"]["bytes"].startswith(b"\x89PNG")


def test_features_of_the_users_own_are_not_changed(load, tmp_path):
    plain = datasets.Image()
    wanted = datasets.Features({"image_id": datasets.Value("string"), "image": datasets.Image(), "label": plain})
    load(mlt(tmp_path / "mlt"), features=wanted)
    assert wanted["label"] is plain


# --- Without this project

_SHOW = """
import sys
import numpy
for example in dataset:
    assert "mlt_s" not in str(type(dataset.features["label"]))
    label = numpy.asarray(example["label"])
    print(example["image_id"], example["image"].mode, label.dtype, [int((label == v).sum()) for v in (0, 1, 255)])
"""


def expected_lines(numbers):
    counts = {n: [int((label_values(seed=n) == value).sum()) for value in (0, 1, 255)] for n in numbers}
    return [f"img_{n} RGB uint8 {counts[n]}" for n in numbers]


def test_saved_to_disk_opens_without_this_project(load_registered, tmp_path):
    load_registered(mlt(tmp_path / "mlt")).save_to_disk(str(tmp_path / "saved"))
    code = "import datasets\ndataset = datasets.load_from_disk('saved')['train']" + _SHOW
    assert run_python(code, tmp_path).stdout.splitlines() == expected_lines([1, 2, 3, 4, 5])


def test_parquet_opens_without_this_project(load_registered, tmp_path):
    load_registered(mlt(tmp_path / "mlt"))["train"].to_parquet(str(tmp_path / "train.parquet"))
    code = (
        "import datasets\ndataset = datasets.load_dataset('parquet', data_files='train.parquet', split='train')" + _SHOW
    )
    assert run_python(code, tmp_path).stdout.splitlines() == expected_lines([1, 2, 3, 4, 5])


def test_prepared_parquet_opens_without_this_project(tmp_path):
    builder = mlt_s.MltS(data_dir=str(mlt(tmp_path / "mlt")), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare(str(tmp_path / "prepared"), file_format="parquet")
    code = "import datasets\ndataset = datasets.load_dataset('parquet', data_dir='prepared', split='train')" + _SHOW
    assert run_python(code, tmp_path).stdout.splitlines() == expected_lines([1, 2, 3, 4, 5])


def test_what_came_back_plain_takes_the_schema_by_a_cast(load_registered, tmp_path):
    dataset = load_registered(mlt(tmp_path / "mlt"))["train"]
    dataset.save_to_disk(str(tmp_path / "saved"))
    plain = datasets.load_from_disk(str(tmp_path / "saved"))
    assert_labels_are(plain, [1, 2, 3, 4, 5])
    assert_has_schema(plain.cast_column("label", LABEL_MAP))


# --- Importing


def test_import_loads_nothing_beyond_datasets(tmp_path):
    code = """
        import sys
        import datasets
        before = set(sys.modules)
        import mlt_s
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(new - set(sys.stdlib_module_names)))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]  # not a copy, which has some of it already
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mlt_s']"


def test_import_without_the_librarys_table_still_loads_by_class(tmp_path):
    code = """
    import sys
    import datasets
    del datasets.packaged_modules._PACKAGED_DATASETS_MODULES
    import mlt_s
    folder, cache = sys.argv[1:]
    builder = mlt_s.MltS(data_dir=folder, cache_dir=cache)
    print([example["image_id"] for example in builder.as_streaming_dataset(split="train")])
    builder.download_and_prepare()
    print(builder.as_dataset(split="train").features["label"].names)
    """
    done = run_python(code, tmp_path, str(mlt(tmp_path / "mlt")), str(tmp_path / "cache"), importable=True)
    assert done.stdout.splitlines() == [str([f"img_{n}" for n in range(1, 6)]), "['background', 'text']"]


def test_import_without_the_librarys_table_says_so_once(tmp_path):
    code = """
    import datasets
    del datasets.packaged_modules._PACKAGED_DATASETS_MODULES
    import mlt_s
    import mlt_s
    mlt_s.MltS
    """
    said = run_python(code, tmp_path, importable=True).stderr
    assert said.count('does not take the name "mlt_s"') == 1
    assert "mlt_s.MltS(data_dir=...) does the same" in said
    assert "Traceback" not in said


def test_the_schema_can_be_put_back(load_registered, tmp_path):
    load_registered(mlt(tmp_path / "mlt"))["train"].to_parquet(str(tmp_path / "train.parquet"))
    plain = datasets.load_dataset("parquet", data_files=str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "c"))
    assert not hasattr(plain["train"].features["label"], "names")
    again = plain["train"].cast_column("label", mlt_s.LABEL_MAP)
    assert again.features["label"].names == ["background", "text"]
    assert np.array_equal(np.asarray(again[1]["label"]), label_values(seed=2))
