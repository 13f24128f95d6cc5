"""Batches from examples of several sizes, and logits back to each label map's own pixels."""

from functools import partial

import numpy as np
import PIL.Image
import pytest
import torch
from archives import label_values, mlt, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from mlt_s_tools.metrics import predict
from mlt_s_tools.training import EvalTransform, TrainTransform, collate

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def example(width, height, seed=0):
    label = PIL.Image.fromarray(label_values(width, height, seed))
    return {"image": picture(width, height, seed), "label": label, "image_id": f"img_{seed}"}


def whole(*sizes, reduce=1):
    transform = EvalTransform(MEAN, STD, reduce=reduce)
    return [transform(example(width, height, seed)) for seed, (width, height) in enumerate(sizes)]


def logits_of(labels, block):
    """The logits of a model that is right about each block of `block` x `block` pixels of the label map."""
    text = torch.nn.functional.avg_pool2d((labels == 1).float()[:, None], block)
    return torch.cat([1 - text, text], 1) * 20 - 10


def predicted(logits, batch):
    """Each example's prediction, of its own size: the padding is cut off."""
    frame = batch["labels"].shape[-2:]
    return [predict(one, frame)[:height, :width] for one, (height, width) in zip(logits, batch["size"])]


# --- From examples to a batch


def test_words_of_several_images_are_filled_up_with_what_is_no_word():
    word = {"quad": [[0, 0], [8, 0], [8, 8], [0, 8]], "script": 1}
    transform = EvalTransform(MEAN, STD, words=True)
    given = [transform({**example(40, 30, seed), "words": [word] * seed}) for seed in range(3)]
    words = collate(given)["words"]
    assert (words.shape, words.dtype) == ((3, 2, 9), torch.float64)
    assert (words[..., -1] == torch.tensor([[-100, -100], [1, -100], [1, 1]])).all()
    assert collate(given[:1])["words"].shape == (1, 0, 9)


def test_crops_are_stacked():
    transform = TrainTransform(MEAN, STD, size=(24, 40))
    crops = [transform(example(90, 70, seed)) for seed in range(3)]
    batch = collate(crops)
    assert list(batch) == ["pixel_values", "labels"]  # and nothing else, because a Trainer hands all of it to the model
    assert (batch["pixel_values"].dtype, batch["pixel_values"].shape) == (torch.float32, (3, 3, 24, 40))
    assert (batch["labels"].dtype, batch["labels"].shape) == (torch.int64, (3, 24, 40))
    for n, crop in enumerate(crops):
        assert np.array_equal(batch["pixel_values"][n], crop["pixel_values"])
        assert np.array_equal(batch["labels"][n], crop["labels"])


@pytest.mark.parametrize("reduce", [1, 2, 3])
def test_images_of_several_sizes_are_padded_to_one(reduce):
    examples = whole((50, 40), (200, 20), (10, 97), reduce=reduce)
    batch = collate(examples)
    height, width = batch["pixel_values"].shape[2:]
    assert (height % 32, width % 32) == (0, 0)
    assert batch["labels"].shape == (3, height * reduce, width * reduce)
    for n, one in enumerate(examples):
        rows, columns = one["pixel_values"].shape[1:]
        assert np.array_equal(batch["pixel_values"][n, :, :rows, :columns], one["pixel_values"])
        assert (batch["pixel_values"][n, :, rows:] == 0).all() and (batch["pixel_values"][n, :, :, columns:] == 0).all()
        rows, columns = one["labels"].shape
        assert np.array_equal(batch["labels"][n, :rows, :columns], one["labels"])
        assert (batch["labels"][n, rows:] == 255).all() and (batch["labels"][n, :, columns:] == 255).all()


@pytest.mark.filterwarnings("error")
def test_arrays_that_cannot_be_written_to_are_a_batch_without_a_warning():
    crop = TrainTransform(MEAN, STD, size=(8, 8))(example(20, 20))
    for array in crop.values():
        array.flags.writeable = False
    batch = collate([crop])
    assert np.array_equal(batch["pixel_values"][0], crop["pixel_values"])
    assert np.array_equal(batch["labels"][0], crop["labels"])


