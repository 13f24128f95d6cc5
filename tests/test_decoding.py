"""Training with `mlt-s[fast]`: the same pixels, arrays and errors as by Pillow, whatever the files are."""

from __future__ import annotations

import io
import random
import zlib

import cv2
import datasets
import numpy as np
import PIL.Image
import PIL.JpegImagePlugin
import pytest
import simplejpeg
from archives import (
    add_words,
    encoded,
    failure,
    image_file,
    jpeg_with,
    label_file,
    label_values,
    mlt,
    picture,
    png_chunk,
    png_with,
    raw_png,
    tiff_block,
    write_pairs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import mlt_s
from mlt_s_tools.training import ArchiveDataset, EvalTransform, TrainTransform, decoding

pytestmark = pytest.mark.once

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def noisy(width, height, seed=0):
    """A picture with edges and noise, of which another way to round would show."""
    noise = np.random.default_rng(seed).normal(0, 40, (height, width, 3))
    return PIL.Image.fromarray(np.clip(np.asarray(picture(width, height, seed)) + noise, 0, 255).astype(np.uint8))


def file_of(data):
    return {"bytes": data, "path": None}


def decoded(data):
    """What `datasets` makes of a file, as an array, or the error that it ends in."""
    try:
        return np.asarray(mlt_s.RGB_IMAGE.decode_example(file_of(data)))
    except Exception as error:
        return type(error), str(error)


def ours(data):
    try:
        return np.asarray(decoding.image_of(file_of(data)))
    except Exception as error:
        return type(error), str(error)


def by_pillow(monkeypatch):
    """Makes the extra unavailable from here on."""
    monkeypatch.setattr(decoding, "simplejpeg", None)
    monkeypatch.setattr(decoding, "kornia_rs", None)


def is_by_simplejpeg(data):
    """Whether an image uses memory that simplejpeg wrote, which Pillow treats as read-only."""
    image = decoding.image_of(file_of(data))
    return not isinstance(image, PIL.JpegImagePlugin.JpegImageFile) and bool(image.readonly)


# --- Images


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (33, 17), (250, 131)])
@pytest.mark.parametrize("sampling", ["444", "422", "420", "440", "411"])
def test_a_jpeg_file_has_pillows_pixels(size, sampling):
    data = simplejpeg.encode_jpeg(np.asarray(noisy(*size)), 88, "RGB", sampling)
    assert is_by_simplejpeg(data)
    assert np.array_equal(ours(data), decoded(data))


@pytest.mark.parametrize(
    "options",
    [
        {"progressive": True, "subsampling": 2},
        {"progressive": True, "subsampling": 0},
        {"keep_rgb": True},  # not YCbCr
        {"optimize": True, "quality": 100},
        {"quality": 1},
        {"restart_marker_blocks": 2},
        {"icc_profile": b"a colour profile" * 20, "comment": b"a comment"},
        {"orientation": 1},
    ],
    ids=str,
)
def test_so_has_one_of_another_kind(options):
    data = encoded(noisy(61, 43), **options)
    assert is_by_simplejpeg(data)
    assert np.array_equal(ours(data), decoded(data))


@pytest.mark.parametrize(
    "data",
    [
        encoded(noisy(40, 30).convert("L")),
        encoded(noisy(40, 30).convert("CMYK")),
        encoded(noisy(40, 30), "PNG"),
        encoded(noisy(40, 30), "GIF"),
        encoded(noisy(40, 30), orientation=6),
        jpeg_with(encoded(noisy(40, 30)), b"Exif\0\0" + tiff_block(3, "big")),
        encoded(noisy(40, 30), "MPO", save_all=True, append_images=[noisy(40, 30, 1)]),
    ],
    ids=["grey", "CMYK", "PNG", "GIF", "turned a quarter", "turned a half", "two pictures"],
)
def test_all_else_is_left_to_pillow(data):
    assert not is_by_simplejpeg(data)
    assert np.array_equal(ours(data), decoded(data))


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_what_it_is_by_pillow(seed):
    """Pillow decodes half of these and refuses the others. The result is the same, and so is the error."""
    rng = random.Random(seed)
    data = bytearray(encoded(noisy(64, 48, seed), progressive=seed % 3 == 0, quality=90))
    if seed % 2:
        del data[rng.randrange(200, len(data)) :]
    else:
        for _ in range(rng.randint(1, 5)):
            data[rng.randrange(2, len(data))] = rng.randrange(256)
    fast, slow = ours(bytes(data)), decoded(bytes(data))
    assert type(fast) is type(slow)
    assert np.array_equal(fast, slow) if isinstance(slow, np.ndarray) else fast == slow


