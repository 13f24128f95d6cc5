"""No input hurts: each loads right, or gives one clear error that says what, where and what to do.

The table is the promise. "loads" is to the pixels right; anything else is the text of the `MltSError`, prepared and
streaming, in which "..." stands for what the version of Pillow or Python words. {images} and {labels} are the paths of
the archives, {image} and {label} their members as errors name them, {folder} is `data_dir`.
"""

from __future__ import annotations

import ctypes
import functools
import io
import json
import os
import re
import resource
import shutil
import struct
import subprocess
import sys
import textwrap
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Callable, NamedTuple

import forks
import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from archives import (
    encoded,
    failure,
    image_file,
    jpeg_with,
    label_file,
    label_members,
    label_values,
    png_chunk,
    png_with,
    raw_png,
    tiff_block,
    unpacked,
    write_pairs,
    write_zip,
)
from conftest import ROOT, Loader

EMPTY = "the library's EmptyDatasetError"  # which looks before a registered builder runs
NO_IMAGES = "There are no images of MLT in {folder}. Register at https://rrc.cvc.uab.es/?ch=8&com=downloads ..."
NO_ARCHIVE = "{images} (...) is not a zip archive, or is cut off or damaged: .... Fetch it again."
NOT_READ = "{image} cannot be read: {reason}. It is damaged, or was replaced ...: fetch it again, or ..."
CUT_OFF = "{image} is cut off or damaged in its pixels: .... Fetch it again."
TOO_LARGE = (
    "{image} is too large: Image size (... pixels) exceeds limit of ... pixels, ... If the file is to be trusted, set "
    "PIL.Image.MAX_IMAGE_PIXELS to at least its number of pixels before you load, and in every process that decodes it."
)
TOO_MUCH_TEXT = (
    "{image} holds more text, or a larger colour profile, than Pillow reads (...). If the file is to be trusted, set "
    "PIL.PngImagePlugin.MAX_TEXT_CHUNK (bytes of one, by default 1 MB) and MAX_TEXT_MEMORY (of all) higher before you "
    "load, and in every process that decodes it; or save the file without them."
)
NO_LABEL_MAP = "{label} cannot be read as a label map (PNG, mode ...): {reason}. One channel of 0, 1 and 255 is ..."
OTHER_SIZE = (
    "A label map of another size than its image: {label} is ..., {image} is 24 x 16 (width x height, stored). They do "
    "not belong together: find out which of the two is not MLT's, ..."
)

