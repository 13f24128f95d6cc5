"""A built folder is plain Parquet: pandas, polars, duckdb and PyArrow read it, and find the pictures in it."""

import io
import json

import duckdb
import numpy as np
import pandas
import PIL.Image
import polars
import pyarrow.parquet as pq
import pytest
from archives import add_words, label_values, mlt

import mlt_s_tools

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """The training set of a built folder, with words."""
    folder = tmp_path_factory.mktemp("readers")
    add_words(mlt(folder / "mlt"), range(1, 6), range(1, 4))
    mlt_s_tools.build(folder / "mlt", folder / "out", configs=("words",), jobs=1)
    return str(folder / "out" / "data" / "train-00000-of-00001.parquet")


def assert_are_rows(image_ids, labels, transcriptions):
    assert list(image_ids) == ["img_1", "img_2", "img_3", "img_4", "img_5"]
    assert list(transcriptions) == ["word, 1", "word, 2", "word, 3", "word, 4", "word, 5"]
    for seed, label in enumerate(labels, 1):
        assert np.array_equal(np.asarray(PIL.Image.open(io.BytesIO(label))), label_values(seed=seed))


def test_pandas(train):
    frame = pandas.read_parquet(train)
    labels = [label["bytes"] for label in frame["label"]]
    assert_are_rows(frame["image_id"], labels, [words[0]["transcription"] for words in frame["words"]])


def test_polars(train):
    frame = polars.read_parquet(train)
    labels = frame["label"].struct.field("bytes")
    assert_are_rows(frame["image_id"], labels, [words[0]["transcription"] for words in frame["words"]])


def test_duckdb(train):
    rows = duckdb.sql(
        f"SELECT image_id, label.bytes, words[1].transcription FROM '{train}' ORDER BY image_id"
    ).fetchall()
    assert_are_rows(*zip(*rows))


def test_pyarrow_shows_the_features(train):
    features = json.loads(pq.read_schema(train).metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"mode": "RGB", "_type": "Image"} and features["label"] == {"_type": "Image"}
    assert features["words"][0]["script"]["names"][:2] == ["Arabic", "Latin"]
