"""Networks whose answer a test can name, and drawn words with their label maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from archives import encoded, label_members, words_file, words_line, write_zip
from PIL import Image, ImageDraw, ImageFont

from mlt_s_tools.weak.network import SHAPES, write_weights

FONT = 40  # pixels


def dark_text(bias: float = -4.0, gain: float = 8.0) -> dict[str, np.ndarray]:
    """Weights by which text is what has less red than the mean of its word: nothing is asked of what surrounds a pixel.

    The logit of a pixel is `bias`, and `gain` more for each deviation that its red lies below the mean.
    """
    weights = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    for place in range(4):  # of the pixels that the stem takes together; their reds come first
        weights["s.1.0.w"][place, place, 1, 1] = -1
        weights["e1.0.w"][place, place, 1, 1] = 1
        weights["u1.0.w"][place, SHAPES["u1.0.w"][0] + place, 0, 0] = 1
        weights["o.w"][place, place, 1, 1] = gain
    weights["o.b"][:] = bias
    return weights


def write_network(path: Path, **options) -> Path:
    """Writes `dark_text` weights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        write_weights(file, dark_text(**options))
    return path


def drawn(text: str = "Word", ink="black", paper="white", size=(200, 90), at=(20, 15), font: int = FONT):
    """A picture of a word, its mask, bool (height, width), and its quadrilateral with a little space around it."""
    face = ImageFont.load_default(font)
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).text(at, text, 255, font=face)
    picture = Image.new("RGB", size, paper)
    picture.paste(Image.new("RGB", size, ink), (0, 0), mask)
    left, top, right, bottom = mask.getbbox()
    quad = [[left - 4, top - 4], [right + 3, top - 4], [right + 3, bottom + 3], [left - 4, bottom + 3]]
    return picture, np.asarray(mask) > 127, quad


def png(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values.astype(np.uint8)), "PNG")


def drawn_mlt(folder: Path, train=(), validation=(), relabel=lambda split, number, mask: mask) -> Path:
    """Archives as downloaded, of drawn words of these numbers; `relabel` may make other label maps of their masks."""
    labels = {}
    for split, part, numbers in (("train", "training", train), ("validation", "validation", validation)):
        images, words, labels[split] = {}, {}, {}
        for number in numbers:
            picture, mask, quad = drawn(f"{'Train' if split == 'train' else 'Val'}{number}")
            images[f"img_{number}.png"] = encoded(picture, "PNG")
            words[f"gt_img_{number}.txt"] = words_file(words_line(quad))
            labels[split][f"img_{number}"] = png(relabel(split, number, mask))
        if numbers:
            write_zip(folder / f"ch8_{part}_images{'_1' if split == 'train' else ''}.zip", images)
            write_zip(folder / f"ch8_{part}_localization_transcription_gt_v2.zip", words)
    write_zip(folder / "MLT_S_labels.zip", label_members(labels["train"], labels["validation"]))
    return folder
