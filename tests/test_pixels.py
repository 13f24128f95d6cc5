"""The right pixels: image and label map in the stored frame, label maps as values, whatever the files hold."""

import io
import re
import zlib

import datasets
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from archives import (
    encoded,
    failure,
    image_file,
    jpeg_with,
    label_file,
    label_members,
    label_values,
    picture,
    png_chunk,
    png_with,
    raw_png,
    tiff_block,
    write_pairs,
    write_zip,
    xmp_packet,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import mlt_s

MEMBER = mlt_s.Member("/mlt/images.zip", "img_1.jpg", 1, "")
SHAPES = {"landscape": (24, 16), "portrait": (16, 24), "square": (20, 20)}
RAW = datasets.Image(decode=False)


def pixels(file: bytes) -> np.ndarray:
    """The stored pixels, as plain Pillow shows them, whatever the tags say."""
    return np.asarray(PIL.Image.open(io.BytesIO(file)).convert("RGB"))


def as_decoded(file: bytes) -> np.ndarray:
    """What `datasets` shows, which turns the picture by its tags."""
    return np.asarray(datasets.Image(mode="RGB").decode_example({"path": None, "bytes": file}))


def by_id(dataset) -> dict:
    return {example["image_id"]: example for example in dataset}


def delivered(load, folder) -> dict:
    """The files as they reach the user: id -> (image, label map)."""
    stream = load(folder, split="train", streaming=True).cast_column("image", RAW).cast_column("label", RAW)
    return {name: (example["image"]["bytes"], example["label"]["bytes"]) for name, example in by_id(stream).items()}


def turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """A label map of the stored pixels, turned as in a viewer that obeys the tag."""
    tagged = PIL.Image.open(io.BytesIO(encoded(PIL.Image.fromarray(values), "PNG", orientation=orientation)))
    return np.asarray(PIL.ImageOps.exif_transpose(tagged))


def label_png(values: np.ndarray) -> bytes:
    return encoded(PIL.Image.fromarray(values), "PNG")


# --- One frame -----------------------------------------------------------------------------------------------------


def eight_orientations(folder, format, width, height):
    """img_N has the orientation N and the seed N, as has its label map, which fits the stored pixels."""
    return write_pairs(
        folder,
        {
            f"img_{n}.jpg": (image_file(n, format, width, height, orientation=n), label_file(n, width, height))
            for n in range(1, 9)
        },
    )


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("shape", SHAPES)
def test_datasets_shows_the_stored_pixels_of_every_orientation(load_registered, tmp_path, shape, format):
    width, height = SHAPES[shape]
    dataset = by_id(load_registered(eight_orientations(tmp_path / "mlt", format, width, height), split="train"))
    for n in range(1, 9):
        untagged = pixels(image_file(n, format, width, height))
        assert np.array_equal(np.asarray(dataset[f"img_{n}"]["image"]), untagged), f"orientation {n}"


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_label_map_in_the_stored_frame_comes_back_as_the_bytes_it_was(load_registered, tmp_path, shape, format):
    width, height = SHAPES[shape]
    files = delivered(load_registered, eight_orientations(tmp_path / "mlt", format, width, height))
    for n in range(1, 9):
        assert files[f"img_{n}"][1] == label_file(n, width, height), f"orientation {n}"


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("shape", SHAPES)
def test_readers_that_obey_the_tag_and_readers_that_do_not_see_the_same(load_registered, tmp_path, shape, format):
    width, height = SHAPES[shape]
    files = delivered(load_registered, eight_orientations(tmp_path / "mlt", format, width, height))
    for n in range(1, 9):
        obeying = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(files[f"img_{n}"][0]))).convert("RGB")
        assert np.array_equal(np.asarray(obeying), pixels(files[f"img_{n}"][0])), f"orientation {n}"


@pytest.mark.parametrize("shape", ["landscape", "portrait"])
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_label_map_in_the_turned_frame_is_turned_back(load_registered, tmp_path, orientation, shape):
    width, height = SHAPES[shape]
    stored = label_values(width, height)
    label = label_png(turned(stored, orientation))
    image = image_file(0, width=width, height=height, orientation=orientation)
    (example,) = load_registered(write_pairs(tmp_path / "mlt", {"img_1.jpg": (image, label)}), split="train")
    assert np.array_equal(np.asarray(example["label"]), stored)


