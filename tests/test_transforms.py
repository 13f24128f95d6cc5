"""Training's day: crops that keep image and label map together, text in view, the same arrays from every process."""

import copy
import pickle
import random
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from archives import label_values, mlt, picture
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from mlt_s_tools.training import EvalTransform, TrainTransform, collate
from mlt_s_tools.training.crop import random_crop

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = {"mean": (0, 0, 0), "std": (1 / 255,) * 3, "jitter": 0}  # pixel values stay 0 to 255
DAMAGED = PIL.Image.Resampling.BILINEAR


def example(width=24, height=16, seed=0, label=None, image_id=None):
    label = label_values(width, height, seed) if label is None else label
    return {
        "image": picture(width, height, seed),
        "label": PIL.Image.fromarray(label),
        "image_id": image_id or f"img_{seed}",
    }


def ramp(width, height):
    """An example whose image says where each pixel is (red x, green y), and whose label map is background."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    image = PIL.Image.fromarray(np.stack([x, y, np.full_like(x, 200)], -1))
    return {**example(width, height, label=np.zeros((height, width), np.uint8)), "image": image}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


def epochs_of(transform, given, count):
    for epoch in range(count):
        transform.set_epoch(epoch)
        yield transform(given)


# --- A crop to train on


def test_a_crop_is_normalised_pixels_and_labels():
    crop = TrainTransform(MEAN, STD, size=(40, 56))(example(200, 100))
    assert list(crop) == ["pixel_values", "labels"]
    assert (crop["pixel_values"].dtype, crop["pixel_values"].shape) == (np.float32, (3, 40, 56))
    assert (crop["labels"].dtype, crop["labels"].shape) == (np.int64, (40, 56))
    assert set(np.unique(crop["labels"])) == {0, 1, 255}


def test_pixels_are_normalised_by_the_models_mean_and_std():
    grey = {**example(8, 8), "image": PIL.Image.new("RGB", (8, 8), (255, 0, 51))}
    crop = TrainTransform(MEAN, STD, size=(8, 8), scales=(1, 1), jitter=0)(grey)
    expected = [(value - mean) / std for value, mean, std in zip((1, 0, 0.2), MEAN, STD)]
    assert crop["pixel_values"][:, 3, 5] == pytest.approx(expected, rel=1e-5)


def test_at_scale_1_a_crop_is_a_window_of_the_example():
    given = ramp(100, 80)
    crop = TrainTransform(**PLAIN, size=(32, 48), scales=(1, 1))(given)
    left, top = crop["pixel_values"][:2, 0, 0].astype(int)
    assert (left, top) != (0, 0)
    window = np.asarray(given["image"])[top : top + 32, left : left + 48]
    assert np.array_equal(crop["pixel_values"].transpose(1, 2, 0), window)


@pytest.mark.parametrize("scale", [0.5, 0.77, 1, 1.3, 2])
@pytest.mark.parametrize("axis", [0, 1])  # red says x, green says y
def test_image_and_label_map_stay_on_each_other_to_half_a_pixel(scale, axis):
    given = ramp(250, 250)
    stripes = np.asarray(given["image"])[..., axis] // 10 % 2  # so an edge lies at 9.5, 19.5, ...
    given["label"] = PIL.Image.fromarray(stripes)
    transform = TrainTransform(**PLAIN, size=(64, 64), scales=(scale, scale))
    off = []
    for crop in epochs_of(transform, given, 20):
        line = (np.s_[32], np.s_[:, 32])[axis]
        shown, labels = crop["pixel_values"][axis][line], crop["labels"][line]
        assert np.diff(shown[2:-2]).mean() == pytest.approx(1 / scale, rel=0.05)
        edges = np.flatnonzero(np.diff(labels))
        assert len(edges) > 2
        at = (shown[edges] + shown[edges + 1]) / 2  # where the image says that the label map has its edge
        off.extend(at - 9.5 - 10 * np.rint((at - 9.5) / 10))
    assert np.abs(off).max() <= 0.5 / scale + 0.51  # half a pixel of the crop, and colours are rounded
    assert abs(np.mean(off)) < 0.12  # and neither lies to one side of the other


def test_labels_are_never_mixed():
    for crop in epochs_of(TrainTransform(MEAN, STD, size=(64, 64)), example(300, 200), 20):
        assert set(np.unique(crop["labels"])) <= {0, 1, 255}


def test_where_the_image_ends_the_mean_and_255_are_padded():
    crop = TrainTransform(MEAN, STD, size=(64, 64), scales=(1, 1), jitter=0)(
        example(24, 16, label=np.zeros((16, 24), np.uint8))
    )
    inside = crop["labels"] == 0
    assert inside.sum() == 24 * 16
    assert (crop["labels"][~inside] == 255).all()
    assert (crop["pixel_values"][:, ~inside] == 0).all()
    rows, columns = np.nonzero(inside)
    assert (np.ptp(rows), np.ptp(columns)) == (15, 23)


@settings(max_examples=150, deadline=None)
@given(
    width=st.one_of(st.integers(1, 80), st.just(3000)),
    height=st.one_of(st.integers(1, 80), st.just(2000)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    scales=st.tuples(st.floats(0.05, 1), st.floats(1, 8)),
    share=st.sampled_from([0, 1]),
    epoch=st.integers(0, 1 << 40),
)
def test_images_of_all_sizes_give_crops_of_one(width, height, size, scales, share, epoch):
    width, height = (width, min(height, 80)) if width > height else (min(width, 80), height)  # 3000 x 80 at most
    transform = TrainTransform(MEAN, STD, size=size, scales=scales, text_share=share, flip_share=0.5)
    transform.set_epoch(epoch)
    crop = transform(example(width, height))
    assert (crop["pixel_values"].shape, crop["pixel_values"].dtype) == ((3, *size), np.float32)
    assert (crop["labels"].shape, crop["labels"].dtype) == (size, np.int64)
    assert np.isfinite(crop["pixel_values"]).all()
    assert np.isin(crop["labels"], [0, 1, 255]).all()


# --- What is in view


@settings(max_examples=200, deadline=None)
@given(data=st.data(), scale=st.floats(0.05, 8), seed=st.integers(0, 99))
def test_a_crop_lies_in_its_image_and_shows_its_target(data, scale, seed):
    source, size = (data.draw(st.tuples(st.integers(1, 300), st.integers(1, 300))) for _ in range(2))
    target = tuple(data.draw(st.integers(0, length - 1)) for length in source)
    crop = random_crop(source, size, scale, random.Random(seed), target)
    for axis in (0, 1):
        start, end = crop.box[axis], crop.box[axis + 2]
        assert 0 <= start <= target[axis] < end <= source[axis]
        assert 0 <= crop.place[axis] <= crop.place[axis] + crop.size[axis] <= size[axis]
        assert crop.size[axis] == size[axis] or (start, end) == (0, source[axis])  # padded only where the image ends
        if scale >= 1:
            assert crop.size[axis] >= min(end - start, size[axis])


def one_word(width=800, height=600):
    label = np.zeros((height, width), np.uint8)
    label[430:438, 610:640] = 1
    return label


def text_in_view(share, label, epochs=200):
    transform = TrainTransform(MEAN, STD, size=(64, 64), text_share=share)
    return np.mean(
        [(crop["labels"] == 1).any() for crop in epochs_of(transform, example(800, 600, label=label), epochs)]
    )


def test_text_is_in_view_with_the_probability_asked_for():
    by_chance = text_in_view(0, one_word())
    assert by_chance < 0.1
    assert text_in_view(1, one_word()) == 1
    assert text_in_view(0.75, one_word()) == pytest.approx(0.75 + 0.25 * by_chance, abs=0.1)


def test_an_image_without_text_is_cropped_anywhere():
    given = ramp(200, 200)
    corners = {
        tuple(crop["pixel_values"][:2, 0, 0])
        for crop in epochs_of(TrainTransform(**PLAIN, size=(32, 32), scales=(1, 1), text_share=1), given, 20)
    }
    assert len(corners) > 15


@pytest.mark.parametrize("scales", [(0.1, 0.2), (0.5, 2)])
def test_a_crop_holds_something_that_counts_if_the_label_map_does(scales):
    """Only one pixel of the image counts. A random crop would nearly always be all 255, and the loss NaN."""
    label = np.full((600, 800), 255, np.uint8)
    label[417, 555] = 0
    transform = TrainTransform(MEAN, STD, size=(64, 64), scales=scales)
    for crop in epochs_of(transform, example(800, 600, label=label), 30):
        assert (crop["labels"] == 0).any()


def test_an_image_without_label_map_is_ignored_throughout():
    unlabelled = {**example(50, 40), "label": None}
    for transform in (TrainTransform(MEAN, STD, size=(32, 32)), EvalTransform(MEAN, STD)):
        assert (transform(unlabelled)["labels"] == 255).all()


# --- Flips and colour


def test_nothing_is_mirrored_by_default():
    for crop in epochs_of(TrainTransform(**PLAIN, size=(32, 32)), ramp(200, 200), 30):
        assert (np.diff(crop["pixel_values"][0]) >= 0).all()


def test_mirrored_are_image_and_label_map_together():
    given = ramp(200, 200)
    given["label"] = PIL.Image.fromarray(np.tile((np.arange(200) > 100).astype(np.uint8), (200, 1)))
    transform = TrainTransform(**PLAIN, size=(32, 32), scales=(1, 1), flip_share=1, text_share=0)
    for crop in epochs_of(transform, given, 10):
        assert (np.diff(crop["pixel_values"][0]) == -1).all()
        assert np.array_equal(crop["labels"], crop["pixel_values"][0] > 100)
        assert crop["labels"].flags.c_contiguous and crop["pixel_values"].flags.c_contiguous


def test_colours_change_a_little_and_labels_do_not():
    given = example(64, 64, seed=3)
    options = {"size": (64, 64), "scales": (1, 1)}
    plain = TrainTransform(**PLAIN, **options)(given)
    coloured = list(epochs_of(TrainTransform(**{**PLAIN, "jitter": 0.25}, **options), given, 20))
    means = [crop["pixel_values"].mean() for crop in coloured]
    assert np.std(means) > 3
    for crop in coloured:
        assert np.array_equal(crop["labels"], plain["labels"])
        assert crop["pixel_values"].min() >= 0 and crop["pixel_values"].max() <= 255
        assert abs(crop["pixel_values"].mean() / plain["pixel_values"].mean() - 1) < 0.3


def test_grey_stays_grey():
    given = {**example(32, 32), "image": PIL.Image.new("RGB", (32, 32), (90, 90, 90))}
    for crop in epochs_of(TrainTransform(**{**PLAIN, "jitter": 0.5}, size=(32, 32), scales=(1, 1)), given, 10):
        assert np.ptp(crop["pixel_values"], axis=0).max() <= 1


def test_of_an_even_grey_only_the_brightness_changes():
    """Contrast turns around the mean grey, which is all there is: the factor is brightness's alone, in its bounds."""
    given = {**example(32, 32), "image": PIL.Image.new("RGB", (32, 32), (100, 100, 100))}
    transform = TrainTransform(**{**PLAIN, "jitter": 0.5}, size=(32, 32), scales=(1, 1))
    factors = [float(crop["pixel_values"].mean()) / 100 for crop in epochs_of(transform, given, 200)]
    assert 0.49 < min(factors) < 0.55 and 1.45 < max(factors) < 1.51