def test_pillows_limit_of_pixels_holds(monkeypatch):
    data = encoded(noisy(40, 30))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 500)  # 1,200 are more than twice as many
    assert ours(data)[0] is PIL.Image.DecompressionBombError
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.warns(PIL.Image.DecompressionBombWarning):
        assert not is_by_simplejpeg(data)
    label = file_of(label_file(width=40, height=30))
    with pytest.warns(PIL.Image.DecompressionBombWarning):
        assert isinstance(decoding.label_of(label), PIL.Image.Image)


# --- Label maps


def filtered_png(values, kinds):
    """A grey PNG file of which each row has the next filter of `kinds` (PNG specification, 9.2)."""
    left, above = (np.pad(values, pad).astype(int) for pad in (((0, 0), (1, 0)), ((1, 0), (0, 0))))
    corner = np.pad(values, ((1, 0), (1, 0)))[:-1, :-1].astype(int)
    left, above = left[:, :-1], above[:-1]
    distances = np.stack([abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)])
    paeth = np.choose(distances.argmin(0), [left, above, corner])
    predicted = [np.zeros_like(left), left, above, (left + above) // 2, paeth]
    rows = b"".join(
        bytes([kind]) + (values[y] - predicted[kind][y]).astype(np.uint8).tobytes()
        for y, kind in zip(range(len(values)), kinds * len(values))
    )
    header = values.shape[1].to_bytes(4, "big") + values.shape[0].to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return mlt_s.PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize("kinds", [[0], [1], [2], [3], [4], [4, 0, 2, 3, 1]], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (9, 1), (1, 9), (121, 67)])
def test_a_label_map_has_its_values_whatever_its_rows_were_packed_by(kinds, size):
    values = label_values(*size, seed=5)
    found = decoding.label_of(file_of(filtered_png(values, kinds)))
    assert isinstance(found, np.ndarray) and found.dtype == np.uint8
    assert np.array_equal(found, values)


def opencv_png(values):
    return cv2.imencode(".png", values)[1].tobytes()


def animated(values):
    first, second = PIL.Image.fromarray(values), PIL.Image.fromarray(255 - values)
    return encoded(first, "PNG", save_all=True, append_images=[second], default_image=False)


@pytest.mark.parametrize(
    "write, quick",
    [
        (lambda values: encoded(PIL.Image.fromarray(values), "PNG"), True),
        (opencv_png, True),
        (lambda values: encoded(PIL.Image.fromarray(values), "PNG", transparency=0), True),
        (lambda values: png_with(raw_png(values), b"tEXt", b"Software\0mlt-s weak"), True),
        (lambda values: raw_png(values, interlaced=True), False),
        (lambda values: encoded(PIL.Image.fromarray(values).convert("P"), "PNG"), False),
        (lambda values: encoded(PIL.Image.fromarray(values == 1), "PNG"), False),
        (animated, False),
    ],
    ids=["Pillow", "OpenCV", "transparent", "with text", "interlaced", "palette", "1 bit", "animated"],
)
def test_a_label_map_of_any_writer_is_what_datasets_decodes(write, quick):
    file = file_of(write(label_values(75, 41)))
    found = decoding.label_of(file)
    assert isinstance(found, np.ndarray) == quick
    assert np.array_equal(np.asarray(found), np.asarray(mlt_s.LABEL_MAP.decode_example(file)))


# --- Crops


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    scales=st.tuples(st.floats(0.05, 1), st.floats(1, 8)),
    share=st.sampled_from([0, 1]),
    epoch=st.integers(0, 99),
    sampling=st.integers(0, 2),
)
def test_crops_are_the_same_arrays_at_all_scales_and_borders(width, height, scales, share, epoch, sampling):
    transform = TrainTransform(MEAN, STD, (31, 44), scales, text_share=share, flip_share=0.5)
    transform.set_epoch(epoch)
    image, label = encoded(noisy(width, height), subsampling=sampling), label_file(3, width, height)
    from_files = transform({"image": file_of(image), "label": file_of(label), "image_id": "img_1"})
    pictures = {"image": PIL.Image.open(io.BytesIO(image)), "label": PIL.Image.open(io.BytesIO(label))}
    from_pictures = transform({**pictures, "image_id": "img_1"})
    assert np.array_equal(from_files["pixel_values"], from_pictures["pixel_values"])
    assert np.array_equal(from_files["labels"], from_pictures["labels"])


TRANSFORMS = [
    TrainTransform(MEAN, STD, (48, 64), seed=3),
    EvalTransform(MEAN, STD),
    EvalTransform(MEAN, STD, reduce=2, words=True),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["train", "evaluation", "evaluation by 2 with words"])