def test_a_palette_label_map_in_the_turned_frame_is_turned_back(load_registered, tmp_path):
    stored = label_values()
    label = raw_png(turned(stored, 6), 8, 3, palette=[7] * 768)
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image_file(orientation=6), label)})
    (example,) = load_registered(folder, split="train")
    assert np.array_equal(np.asarray(example["label"]), stored)


def test_a_label_map_with_an_orientation_of_its_own_is_not_turned(load_registered, tmp_path):
    label = encoded(PIL.Image.fromarray(label_values()), "PNG", orientation=6)
    (example,) = load_registered(write_pairs(tmp_path / "mlt", {"img_1.jpg": (image_file(), label)}), split="train")
    assert np.array_equal(np.asarray(example["label"]), label_values())


# --- The tag, wherever a file keeps it -----------------------------------------------------------------------------


def raw_profile(exif: bytes) -> bytes:
    return b"\nexif\n%8d\n" % len(exif) + b"\n".join(re.findall(b".{1,72}", exif.hex().encode())) + b"\n"


JPEG, PNG = image_file(), image_file(format="PNG")
EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
ITXT = b"XML:com.adobe.xmp\0"

CONTAINERS = {
    "jpeg, little-endian": lambda n: jpeg_with(JPEG, EXIF + tiff_block(n)),
    "jpeg, big-endian": lambda n: jpeg_with(JPEG, EXIF + tiff_block(n, "big")),
    "jpeg, 32 bits, little-endian": lambda n: jpeg_with(JPEG, EXIF + tiff_block(n, kind=4)),
    "jpeg, 32 bits, big-endian": lambda n: jpeg_with(JPEG, EXIF + tiff_block(n, "big", kind=4)),
    "jpeg, 32 bits and a sign, big-endian": lambda n: jpeg_with(JPEG, EXIF + tiff_block(n, "big", kind=9)),
    "jpeg, between other entries": lambda n: jpeg_with(
        JPEG, EXIF + tiff_block(n, before=[(0x0100, 3, 1, b"\x18\0\0\0")], after=[(0x0213, 3, 1, b"\1\0\0\0")])
    ),
    "jpeg, head twice": lambda n: jpeg_with(JPEG, EXIF + EXIF + tiff_block(n)),
    "jpeg, exif and xmp": lambda n: jpeg_with(JPEG, EXIF + tiff_block(n), XMP + xmp_packet(n)),
    "jpeg, xmp before exif": lambda n: jpeg_with(JPEG, XMP + xmp_packet(n, element=True), EXIF + tiff_block(n)),
    "jpeg, xmp attribute": lambda n: jpeg_with(JPEG, XMP + xmp_packet(n)),
    "jpeg, xmp element": lambda n: jpeg_with(JPEG, XMP + xmp_packet(n, element=True)),
    "jpeg, exif without orientation and xmp": lambda n: jpeg_with(
        JPEG, EXIF + tiff_block(1).replace(b"\x12\x01", b"\x13\x02"), XMP + xmp_packet(n)
    ),
    "jpeg, after other segments": lambda n: jpeg_with(
        jpeg_with(JPEG, EXIF + tiff_block(n)), b"ICC_PROFILE\0\1\1" + b"\xff\xe1\0\x08Exif\0\0" * 9, b"x", marker=0xE2
    ),
    "jpeg, after padding": lambda n: JPEG[:2] + b"\xff\xff\xff" + jpeg_with(JPEG, EXIF + tiff_block(n))[2:],
    "jpeg, progressive": lambda n: jpeg_with(image_file(progressive=True), EXIF + tiff_block(n)),
    "png, eXIf": lambda n: png_with(PNG, b"eXIf", tiff_block(n)),
    "png, eXIf, big-endian": lambda n: png_with(PNG, b"eXIf", tiff_block(n, "big")),
    "png, eXIf after the picture": lambda n: png_with(PNG, b"eXIf", tiff_block(n), after=True),
    "png, eXIf with JPEG's head": lambda n: png_with(PNG, b"eXIf", EXIF + tiff_block(n)),
    "png, xmp": lambda n: png_with(PNG, b"iTXt", ITXT + b"\0\0\0\0" + xmp_packet(n)),
    "png, xmp element": lambda n: png_with(PNG, b"iTXt", ITXT + b"\0\0\0\0" + xmp_packet(n, element=True)),
    "png, xmp with languages": lambda n: png_with(PNG, b"iTXt", ITXT + b"\0\0en\0XMP\0" + xmp_packet(n)),
    "png, xmp compressed": lambda n: png_with(PNG, b"iTXt", ITXT + b"\1\0\0\0" + zlib.compress(xmp_packet(n))),
    "png, xmp after the picture": lambda n: png_with(PNG, b"iTXt", ITXT + b"\0\0\0\0" + xmp_packet(n), after=True),
    "png, raw profile, zTXt": lambda n: png_with(
        PNG, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(EXIF + tiff_block(n)))
    ),
    "png, raw profile, tEXt": lambda n: png_with(
        PNG, b"tEXt", b"Raw profile type exif\0" + raw_profile(EXIF + tiff_block(n))
    ),
    "png, raw profile without head": lambda n: png_with(
        PNG, b"tEXt", b"Raw profile type exif\0" + raw_profile(tiff_block(n, "big"))
    ),
}

