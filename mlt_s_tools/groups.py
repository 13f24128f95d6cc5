"""Groups pixels by the script and the height of the words that they lie in.

| kind | names | pixels |
| --- | --- | --- |
| script | the scripts of MLT, and "unknown" for any other | all pixels in words of the script |
| height | "small", "medium" and "large": see `HEIGHTS` | all pixels in words of that height |
| no word | | pixels outside all words, which belong to no script and no height |

A pixel in several overlapping words of one group counts once. Only numpy and Pillow are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlt_s_tools.words import shorter_side, word_region

if TYPE_CHECKING:
    import numpy.typing as npt

# The scripts of `mlt_s`. Importing it takes seconds, because it imports `datasets`.
SCRIPTS = ("Arabic", "Latin", "Chinese", "Japanese", "Korean", "Bangla", "Symbols", "Mixed", "None")
UNKNOWN_SCRIPT, TEXT, UNCERTAIN = -1, 1, 255
UNKNOWN = "unknown"

HEIGHTS = {
    "small": 16,
    "medium": 48,
    "large": float("inf"),
}  # upper limits of a word's shorter side in pixels, exclusive
KINDS = ("script", "height")
NO_WORD = ("no word", "")
GROUPS = (*(("script", name) for name in (*SCRIPTS, UNKNOWN)), *(("height", name) for name in HEIGHTS), NO_WORD)
COLUMNS = ("tp", "fp", "fn", "tn", "words")  # counts of a group in an image
NO_ROW = -100  # in place of a script: the row is padding. `Trainer` pads with the same value.


def script_of(value: int) -> str:
    """The name of a script, from its number in the column `words`."""
    return UNKNOWN if value == UNKNOWN_SCRIPT else SCRIPTS[value]


def height_of(quad: Any) -> str:
    """The name in `HEIGHTS` of a word's height."""
    side = shorter_side(quad)
    return next(name for name, limit in HEIGHTS.items() if side < limit)


def limits() -> dict[str, str]:
    """The range of each of `HEIGHTS`, in words."""
    small, medium, _ = HEIGHTS.values()
    return dict(zip(HEIGHTS, (f"below {small} pixels", f"{small} to {medium}", f"from {medium} on")))


def with_limits(kind: str, name: str) -> str:
    """The name of a group of words in a report; for a height with its range, as in "small (below 16 pixels)"."""
    return f"{name} ({limits()[name]})" if kind == "height" else name


def word_rows(words: Iterable[Mapping[str, Any]]) -> npt.NDArray[np.float64]:
    """Words as an array, float64 (words, 9): x and y of the four corners in pixels of the image, then the script.

    Args:
        words: dicts with `quad` and `script` (its number), as the configuration "words" yields them.
    """
    rows = [[*np.ravel(word["quad"]), word["script"]] for word in words]
    return np.array(rows, np.float64).reshape(-1, 9)


def group_counts(
    is_text: npt.NDArray[np.bool_], label: npt.NDArray[Any], rows: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Counts the pixels of a prediction by group.

    Args:
        is_text: the prediction, bool (height, width).
        label: the label map, (height, width) of 0, 1 and 255.
        rows: what `word_rows` returns; rows of `NO_ROW` are ignored.

    Returns:
        int64 (groups, 5), in the order of `GROUPS` and `COLUMNS`. A word counts if one of its pixels does.
    """
    values = 2 * (label == TEXT).astype(np.uint8) + is_text  # tn, fp, fn, tp
    values[label == UNCERTAIN] = 4
    return count_by_group(values, 4, rows)[:, [3, 1, 2, 0, 4]]


def count_by_group(values: npt.NDArray[np.uint8], kinds: int, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Counts the pixels of each value by group.

    Args:
        values: uint8 (height, width). Values of `kinds` and above are ignored.
        kinds: number of values to count, from 0.
        rows: what `word_rows` returns; rows of `NO_ROW` are ignored.

    Returns:
        int64 (groups, kinds + 1), in the order of `GROUPS` and of the values; the last column is the number of words
        that have a counted pixel.
    """
    known, inside = values < kinds, np.zeros(values.shape, np.uint16)
    counts = np.zeros((len(GROUPS), kinds + 1), np.int64)
    for *corners, script in rows[rows[:, -1] != NO_ROW].tolist():
        quad = np.reshape(corners, (4, 2)).tolist()
        if region := word_region(quad, values.shape[::-1]):
            (left, top, right, bottom), mask = region
            place = np.s_[top:bottom, left:right]
            groups = [GROUPS.index(group) for group in _groups_of(quad, int(script))]
            inside[place][mask] |= np.uint16(sum(1 << group for group in groups))
            counts[groups, -1] += known[place][mask].any()
    no_word = known & (inside == 0)
    counts[GROUPS.index(NO_WORD), :kinds] = np.bincount(values[no_word], minlength=kinds)
    inside, values = inside[known & ~no_word], values[known & ~no_word]
    for group in np.flatnonzero(counts[:, -1]):
        counts[group, :kinds] = np.bincount(values[inside & (1 << group) != 0], minlength=kinds)
    return counts


def _groups_of(quad: list[list[float]], script: int) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("script", script_of(script)), ("height", height_of(quad))