# --- Chance


def test_the_same_seed_and_epoch_give_the_same_crop():
    given = example(300, 200, seed=4)
    one, again = TrainTransform(MEAN, STD, size=(32, 32)), TrainTransform(MEAN, STD, size=(32, 32))
    first = one(given)
    one(example(300, 200, seed=5))  # whatever came in between
    assert same(first, one(given)) and same(first, again(given))


def test_another_epoch_seed_or_image_gives_another_crop():
    given = example(300, 200)
    transform = TrainTransform(MEAN, STD, size=(32, 32))
    first = transform(given)
    transform.set_epoch(1)
    assert transform.epoch == 1
    assert not same(first, transform(given))
    transform.set_epoch(0)
    assert same(first, transform(given))
    assert not same(first, TrainTransform(MEAN, STD, size=(32, 32), seed=1)(given))
    assert not same(first, transform({**given, "image_id": "img_other"}))


def test_a_new_process_gives_the_same_crop(tmp_path):
    transform = TrainTransform(MEAN, STD, size=(32, 32), seed=7)
    transform.set_epoch(3)
    (tmp_path / "given").write_bytes(pickle.dumps((transform, example(300, 200))))
    code = "import pickle, sys; t, e = pickle.load(open(sys.argv[1], 'rb')); pickle.dump(t(e), open(sys.argv[2], 'wb'))"
    command = [sys.executable, "-c", code, tmp_path / "given", tmp_path / "crop"]
    subprocess.run(command, check=True, cwd=ROOT)
    assert same(pickle.loads((tmp_path / "crop").read_bytes()), transform(example(300, 200)))


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    return mlt(tmp_path_factory.mktemp("nine"), train=9, validation=3, width=60, height=40)