GETS = {
    # --- the folder
    "an empty folder": NO_IMAGES,
    "an empty folder, by name": EMPTY,
    "a file instead of a folder": NO_IMAGES,
    "a file instead of a folder, by name": EMPTY,
    "no rights to read the folder": "Cannot read {folder}: [Errno 13] Permission denied: '{folder}'. Check that it is "
    "there and that you may read it.",
    "no rights to read the folder, by name": EMPTY,
    "no rights to read a folder in it": "loads",
    "no rights to read a folder of MLT's": "Cannot read {folder}/ch8_training_images_1: [Errno 13] Permission denied: "
    "'{folder}/ch8_training_images_1'. Check that it is there and that you may read it.",
    "no rights to read a folder of images": "Cannot be read, passed over: {folder}/train (Permission denied). ...",
    "no rights to read an archive": "Cannot read {images}: [Errno 13] Permission denied: '{images}'. Check that it is "
    "there and that you may read it.",
    "no rights to read a loose file": "Cannot read {folder}/ch8_training_images_1/img_1.jpg: [Errno 13] Permission "
    "denied: ....  Check that it is there and that you may read it.",
    "a folder with spaces and quotes": "loads",
    "a folder with brackets": "loads",
    "a folder with brackets, by name": EMPTY,
    "folders that link to each other in a circle": "loads",
    "a link to itself": "loads",
    "a pipe where an archive should be": "There is nothing at {folder}/pipe.zip: check data_dir and label_maps.",
    "a loose file whose name is not UTF-8": "'{folder}/...img_\\udcff.png' has a name that is not UTF-8, which no data "
    "set can hold: rename it.",
    # --- the archive
    "an archive cut off in the middle": NO_ARCHIVE,
    "an archive cut off in its directory": NO_ARCHIVE,
    "an empty file named .zip": NO_ARCHIVE,
    "a flipped byte in a member": NOT_READ.replace("{reason}", "its CRC-32 is not the one in the archive's directory"),
    "a flipped bit in the name in the directory": "1 label map of the train split without an image: img_1. ...",
    "a name in the directory that became another one's": NOT_READ.replace(
        "{reason}", "the member there has another name than in the archive's directory"
    ),
    "an encrypted member": "{image} is encrypted, which this loader does not read. Unpack the archive into a folder.",
    "zip64": "loads",
    "absolute names": "loads",
    "names with ../": "loads",
    "two members of one name and content": "loads",
    "two members of one name and two contents": "One name, two contents: {image} (JPG, ... bytes) and {image} (JPG, "
    "... bytes) are taken for one file of one split. ...",
    "100,000 members more": "loads",
    "names in the encoding of old Windows": "loads",
    "names that claim to be UTF-8 and are not": NO_ARCHIVE,
    "names in Arabic": "loads",
    "names in Chinese": "loads",
    "names composed in one archive and decomposed in the other, as macOS does": "loads",
    # --- the image
    "a member of 0 bytes": "{image} is not an image, or is cut off in its header: it is empty. Fetch it again.",
    "a text file named .jpg": "{image} is not an image, or is cut off in its header: it starts with b'404 Not Found'. "
    "Fetch it again.",
    "a PostScript file named .jpg": "{image} is not an image, or is cut off in its header: it starts with "
    "b'%!PS-Adobe-3.0 E'. Fetch it again.",  # Pillow would run it
    "a JPEG cut off": CUT_OFF,
    "a JPEG cut off in its last byte": CUT_OFF,  # all pixels are there, but no reader goes on without the end
    "a JPEG whose end is zeros": CUT_OFF,
    "a JPEG with something behind it": "loads",
    "a PNG cut off": CUT_OFF,
    "a PNG without its end": "loads",
    "a GIF cut off": CUT_OFF,
    "a GIF without its end": "loads",
    "a decompression bomb": TOO_LARGE,
    "a PNG of 20,000 x 20,000": TOO_LARGE,  # with a higher limit it loads
    "a PNG of 1 x 1": "loads",
    "a PNG of 0 x 0": "{image} is not an image, or is cut off in its header: it starts with .... Fetch it again.",
    "a PNG whose metadata unpacks to 10 MB": TOO_MUCH_TEXT,  # with a higher limit it loads
    "a PNG with 70 MB of text": TOO_MUCH_TEXT,
    "a PNG with a colour profile of 2 MB": TOO_MUCH_TEXT,
    "a PNG with a colour profile of 2 MB behind its pixels": TOO_MUCH_TEXT,
    "a PNG of 16-bit grey": "{image} has more than 8 bits a channel (mode I...), and `datasets` would show it as "
    "nearly white: save it with 8.",
    "EXIF cut off": "loads",
    "EXIF that is a circle": "loads",
    "EXIF of a wrong type": "loads",
    # --- the label map
    "a label map of 0 bytes": "{label} is not a PNG file, or is cut off in its header: it is empty. Fetch its archive "
    "again.",
    "a label map cut off": CUT_OFF.replace("{image}", "{label}"),
    "a label map of 1 bit": "loads",
    "a label map of 16 bits": "loads",
    "a label map of 16 bits that are needed": NO_LABEL_MAP.replace("{reason}", "it holds values up to 256, ..."),
    "a label map in RGB": "loads",
    "a label map in RGBA": "loads",
    "a label map in RGB of other colours": NO_LABEL_MAP.replace("{reason}", "its colours are neither grey nor ..."),
    "a label map whose palette is shorter than its indices": "loads",
    "an interlaced label map": "loads",
    "a label map with the values 2 and 254": "loads",  # as it is: `mlt-s check --pixels` reports it
    "a label map of another size": OTHER_SIZE,
    "a label map turned by 90 degrees": OTHER_SIZE,
    "a label map turned as the image's tag says": "loads",
    "a label map of 20,000 x 20,000": TOO_LARGE.replace("{image}", "{label}"),
    "a label map with 2 MB of text": TOO_MUCH_TEXT.replace("{image}", "{label}"),
    "a label map with a colour profile of 2 MB": TOO_MUCH_TEXT.replace("{image}", "{label}"),
    # --- the machine
    "the disk full while preparing": "There is no space left to prepare MLT_S in {cache}: the whole set takes 7 GB. "
    "Free some, or load with another cache_dir, or with streaming=True, which takes none. Nothing half done is kept.",
}

