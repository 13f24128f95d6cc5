"""Makes archives like those that users download, and pictures whose pixels a test can name."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import PIL.Image

ORIENTATION = 0x0112


def picture(width: int = 24, height: int = 16, seed: int = 0) -> PIL.Image.Image:
    """An RGB picture of smooth colours, another one for each seed."""
    small = np.random.default_rng(seed).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    return PIL.Image.fromarray(small).resize((width, height), PIL.Image.Resampling.BICUBIC)


def label_values(width: int = 24, height: int = 16, seed: int = 0) -> np.ndarray:
    """A label map as an array (height, width), uint8, of 0, 1 and 255, another one for each seed."""
    return np.random.default_rng(1000 + seed).choice(
        np.array([0, 1, 255], np.uint8), (height, width), p=[0.7, 0.2, 0.1]
    )


def encoded(image: PIL.Image.Image, format: str = "JPEG", orientation: int | None = None, **options) -> bytes:
    """The bytes of an image file, with an EXIF orientation where one is asked for."""
    if orientation is not None:
        exif = PIL.Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def image_file(seed: int = 0, format: str = "JPEG", width: int = 24, height: int = 16, **options) -> bytes:
    return encoded(picture(width, height, seed), format, **options)


def label_file(seed: int = 0, width: int = 24, height: int = 16) -> bytes:
    return encoded(PIL.Image.fromarray(label_values(width, height, seed)), "PNG")


def write_zip(path: Path, members: dict, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2017, 5, 1, 0, 0, 0)), content, method)
    return path


def label_members(train: dict, validation: dict) -> dict:
    """The members of MLT_S_labels.zip: label files by stem, a dict a split."""
    return {
        f"MLT_S_labels/{folder}/{stem}.png": content
        for folder, labels in (("training_labels", train), ("validation_labels", validation))
        for stem, content in labels.items()
    }


def mlt(folder: Path, train: int = 5, validation: int = 3, width: int = 24, height: int = 16) -> Path:
    """A folder as downloaded: pairs img_1, img_2, ... in both splits, the training images in two archives.

    The label map of img_N has the seed N in training and 500 + N in validation, as has its image.
    """
    numbers = {"train": range(1, train + 1), "validation": range(1, validation + 1)}
    images = {n: image_file(n, width=width, height=height) for n in numbers["train"]}
    half = (train + 1) // 2
    archives = {
        "ch8_training_images_1.zip": {f"img_{n}.jpg": images[n] for n in numbers["train"][:half]},
        "ch8_training_images_2.zip": {f"img_{n}.jpg": images[n] for n in numbers["train"][half:]},
        "ch8_validation_images.zip": {
            f"img_{n}.jpg": image_file(500 + n, width=width, height=height) for n in numbers["validation"]
        },
    }
    for name, members in archives.items():
        if members:
            write_zip(folder / name, members)
    write_zip(
        folder / "MLT_S_labels.zip",
        label_members(
            {f"img_{n}": label_file(n, width, height) for n in numbers["train"]},
            {f"img_{n}": label_file(500 + n, width, height) for n in numbers["validation"]},
        ),
    )
    return folder


def words_line(quad, script: str = "Latin", transcription: str = "word") -> str:
    """A line of ground truth, of four corners (x, y)."""
    return ",".join([*(str(number) for corner in quad for number in corner), script, transcription])


def words_of(seed: int, width: int = 24, height: int = 16) -> list[str]:
    """The lines of two words within a picture, others for each seed; the second one is unreadable."""
    x, y = seed % (width - 8), seed % (height - 6)
    return [
        words_line([(x, y), (x + 7, y), (x + 7, y + 4), (x, y + 4)], "Latin", f"word, {seed}"),
        words_line([(x + 1, y + 1), (x + 3, y + 1), (x + 3, y + 5), (x + 1, y + 5)], "None", "###"),
    ]


def words_file(*lines: str) -> bytes:
    """A file of ground truth as MLT writes them: with a byte order mark and Windows line ends."""
    return "\r\n".join(lines).encode("utf-8-sig")


def add_words(folder: Path, train, validation) -> Path:
    """Adds MLT's archives of ground truth, of `words_of` for these numbers (500 more in validation)."""
    for part, numbers, offset in (("training", train, 0), ("validation", validation, 500)):
        members = {f"gt_img_{n}.txt": words_file(*words_of(offset + n)) for n in numbers}
        write_zip(folder / f"ch8_{part}_localization_transcription_gt_v2.zip", members)
    return folder