def arrays_of(loader):
    """The crops of an epoch by their bytes, without regard to their order."""
    return sorted(
        (pixels.numpy().tobytes(), labels.numpy().tobytes())
        for batch in loader
        for pixels, labels in zip(batch["pixel_values"], batch["labels"])
    )


def two_epochs(dataset, transform, **options):
    loader = DataLoader(dataset, batch_size=2, collate_fn=collate, **options)
    epochs = []
    for epoch in (0, 1):
        transform.set_epoch(epoch)
        epochs.append(arrays_of(loader))
    return epochs


WORKERS = {
    "forked": {"num_workers": 2, "multiprocessing_context": "fork"},
    "persistent": {"num_workers": 2, "multiprocessing_context": "fork", "persistent_workers": True},
    "spawned and persistent": {"num_workers": 1, "multiprocessing_context": "spawn", "persistent_workers": True},
}


@pytest.mark.parametrize("workers", WORKERS)
def test_workers_give_what_one_process_gives_in_every_epoch(load_registered, nine, workers):
    transform = TrainTransform(MEAN, STD, size=(16, 16))
    train = load_registered(nine, split="train").with_transform(transform)
    expected = two_epochs(train, transform)
    assert expected[0] != expected[1]
    assert two_epochs(train, transform, shuffle=True, **WORKERS[workers]) == expected


