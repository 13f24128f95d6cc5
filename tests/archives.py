"""Makes archives like those that users download, and pictures whose pixels a test can name."""

import io
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
    return np.random.default_rng(1000 + seed).choice(np.array([0, 1, 255], np.uint8), (height, width), p=[0.7, 0.2, 0.1])


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
    write_zip(folder / "ch8_training_images_1.zip", {f"img_{n}.jpg": images[n] for n in numbers["train"][:half]})
    write_zip(folder / "ch8_training_images_2.zip", {f"img_{n}.jpg": images[n] for n in numbers["train"][half:]})
    write_zip(
        folder / "ch8_validation_images.zip",
        {f"img_{n}.jpg": image_file(500 + n, width=width, height=height) for n in numbers["validation"]},
    )
    write_zip(
        folder / "MLT_S_labels.zip",
        label_members(
            {f"img_{n}": label_file(n, width, height) for n in numbers["train"]},
            {f"img_{n}": label_file(500 + n, width, height) for n in numbers["validation"]},
        ),
    )
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