def unpacked(archive: Path, folder: Path | None = None) -> Path:
    """Replaces an archive by what it holds, as a user does: in a folder of its name, or in the one given."""
    folder = folder or archive.with_suffix("")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    archive.unlink()
    return folder


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + kind + payload + zlib.crc32(kind + payload).to_bytes(4, "big")


def write_pairs(folder: Path, pairs: dict) -> Path:
    """A training set of pairs given as stem with extension -> (image file, label file)."""
    write_zip(folder / "ch8_training_images_1.zip", {name: image for name, (image, _) in pairs.items()})
    labels = {name.rsplit(".", 1)[0]: label for name, (_, label) in pairs.items()}
    write_zip(folder / "MLT_S_labels.zip", label_members(labels, {}))
    return folder


def tiff_block(orientation: int, order: str = "little", kind: int = 3, count: int = 1, before=(), after=()) -> bytes:
    """EXIF as TIFF: a directory at 8 with an orientation, between other entries given as (tag, kind, count, 4 bytes).

    The value is written as 32 bits for the kinds 4 and 9, and as 16 bits for every other.
    """
    value = orientation.to_bytes(4, order) if kind in (4, 9) else orientation.to_bytes(2, order) + b"\0\0"
    entries = [*before, (ORIENTATION, kind, count, value), *after]
    head = (b"II*\0" if order == "little" else b"MM\0*") + (8).to_bytes(4, order) + len(entries).to_bytes(2, order)
    body = [
        tag.to_bytes(2, order) + of.to_bytes(2, order) + number.to_bytes(4, order) + content
        for tag, of, number, content in entries
    ]
    return head + b"".join(body) + b"\0\0\0\0"


def xmp_packet(orientation: int, element: bool = False) -> bytes:
    """XMP with an orientation, as an attribute or as an element."""
    attribute = b"" if element else b' tiff:Orientation="%d"' % orientation
    inner = b"<tiff:Orientation>%d</tiff:Orientation>" % orientation if element else b""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"%s>%s</rdf:Description></rdf:RDF></x:xmpmeta>'
    ) % (attribute, inner)


def jpeg_with(jpeg: bytes, *payloads: bytes, marker: int = 0xE1) -> bytes:
    """A JPEG file with more segments, of APP1 unless told otherwise, right after its start."""
    segments = [bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload for payload in payloads]
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def png_with(png: bytes, kind: bytes, payload: bytes, after: bool = False) -> bytes:
    """A PNG file with another chunk, before the picture's data or after it."""
    at = png.rindex(b"IEND") - 4 if after else 33
    return png[:at] + png_chunk(kind, payload) + png[at:]


def raw_png(samples: np.ndarray, depth: int = 8, kind: int = 0, palette=None, interlaced: bool = False) -> bytes:
    """A PNG file of samples (height, width) or (height, width, channels), in any depth and colour type."""
    height, width = samples.shape[:2]
    samples = samples.reshape(height, width, -1)
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7: first column, first row, and the steps, pass by pass
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    lines = [
        b"\0" + _packed_samples(row, depth)
        for x, y, step_x, step_y in passes
        for row in samples[y::step_y, x::step_x]
        if row.size
    ]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, kind, 0, 0, interlaced])
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b"")]
    if palette is not None:
        chunks.insert(1, (b"PLTE", bytes(palette)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def _packed_samples(row: np.ndarray, depth: int) -> bytes:
    bits = "".join(f"{sample:0{depth}b}" for sample in row.ravel().tolist())
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def failure(call) -> Exception:
    """The loader's own error that a call ends in: as it is, or as the cause of the library's error."""
    try:
        call()
    except Exception as error:
        while error is not None and type(error).__name__ != "MltSError":  # a script's class is another one
            error = error.__cause__ or error.__context__
        assert error is not None, "it failed, but not with an error of the loader"
        return error
    raise AssertionError("it did not fail")


def assert_two_contents(error, *places):
    """An error that says what the two are, and that advises nothing which cannot be undone."""
    text = str(error)
    assert text.startswith("One name, two contents: ")
    for place in map(str, places):
        assert re.search(re.escape(place) + r" \([A-Z]{3,4}, [\d,]+ bytes\)", text), text
    assert not re.search("remove|delete|take away", text, re.IGNORECASE)