@pytest.mark.parametrize("workers", WORKERS)
def test_workers_on_a_stream_give_the_same(load_registered, nine, workers):
    transform = TrainTransform(MEAN, STD, size=(16, 16))
    expected = two_epochs(load_registered(nine, split="train").with_transform(transform), transform)
    stream = load_registered(nine, split="train", streaming=True).shuffle(seed=1, buffer_size=4)
    stream = stream.map(transform, remove_columns=stream.column_names)
    assert two_epochs(stream, transform) == expected
    assert two_epochs(stream, transform, **WORKERS[workers]) == expected


def test_a_set_derived_from_a_transformed_one_follows_the_epoch(load_registered, nine):
    transform = TrainTransform(MEAN, STD, size=(16, 16))
    some = load_registered(nine, split="train").with_transform(transform).shuffle(seed=1).select(range(4))
    first = some[0]
    transform.set_epoch(1)
    assert not same(first, some[0])


def test_a_copy_within_the_process_follows_the_epoch(load_registered, nine):
    transform = TrainTransform(MEAN, STD, size=(16, 16))
    train = load_registered(nine, split="train").with_transform(transform)
    copied = copy.deepcopy(train)
    first = copied[0]
    transform.set_epoch(1)
    assert not same(first, copied[0])
    assert same(train[0], copied[0])


