"""MLT's ground truth: where the words of an image are.

One text file an image, `gt_img_1.txt` for `img_1`, one line a word: eight coordinates in pixels, corner by corner, of
the frame of the image's stored pixels, then its script and what it reads, which may hold commas:

    395,92,431,88,431,117,395,121,Latin,4e
"""

import math
import re

import numpy as np
from PIL import Image, ImageDraw

# Where MLT offers it, by split: beside the images.
ARCHIVES = {
    "train": "ch8_training_localization_transcription_gt_v2.zip",
    "validation": "ch8_validation_localization_transcription_gt_v2.zip",
}

_FILE_NAME = re.compile(r"gt_(.+)\.txt", re.IGNORECASE)
_COORDINATES = 8
_FARTHEST = 100_000  # pixels: no image is as large, and what is drawn stays bounded


def image_name(file_name):
    """The name of the image, in lower case, that a file of ground truth belongs to; None for other files."""
    found = _FILE_NAME.fullmatch(file_name)
    return found[1].lower() if found else None


def quadrilaterals(data):
    """Where the words of an image are, of a ground truth file's bytes.

    Returns:
        The corners of each word, a list of four (x, y), and how many lines are no word.
    """
    quads, strange = [], 0
    for line in data.decode("utf-8-sig", "replace").splitlines():
        if line.strip():
            quad = _quadrilateral(line)
            quads += [quad] if quad else []
            strange += quad is None
    return quads, strange


def _quadrilateral(line):
    try:
        numbers = [float(number) for number in line.split(",", _COORDINATES)[:_COORDINATES]]
    except ValueError:
        return None
    if len(numbers) < _COORDINATES or not all(math.isfinite(n) and abs(n) <= _FARTHEST for n in numbers):
        return None
    return list(zip(numbers[::2], numbers[1::2]))


def covered(quads, size):
    """Which pixels lie in a quadrilateral, its border among them: bool (height, width) for a size (width, height)."""
    mask = Image.new("L", size)
    draw = ImageDraw.Draw(mask)
    for quad in quads:
        draw.polygon(quad, fill=1, outline=1)
    return np.asarray(mask, bool)