UNREAD = [name for name in CONTAINERS if "compressed" in name or "raw profile" in name]
READ = [name for name in CONTAINERS if name not in UNREAD]


def orientations_in(file: bytes) -> list:
    """Every orientation of 2 to 8 in the metadata of a JPEG or PNG file, found by a search of our own."""
    if file.startswith(b"\xff\xd8"):
        blocks = [file[: file.index(b"\xff\xda")]]
    else:
        blocks, at = [], 8
        while at < len(file):
            size, kind = int.from_bytes(file[at : at + 4], "big"), file[at + 4 : at + 8]
            content = file[at + 8 : at + 8 + size]
            if kind == b"eXIf":
                blocks.append(EXIF + content)
            elif content.startswith(b"Raw profile type exif\0"):
                text = zlib.decompress(content[23:]) if kind == b"zTXt" else content[22:]
                exif = bytes.fromhex(text.split(None, 2)[2].decode())
                blocks.append(exif if exif.startswith(EXIF) else EXIF + exif)
            elif content.startswith(ITXT):
                packed = content[len(ITXT)]
                text = content[len(ITXT) + 2 :].split(b"\0", 2)[2]
                blocks.append(zlib.decompress(text) if packed else text)
            at += 12 + size
    found = [int(value) for block in blocks for value in re.findall(rb"Orientation\W+([2-8])", block)]
    for block in blocks:
        for start in (match.end() for match in re.finditer(rb"Exif\0\0(?=II|MM)", block)):
            order = "little" if block[start : start + 1] == b"I" else "big"
            number = lambda at, size: int.from_bytes(block[start + at : start + at + size], order)  # noqa: E731, B023
            first = number(4, 4)
            for entry in range(first + 2, first + 2 + 12 * number(first, 2), 12):
                if number(entry, 2) == 0x0112:
                    value = number(entry + 8, 4 if number(entry + 2, 2) in (4, 9) else 2)
                    found += [value] * (value in range(2, 9))
    return found


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_tag_is_neutral_wherever_it_stands(container):
    before = CONTAINERS[container](6)
    assert set(orientations_in(before)) == {6}, "the search of our own does not see it"
    assert orientations_in(mlt_s.neutral_orientation(before)[0]) == []


@pytest.mark.parametrize("container", READ)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_that_was_is_known(container, orientation):
    assert mlt_s.neutral_orientation(CONTAINERS[container](orientation))[1] == orientation


@pytest.mark.parametrize("container", UNREAD)
@pytest.mark.parametrize("orientation", [1, 6])
def test_what_a_png_holds_packed_or_as_text_is_left_out_and_nothing_else(container, orientation):
    assert mlt_s.neutral_orientation(CONTAINERS[container](orientation)) == (PNG, 1)


@pytest.mark.parametrize("container", CONTAINERS)
def test_no_pixel_changes_with_the_tag(container):
    before = CONTAINERS[container](6)
    assert np.array_equal(as_decoded(mlt_s.stored_image(before, MEMBER)[0]), pixels(before))


