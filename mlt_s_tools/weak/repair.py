"""`mlt-s weak repair`: label maps with what is uncertain in them resolved, where a model is sure of it."""

import numpy as np

import mlt_s
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.origin import made_by
from mlt_s_tools.weak import archive, edges, label, open_model, source
from mlt_s_tools.weak.label import Task
from mlt_s_tools.weak.rule import BACKGROUND, TEXT, UNCERTAIN, Thresholds, counted, label_map
from mlt_s_tools.words import shorter_side, word_region

SURE = 0.8  # the probability from which on a model's word stands for the authors' doubt
_GAP = 0.08  # of a stroke, to each side of its middle, in parts of the word's shorter side


def run(data_dir, out, model=None, strokes=False, sure=SURE, label_maps=None, text_value=1):
    """Repairs label maps, writes the archive of all of them, and prints what has changed.

    A pixel that is uncertain becomes text or background where it lies in a readable word and the model is sure of it.
    The rest stays as it is: so do label maps without ground truth, which are in the archive too.

    Stopped, it goes on where it was when it is called again with the same arguments, and ends in the same bytes.

    Args:
        data_dir: the folder of the archives, ground truth among them, as for `load_dataset`.
        out: path of the archive to write; as for `label.run`.
        model: None, the network that ships; "baseline"; or the folder of a trained one.
        strokes: whether gaps in strokes are closed as well: background becomes text where the model is sure of it and
            the gap is narrow.
        sure: from 0.5 to 1: a probability from here on is text, and one below 1 - `sure` background.
        label_maps: the label archive, or a list of several, where it is not in `data_dir`. Those that `mlt-s weak` made
            stay as they are.
        text_value: what text is in the label maps, as for the loader: 1, or 255. It is 1 in what is written.

    Raises:
        mlt_s.MltSError: there is nothing to repair, or something cannot be read; or there is something else at `out`.
        OSError: the archive cannot be written.
    """
    out, thresholds = label.checked(out, data_dir, label_maps), Thresholds(sure, 1 - sure)
    tasks, without_words = _tasks(Source(data_dir, label_maps, text_value=text_value), data_dir)
    opened = open_model(model)
    used = {"sure": sure, "least_share": thresholds.least_share}
    order = archive.order_of("repair", opened, used, source.digest(tasks), strokes=strokes)

    def made(example, patches):
        before, words = np.asarray(example["label"]), example["words"]
        if maker := made_by(example["label"]):
            return archive.signed_png(before, maker), _counted(before, before, np.zeros(before.shape, bool), words)
        after, joined = repaired(before, words, patches, thresholds, strokes)
        return archive.signed_png(after, f"repair by {opened.name}"), _counted(before, after, joined, words)

    record = label.gathered(out, order, tasks, opened, made, without_words)
    print("\n".join(_report(out, record)))


def _tasks(pairs, data_dir):
    """A list of `Task` in the order of splits and numbers, and by split the number of images without ground truth."""
    tasks, without_words = [], {}
    for choice in pairs.choices:
        pair = pairs.with_words(choice)
        if pair.words:
            label.read_words(pair)  # of words that cannot be read, the error comes now and not in an hour
        else:
            without_words[choice.split] = without_words.get(choice.split, 0) + 1
        tasks.append(Task(choice.split, pair))
    if not any(task.pair.words for task in tasks):
        raise mlt_s.MltSError(
            f"There is nothing to repair in {data_dir}: no pair has ground truth, which says where its words are. "
            f"It is in {' and '.join(mlt_s.WORDS_ARCHIVES)}, from {mlt_s.IMAGES_URL}."
        )
    return tasks, without_words


def repaired(
    before: np.ndarray, words: list, patches: list, thresholds: Thresholds, strokes: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A label map, repaired.

    Args:
        before: uint8 (height, width) of 0, 1 and 255.
        words, patches, thresholds: as for `rule.label_map`.
        strokes: whether gaps in strokes are closed.

    Returns:
        uint8 (height, width) of 0, 1 and 255, and bool (height, width) of what was background and is text.
    """
    size = before.shape[::-1]
    said = label_map(size, words, patches, thresholds)
    inside = np.zeros(before.shape, bool)
    for _, place, mask in _regions(words, size):
        inside[place] |= mask
    after = np.where((before == UNCERTAIN) & inside, said, before)
    joined = np.zeros(before.shape, bool)
    for word, place, mask in _regions(words, size) if strokes else ():
        closed = _closed(after[place] == TEXT, max(1, round(_GAP * shorter_side(word["quad"]))))
        joined[place] |= mask & closed & (before[place] == BACKGROUND) & (said[place] == TEXT)
    after[joined] = TEXT
    return after, joined


def _regions(words, size):
    """Of each word in the image, the word, its rectangle as an index and the mask of its pixels there."""
    for word in words:
        if region := word_region(word["quad"], size):
            (left, top, right, bottom), mask = region
            yield word, np.s_[top:bottom, left:right], mask


def _closed(text, radius):
    """A mask with its gaps of up to 2 * `radius` pixels filled (a morphological closing by squares)."""
    grown = edges.window_means(text[None].astype(np.float32), radius) > 0
    least = np.float32(1 - 0.5 / (2 * radius + 1) ** 2)
    return (edges.window_means(grown.astype(np.float32), radius) > least)[0]


def _counted(before, after, joined, words):
    return {
        "images": 1,
        "words": len(words),
        "became_text": int(np.count_nonzero((before == UNCERTAIN) & (after == TEXT))),
        "became_background": int(np.count_nonzero((before == UNCERTAIN) & (after == BACKGROUND))),
        "joined": int(np.count_nonzero(joined)),
        **counted(after),
    }


def _report(out, record):
    total = sum(counts["images"] for counts in record["splits"].values())
    yield f"{out}: {mlt_s.counted(total, 'label map')} repaired by {record['model']['name']}"
    for split, counts in record["splits"].items():
        resolved = counts["became_text"] + counts["became_background"]
        share = 100 * resolved / max(1, resolved + counts["uncertain"])
        yield (
            f"  {split}: {mlt_s.counted(counts['images'], 'image')} with {mlt_s.counted(counts['words'], 'word')}; "
            f"of the uncertain pixels {share:.1f} % resolved, {counts['became_text']:,} as text and "
            f"{counts['became_background']:,} as background, {counts['uncertain']:,} left; "
            f"{mlt_s.counted(counts['joined'], 'pixel')} joined into strokes"
        )
    yield f"Load them in place of those they were made of: label_maps={mlt_s.quoted(out)}"
