"""MLT's images that have no label map: left out, unless they are asked for."""

import numpy as np
import pytest
import torch.utils.data
from archives import add_words, image_file, label_values, mlt, words_file, words_of, write_zip
from test_cache import prepared
from test_loading import assert_is_pair, ids
from test_words import assert_words_are

import mlt_s

LABELLED = [f"img_{n}" for n in range(1, 6)]
UNLABELLED = ["img_0", "img_7", "img_10"]  # in the order of their numbers, after those that have a label map


def folder_with_unlabelled(folder):
    mlt(folder)
    write_zip(folder / "ch8_training_images_3.zip", {f"img_{n}.jpg": image_file(n) for n in (10, 0, 7)})
    return add_words(folder, [*range(1, 6), 0, 7, 10], range(1, 4))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("config", ["segmentation", "words"])
def test_unlabelled_images_follow_the_labelled(load, tmp_path, config, streaming):
    folder = folder_with_unlabelled(tmp_path / "mlt")
    dataset = load(folder, config, streaming=streaming, unlabelled=True)
    examples = list(dataset["train"])
    assert ids(examples) == LABELLED + UNLABELLED
    for number, example in enumerate(examples[:5], 1):
        assert_is_pair(example, number)
    assert [example["label"] for example in examples[5:]] == [None, None, None]
    assert [example["image"].size for example in examples[5:]] == [(24, 16)] * 3
    assert len(list(dataset["validation"])) == 3
    if config == "words":
        for example, number in zip(examples[5:], (0, 7, 10)):
            assert_words_are(example["words"], number)


def test_without_asking_they_are_left_out(load_registered, tmp_path):
    assert ids(load_registered(folder_with_unlabelled(tmp_path / "mlt"))["train"]) == LABELLED


@pytest.mark.parametrize("streaming", [False, True])
def test_the_labelled_ones_are_filtered_out_in_a_line(load_registered, tmp_path, streaming):
    folder = folder_with_unlabelled(tmp_path / "mlt")
    train = load_registered(folder, split="train", streaming=streaming, unlabelled=True)
    labelled = train.filter(lambda example: example["label"] is not None)
    assert ids(labelled) == LABELLED
    train = load_registered(folder, split="train", streaming=streaming, unlabelled=True)
    assert ids(train.filter(lambda example: example["label"] is None)) == UNLABELLED


def collate(examples):
    """Label maps for the loss: nothing of an unlabelled image counts."""
    labels = [
        np.full(example["image"].size[::-1], 255, np.uint8) if example["label"] is None else np.array(example["label"])
        for example in examples
    ]
    return ids(examples), np.stack(labels)


@pytest.mark.parametrize("streaming", [False, True])
def test_training_code_sees_them_as_uncertain_throughout(load_registered, tmp_path, streaming):
    folder = folder_with_unlabelled(tmp_path / "mlt")
    train = load_registered(folder, split="train", streaming=streaming, unlabelled=True)
    loader = torch.utils.data.DataLoader(train, batch_size=8, collate_fn=collate)
    ((image_ids, labels),) = list(loader)
    assert image_ids == LABELLED + UNLABELLED
    assert np.array_equal(labels[0], label_values(seed=1))
    assert (labels[5:] == 255).all()


def test_many_of_them_fill_batches_of_their_own(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt")
    members = {f"img_{n}.png": image_file(n, "PNG", 2, 2) for n in range(100, 350)}
    write_zip(folder / "ch8_training_images_3.zip", members)
    train = load_registered(folder, split="train", unlabelled=True)
    assert ids(train) == LABELLED + [f"img_{n}" for n in range(100, 350)]
    assert sum(example["label"] is None for example in train) == 250


def test_they_are_read_in_two_processes(load_registered, tmp_path):
    train = load_registered(folder_with_unlabelled(tmp_path / "mlt"), split="train", unlabelled=True, num_proc=2)
    assert ids(train) == LABELLED + UNLABELLED


def test_a_split_of_unlabelled_images_alone(load_registered, tmp_path):
    folder = mlt(tmp_path / "mlt", validation=0)
    write_zip(folder / "ch8_validation_images.zip", {"img_1.jpg": image_file(501)})
    dataset = load_registered(folder, unlabelled=True)
    assert ids(dataset["validation"]) == ["img_1"] and dataset["validation"][0]["label"] is None


def test_counts_that_differ_are_said(load_registered, tmp_path, caplog):
    load_registered(folder_with_unlabelled(tmp_path / "mlt"), unlabelled=True)
    assert "train: 5 examples; MLT_S has 5,540." in caplog.text
    assert "train: 3 unlabelled images; MLT has 1,660." in caplog.text
    assert "validation: 0 unlabelled images; MLT has 444." in caplog.text


def test_of_counts_that_are_the_published_ones_nothing_is_said(load_registered, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 5, "validation": 3})
    monkeypatch.setattr(mlt_s, "IMAGE_COUNTS", {"train": 8, "validation": 3})
    load_registered(folder_with_unlabelled(tmp_path / "mlt"), unlabelled=True, streaming=True)
    assert "example" not in caplog.text and "unlabelled" not in caplog.text


def test_their_ground_truth_may_not_be_missing_either(load_registered, tmp_path):
    folder = folder_with_unlabelled(tmp_path / "mlt")
    members = {f"gt_img_{n}.txt": words_file(*words_of(n)) for n in range(1, 8)}
    write_zip(folder / mlt_s.WORDS_ARCHIVES[0], members)
    assert len(load_registered(folder, "words", split="train")) == 5
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(folder, "words", unlabelled=True)
    lines = str(raised.value).splitlines()
    assert lines[0] == "2 images of the train split without ground truth: img_0, img_10."
    assert lines[-1].endswith(', missing_images="skip", unlabelled=True)') or lines[-1].endswith(
        ', unlabelled=True, missing_images="skip")'
    )


def test_label_maps_alone_have_no_images_to_add(load_registered, tmp_path):
    with pytest.raises(mlt_s.MltSError) as raised:
        load_registered(mlt(tmp_path / "mlt"), "labels", unlabelled=True)
    text = 'unlabelled=True adds images, and "labels" has none: load "segmentation" or "words".'
    assert str(raised.value) == text


def test_it_takes_true_or_false(load_registered, tmp_path):
    with pytest.raises(mlt_s.MltSError, match=r"^unlabelled='no': it takes True or False\.$"):
        load_registered(mlt(tmp_path / "mlt"), unlabelled="no")


def test_both_ways_have_a_cache_of_their_own(load_registered, tmp_path):
    folder = folder_with_unlabelled(tmp_path / "mlt")
    assert len(load_registered(folder)["train"]) == 5
    first = prepared(load_registered)
    assert len(load_registered(folder, unlabelled=True)["train"]) == 8
    assert len(load_registered(folder)["train"]) == 5
    assert first.items() <= prepared(load_registered).items()


def test_the_schema_stays(load_registered, tmp_path):
    features = load_registered(folder_with_unlabelled(tmp_path / "mlt"), unlabelled=True)["train"].features
    assert features["label"].id2label == {0: "background", 1: "text"}