def test_every_container_loads_in_the_stored_frame(load_registered, tmp_path):
    files = {f"img_{at}": make(6) for at, make in enumerate(CONTAINERS.values())}
    label = {name: label_values() if name in UNREAD else turned(label_values(), 6) for name in CONTAINERS}
    folder = write_pairs(
        tmp_path / "mlt",
        {f"{name}.png": (files[name], label_png(label[container])) for name, container in zip(files, CONTAINERS)},
    )
    dataset = by_id(load_registered(folder, split="train"))
    for (name, file), container in zip(files.items(), CONTAINERS):
        assert np.array_equal(np.asarray(dataset[name]["image"]), pixels(file)), container
        assert np.array_equal(np.asarray(dataset[name]["label"]), label_values()), container


@pytest.mark.parametrize(
    "container", [name for name in CONTAINERS if "head" not in name]
)  # older Pillows cannot read it
def test_a_tag_that_can_be_read_is_nothing_to_warn_of(container, caplog):
    mlt_s.stored_image(CONTAINERS[container](6), MEMBER)
    assert caplog.text == ""


@pytest.mark.parametrize("container", [name for name in CONTAINERS if name.startswith("jpeg") and "xmp" not in name])
def test_of_a_jpeg_only_the_tag_changes(container):
    before = CONTAINERS[container](8)
    after, _ = mlt_s.neutral_orientation(before)
    changed = [at for at in range(len(before)) if before[at] != after[at]]
    tag = re.search(rb"\x12\x01[\3\4\t]\0|\x01\x12\0[\3\4\t]", before).start()
    assert len(after) == len(before) and tag <= changed[0] and changed[-1] < tag + 12


@pytest.mark.parametrize("element", [False, True])
def test_of_xmp_in_a_jpeg_one_digit_changes(element):
    before = jpeg_with(JPEG, XMP + xmp_packet(8, element))
    assert mlt_s.neutral_orientation(before)[0] == jpeg_with(JPEG, XMP + xmp_packet(1, element))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_a_file_without_tag_comes_back_as_it_is(format):
    file = image_file(format=format)
    assert mlt_s.neutral_orientation(file) == (file, 1)


@pytest.mark.parametrize("container", READ)
def test_a_file_with_tag_1_comes_back_as_it_is(container):
    file = CONTAINERS[container](1)
    assert mlt_s.neutral_orientation(file) == (file, 1)


def test_an_entry_of_another_tag_is_no_orientation():
    """Such as the unit of the resolution, 2, which nearly every camera writes."""
    before, after = (0x0100, 3, 1, b"\6\0\0\0"), (0x0128, 3, 1, b"\2\0\0\0")
    file = jpeg_with(JPEG, EXIF + tiff_block(1, before=[before], after=[after]))
    assert mlt_s.neutral_orientation(file) == (file, 1)


def test_exif_that_says_1_beside_xmp_that_says_6_shows_the_stored_pixels():
    file = jpeg_with(JPEG, EXIF + tiff_block(1), XMP + xmp_packet(6))
    neutral, _ = mlt_s.neutral_orientation(file)
    assert orientations_in(neutral) == [] and np.array_equal(as_decoded(neutral), pixels(file))


def test_what_stands_in_the_picture_itself_is_no_tag():
    """An APP1 segment after the start of scan belongs to a thumbnail or another picture, as in files of two cameras."""
    file = JPEG + jpeg_with(JPEG, EXIF + tiff_block(6))
    assert mlt_s.neutral_orientation(file) == (file, 1)


def test_a_jpeg_that_ends_anywhere_before_its_picture_is_left_as_it_is():
    """Reading it says what is wrong; to look for its tag is no error, wherever it ends."""
    whole = jpeg_with(JPEG, EXIF + tiff_block(1))
    for end in range(2, whole.index(b"\xff\xda") + 4):
        assert mlt_s.neutral_orientation(whole[:end]) == (whole[:end], 1)


@pytest.mark.parametrize("format", ["WEBP", "TIFF"])
def test_a_file_of_another_kind_that_readers_would_turn_is_refused(load_registered, tmp_path, format):
    image = encoded(picture(), format, orientation=6)
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image, label_file())})
    error = failure(lambda: load_registered(folder))
    assert f"ch8_training_images_1.zip, member img_1.jpg is a {format} file whose orientation tag" in str(error)


