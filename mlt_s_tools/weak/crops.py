"""What the network sees of a word: the rectangle around it with some context, and a hint at what is text in it."""

import dataclasses

import numpy as np
from PIL import Image

from mlt_s_tools.weak.baseline import Baseline
from mlt_s_tools.weak.patches import shorter_side, word_box
from mlt_s_tools.words import word_mask

CHANNELS = 4  # red, green, blue, and the hint
_UNKNOWN, _REACH = 128, 127  # of a hint: its middle, and how far it goes up and down from there


@dataclasses.dataclass(frozen=True)
class Framing:
    """How words are cut out and scaled.

    The scale goes by the word's shorter side, and not by the height of the crop: so strokes have one width whether a
    word lies flat, is turned, or runs from top to bottom as Chinese and Japanese do. Words between `least` and
    `greatest` keep their pixels as they are.

    Attributes:
        context: what surrounds the word and is seen with it, in parts of its shorter side.
        least: pixels that the shorter side of a word has at least; a lower one is enlarged to that.
        greatest: pixels that it has at most; a higher one is reduced to that.
        longest: pixels of the longer side of a crop at most: a very long word is seen smaller, lest it fill the memory.
    """

    context: float = 0.3
    least: int = 32
    greatest: int = 64
    longest: int = 1024

    def box(self, quad, size):
        """What is cut out of an image of `size` (width, height): as `word_box`, None for a word outside it."""
        return word_box(quad, size, self.context)

    def scale(self, quad, box):
        """Pixels that the network sees for one of the image."""
        length = max(shorter_side(quad), 1)
        longer = max(box[2] - box[0], box[3] - box[1])
        return min(min(max(length, self.least), self.greatest) / length, self.longest / longer)

    def size(self, quad, box):
        """(width, height) in pixels of what the network sees of the box of a word."""
        scale = self.scale(quad, box)
        return tuple(max(1, round((box[axis + 2] - box[axis]) * scale)) for axis in (0, 1))


def hint(crop, quad):
    """What the baseline takes for text. A network sees it, and learns to correct it where it is wrong (`correction`).

    Of itself, a small one takes long to learn which of the two colours of a word is text, as it needs a look at the
    whole word for that.

    Args:
        crop: `PIL.Image` of mode "RGB".
        quad: the word's corners in pixels of it.

    Returns:
        `PIL.Image` of mode "L" and of its size: from 1, background, to 255, text; 128 outside the word.
    """
    values = np.full(crop.size[::-1], _UNKNOWN, np.uint8)
    ((patch,),) = Baseline().probabilities([(crop, [quad])])
    (left, top, right, bottom), probabilities = patch
    inside = word_mask([[(x - left, y - top) for x, y in quad]], (right - left, bottom - top))
    values[top:bottom, left:right][inside] = np.rint(_UNKNOWN + _REACH * (2 * probabilities[inside] - 1))
    return Image.fromarray(values)


def channels(image, guess, mean, std):
    """What goes into the network.

    Args:
        image: `PIL.Image` of mode "RGB".
        guess: the `hint`, `PIL.Image` of mode "L" and of its size.
        mean: of the three colours, of values from 0 to 1.
        std: likewise the standard deviation.

    Returns:
        float32 (4, height, width): the colours in standard deviations from the mean, and the hint from -1 to 1.
    """
    mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (mean, std))
    colors = np.asarray(image, np.float32).transpose(2, 0, 1) / 255
    return np.concatenate([(colors - mean) / std, strengths(guess)[None]])


def strengths(guess):
    """The `hint` in numbers: float32 (height, width), from -1, background, to 1, text; 0 where it says nothing."""
    return (np.asarray(guess, np.float32) - _UNKNOWN) / _REACH