def test_an_archive_data_set_gives_the_arrays_that_it_gave_without(tmp_path, monkeypatch, transform):
    folder = add_words(mlt(tmp_path / "mlt", width=90, height=70), range(1, 6), range(1, 4))
    train = ArchiveDataset(folder, "train", transform, config="words")
    fast = [train[at] for at in range(5)]
    decoded_before = train.with_transform(lambda example: transform(example))
    by_datasets = [decoded_before[at] for at in range(5)]
    by_pillow(monkeypatch)
    slow = [train[at] for at in range(5)]
    for one, *others in zip(fast, by_datasets, slow):
        for other in others:
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_stream_that_is_not_decoded_gives_them_too(tmp_path):
    folder = mlt(tmp_path / "mlt", width=90, height=70)
    transform = TRANSFORMS[0]
    stream = datasets.load_dataset("mlt_s", data_dir=str(folder), split="train", streaming=True)
    from_files = list(stream.decode(False).map(transform, remove_columns=stream.column_names))
    train = ArchiveDataset(folder, "train", transform)
    assert len(from_files) == 5
    for example, expected in zip(from_files, (train[at] for at in range(5))):
        assert np.array_equal(example["pixel_values"], expected["pixel_values"])
        assert np.array_equal(example["labels"], expected["labels"])


def test_an_image_without_label_map_is_ignored_throughout(tmp_path):
    given = {"image": file_of(image_file(1)), "label": None, "image_id": "img_1"}
    assert (TRANSFORMS[0](given)["labels"] == 255).all()


# --- Whose transforms get what


def test_a_transform_of_ones_own_gets_pictures_that_it_may_draw_on(tmp_path):
    def drawn(example):
        assert example["image"].mode == "RGB" and example["image"].format == "JPEG"
        example["image"].load()[0, 0] = (1, 2, 3)
        example["label"].load()[0, 0] = 255
        return example["image"].getpixel((0, 0)), example["label"].getpixel((0, 0))

    train = ArchiveDataset(mlt(tmp_path / "mlt"), "train", drawn)
    assert train[0] == ((1, 2, 3), 255)


def test_one_that_says_that_it_decodes_gets_the_files(tmp_path):
    class Sizes:
        decodes = True

        def __call__(self, example):
            return len(example["image"]["bytes"]), example["label"]["bytes"][:8]

    train = ArchiveDataset(mlt(tmp_path / "mlt"), "train", Sizes())
    assert train[1] == (len(image_file(2)), mlt_s.PNG_SIGNATURE)
    assert train.with_transform(None)[1]["image"].size == (24, 16)


# --- Damage


def cut(data):
    return data[: len(data) * 2 // 3]


def flipped(data):
    at = len(data) * 2 // 3
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


@pytest.mark.parametrize(
    "image, label",
    [
        (cut(image_file(1, width=90, height=70)), label_file(1, 90, 70)),
        (image_file(1, width=90, height=70), cut(label_file(1, 90, 70))),
        (image_file(1, width=90, height=70), flipped(label_file(1, 90, 70))),
        (image_file(1, width=90, height=70), label_file(1, 91, 70)),
    ],
    ids=["image cut off", "label map cut off", "label map damaged", "of two sizes"],
)
def test_a_damaged_pair_ends_in_one_error_with_and_without(tmp_path, monkeypatch, image, label):
    train = ArchiveDataset(write_pairs(tmp_path, {"img_1.jpg": (image, label)}), "train", TRANSFORMS[0])
    fast = failure(lambda: train[0])
    by_pillow(monkeypatch)
    slow = failure(lambda: train[0])
    assert type(fast) is mlt_s.MltSError and str(fast) == str(slow)
    assert "img_1" in str(fast) and ".zip" in str(fast)


def with_broken_tables(jpeg):
    """A file with valid beginning and end, whose damage shows only when pixels are decoded."""
    at = jpeg.index(b"\xff\xc4") + 5  # counts of Huffman codes by length
    return jpeg[:at] + b"\xff" * 16 + jpeg[at + 16 :]


@pytest.mark.parametrize("transform", [None, lambda example: example["image"].size, TRANSFORMS[0]])
def test_what_is_found_broken_when_it_is_decoded_is_named(tmp_path, monkeypatch, transform):
    broken = with_broken_tables(image_file(1, width=90, height=70))
    train = ArchiveDataset(write_pairs(tmp_path, {"img_1.jpg": (broken, label_file(1, 90, 70))}), "train", transform)
    fast = failure(lambda: train[0])
    by_pillow(monkeypatch)
    slow = failure(lambda: train[0])
    assert str(fast) == str(slow)
    assert "img_1.jpg" in str(fast) and "ch8_training_images_1.zip" in str(fast)


def test_an_error_of_ones_own_transform_stays_what_it_is(tmp_path):
    def own(example):
        raise OSError("the disk of the transform")

    with pytest.raises(OSError, match="the disk of the transform"):
        ArchiveDataset(mlt(tmp_path / "mlt"), "train", own)[0]