def test_a_gif_reaches_the_user_as_it_is(load_registered, tmp_path):
    image = image_file(format="GIF")
    folder = write_pairs(tmp_path / "mlt", {"img_1.gif": (image, label_file())})
    assert delivered(load_registered, folder)["img_1"][0] == image


# --- Broken EXIF ---------------------------------------------------------------------------------------------------

WHOLE = (
    tiff_block(  # with a resolution, which Pillow looks for when it opens a JPEG file
        6,
        before=[(0x0100, 3, 1, b"\x18\0\0\0")],
        after=[(0x011A, 5, 1, b"\x3e\0\0\0"), (0x0128, 3, 1, b"\2\0\0\0")],
    )
    + (72).to_bytes(4, "little")
    + (1).to_bytes(4, "little")
)


def directory_at(offset: int, block: bytes = WHOLE) -> bytes:
    return block[:4] + offset.to_bytes(4, "little") + block[8:]


def entry(kind: int, count: int, value: bytes) -> bytes:
    return tiff_block(6)[:12] + kind.to_bytes(2, "little") + count.to_bytes(4, "little") + value + bytes(12)


BROKEN = {
    **{f"cut off at {size}": WHOLE[:size] for size in range(len(WHOLE))},
    **{f"directory at {at}": directory_at(at) for at in (0, 1, 2, 4, 6, 9, 20, len(WHOLE) - 1, len(WHOLE), 2**32 - 1)},
    "directory of 65,535 entries": WHOLE[:8] + b"\xff\xff" + WHOLE[10:],
    **{f"kind {kind}": entry(kind, 1, b"\6\0\0\0") for kind in (0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 99)},
    "a float": entry(11, 1, b"\0\0\xc0\x40"),
    "a rational": tiff_block(0)[:12] + b"\5\0\1\0\0\0\x1a\0\0\0" + bytes(4) + b"\6\0\0\0\1\0\0\0",
    "no value": entry(3, 0, b"\6\0\0\0"),
    "two values": entry(3, 2, b"\6\0\6\0"),
    "many values": entry(3, 2**31, b"\6\0\0\0"),
    "all the values there can be": entry(4, 2**32 - 1, b"\6\0\0\0"),
    "garbage": b"garbage garbage garbage",
    "zeros": bytes(40),
    "BigTIFF": b"II+\0" + WHOLE[4:],
    "unknown byte order": b"XX*\0" + WHOLE[4:],
    "marker bytes": b"\xff\xe1" * 20,
}
HOLDERS = {
    "jpeg": lambda block: jpeg_with(JPEG, EXIF + block),
    "jpeg with resolution": lambda block: jpeg_with(image_file(dpi=(72, 72)), EXIF + block),
    "jpeg with xmp": lambda block: jpeg_with(JPEG, EXIF + block, XMP + xmp_packet(6)),
    "png": lambda block: png_with(PNG, b"eXIf", block),
    "png after the picture": lambda block: png_with(PNG, b"eXIf", block, after=True),
    "png raw profile": lambda block: png_with(PNG, b"tEXt", b"Raw profile type exif\0" + raw_profile(block)),
    "png cut raw profile": lambda block: png_with(PNG, b"tEXt", b"Raw profile type exif\0" + raw_profile(block)[:-2]),
    "png raw profile after the picture": lambda block: png_with(
        PNG, b"tEXt", b"Raw profile type exif\0" + raw_profile(block), after=True
    ),
}


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of corrupt EXIF
@pytest.mark.parametrize("holder", HOLDERS)
def test_broken_exif_keeps_no_image_from_loading(load_registered, tmp_path, holder):
    files = {f"img_{at}": HOLDERS[holder](block) for at, block in enumerate(BROKEN.values())}
    folder = write_pairs(tmp_path / "mlt", {f"{name}.jpg": (file, label_file()) for name, file in files.items()})
    dataset = by_id(load_registered(folder, split="train"))
    expected = pixels(HOLDERS[holder](tiff_block(1)))
    for name, fault in zip(files, BROKEN):
        assert np.array_equal(np.asarray(dataset[name]["image"]), expected), fault


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("holder", ["jpeg with resolution", "png", "png after the picture"])  # of others Pillow copes
def test_exif_that_is_left_out_is_said(load_registered, tmp_path, caplog, holder):
    image = HOLDERS[holder](b"garbage garbage!")
    list(
        load_registered(
            write_pairs(tmp_path / "mlt", {"img_1.jpg": (image, label_file())}), split="train", streaming=True
        )
    )
    place = tmp_path / "mlt" / "ch8_training_images_1.zip"
    assert f"{place}, member img_1.jpg has EXIF data that cannot be read" in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_broken_exif_is_masked_and_nothing_else_of_a_jpeg(load_registered, tmp_path):
    image = jpeg_with(image_file(dpi=(72, 72)), EXIF + b"garbage garbage!")
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image, label_file())})
    assert delivered(load_registered, folder)["img_1"][0] == image.replace(b"Exif\0\0garbage", b"\0\0\0\0\0\0garbage")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_broken_exif_in_a_label_map_does_not_matter(load_registered, tmp_path, after, mode):
    label = raw_png(label_values(), 8, {"L": 0, "P": 3}[mode], palette=None if mode == "L" else range(256))
    label = png_with(label, b"eXIf", b"garbage garbage!", after)
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image_file(), label)})
    (example,) = load_registered(folder, "labels", split="train")
    assert np.array_equal(np.asarray(example["label"]), label_values())