# Tested where the rest of its kind is.
ELSEWHERE = {
    "a folder that is not there": "test_join.py::test_of_a_folder_that_is_not_there_it_says_that",
    "an archive cut off anywhere": (
        "test_archives.py::test_what_is_no_whole_archive_is_said_before_anything_is_prepared"
    ),
    "a member that claims another size": "test_archives.py::test_little_is_unpacked_of_what_would_fill_the_memory",
    "an archive replaced while it is read": (
        "test_archives.py::test_an_archive_that_is_replaced_after_it_was_opened_gives_an_error"
    ),
    "EXIF broken in any way": "test_pixels.py::test_broken_exif_keeps_no_image_from_loading",
    "a label map of any PNG type": "test_pixels.py::test_a_label_map_of_any_png_type_gives_its_values",
    "the process killed while preparing": "test_cache.py::test_a_killed_preparation_leaves_nothing_to_trip_over",
    "the server answers 403, 404, 500, a web page, a login page, nothing, half": (
        "test_download.py::test_what_is_not_the_archive_is_said_and_leaves_nothing"
    ),
}


# --- What is in the table, made ------------------------------------------------------------------------------------

IMAGES, LABELS = "ch8_training_images_1.zip", "MLT_S_labels.zip"
IMAGE, PNG, GIF, LABEL = image_file(1), image_file(1, "PNG"), image_file(1, "GIF"), label_file(1)
VALUES = label_values(seed=1)
BINARY, OPAQUE = (VALUES == 1).astype(np.uint8), np.full_like(VALUES, 255)


def unchanged(folder: Path) -> None:
    pass


class Input(NamedTuple):
    """One pair, and what happens to its folder; the last returns another `data_dir` where that is needed."""

    image: bytes = IMAGE
    label: bytes = LABEL
    values: np.ndarray = VALUES  # of the label map, as they are to arrive
    stem: str = "img_1"
    spoil: Callable[[Path], Path | None] = unchanged


def of_size(png: bytes, width: int, height: int) -> bytes:
    header = png[12:16] + width.to_bytes(4, "big") + height.to_bytes(4, "big") + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


def emptied(folder):
    for archive in folder.iterdir():
        archive.unlink()


def a_file(folder):
    shutil.rmtree(folder)
    folder.write_bytes(b"no archive")


def renamed(name):
    return lambda folder: folder.rename(folder.parent / name)


def linked_in_a_circle(folder):
    (folder / "more").mkdir()
    (folder / "more" / "back").symlink_to(folder)
    (folder / "again").symlink_to(folder / "more")


def of_no_unicode(folder):
    for archive, name in ((IMAGES, b"img_\xff.jpg"), (LABELS, b"img_\xff.png")):
        for file in list(unpacked(folder / archive, folder / archive[:-4]).rglob("img_1.*")):
            os.rename(file, os.path.join(os.fsencode(file.parent), name))


def images_as(change):
    """The image archive's bytes, changed."""

    def spoil(folder):
        data = (folder / IMAGES).read_bytes()
        (folder / IMAGES).write_bytes(change(data))

    return spoil


def header_set(at: int, value: bytes):
    """Bytes of the last entry in the directory of the image archive."""

    def change(data):
        start = data.rindex(b"PK\1\2") + at
        return data[:start] + value + data[start + len(value) :]

    return images_as(change)