def test_a_loop_of_ones_own_keeps_whose_is_whose():
    batch = collate(whole((50, 40), (20, 97)), keep=("size", "image_id"))
    assert batch["size"] == [(40, 50), (97, 20)]
    assert batch["image_id"] == ["img_0", "img_1"]


@pytest.mark.parametrize("form", ["lists", "tensors"])
def test_what_map_wrote_or_torch_formatted_is_a_batch_too(tmp_path, load_registered, form):
    train = load_registered(mlt(tmp_path / "mlt"), split="train")
    transform = TrainTransform(MEAN, STD, size=(8, 8))
    mapped = train.map(transform, remove_columns=train.column_names)
    batch = collate(list(mapped if form == "lists" else mapped.with_format("torch")))
    direct = collate([transform(given) for given in train])
    assert all(torch.equal(batch[key], direct[key]) and batch[key].dtype == direct[key].dtype for key in direct)


def test_label_maps_of_two_scales_do_not_go_into_one_batch():
    mixed = whole((50, 40)) + whole((50, 40), reduce=2)
    with pytest.raises(ValueError, match=r"larger than the images .*\{1.0, 2.0\}"):
        collate(mixed)


def test_a_training_batch_where_nothing_counts_is_an_error_before_it_spoils_the_weights():
    transform = TrainTransform(MEAN, STD, size=(8, 8))
    unlabelled = {**example(20, 20), "label": None}
    with pytest.raises(ValueError, match="loss would be NaN.*dataset.filter"):
        collate([transform(unlabelled)] * 2)
    mixed = collate([transform(unlabelled), transform(example(20, 20))])
    assert (mixed["labels"][0] == 255).all() and (mixed["labels"][1] != 255).any()


def test_images_without_label_map_can_be_predicted():
    batch = collate([EvalTransform(MEAN, STD)({**example(50, 40), "label": None})], keep=("size",))
    (prediction,) = predicted(torch.randn(1, 2, 16, 16), batch)
    assert prediction.shape == (40, 50)


# --- And back


@pytest.mark.parametrize("reduce", [1, 2])
def test_right_logits_give_the_label_map_at_its_own_size_and_place(reduce):
    label = np.zeros((101, 130), np.uint8)
    label[16:48, 32:80] = 1
    given = {"image": picture(130, 101), "label": PIL.Image.fromarray(label), "image_id": "img_1"}
    batch = collate([EvalTransform(MEAN, STD, reduce=reduce)(given), *whole((300, 40), reduce=reduce)], keep=("size",))
    logits = logits_of(batch["labels"], 4 * reduce)
    assert logits.shape[-2] * 4 == batch["pixel_values"].shape[-2]  # a quarter of the input, as SegFormer's
    first, second = predicted(logits, batch)
    assert (first.shape, second.shape) == ((101, 130), (40, 300))
    assert np.mean(first.numpy() != label) < 0.005  # interpolation rounds the corners
    for own, found in zip(np.nonzero(label), np.nonzero(first.numpy())):
        assert found.mean() == pytest.approx(own.mean(), abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=3),
    reduce=st.integers(1, 3),
)
def test_every_size_comes_back(sizes, reduce):
    batch = collate(whole(*sizes, reduce=reduce), keep=("size",))
    logits = torch.zeros(len(sizes), 2, *(length // 4 for length in batch["pixel_values"].shape[2:]))
    logits[:, 1] = 1
    predictions = predicted(logits, batch)
    assert [tuple(one.shape) for one in predictions] == [(height, width) for width, height in sizes]
    assert all(one.all() for one in predictions)


def test_an_evaluation_loop_with_workers(tmp_path, load_registered):
    validation = load_registered(mlt(tmp_path / "mlt", validation=5, width=50, height=20), split="validation")
    own = {given["image_id"]: np.asarray(given["label"]) for given in validation}
    loader = DataLoader(
        validation.with_transform(EvalTransform(MEAN, STD)),
        batch_size=2,
        num_workers=2,
        collate_fn=partial(collate, keep=("size", "image_id")),
    )
    seen = []
    for batch in loader:
        for image_id, classes in zip(batch["image_id"], predicted(logits_of(batch["labels"], 1), batch)):
            counted = own[image_id] != 255
            assert np.array_equal(classes.numpy()[counted], own[image_id][counted])
            seen.append(image_id)
    assert seen == list(own)