# --- Label maps, whatever their PNG type ---------------------------------------------------------------------------

VALUES = label_values()
BINARY = (VALUES == 1).astype(np.uint8)
INDICES = np.select([VALUES == 1, VALUES == 255], [1, 2], 0).astype(np.uint8)
PUBLISHED = [0, 0, 0, 255, 0, 0, 255, 222, 0]
COLORED = np.array(PUBLISHED, np.uint8).reshape(3, 3)[INDICES]
RAINBOW = [at * 37 % 256 for at in range(768)]
OPAQUE = np.full((*VALUES.shape, 1), 255, np.uint8)
GREY_RGB = np.repeat(VALUES[:, :, None], 3, 2)

LABEL_FILES = {
    "1-bit grey": (raw_png(BINARY, 1), BINARY),
    "2-bit grey": (raw_png(BINARY, 2), BINARY),
    "4-bit grey": (raw_png(BINARY, 4), BINARY),
    "8-bit grey": (raw_png(VALUES), VALUES),
    "8-bit grey of background": (raw_png(0 * VALUES), 0 * VALUES),
    "8-bit grey, interlaced": (raw_png(VALUES, interlaced=True), VALUES),
    "16-bit grey": (raw_png(VALUES, 16), VALUES),
    "16-bit grey, interlaced": (raw_png(VALUES, 16, interlaced=True), VALUES),
    "palette, any colours": (raw_png(VALUES, 8, 3, RAINBOW), VALUES),
    "palette, one colour": (raw_png(VALUES, 8, 3, [9] * 768), VALUES),
    "palette, grey levels": (raw_png(VALUES, 8, 3, [at // 3 for at in range(768)]), VALUES),
    "palette, colours that mislead": (raw_png(VALUES, 8, 3, [255, 222, 0] + [0] * 765), VALUES),
    "palette, interlaced": (raw_png(VALUES, 8, 3, RAINBOW, interlaced=True), VALUES),
    "1-bit palette": (raw_png(BINARY, 1, 3, [200, 0, 9, 3, 70, 5]), BINARY),
    "2-bit palette": (raw_png(BINARY, 2, 3, [200, 0, 9, 3, 70, 5]), BINARY),
    "4-bit palette": (raw_png(BINARY, 4, 3, [200, 0, 9, 3, 70, 5]), BINARY),
    "2-bit palette, published colours": (raw_png(INDICES, 2, 3, PUBLISHED), VALUES),
    "8-bit palette, published colours": (raw_png(INDICES, 8, 3, PUBLISHED), VALUES),
    "8-bit palette, grey levels 0, 1, 255": (raw_png(INDICES, 8, 3, [0, 0, 0, 1, 1, 1, 255, 255, 255]), VALUES),
    "RGB, grey": (raw_png(GREY_RGB, 8, 2), VALUES),
    "RGB, published colours": (raw_png(COLORED, 8, 2), VALUES),
    "RGB, interlaced": (raw_png(COLORED, 8, 2, interlaced=True), VALUES),
    "RGBA, grey": (raw_png(np.dstack([GREY_RGB, OPAQUE]), 8, 6), VALUES),
    "RGBA, published colours": (raw_png(np.dstack([COLORED, OPAQUE]), 8, 6), VALUES),
    "grey and alpha": (raw_png(np.dstack([VALUES[:, :, None], OPAQUE]), 8, 4), VALUES),
}


@pytest.mark.parametrize("kind", LABEL_FILES)
def test_a_label_map_of_any_png_type_gives_its_values(load_registered, tmp_path, kind):
    file, values = LABEL_FILES[kind]
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image_file(), file)})
    (example,) = load_registered(folder, "labels", split="train", streaming=True)
    assert example["label"].mode == "L"
    assert np.array_equal(np.asarray(example["label"]), values)


