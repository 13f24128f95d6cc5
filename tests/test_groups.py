"""Pixels by script and by height of words: the group of each pixel, and the metrics of each group."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import mlt_s
from mlt_s_tools import groups
from mlt_s_tools.groups import GROUPS, height_of, word_rows
from mlt_s_tools.metrics import Counts, TextMetrics, count_logits
from mlt_s_tools.words import word_mask

pytestmark = pytest.mark.once
SIZE = (60, 40)
SMALL, OTHER = [[2, 2], [21, 2], [21, 11], [2, 11]], [[30, 2], [49, 2], [49, 11], [30, 11]]
TALL = [[2, 14], [57, 14], [57, 37], [2, 37]]


def word(quad, script="Latin"):
    return {"quad": quad, "script": mlt_s.SCRIPTS.index(script) if script in mlt_s.SCRIPTS else -1, "readable": True}


def added(*images):
    metrics = TextMetrics()
    for image in images:
        metrics.add(*image)
    return metrics


def by_chance(seed):
    chance = np.random.default_rng(seed)
    return chance.random(SIZE[::-1]) < 0.5, chance.choice(np.array([0, 1, 255], np.uint8), SIZE[::-1])


def test_names_and_values_are_those_of_the_loader():
    assert groups.SCRIPTS == mlt_s.SCRIPTS and groups.UNKNOWN_SCRIPT == mlt_s.UNKNOWN_SCRIPT
    assert mlt_s.LABEL_MAP.str2int("text") == groups.TEXT and mlt_s.LABEL_MAP.ignore_index == groups.UNCERTAIN


def test_heights_are_of_the_shorter_side_each_below_its_limit():
    sides = {"small": 15.9, "medium": 16, "large": 48}
    assert [height_of([[0, 0], [99, 0], [99, side], [0, side]]) for side in sides.values()] == list(sides)
    assert height_of([[0, 0], [15, 0], [15, 200], [0, 200]]) == "small"  # a word that is written upright


def test_figures_within_words_are_those_of_their_pixels():
    prediction, label = by_chance(0)
    metrics = added((prediction, label, [word(SMALL, "Arabic"), word(TALL), word(OTHER, "Klingon")]))
    for kind, name, quads in (
        ("script", "Arabic", [SMALL]),
        ("script", "Latin", [TALL]),
        ("script", "unknown", [OTHER]),
        ("height", "small", [SMALL, OTHER]),
        ("height", "medium", [TALL]),
    ):
        inside = word_mask(quads, SIZE)
        alone = TextMetrics()
        alone.add(prediction, np.where(inside, label, 255))
        found = metrics.by(kind)[name]
        assert (found["fgiou"], found["words"], found["images"]) == (alone.compute()["fgiou"], len(quads), 1)
        assert found["pixels"] == np.count_nonzero(inside & (label != 255))
    assert set(metrics.by("script")) == {"Arabic", "Latin", "unknown"} and set(metrics.by("height")) == {
        "small",
        "medium",
    }


def test_what_lies_in_no_word_counts_for_no_script_and_for_all_together():
    prediction, label = np.ones(SIZE[::-1], bool), np.zeros(SIZE[::-1], np.uint8)
    inside = word_mask([SMALL], SIZE)
    label[inside] = 1
    metrics = added((prediction, label, [word(SMALL)]))
    assert metrics.by("script")["Latin"]["fgiou"] == 1
    assert metrics.outside_words() == Counts(0, int((~inside).sum()), 0, 0)
    assert metrics.compute()["fgiou"] == inside.mean()


def test_a_pixel_of_two_words_counts_once_for_a_script_and_once_for_each_of_two():
    label = np.ones(SIZE[::-1], np.uint8)
    moved = (np.array(SMALL) + 5).tolist()
    of_one = added((label == 1, label, [word(SMALL), word(moved)])).by("script")
    assert of_one["Latin"]["pixels"] == word_mask([SMALL, moved], SIZE).sum() and of_one["Latin"]["words"] == 2
    of_two = added((label == 1, label, [word(SMALL), word(moved, "Korean")])).by("script")
    assert of_two["Latin"]["pixels"] == of_two["Korean"]["pixels"] == word_mask([SMALL], SIZE).sum()


def test_words_of_which_no_pixel_counts_are_none():
    label = np.zeros(SIZE[::-1], np.uint8)
    label[word_mask([SMALL], SIZE)] = 255
    outside = [[x + 500, y] for x, y in SMALL]
    metrics = added((label == 1, label, [word(SMALL, "Bangla"), word(outside, "Korean"), word(TALL)]))
    assert set(metrics.by("script")) == {"Latin"}


def test_images_without_words_count_for_all_together_alone():
    prediction, label = by_chance(0)
    words = [word(SMALL), word(TALL)]
    metrics = added((prediction, label), (prediction, label, words), (prediction, label, None))
    alone = added((prediction, label, words))
    assert metrics.images == 3 and metrics.by("script") == alone.by("script")
    assert metrics.outside_words() == alone.outside_words()
    assert added((prediction, label)).by("height") == {}


def test_parts_and_their_order_make_no_difference_to_the_last_bit():
    """Intervals too: as many as processes have images of their own."""
    images = [(*by_chance(seed), [word(SMALL), word(TALL, "Arabic")] if seed % 3 else None) for seed in range(9)]
    whole = added(*images)
    for cut in (0, 4):
        merged = added(*images[cut:])
        merged.merge(pickle.loads(pickle.dumps(added(*images[:cut]))))
        assert merged.compute() == whole.compute() and "f_score_lower" in merged.compute()
        assert merged.by("script") == whole.by("script") and merged.by("script")["Latin"]["interval"] is not None
        assert merged.by("height") == whole.by("height") and merged.outside_words() == whole.outside_words()


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_logits_are_counted_by_the_same_words(kind):
    """Of a batch, whose shorter list of words is filled up."""
    images = [by_chance(seed) for seed in range(2)]
    words = [[word(SMALL), word(TALL, "Korean")], [word(OTHER)]]
    logits = np.stack([np.where(prediction, 1.0, -1.0) for prediction, _ in images]).astype(np.float32)[:, None]
    rows = np.full((2, 2, 9), -100.0)
    for number, of_image in enumerate(words):
        rows[number, : len(of_image)] = word_rows(of_image)
    labels = np.stack([label for _, label in images])
    counts = count_logits(kind(logits), kind(labels), kind(rows))
    assert type(counts) is type(kind(rows)) and tuple(counts.shape) == (2, 4 + 5 * len(GROUPS))
    metrics = TextMetrics()
    metrics.add_counts(counts)
    alone = added(*((*image, of_image) for image, of_image in zip(images, words)))
    assert metrics.compute() == alone.compute()
    assert metrics.by("script") == alone.by("script") and metrics.by("height") == alone.by("height")


def test_a_trainer_gets_plain_numbers_with_the_names_of_the_groups():
    """What those that log them take; and the next evaluation starts without images."""
    images = [(*by_chance(seed), [word(SMALL), word(TALL, "Arabic")]) for seed in range(7)]
    counts = [[*added(image).counts()[0], *np.ravel(row_of(image))] for image in images]
    metrics, whole = TextMetrics(), added(*images)
    batches = [SimpleNamespace(predictions=np.array(part), label_ids=None) for part in (counts[:3], counts[3:])]
    assert metrics(batches[0], compute_result=False) == {}
    figures = metrics(batches[1], compute_result=True)
    assert {type(value) for value in figures.values()} <= {int, float}
    assert whole.compute().items() <= figures.items()
    for kind in ("script", "height"):
        for name, group in whole.by(kind).items():
            interval = [figures[f"fgiou_{name}_lower"], figures[f"fgiou_{name}_upper"]]
            found = {key: figures[f"{key}_{name}"] for key in ("fgiou", "words", "pixels")}
            assert {**found, "interval": interval} == {key: group[key] for key in (*found, "interval")}
    assert figures["words_Arabic"] == 7 and metrics.images == 0
    assert "fgiou_Latin" not in metrics(SimpleNamespace(predictions=whole.counts(), label_ids=None))


def row_of(image):
    prediction, label, words = image
    return groups.group_counts(prediction, label, word_rows(words))