def names_swapped(folder):
    """img_2 is there as well, and of the same size; in the directory, not in the members, the two change names."""
    write_zip(folder / IMAGES, {"img_1.jpg": IMAGE, "img_2.jpg": image_file(2)})
    data = (folder / IMAGES).read_bytes()
    start = data.index(b"PK\1\2")
    directory = data[start:].replace(b"img_1", b"img_X").replace(b"img_2", b"img_1").replace(b"img_X", b"img_2")
    (folder / IMAGES).write_bytes(data[:start] + directory)


def as_zip64(folder):
    with zipfile.ZipFile(folder / IMAGES, "w") as archive, archive.open("img_1.jpg", "w", force_zip64=True) as member:
        member.write(IMAGE)


def image_named(name):
    def spoil(folder):
        write_zip(folder / IMAGES, {name: IMAGE})

    return spoil


def stored_and_flipped(folder):
    write_zip(folder / IMAGES, {"img_1.jpg": IMAGE}, zipfile.ZIP_STORED)
    images_as(lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:])(folder)


def twice(other):
    def spoil(folder):
        with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(folder / IMAGES, "a") as archive:
            archive.writestr("img_1.jpg", other)

    return spoil


def with_many_members(folder, count=100_000):
    data = (folder / IMAGES).read_bytes()
    start = data.index(b"PK\1\2")
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0)
    directory = data[start : data.index(b"PK\5\6")]
    directory += b"".join(entry + b"%06d.jpg" % at for at in range(count))
    end = start + len(directory)
    count += 1
    (folder / IMAGES).write_bytes(
        data[:start]
        + directory
        + struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), start)
        + struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), start, 0)
    )


def replaced_in_both(old, new):
    def spoil(folder):
        for name in (IMAGES, LABELS):
            (folder / name).write_bytes((folder / name).read_bytes().replace(old, new))

    return spoil


COMPOSED = unicodedata.normalize("NFC", "Plakát_が_1")


def decomposed(folder):
    write_zip(folder / IMAGES, {unicodedata.normalize("NFD", f"{COMPOSED}.jpg"): IMAGE})


TEXT = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000)))
PROFILE = (b"iCCP", b"icc\0\0" + zlib.compress(bytes(2_000_000)))


def metadata_bomb():
    return png_with(PNG, b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10_000_000)))


def circular_exif():
    """A directory whose sub-directory and next directory are itself, with an orientation in between."""
    block = tiff_block(6, after=[(0x8769, 4, 1, (8).to_bytes(4, "little"))])
    return jpeg_with(IMAGE, b"Exif\0\0" + block[:-4] + (8).to_bytes(4, "little"))


def rgb(values):
    return np.repeat(values[:, :, None], 3, 2)


NO_PIXELS = b"".join(
    [
        b"\x89PNG\r\n\x1a\n",
        png_chunk(b"IHDR", bytes(8) + b"\x08\2\0\0\0"),
        png_chunk(b"IDAT", zlib.compress(b"")),
        PNG[-12:],
    ]
)
ODD = np.where(VALUES == 1, 2, np.where(VALUES == 255, 254, 0)).astype(np.uint8)
WIDE = VALUES.astype(np.uint16) + 1
QUOTES = "my 'mlt' \"set\" (2), %20 #1; $HOME `x` * ünï"
TURNED = np.ascontiguousarray(np.rot90(VALUES, -1))  # clockwise, as a viewer that obeys tag 6 would show it

