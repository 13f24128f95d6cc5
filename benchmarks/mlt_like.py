"""Makes a folder like MLT's and MLT_S's archives, of any size: photo-like JPEG files, label maps, ground truth."""

import io
import random
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

import mlt_s

SIZE = (1600, 1200)  # pixels, as most images of MLT have about two million
WORDS = 12  # an image: MLT's 9,000 have 107,000
DIFFERENT = 40  # pictures, which recur under other names: drawing thousands would take longer than measuring


def make(folder: Path, share: float = 0.1, size: tuple[int, int] = SIZE) -> int:
    """Writes the archives.

    Args:
        folder: a `Path` to make.
        share: of the counts of MLT and MLT_S.
        size: (width, height) of the images in pixels.

    Returns:
        How many pairs there are.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    pictures = [_photo(rng, size) for _ in range(DIFFERENT)]
    labels = [_label_map(rng, size) for _ in range(DIFFERENT)]
    pairs = 0
    with zipfile.ZipFile(folder / mlt_s.LABEL_ARCHIVE, "w", zipfile.ZIP_DEFLATED) as label_maps:
        for part, split in enumerate(mlt_s.PUBLISHED_COUNTS):
            numbers = range(1, round(share * mlt_s.IMAGE_COUNTS[split]) + 1)
            labelled = random.Random(part).sample(numbers, round(share * mlt_s.PUBLISHED_COUNTS[split]))
            archives = [name for name in mlt_s.IMAGE_ARCHIVES if split[:5] in name]
            for at, name in enumerate(archives[: len(numbers)]):  # of few images: an archive without any is damaged
                _write(folder / name, {f"img_{n}.jpg": pictures[n % DIFFERENT] for n in numbers[at :: len(archives)]})
            _write(folder / mlt_s.WORDS_ARCHIVES[part], {f"gt_img_{n}.txt": _ground_truth(rng, size) for n in numbers})
            inner = mlt_s.WORDS_ARCHIVES[part].split("_")[1]
            for n in sorted(labelled):
                label_maps.writestr(f"MLT_S_labels/{inner}_labels/img_{n}.png", labels[n % DIFFERENT])
            pairs += len(labelled)
    return pairs


def _write(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _photo(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    """Smooth colours with some noise, in about 0.4 bytes a pixel, as a camera's JPEG has."""
    small = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC), np.int16)
    noise = rng.normal(0, 14, smooth.shape).astype(np.int16)
    file = io.BytesIO()
    Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _label_map(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    """Words of strokes with uncertain pixels around them."""
    values = np.zeros(size[::-1], np.uint8)
    for _ in range(WORDS):
        x, y = rng.integers(0, size[0] - 220), rng.integers(0, size[1] - 60)
        values[y : y + 50, x : x + 200] = 255 * (rng.random((50, 200)) < 0.05)
        for stroke in range(0, 200, 14):
            values[y + 5 : y + 45, x + stroke : x + stroke + 6] = 1
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def _ground_truth(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    lines = []
    for _ in range(WORDS):
        x, y = int(rng.integers(0, size[0] - 220)), int(rng.integers(0, size[1] - 60))
        text = "###" if rng.random() < 0.2 else "Straße, 12"
        lines.append(f"{x},{y},{x + 200},{y + 3},{x + 199},{y + 50},{x},{y + 48},Latin,{text}")
    return "\r\n".join(lines).encode("utf-8-sig")
