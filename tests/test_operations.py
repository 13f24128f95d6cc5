"""The table of docs/operations.md: for the release that is installed, each row says what happens here."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import textwrap

import datasets
import numpy as np
import PIL.Image
import pytest
from archives import image_file, label_file, label_members, label_values, mlt, write_zip
from conftest import ROOT, VERSION
from hub import Hub
from pages import TEXT
from torch.utils.data import DataLoader

import mlt_s

SIZES = dict.fromkeys(range(1, 6), (24, 16)) | {6: (40, 20)}  # of the training images, (width, height)
COUNTS = {"train": 6, "validation": 3}
PLAIN, KNOWN = "`label` is a plain `Image`", "`label` knows its classes"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = mlt(tmp_path_factory.mktemp("data") / "mlt")
    write_zip(folder / "ch8_training_images_3.zip", {"img_6.jpg": image_file(6, width=40, height=20)})
    train = {f"img_{n}": label_file(n, *size) for n, size in SIZES.items()}
    labels = label_members(train, {f"img_{n}": label_file(500 + n) for n in range(1, 4)})
    write_zip(folder / "MLT_S_labels.zip", labels)
    return folder


def loaded(data_dir, **options):
    return datasets.load_dataset("mlt_s", data_dir=str(data_dir), cache_dir=str(data_dir.parent / "cache"), **options)


@pytest.fixture(scope="module")
def ds(data_dir):
    return loaded(data_dir)


@pytest.fixture
def stream(data_dir):
    return loaded(data_dir, split="train", streaming=True)


# --- What comes out, in the words of the table ---------------------------------------------------------------------


def values(image_id, split="train"):
    """The label map of an image of `data_dir`."""
    n = int(image_id.removeprefix("img_"))
    return label_values(*SIZES[n], n) if split == "train" else label_values(seed=500 + n)


def same_pixels(dataset, split="train", column="label"):
    """Checks that each example has the label map of its image."""
    for example in dataset:
        assert np.array_equal(np.asarray(example[column]), values(example["image_id"], split))
        assert example["image"].mode == "RGB"
    return "the same pixels"


def schema_of(dataset, column="label"):
    """Whether a column of label maps has its classes."""
    feature = dataset.features[column]
    if feature == mlt_s.LABEL_MAP and getattr(feature, "names", None) == ["background", "text"]:
        return KNOWN.replace("label", column)
    assert type(feature) is datasets.Image
    return PLAIN


def both(dataset, split="train", column="label"):
    return f"{same_pixels(dataset, split, column)}; {schema_of(dataset, column)}"


def shape_of(array):
    """The type and the sides of an array of 24 x 16 pixels."""
    sides = ", ".join({16: "height", 24: "width"}.get(side, str(side)) for side in array.shape)
    return f"{str(array.dtype).rpartition('.')[2]} ({sides})"


def shapes_of(example):
    return ", ".join(f"`{name}` {shape_of(example[name])}" for name in ("image", "label"))


def channels_first(example):
    assert np.array_equal(example["label"][0], values(example["image_id"]))
    assert np.array_equal(example["image"].permute(1, 2, 0), np.asarray(picture(example["image_id"])))
    return f"**channels first**: {shapes_of(example)}, so `label[0]` is the label map"


def picture(image_id):
    n = int(image_id.removeprefix("img_"))
    return PIL.Image.open(io.BytesIO(image_file(n, width=SIZES[n][0], height=SIZES[n][1])))


def undecoded(label, image_id):
    opened = PIL.Image.open(io.BytesIO(label["bytes"]))
    assert (
        opened.format == "PNG"
        and np.array_equal(np.asarray(opened), values(image_id))
        and set(label)
        == {
            "bytes",
            "path",
        }
    )
    return "`label` dict of `bytes`, the PNG file, and `path`"


# --- The operations ------------------------------------------------------------------------------------------------


def decoded(ds, **_):
    same_pixels(ds["train"])
    return ", ".join(f"`{name}` PIL {ds['train'][0][name].mode}" for name in ("image", "label"))


def numpy_one(ds, **_):
    example = ds["train"].with_format("numpy")[0]
    assert np.array_equal(example["label"], values("img_1"))
    return shapes_of(example)


def numpy_batch(ds, **_):
    train = ds["train"].with_format("numpy")
    several = train[4:6]["label"]
    assert several.dtype == object and np.array_equal(several[1], values("img_6"))
    return f"{shapes_of(train[:2])}; if sizes differ, object arrays"


def torch_one(ds, **_):
    return channels_first(ds["train"].with_format("torch")[0])


def torch_batch(ds, **_):
    train = ds["train"].with_format("torch")
    several = train[4:6]["label"]
    assert type(several) is list and np.array_equal(several[1][0], values("img_6"))
    return f"{shapes_of(train[:2])}; if sizes differ, lists"


def torch_stream(stream, **_):
    channels_first(next(iter(stream.with_format("torch"))))
    return 'as `train.with_format("torch")[0]`'


def loader(ds, **_):
    train = ds["train"].with_format("torch")
    batch = next(iter(DataLoader(train, batch_size=2)))
    assert shapes_of(batch) == shapes_of(train[:2])
    with pytest.raises(RuntimeError, match="equal size"):
        next(iter(DataLoader(train.select([4, 5]), batch_size=2)))
    return 'as `train.with_format("torch")[:2]`; if sizes differ, `RuntimeError`: crop first, or give a `collate_fn`'


def transform(ds, **_):
    train = ds["train"].with_transform(lambda batch: {"text": [np.asarray(label) == 1 for label in batch["label"]]})
    assert set(train[0]) == {"text"} and np.array_equal(train[5]["text"], values("img_6") == 1)
    return "what your function returns, at each access"


def pandas(ds, **_):
    frame = ds["train"].to_pandas()
    return f"{undecoded(frame['label'][5], frame['image_id'][5])}; not decoded"


def polars(ds, **_):
    frame = ds["train"].to_polars()
    return f"{undecoded(frame['label'][5], frame['image_id'][5])}; not decoded"


def in_frame(frame):
    label = frame["label"].iloc[0]
    assert np.array_equal(np.asarray(label), values("img_1"))
    return f"`label` PIL {label.mode}"


def pandas_format(ds, **_):
    return f"a DataFrame; {in_frame(ds['train'].with_format('pandas')[:2])}"


def pandas_stream(stream, **_):
    return f"DataFrames of one row; {in_frame(next(iter(stream.with_format('pandas'))))}"


def not_decoded(ds, **_):
    train = ds["train"].cast_column("label", datasets.Image(decode=False))
    return undecoded(train[5]["label"], "img_6")


def map_column(ds, **_):
    mapped = ds["train"].map(lambda example: {"pixels": int((np.asarray(example["label"]) == 1).sum())})
    assert mapped["pixels"][:] == [int((values(f"img_{n}") == 1).sum()) for n in SIZES]
    return both(mapped)


def map_picture(ds, **_):
    mapped = ds["train"].map(lambda example: {"label": example["label"].crop((2, 1, 9, 8))})
    for example in mapped:
        assert np.array_equal(np.asarray(example["label"]), values(example["image_id"])[1:8, 2:9])
    return f"its pixels, `label` PIL {mapped[0]['label'].mode}"


def map_array(ds, **_):
    mapped = ds["train"].map(lambda example: {"label": np.asarray(example["label"])})
    same_pixels(mapped)
    return f"the same values, but `label` PIL {mapped[0]['label'].mode}: return `Image.fromarray(array)`"


def filtered(ds, **_):
    few = ds["train"].filter(lambda example: np.asarray(example["label"]).shape == (20, 40))
    assert few["image_id"][:] == ["img_6"]
    return both(few)


def picked(ds, **_):
    train = ds["train"]
    (said,) = {both(of) for of in (train.select([5, 0]), train.shuffle(seed=0), train.sort("image_id", reverse=True))}
    return said


def renamed(ds, **_):
    return both(ds["train"].rename_column("label", "labels"), column="labels")


def splits(ds, **_):
    made = ds["train"].train_test_split(test_size=2, seed=0)
    names = [set(made[name]["image_id"]) for name in ("train", "test")]
    assert [len(of) for of in names] == [4, 2] and not names[0] & names[1]
    assert both(made["train"]) == both(made["test"]) == f"the same pixels; {KNOWN}"
    return f"two disjoint splits; {KNOWN}"


def stratified(ds, **_):
    ds["train"].train_test_split(test_size=2, stratify_by_column="label")


def class_encoded(ds, **_):
    ds["train"].class_encode_column("label")


def unique(ds, **_):
    ds["train"].unique("label")


def concatenated(ds, **_):
    together = datasets.concatenate_datasets([ds["train"], ds["validation"]])
    same_pixels(together.select(range(6, 9)), "validation")
    assert together["image_id"][:].count("img_1") == 2
    return f"{both(together.select(range(6)))}; an `image_id` may occur twice"


def saved(ds, tmp_path, **_):
    ds.save_to_disk(str(tmp_path / "saved"))
    again = datasets.load_from_disk(str(tmp_path / "saved"))
    same_pixels(again["validation"], "validation")
    return both(again["train"])


def parquet(ds, tmp_path, **_):
    ds["train"].to_parquet(str(tmp_path / "train.parquet"))
    files = str(tmp_path / "train.parquet")
    return both(datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path)))


def pushed(data_dir, tmp_path, **_):
    """In a process of its own, as the address of the Hub is read when the library is imported."""
    code = """
        import json, sys, numpy as np, datasets, mlt_s
        datasets.config.USE_PARQUET_EXPORT = False
        datasets.load_dataset("mlt_s", data_dir=sys.argv[1]).push_to_hub("lab/pushed")
        again = datasets.load_dataset("lab/pushed")
        assert type(again["train"].features["label"]) is datasets.Image
        print(json.dumps([[[of["image_id"], np.asarray(of["label"]).tolist()] for of in again[s]] for s in again]))
    """
    with Hub({"hf_write": ("ann", "write", ["lab"])}) as hub:
        environment = {**hub.environment(tmp_path / "home", "hf_write"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", textwrap.dedent(code), str(data_dir)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for (split, count), rows in zip(COUNTS.items(), json.loads(done.stdout)):
        assert len(rows) == count
        assert all(np.array_equal(label, values(image_id, split)) for image_id, label in rows)
    return f"the same pixels; {PLAIN}"


def to_json(ds, tmp_path, **_):
    ds["train"].to_json(str(tmp_path / "train.json"))


OPERATIONS = {
    "`train[0]`": decoded,
    '`train.with_format("numpy")[0]`': numpy_one,
    '`train.with_format("numpy")[:2]`': numpy_batch,
    '`train.with_format("torch")[0]`': torch_one,
    '`train.with_format("torch")[:2]`': torch_batch,
    '`stream.with_format("torch")`': torch_stream,
    '`DataLoader(train.with_format("torch"), batch_size=2)`': loader,
    "`train.with_transform(...)`": transform,
    "`train.to_pandas()`": pandas,
    "`train.to_polars()`": polars,
    '`train.with_format("pandas")[:2]`': pandas_format,
    '`stream.with_format("pandas")`': pandas_stream,
    '`train.cast_column("label", Image(decode=False))`': not_decoded,
    "`train.map(...)`, adding a column": map_column,
    "`train.map(...)`, returning `label` as a picture": map_picture,
    "`train.map(...)`, returning `label` as an array": map_array,
    "`train.filter(...)`": filtered,
    '`train.select(...)`, `shuffle`, `sort("image_id")`': picked,
    '`train.rename_column("label", "labels")`': renamed,
    "`train.train_test_split(test_size=2, seed=0)`": splits,
    '`train.train_test_split(stratify_by_column="label")`': stratified,
    '`train.class_encode_column("label")`': class_encoded,
    '`train.unique("label")`': unique,
    '`concatenate_datasets([train, ds["validation"]])`': concatenated,
    "`ds.save_to_disk(...)`, `load_from_disk(...)`": saved,
    '`train.to_parquet(...)`, `load_dataset("parquet", ...)`': parquet,
    "`ds.push_to_hub(...)`, `load_dataset(...)`": pushed,
    "`train.to_json(...)`": to_json,
}


# --- The table -----------------------------------------------------------------------------------------------------


def table():
    """The releases of the table, and of each call what it gives and how it fares on each release."""
    lines = re.findall(r"^\| (.*) \|$", TEXT["docs/operations.md"], re.MULTILINE)
    head, _, *rows = [line.split(" | ") for line in lines]
    return [tuple(map(int, release.split("."))) for release in head[2:]], {call: cells for call, *cells in rows}


RELEASES, TABLE = table()


def test_every_row_is_tried():
    assert list(TABLE) == list(OPERATIONS) and all(len(cells) == 1 + len(RELEASES) for cells in TABLE.values())


@pytest.mark.parametrize("call", OPERATIONS)
def test_the_table_says_what_happens_on_this_release(call, ds, stream, data_dir, tmp_path):
    expected, *cells = TABLE[call]
    cell = cells[max(at for at, release in enumerate(RELEASES) if release <= VERSION)]
    try:
        found = OPERATIONS[call](ds=ds, stream=stream, data_dir=data_dir, tmp_path=tmp_path)
    except Exception as error:
        if cell != "no" or f"`{type(error).__name__}`" not in expected:
            raise
    else:
        assert (cell, found) == ("yes", expected.partition("; else ")[0])
