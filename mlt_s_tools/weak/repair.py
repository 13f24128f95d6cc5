"""`mlt-s weak repair`: resolves uncertain pixels of label maps if a model is sure of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

import mlt_s
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.origin import REPAIRED, REPAIRED_OTHERS, made_by
from mlt_s_tools.weak import archive, edges, label, open_model
from mlt_s_tools.weak.rule import BACKGROUND, TEXT, UNCERTAIN, Thresholds, counted, label_map, located
from mlt_s_tools.words import shorter_side

if TYPE_CHECKING:
    from mlt_s_tools.weak.patches import Patches, Words

SURE = 0.8  # from this probability on, the model overrides "uncertain"
_GAP = 0.08  # half the widest gap in a stroke that is closed, as a fraction of the word's shorter side


def run(
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    strokes: bool = False,
    sure: float = SURE,
    label_maps: str | list[str] | None = None,
    text_value: int = 1,
) -> None:
    """Repairs label maps, writes all of them to an archive, and prints what has changed.

    An uncertain pixel becomes text or background if it lies in a readable word and the model is sure. All other pixels
    stay as they are. Label maps without ground truth are copied into the archive unchanged.

    If a call is interrupted, repeat it with the same arguments: it resumes, and writes the same bytes as an
    uninterrupted call.

    Args:
        data_dir: folder of the archives, with ground truth, as for `load_dataset`.
        out: path of the archive to write, as for `label.run`.
        model: None for the network that ships, "baseline", or the folder of a trained one.
        strokes: also close gaps in strokes: background becomes text if the model is sure and the gap is narrow.
        sure: from 0.5 to 1. Probabilities from `sure` on are text, and those below 1 - `sure` background.
        label_maps: the label archive, or a list of several, if it is not in `data_dir`. Label maps that `mlt-s weak`
            made are not changed.
        text_value: the value of text in the label maps, as for the loader: 1 or 255. It is 1 in the archive written.

    Raises:
        mlt_s.MltSError: there is nothing to repair, a file cannot be read, or another file is at `out`.
        OSError: the archive cannot be written.
    """
    out, thresholds = label.checked(out, data_dir, label_maps), Thresholds(sure, 1 - sure)
    source = Source(data_dir, label_maps, text_value=text_value)
    done = REPAIRED_OTHERS if source.has_others else REPAIRED
    tasks = label.with_words(source, str(data_dir))
    for task in tasks:
        if task.pair.words:
            label.read_words(task.pair)  # report words that cannot be read now, not in an hour
    without_words = Counter(task.split for task in tasks if not task.pair.words)
    opened = open_model(model)
    used = {"sure": sure, "least_share": thresholds.least_share}
    order = archive.order_of("repair", opened, used, label.digest_of(tasks), strokes=strokes)

    def made(example: dict[str, Any], patches: Patches) -> tuple[bytes, dict[str, int]]:
        before, words = np.asarray(example["label"]), example["words"]
        if maker := made_by(example["label"]):
            return archive.signed_png(before, maker), _counted(before, before, np.zeros(before.shape, bool), words)
        after, joined = repaired(before, words, patches, thresholds, strokes)
        return archive.signed_png(after, f"{done} {opened.name}"), _counted(before, after, joined, words)

    record = label.gathered(out, order, tasks, opened, made, without_words)
    print("\n".join(_report(out, record)))


def repaired(
    before: np.ndarray, words: Words, patches: Patches, thresholds: Thresholds, strokes: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Repairs a label map.

    Args:
        before: uint8 (height, width) of 0, 1 and 255.
        words, patches, thresholds: as for `rule.label_map`.
        strokes: whether gaps in strokes are closed.

    Returns:
        The repaired label map, uint8 (height, width) of 0, 1 and 255, and a mask of the background that became text,
        bool (height, width).
    """
    size = before.shape[1], before.shape[0]
    predicted = label_map(size, words, patches, thresholds)
    inside = np.zeros(before.shape, bool)
    for _, place, mask, _ in located(words, patches, size):
        inside[place] |= mask
    after = np.where((before == UNCERTAIN) & inside, predicted, before)
    joined = np.zeros(before.shape, bool)
    for word, place, mask, _ in located(words, patches, size) if strokes else ():
        closed = _closed(after[place] == TEXT, max(1, round(_GAP * shorter_side(word["quad"]))))
        joined[place] |= mask & closed & (before[place] == BACKGROUND) & (predicted[place] == TEXT)
    after[joined] = TEXT
    return after, joined


def _closed(text: np.ndarray, radius: int) -> np.ndarray:
    """A mask with its gaps of up to 2 * `radius` pixels filled (a morphological closing by squares)."""
    grown = edges.window_means(text[None].astype(np.float32), radius) > 0
    least = np.float32(1 - 0.5 / (2 * radius + 1) ** 2)
    return (edges.window_means(grown.astype(np.float32), radius) > least)[0]


def _counted(before: np.ndarray, after: np.ndarray, joined: np.ndarray, words: Words) -> dict[str, int]:
    return {
        "images": 1,
        "words": len(words),
        "became_text": int(np.count_nonzero((before == UNCERTAIN) & (after == TEXT))),
        "became_background": int(np.count_nonzero((before == UNCERTAIN) & (after == BACKGROUND))),
        "joined": int(np.count_nonzero(joined)),
        **counted(after),
    }


def _report(out: str, record: dict[str, Any]) -> Iterator[str]:
    total = sum(counts["images"] for counts in record["splits"].values())
    yield f"{out}: {mlt_s.counted(total, 'label map')} repaired by {record['model']['name']}"
    for split, counts in record["splits"].items():
        resolved = counts["became_text"] + counts["became_background"]
        share = 100 * resolved / max(1, resolved + counts["uncertain"])
        yield (
            f"  {split}: {mlt_s.counted(counts['images'], 'image')} with {mlt_s.counted(counts['words'], 'word')}; "
            f"{share:.1f} % of the uncertain pixels resolved, {counts['became_text']:,} as text and "
            f"{counts['became_background']:,} as background, {counts['uncertain']:,} left; "
            f"{mlt_s.counted(counts['joined'], 'pixel')} joined into strokes"
        )
    for split, count in record["without_ground_truth"].items():
        yield f"  {split}: {mlt_s.counted(count, 'image')} without ground truth; their label maps are unchanged copies"
    yield f"Load them instead of the original ones: label_maps={mlt_s.quoted(out)}"