INPUTS = {
    "an empty folder": Input(spoil=emptied),
    "a file instead of a folder": Input(spoil=a_file),
    "a folder with spaces and quotes": Input(spoil=renamed(QUOTES)),
    "a folder with brackets": Input(spoil=renamed("mlt [2017]")),
    "folders that link to each other in a circle": Input(spoil=linked_in_a_circle),
    "a link to itself": Input(spoil=lambda folder: (folder / "self").symlink_to(folder / "self")),
    "a loose file whose name is not UTF-8": Input(spoil=of_no_unicode),
    "an archive cut off in the middle": Input(spoil=images_as(lambda data: data[: len(data) // 2])),
    "an archive cut off in its directory": Input(spoil=images_as(lambda data: data[: data.index(b"PK\1\2") + 20])),
    "an empty file named .zip": Input(spoil=images_as(lambda data: b"")),
    "a flipped byte in a member": Input(spoil=stored_and_flipped),
    "a flipped bit in the name in the directory": Input(spoil=header_set(46, b"img_3.jpg")),
    "a name in the directory that became another one's": Input(spoil=names_swapped),
    "an encrypted member": Input(spoil=header_set(8, b"\1")),
    "zip64": Input(spoil=as_zip64),
    "absolute names": Input(spoil=image_named("/tmp/img_1.jpg")),
    "names with ../": Input(spoil=image_named("../../../img_1.jpg")),
    "two members of one name and content": Input(spoil=twice(IMAGE)),
    "two members of one name and two contents": Input(spoil=twice(image_file(2))),
    "100,000 members more": Input(spoil=with_many_members),
    "names in the encoding of old Windows": Input(stem="img_éæ", spoil=replaced_in_both(b"img_XX", b"img_\x82\x91")),
    "names that claim to be UTF-8 and are not": Input(
        stem="é", spoil=images_as(lambda data: data.replace("é".encode(), b"\xff\xfe"))
    ),
    "names in Arabic": Input(stem="لافتة_١"),
    "names in Chinese": Input(stem="招牌_1"),
    "names composed in one archive and decomposed in the other, as macOS does": Input(stem=COMPOSED, spoil=decomposed),
    "a member of 0 bytes": Input(b""),
    "a text file named .jpg": Input(b"404 Not Found"),
    "a PostScript file named .jpg": Input(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 24 16\nshowpage\n"),
    "a JPEG cut off": Input(IMAGE[:-40]),
    "a JPEG cut off in its last byte": Input(IMAGE[:-1]),
    "a JPEG whose end is zeros": Input(IMAGE[:-40] + bytes(40)),
    "a JPEG with something behind it": Input(IMAGE + b"of the camera's own"),
    "a PNG cut off": Input(PNG[:-60]),
    "a PNG without its end": Input(PNG[:-12]),
    "a GIF cut off": Input(GIF[:-20]),
    "a GIF without its end": Input(GIF[:-1]),
    "a decompression bomb": Input(of_size(PNG, 2**31 - 1, 2**31 - 1)),
    "a PNG of 20,000 x 20,000": Input(of_size(PNG, 20_000, 20_000)),
    "a PNG of 1 x 1": Input(image_file(1, "PNG", 1, 1), label_file(1, 1, 1), label_values(1, 1, 1)),
    "a PNG of 0 x 0": Input(NO_PIXELS),
    "a PNG whose metadata unpacks to 10 MB": Input(metadata_bomb()),
    "a PNG with 70 MB of text": Input(png_with(PNG, b"tEXt", b"Comment\0" + bytes(70_000_000))),
    "a PNG with a colour profile of 2 MB": Input(png_with(PNG, *PROFILE)),
    "a PNG with a colour profile of 2 MB behind its pixels": Input(png_with(PNG, *PROFILE, after=True)),
    "a PNG of 16-bit grey": Input(raw_png(np.full((16, 24), 3000, np.uint16), 16)),
    "EXIF cut off": Input(jpeg_with(IMAGE, b"Exif\0\0" + tiff_block(6)[:20])),
    "EXIF that is a circle": Input(circular_exif()),
    "EXIF of a wrong type": Input(jpeg_with(IMAGE, b"Exif\0\0" + tiff_block(6, kind=2))),
    "a label map of 0 bytes": Input(label=b""),
    "a label map cut off": Input(label=LABEL[:-60]),
    "a label map of 1 bit": Input(label=raw_png(BINARY, 1), values=BINARY),
    "a label map of 16 bits": Input(label=raw_png(VALUES, 16)),
    "a label map of 16 bits that are needed": Input(label=raw_png(WIDE, 16)),
    "a label map in RGB": Input(label=raw_png(rgb(VALUES), 8, 2)),
    "a label map in RGBA": Input(label=raw_png(np.dstack([rgb(VALUES), OPAQUE]), 8, 6)),
    "a label map in RGB of other colours": Input(label=raw_png(rgb(VALUES) + np.array([0, 0, 1], np.uint8), 8, 2)),
    "a label map whose palette is shorter than its indices": Input(label=raw_png(VALUES, 8, 3, [9, 9, 9, 200, 0, 0])),
    "an interlaced label map": Input(label=raw_png(VALUES, interlaced=True)),
    "a label map with the values 2 and 254": Input(label=raw_png(ODD), values=ODD),
    "a label map of another size": Input(label=label_file(1, 24, 15)),
    "a label map turned by 90 degrees": Input(label=raw_png(TURNED)),
    "a label map turned as the image's tag says": Input(image_file(1, orientation=6), raw_png(TURNED)),
    "a label map of 20,000 x 20,000": Input(label=of_size(LABEL, 20_000, 20_000)),
    "a label map with 2 MB of text": Input(label=png_with(LABEL, *TEXT)),
    "a label map with a colour profile of 2 MB": Input(label=png_with(LABEL, *PROFILE)),
}  # fmt: skip


def made(name: str, folder: Path) -> Path:
    """The `data_dir` of that input."""
    given = INPUTS[name]
    stem = "img_XX" if "old Windows" in name else given.stem
    write_pairs(folder, {f"{stem}.jpg": (given.image, given.label)})
    return given.spoil(folder) or next(folder.parent.glob("m*"))


def pattern(text: str, folder: Path, **others) -> str:
    """The regular expression of a text of the table."""
    images, labels = folder / IMAGES, folder / LABELS
    image, label = f"{images}, member img_1.jpg", f"{labels}, member MLT_S_labels/training_labels/img_1.png"
    places = {"folder": folder, "images": images, "labels": labels, "image": image, "label": label, **others}
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", str(place))
    return r"\s+".join(map(re.escape, text.split())).replace(r"\.\.\.", ".*")


def assert_is(error: Exception, text: str, folder: Path, **others) -> None:
    assert re.fullmatch(pattern(text, folder, **others), str(error), re.DOTALL), str(error)


MACHINE = {name for name in GETS if name.startswith(("no rights", "the disk", "a pipe"))}  # tests of their own, below


@pytest.mark.filterwarnings("ignore")  # Pillow's own, of corrupt EXIF
@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
@pytest.mark.parametrize("name", [name for name in GETS if name not in MACHINE])
def test_what_each_input_gets(tmp_path, name, streaming):
    of, gets = name.replace(", by name", ""), GETS[name]
    route = "class" if f"{name}, by name" in GETS else "registered"
    folder = made(of, tmp_path / "mlt")
    load = Loader(route, tmp_path / "cache")
    if gets == "loads":
        (example,) = load(folder, split="train", streaming=streaming)
        assert_is_the_pair(example, INPUTS[of])
    elif gets == EMPTY:
        with pytest.raises(Exception) as raised:
            load(folder, split="train", streaming=streaming)
        assert type(raised.value).__name__ in EMPTY
    else:
        assert_is(failure(lambda: list(load(folder, split="train", streaming=streaming))), gets, folder)


def assert_is_the_pair(example: dict, given: Input) -> None:
    assert example["image_id"] == given.stem
    stored = PIL.Image.open(io.BytesIO(given.image)).convert("RGB")
    assert np.array_equal(np.asarray(example["image"]), np.asarray(stored))
    assert np.array_equal(np.asarray(example["label"]), given.values)


def test_the_table_and_what_is_made_agree():
    assert set(INPUTS) == {name.replace(", by name", "") for name in set(GETS) - MACHINE}


@pytest.mark.parametrize("place", ELSEWHERE.values())
def test_what_is_tested_elsewhere_is_there(place):
    file, _, name = place.partition("::")
    assert f"def {name}(" in (ROOT / "tests" / file).read_text(encoding="utf-8")


# --- The machine ---------------------------------------------------------------------------------------------------


def run(code: str, *arguments, before=None, **environment) -> str:
    """What another Python prints that runs the code."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]), **environment}
    if before is None:
        done = forks.python(code, *arguments, env=environment)
    else:
        command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
        done = subprocess.run(command, env=environment, preexec_fn=before, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_anybody() -> None:
    """Takes root's right to read all files away (on Linux: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)."""
    if os.geteuid() == 0:
        for capability in (1, 2):
            assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


LOCKED = {
    "no rights to read the folder": lambda folder: folder,
    "no rights to read a folder in it": lambda folder: folder / "more",
    "no rights to read a folder of MLT's": lambda folder: unpacked(folder / IMAGES),
    "no rights to read a folder of images": lambda folder: unpacked(folder / IMAGES, folder / "train"),
    "no rights to read an archive": lambda folder: folder / IMAGES,
    "no rights to read a loose file": lambda folder: unpacked(folder / IMAGES) / "img_1.jpg",
}


def test_what_it_gets_without_rights(tmp_path):
    asked = []
    for name in GETS:
        if name.startswith("no rights"):
            for streaming in (False, True):
                folder = write_pairs(tmp_path / str(len(asked)) / "mlt", {"img_1.jpg": (IMAGE, LABEL)})
                (folder / "more").mkdir()
                LOCKED[name.replace(", by name", "")](folder).chmod(0)
                asked.append((name, str(folder), streaming))
    code = """
        import json, sys
        from archives import failure
        from conftest import Loader
        for name, folder, streaming in json.loads(sys.argv[1]):
            load = Loader("class" if name == "no rights to read the folder" else "registered", sys.argv[2])
            try:
                ids = [example["image_id"] for example in load(folder, split="train", streaming=streaming)]
                said = ["loads", ids]
            except Exception:
                try:
                    error = failure(lambda: list(load(folder, split="train", streaming=streaming)))
                except AssertionError as other:
                    error = other.__context__
                said = [type(error).__name__, str(error)]
            print(json.dumps(said))
    """
    said = run(code, json.dumps(asked), tmp_path / "cache", before=as_anybody).splitlines()
    for (name, folder, _), (kind, text) in zip(asked, map(json.loads, said)):
        if GETS[name] in ("loads", EMPTY):
            assert kind in GETS[name] and text == ["img_1"] if kind == "loads" else text
        else:
            assert re.fullmatch(pattern(GETS[name], Path(folder)), text, re.DOTALL), text
    assert len(said) == len(asked)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    load = Loader("class", tmp_path / "cache")
    error = failure(lambda: load(tmp_path / "pipe.zip", streaming=True))
    assert_is(error, GETS["a pipe where an archive should be"], tmp_path)


@pytest.mark.parametrize("num_proc", [None, 2])
def test_a_full_disk_is_said_and_the_next_load_is_whole(load_registered, tmp_path, num_proc):
    noise = np.random.default_rng(0).integers(0, 256, (40, 100, 100, 3), dtype=np.uint8)
    images = [encoded(PIL.Image.fromarray(pixels), "PNG") for pixels in noise]
    pairs = {f"img_{at}.png": (image, label_file(at, 100, 100)) for at, image in enumerate(images)}
    folder = write_pairs(tmp_path / "mlt", pairs)
    code = """
        import sys
        from archives import failure
        from conftest import Loader
        print(failure(lambda: Loader("registered", sys.argv[2])(sys.argv[1], num_proc=eval(sys.argv[3]))))
    """
    full = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    said = run(code, folder, load_registered.cache, num_proc, before=full).strip()
    text = GETS["the disk full while preparing"]
    assert re.fullmatch(pattern(text, folder, cache=load_registered.cache), said), said
    assert len(load_registered(folder, num_proc=num_proc)["train"]) == 40


def test_a_higher_limit_loads_what_is_too_large(load_registered, tmp_path, monkeypatch):
    folder = write_pairs(tmp_path / "mlt", {"img_1.png": (PNG, LABEL)})
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 24 * 16 // 2 - 1)
    assert "MAX_IMAGE_PIXELS" in str(failure(lambda: load_registered(folder)))
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 24 * 16)
    (example,) = load_registered(folder, split="train")
    assert_is_the_pair(example, Input(PNG))


@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind them"])
def test_a_higher_limit_loads_what_has_much_text(load_registered, tmp_path, monkeypatch, behind):
    """A picture that an editor saved with its history, or a scanner with a profile."""
    png = png_with(png_with(PNG, *PROFILE), *TEXT, after=behind)
    folder = write_pairs(tmp_path / "mlt", {"img_1.png": (png, png_with(LABEL, *TEXT, after=behind))})
    said = str(failure(lambda: load_registered(folder)))
    assert "MAX_TEXT_CHUNK" in said and "etch" not in said
    monkeypatch.setattr(PIL.PngImagePlugin, "MAX_TEXT_CHUNK", 4_000_000)
    (example,) = load_registered(folder, split="train")
    assert_is_the_pair(example, Input(png))


# --- Nothing is written but the cache ------------------------------------------------------------------------------

HOSTILE = [
    "../../out/img_2.jpg",
    "/tmp/mlt_s_hostile/img_3.jpg",
    "..\\..\\out\\img_4.jpg",
    "img_5.jpg",
    "~/img_6.jpg",
    "C:\\img_7.jpg",
]


def test_hostile_archives_write_nowhere_and_run_nothing(tmp_path):
    """Home, working directory and temporary files are below `tmp_path`; a PostScript interpreter waits in the path."""
    for folder in ("out", "home", "here", "bin", "cache"):
        (tmp_path / folder).mkdir()
    script = tmp_path / "bin" / "gs"
    script.write_text(f"#!/bin/sh\necho run > {tmp_path}/out/run\n")
    script.chmod(0o755)
    stems = [re.split(r"[/\\]", name)[-1][:-4] for name in HOSTILE]
    named = write_zip(tmp_path / "user" / "named" / IMAGES, {name: IMAGE for name in HOSTILE}).parent
    write_zip(named / LABELS, label_members({stem: LABEL for stem in stems}, {}))
    linked = write_pairs(tmp_path / "user" / "linked", {"img_1.jpg": (IMAGE, LABEL)})
    with zipfile.ZipFile(linked / IMAGES, "w") as archive:
        link = zipfile.ZipInfo("img_1.jpg")
        link.external_attr = 0o120777 << 16  # a link
        archive.writestr(link, str(tmp_path / "out" / "linked.jpg"))
    run_by = INPUTS["a PostScript file named .jpg"].image
    to_run = write_pairs(tmp_path / "user" / "to_run", {"img_1.jpg": (run_by, LABEL)})
    code = """
        import sys
        from archives import failure
        from conftest import Loader
        named, linked, to_run, cache = sys.argv[1:]
        load = Loader("registered", cache)
        for streaming in (False, True):
            print(len(list(load(named, split="train", streaming=streaming))))
            for refused in (linked, to_run):
                print(failure(lambda: list(load(refused, split="train", streaming=streaming))))
    """
    places = {"HOME": "home", "TMPDIR": "cache", "XDG_CACHE_HOME": "cache", "PATH": "bin"}
    environment = {name: str(tmp_path / place) for name, place in places.items()}
    environment["PATH"] += os.pathsep + os.environ["PATH"]
    before = set(tmp_path.rglob("*"))
    start = f"import os; os.chdir({str(tmp_path / 'here')!r})" + textwrap.dedent(code)
    said = run(start, named, linked, to_run, tmp_path / "cache", PYTHONDONTWRITEBYTECODE="1", **environment)
    new = {path for path in tmp_path.rglob("*") if path not in before}
    assert {path.relative_to(tmp_path).parts[0] for path in new} == {"cache"}
    assert not os.path.exists("/tmp/mlt_s_hostile")
    assert [line for line in said.splitlines() if line.isdigit()] == [str(len(HOSTILE))] * 2
    assert said.count("is not an image, or is cut off in its header: it starts with b'/") == 2  # where the link leads