@pytest.mark.parametrize("kind", [kind for kind in LABEL_FILES if kind.startswith("8-bit grey")])
def test_8_bit_grey_reaches_the_user_as_it_is(load_registered, tmp_path, kind):
    file = LABEL_FILES[kind][0]
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image_file(), file)})
    assert delivered(load_registered, folder)["img_1"][1] == file


TRANSPARENT = np.dstack([GREY_RGB, OPAQUE])
TRANSPARENT[0, 0, 3] = 254
LARGE = VALUES.astype(np.uint16)
LARGE[0, 0] = 256

REFUSED = {
    "RGB of other colours": (
        raw_png(GREY_RGB + np.array([0, 0, 1], np.uint8), 8, 2),
        "its colours are neither grey nor",
    ),
    "transparent RGBA": (raw_png(TRANSPARENT, 8, 6), "some of its pixels are transparent"),
    "transparent grey": (raw_png(TRANSPARENT[:, :, 2:], 8, 4), "some of its pixels are transparent"),
    "16-bit grey of larger values": (raw_png(LARGE, 16), "it holds values up to 256, a label map has at most 255"),
    "16-bit RGB": (raw_png(GREY_RGB, 16, 2), "16-bit colours"),
    "16-bit grey and alpha": (raw_png(np.dstack([VALUES, 65535 + 0 * LARGE]), 16, 4), "16-bit colours"),
    "a JPEG": (
        encoded(PIL.Image.fromarray(VALUES)),
        r"is not a PNG file, or is cut off in its header: it starts with b'\xff",
    ),
    "an empty file": (b"", "is not a PNG file, or is cut off in its header: it is empty"),
    "a text file": (b"404 Not Found", "is not a PNG file, or is cut off in its header: it starts with b'404 Not"),
    "a PNG cut off in its header": (
        label_file()[:30],
        "is not a PNG file, or is cut off in its header: it starts with",
    ),
    "a PNG with a chunk before its header": (  # Pillow would read it
        label_file()[:8] + png_chunk(b"prVt", b"\0" * 4) + label_file()[8:],
        "is not a PNG file, or is cut off in its header: it starts with",
    ),
    "a palette PNG cut off in its pixels": (raw_png(VALUES, 8, 3, RAINBOW)[:-60], "is cut off or damaged in its pixel"),
    "a PNG with a damaged header": (label_file()[:29] + b"\0\0\0\0" + label_file()[33:], "is not an image"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_no_label_map_is_refused_by_archive_and_member(load_registered, tmp_path, kind, streaming):
    file, reason = REFUSED[kind]
    folder = write_zip(tmp_path / "mlt" / "MLT_S_labels.zip", label_members({"img_1": file}, {})).parent
    error = failure(lambda: list(load_registered(folder, "labels", split="train", streaming=streaming)))
    assert f"{folder / 'MLT_S_labels.zip'}, member MLT_S_labels/training_labels/img_1.png " in str(error)
    assert reason in str(error)


NO_IMAGES = {
    "an empty file": (b"", "is not an image, or is cut off in its header: it is empty"),
    "a text file": (b"404 Not Found", "is not an image, or is cut off in its header: it starts with b'404 Not"),
    "a JPEG cut off in its header": (JPEG[:100], "cannot be opened as an image: Truncated File Read. Fetch it again."),
    "a JPEG cut off in its start": (JPEG[:3], "is not an image, or is cut off in its header: it starts with b'\\xff"),
    "a PNG cut off in its header": (PNG[:20], "cannot be opened as an image: Truncated File Read. Fetch it again."),
    "a picture too large for any reader": (
        PNG[:16]
        + (60000).to_bytes(4, "big") * 2
        + PNG[24:29]
        + zlib.crc32(b"IHDR" + (60000).to_bytes(4, "big") * 2 + PNG[24:29]).to_bytes(4, "big")
        + PNG[33:],
        "is too large: Image size (3600000000 pixels) exceeds limit of ",
    ),
}


@pytest.mark.parametrize("kind", NO_IMAGES)
@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_no_image_is_refused_by_archive_and_member(load_registered, tmp_path, kind, streaming):
    file, reason = NO_IMAGES[kind]
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (file, label_file())})
    error = failure(lambda: list(load_registered(folder, split="train", streaming=streaming)))
    assert f"{folder / 'ch8_training_images_1.zip'}, member img_1.jpg {reason}" in str(error)