def test_a_mapped_set_is_one_epochs_crops_and_its_cache_knows_which(load_registered, nine):
    train = load_registered(nine, split="train").select(range(2))
    transform = TrainTransform(MEAN, STD, size=(4, 4))

    def mapped():
        return train.map(transform, remove_columns=train.column_names)

    first = mapped()
    assert first[0]["labels"] == transform(train[0])["labels"].tolist()
    assert mapped()._fingerprint == first._fingerprint
    transform.set_epoch(1)
    assert mapped()._fingerprint != first._fingerprint
    assert mapped()[0]["labels"] == transform(train[0])["labels"].tolist()


def test_words_are_dropped_and_batches_are_as_their_examples():
    given = [{**example(60, 40, seed=n), "words": [{"quad": [[0, 0]] * 4}]} for n in range(3)]
    for transform in (TrainTransform(MEAN, STD, size=(16, 16)), EvalTransform(MEAN, STD)):
        batch = transform({key: [one[key] for one in given] for key in given[0]})
        assert "words" not in batch
        for n, one in enumerate(given):
            assert same({key: values[n] for key, values in batch.items()}, transform(one))
    assert transform({"image": [], "label": [], "image_id": []}) == {}


def test_words_are_kept_for_the_evaluation_where_they_are_asked_for():
    """In pixels of the label map, which the padding below and on the right does not move, nor a reduced input."""
    quad = [[3, 4], [33.5, 4], [33.5, 9], [3, 9]]
    words = [{"quad": quad, "script": 4, "readable": True, "transcription": "a"}]
    given = [{**example(60, 40, seed=n), "words": words * n} for n in range(3)]
    for reduce in (1, 2):
        transform = EvalTransform(MEAN, STD, reduce, words=True)
        assert transform(given[1])["words"].tolist() == [[*np.ravel(quad), 4]]
        batch = transform({key: [one[key] for one in given] for key in given[0]})
        assert [rows.shape for rows in batch["words"]] == [(0, 9), (1, 9), (2, 9)]
    with pytest.raises(ValueError, match="has no 'words'"):
        transform(example(60, 40))


# --- An image to evaluate on


def test_an_image_to_evaluate_on_is_whole_and_its_label_map_untouched():
    given = example(50, 40)
    got = EvalTransform(PLAIN["mean"], PLAIN["std"])(given)
    assert (got["size"], got["image_id"]) == ((40, 50), "img_0")
    assert (got["pixel_values"].shape, got["pixel_values"].dtype) == ((3, 64, 64), np.float32)
    assert (got["labels"].shape, got["labels"].dtype) == ((64, 64), np.int64)
    assert np.array_equal(got["pixel_values"][:, :40, :50].transpose(1, 2, 0), np.asarray(given["image"]))
    assert np.array_equal(got["labels"][:40, :50], np.asarray(given["label"]))
    for padding in (np.s_[..., 40:, :], np.s_[..., 50:]):
        assert (got["pixel_values"][padding] == 0).all() and (got["labels"][padding] == 255).all()


def test_a_reduced_image_keeps_the_label_map_and_its_place():
    got = EvalTransform(PLAIN["mean"], PLAIN["std"], reduce=2)(ramp(201, 99))
    assert got["size"] == (99, 201)
    assert (got["pixel_values"].shape, got["labels"].shape) == ((3, 64, 128), (128, 256))
    assert (got["labels"][:99, :201] == 0).all()
    # A pixel shows the middle of its two by two, also at the odd edge, where there is but one.
    assert got["pixel_values"][0, 10, :101] == pytest.approx([*(np.arange(100) * 2 + 0.5), 200], abs=0.51)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 130), height=st.integers(1, 130), reduce=st.integers(1, 5))
