"""The archives as a data set of random access, for loaders and trainers."""

import re

import numpy as np
import pytest
import torch.utils.data
from archives import add_words, image_file, label_values, mlt, write_zip
from test_loading import assert_is_pair

import mlt_s
from mlt_s_tools.training import ArchiveDataset, TrainTransform, collate


@pytest.fixture
def folder(tmp_path):
    return add_words(mlt(tmp_path / "mlt"), range(1, 6), range(1, 4))


def as_list(examples):
    return examples


def test_it_has_the_pairs_of_a_split_by_number(folder):
    train, validation = ArchiveDataset(folder, "train"), ArchiveDataset(str(folder), "validation")
    assert (len(train), len(validation)) == (5, 3)
    assert train[4]["image_id"] == "img_5"
    assert_is_pair(train[4], 5)
    assert_is_pair(validation[0], 501)


@pytest.mark.parametrize("last", [4, -1, np.int64(4), np.uint8(4), np.array(4), torch.tensor(4), torch.tensor(-1)])
def test_a_number_is_what_python_takes_for_one(folder, last):
    assert ArchiveDataset(folder, "train")[last]["image_id"] == "img_5"


@pytest.mark.parametrize("beyond", [5, -6, np.int64(5), torch.tensor(5)])
def test_a_number_beyond_the_split(folder, beyond):
    with pytest.raises(IndexError, match=rf"{int(beyond)}\b.* 5\b"):
        ArchiveDataset(folder, "train")[beyond]


def test_a_loop_over_it_ends(folder):
    assert [example["image_id"] for example in ArchiveDataset(folder, "validation")] == ["img_1", "img_2", "img_3"]


@pytest.mark.parametrize(
    "part, numbers", [(slice(0, 3), [1, 2, 3]), (slice(None, None, -2), [5, 3, 1]), ([1, 2], [2, 3])]
)
def test_several_at_once_are_refused_with_what_gives_them(folder, part, numbers):
    """As the data sets of torchvision, and not as a `datasets.Dataset`, whose batches are a dict of lists."""
    dataset = ArchiveDataset(folder, "train")
    with pytest.raises(TypeError, match=type(part).__name__) as raised:
        dataset[part]
    subset, listed = re.findall(r"torch\S+\(.+?\)(?= is )|\[.+\](?= reads)", str(raised.value))
    names = {"torch": torch, "dataset": dataset, "indices": part}
    for examples in eval(subset, names), eval(listed, names):
        assert [example["image_id"] for example in examples] == [f"img_{number}" for number in numbers]


@pytest.mark.parametrize("index", [1.0, "image", None, np.float32(1), torch.tensor([1, 2]), [True, False]])
def test_what_is_no_number(folder, index):
    with pytest.raises(TypeError, match=rf"{type(index).__name__}.*Subset"):
        ArchiveDataset(folder, "train")[index]


def test_a_subset_takes_its_examples_by_batches(folder):
    subset = torch.utils.data.Subset(ArchiveDataset(folder, "train"), range(1, 4))
    (batch,) = torch.utils.data.DataLoader(subset, batch_size=3, collate_fn=as_list)
    assert [example["image_id"] for example in batch] == ["img_2", "img_3", "img_4"]


def test_a_pair_is_read_when_it_is_asked_for(folder, monkeypatch):
    read, before = [], mlt_s.read_member
    monkeypatch.setattr(
        mlt_s, "read_member", lambda member, options: read.append(member.name) or before(member, options)
    )
    train = ArchiveDataset(folder, "train")
    assert read == []
    train[2]
    assert sorted(read) == ["MLT_S_labels/training_labels/img_3.png", "img_3.jpg"]


def test_a_transform_gets_the_example(folder):
    train = ArchiveDataset(folder, "train", lambda example: (example["image_id"], example["image"].size))
    assert train[1] == ("img_2", (24, 16))


def test_another_transform_lists_nothing_again(folder, monkeypatch):
    plain = ArchiveDataset(folder, "train")
    monkeypatch.setattr(mlt_s, "list_source", None)
    sizes = plain.with_transform(lambda example: example["image"].size)
    assert sizes[1] == (24, 16) and len(sizes) == 5
    assert plain[1]["image_id"] == sizes.with_transform(None)[1]["image_id"] == "img_2"


def test_it_takes_the_options_of_the_loader(folder):
    write_zip(folder / "ch8_training_images_3.zip", {"img_9.jpg": image_file(9)})
    add_words(folder, [*range(1, 6), 9], range(1, 4))
    train = ArchiveDataset(folder, "train", config="words", unlabelled=True)
    assert len(train) == 6
    assert train[5]["image_id"] == "img_9" and train[5]["label"] is None
    assert train[0]["words"][0]["transcription"] == "word, 1"


def test_a_split_that_is_not_there(folder):
    with pytest.raises(mlt_s.MltSError) as raised:
        ArchiveDataset(folder, "test")
    assert all(fact in str(raised.value) for fact in ("'test'", str(folder), "train, validation"))


@pytest.mark.parametrize("start, workers", [("fork", 2), ("spawn", 1)])
def test_workers_read_it(folder, start, workers):
    loader = torch.utils.data.DataLoader(
        ArchiveDataset(folder, "train"), 2, num_workers=workers, collate_fn=as_list, multiprocessing_context=start
    )
    examples = [example for batch in loader for example in batch]
    for number, example in enumerate(examples, 1):
        assert_is_pair(example, number)
    assert number == 5


def test_it_trains_through_the_transforms(folder):
    transform = TrainTransform((0.5,) * 3, (0.5,) * 3, size=(16, 16), scales=(1, 1), jitter=0)
    loader = torch.utils.data.DataLoader(ArchiveDataset(folder, "train", transform), batch_size=5, collate_fn=collate)
    (batch,) = loader
    assert batch["pixel_values"].shape == (5, 3, 16, 16) and batch["labels"].shape == (5, 16, 16)
    crop = batch["labels"][0].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(label_values(seed=1), 16, constant_values=255), (16, 16))
    assert (windows == crop).all(axis=(2, 3)).any()  # a crop of its label map, to the pixel