# --- Sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "width, height, orientation",
    [(24, 15, None), (25, 16, None), (12, 8, None), (16, 24, None), (16, 24, 1), (16, 24, 3), (16, 25, 6)],
)
def test_sizes_that_nothing_explains_are_refused_with_both_names(load_registered, tmp_path, width, height, orientation):
    image = image_file(orientation=orientation)
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image, label_file(0, width, height))})
    text = str(failure(lambda: load_registered(folder)))
    assert f"member MLT_S_labels/training_labels/img_1.png is {width} x {height}, " in text
    assert "ch8_training_images_1.zip, member img_1.jpg is 24 x 16 " in text


def test_a_label_map_cut_off_in_its_pixels_that_has_to_be_turned_is_refused(load_registered, tmp_path):
    label = label_file(0, 16, 24)[:-60]
    folder = write_pairs(tmp_path / "mlt", {"img_1.jpg": (image_file(orientation=6), label)})
    text = str(failure(lambda: load_registered(folder)))
    assert "MLT_S_labels.zip, member MLT_S_labels/training_labels/img_1.png is cut off or damaged in its pixel" in text


# --- Whatever comes ------------------------------------------------------------------------------------------------

ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 2**16 - 1).filter(lambda tag: tag != 0x0112),
        st.integers(0, 13),
        st.integers(0, 4),
        st.binary(min_size=4, max_size=4),
    ),
    max_size=4,
)
WAYS = {
    "jpeg": lambda block, n: jpeg_with(JPEG, EXIF + block),
    "jpeg with xmp": lambda block, n: jpeg_with(JPEG, EXIF + block, XMP + xmp_packet(n)),
    "png": lambda block, n: png_with(PNG, b"eXIf", block),
    "png after the picture": lambda block, n: png_with(PNG, b"eXIf", block, after=True),
    "png raw profile": lambda block, n: png_with(
        PNG, b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw_profile(EXIF + block))
    ),
}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    way=st.sampled_from(sorted(WAYS)),
    orientation=st.integers(1, 8),
    order=st.sampled_from(["little", "big"]),
    kind=st.sampled_from([3, 4]),
    before=ENTRIES,
    after=ENTRIES,
)
def test_any_exif_becomes_neutral_and_no_pixel_changes(way, orientation, order, kind, before, after):
    file = WAYS[way](tiff_block(orientation, order, kind, 1, before, after), orientation)
    neutral, found = mlt_s.neutral_orientation(file)
    assert found == (1 if way == "png raw profile" else orientation)
    with PIL.Image.open(io.BytesIO(neutral)) as image:
        assert image.getexif().get(0x0112) not in range(2, 9)
    assert np.array_equal(pixels(neutral), pixels(file))


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    holder=st.sampled_from(sorted(HOLDERS)),
    changes=st.dictionaries(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), min_size=1, max_size=6),
)
def test_whatever_happens_to_exif_the_picture_shows_its_stored_pixels(holder, changes):
    block = bytearray(WHOLE)
    for at, value in changes.items():
        block[at] = value
    image, size, _ = mlt_s.stored_image(HOLDERS[holder](bytes(block)), MEMBER)
    assert size == (24, 16)
    assert np.array_equal(as_decoded(image), pixels(HOLDERS[holder](tiff_block(1))))