def test_frames_match_whatever_the_size(width, height, reduce):
    given = example(width, height)
    got = EvalTransform(MEAN, STD, reduce=reduce)(given)
    shape = got["pixel_values"].shape[1:]
    assert all(length % 32 == 0 for length in shape)
    assert got["labels"].shape == tuple(length * reduce for length in shape)
    assert np.array_equal(got["labels"][:height, :width], np.asarray(given["label"]))
    assert (got["labels"] != 255).sum() == (np.asarray(given["label"]) != 255).sum()


def test_grey_and_palette_images_are_seen_in_colour():
    given = {**example(32, 32), "image": picture(32, 32).convert("L")}
    assert np.ptp(EvalTransform(PLAIN["mean"], PLAIN["std"])(given)["pixel_values"], axis=0).max() == 0
    given["image"] = picture(32, 32).convert("P")
    assert TrainTransform(MEAN, STD, size=(16, 16))(given)["pixel_values"].shape == (3, 16, 16)


def test_a_label_map_with_a_palette_is_read_by_its_values():
    given = example(32, 32)
    with_palette = given["label"].copy()
    with_palette.putpalette([channel for value in range(256) for channel in (value, 255 - value, 9)])
    for transform in (TrainTransform(MEAN, STD, size=(16, 16)), EvalTransform(MEAN, STD)):
        assert same(transform({**given, "label": with_palette}), transform(given))


# --- What is wrong


BOTH = [TrainTransform(MEAN, STD, size=(32, 32), scales=(1, 1)), EvalTransform(MEAN, STD)]


@pytest.mark.parametrize("transform", BOTH, ids=["train", "eval"])
def test_a_label_map_that_was_resized_bilinear_is_an_error(transform):
    given = example(32, 32)
    given["label"] = given["label"].resize((16, 16)).resize((32, 32), DAMAGED)
    with pytest.raises(ValueError, match="img_0: a label map holds only 0, 1 and 255.* nearest neighbour"):
        transform(given)


@pytest.mark.parametrize("transform", BOTH, ids=["train", "eval"])
def test_a_label_map_of_another_size_or_in_colour_is_an_error(transform):
    with pytest.raises(ValueError, match=r"img_0: .*\(24, 16\) pixels .*\(16, 24\)"):
        transform({**example(24, 16), "label": PIL.Image.new("L", (16, 24))})
    with pytest.raises(ValueError, match="one channel.* 'RGB'"):
        transform({**example(24, 16), "label": PIL.Image.new("RGB", (24, 16))})


@pytest.mark.parametrize("transform", BOTH, ids=["train", "eval"])
def test_a_column_that_is_missing_is_named_with_what_takes_columns_away(load_registered, nine, transform):
    with pytest.raises(ValueError, match="has no 'image', only .*remove_unused_columns=False"):
        transform({"label": [None]})
    train = load_registered(nine, split="train").with_transform(transform)
    with pytest.raises(ValueError, match="remove_unused_columns=False"):
        train.remove_columns(["image", "image_id"])[0]  # what a Trainer does


@pytest.mark.parametrize(
    "options, text",
    [
        ({"scales": (0, 1)}, r"scales .*both above 0, not \(0, 1\)"),
        ({"scales": (2, 1)}, r"not \(2, 1\)"),
        ({"text_share": 75}, "text_share .*from 0 to 1, not 75"),
        ({"flip_share": -0.1}, "flip_share .*from 0 to 1"),
        ({"jitter": 1.5}, "jitter .*from 0 to 1"),
    ],
)
def test_options_out_of_their_range_are_errors(options, text):
    with pytest.raises(ValueError, match=text):
        TrainTransform(MEAN, STD, **options)


@pytest.mark.parametrize("reduce", [0, 0.5, "2"])
def test_reduce_is_a_whole_number(reduce):
    with pytest.raises(ValueError, match=f"reduce .*not {reduce!r}"):
        EvalTransform(MEAN, STD, reduce=reduce)


def test_the_transforms_need_no_torch():
    code = "import sys; sys.modules['torch'] = None; import mlt_s_tools.training.transforms"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
