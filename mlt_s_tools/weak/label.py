"""`mlt-s weak label`: label maps for images that have words, in an archive like the authors'."""

import os
from typing import NamedTuple

import datasets
import numpy as np
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import choose
from mlt_s_tools.weak import archive, open_model, source
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.rule import BACKGROUND, TEXT, UNCERTAIN, Thresholds, count_too_little, label_map

_BATCH = 8  # images in memory at a time, of whose words a model makes batches of its own
_WANTED = ("image", "words")


class Task(NamedTuple):
    """An image to label, and its words: a pair without a label map."""

    split: str
    pair: mlt_s.Pair

    @property
    def key(self):
        return self.split, self.pair.image_id


def run(data_dir, model, out, unlabelled_only=False, label_maps=None, thresholds=None, text_value=1):
    """Makes label maps, writes the archive of them, and prints what is in it.

    Stopped, it goes on where it was when it is called again with the same words, and ends in the same bytes. A finished
    archive is not made again.

    Args:
        data_dir: the folder of the archives, images and ground truth among them, as for `load_dataset`.
        model: "baseline", or the folder of a trained one.
        out: path of the archive to write, neither there nor among the label maps; its name ends in .zip, and the loader
            takes it for one of label maps.
        unlabelled_only: whether images that have a label map already are left out. Only then are label maps looked for,
            as `load_dataset` does it: in `label_maps`, in `data_dir`, or from the authors. Otherwise none is needed,
            and every image with words gets one.
        label_maps: for `unlabelled_only`: the label archive, or a list of several, where it is not in `data_dir`.
        thresholds: `rule.Thresholds`; by default its defaults.
        text_value: what text is in `label_maps`, as for the loader: 1, or 255. For the call that loads all of them.

    Raises:
        mlt_s.MltSError: there is nothing to label, or something cannot be read; before anything is written, where that
            can be known. Or there are other label maps at `out`.
        OSError: the archive cannot be written.
    """
    out, thresholds = os.path.abspath(os.path.expanduser(out)), thresholds or Thresholds()
    _refuse_name(os.path.basename(out))
    _refuse_inside(out, [data_dir, *mlt_s.MltSConfig(label_maps=label_maps).label_sources])
    tasks, without_words = _tasks(data_dir, label_maps, unlabelled_only)
    for task in tasks:  # of words that cannot be read, the error comes now and not in an hour
        read_words(task.pair)
    opened = open_model(model)
    order = archive.order_of(opened, thresholds, unlabelled_only, source.digest(tasks))
    with archive.gathering(out, order) as gathering:
        if gathering:
            _label(tasks, opened, thresholds, gathering)
            counts = {split: len(ids) for split, ids in without_words.items()}
            record = gathering.finish([task.key for task in tasks], counts)
        else:
            print(f"{out} is done already.")
            record = archive.read_record(out)
    print("\n".join(_report(out, record, without_words)))
    print(_call(out, data_dir, label_maps, unlabelled_only, text_value))


def _refuse_name(name):
    """The loader would leave such an archive out, or take it for one of something else."""
    if not name.lower().endswith(".zip") or not mlt_s.is_wanted((name,), ("label",)):
        raise mlt_s.MltSError(
            f"The loader would not look for label maps in an archive named {name}: give a name that ends in .zip and "
            "says nothing of images, words or a test split, such as weak.zip."
        )


def _refuse_inside(out, sources):
    """The loader would take label maps made here together with the authors'."""
    for place in map(mlt_s.absolute_address, sources):
        if mlt_s.is_below(out, [place]):
            raise mlt_s.MltSError(f"{out} lies in {place}, where label maps are looked for: give another folder.")


# --- What to label -------------------------------------------------------------------------------------------------


def _tasks(data_dir, label_maps, unlabelled_only):
    """A list of `Task` in the order of splits and numbers, and by split the ids of images without ground truth."""
    listing = _listing(data_dir, label_maps, unlabelled_only)
    tasks, without_words = [], {}
    for split in mlt_s.PUBLISHED_COUNTS:
        labelled = {mlt_s.name_key(stem) for stem, _ in listing.placed.get(("label", split), [])}
        pairs, missing = mlt_s.join(listing, split, ("label", *_WANTED), unlabelled=True)
        tasks += [Task(split, pair) for pair in pairs if not pair.label]
        if lacking := [name for name in missing.get("words", []) if mlt_s.name_key(name) not in labelled]:
            without_words[split] = lacking
    if not tasks:
        raise mlt_s.MltSError(_nothing_to_label(data_dir, listing))
    return tasks, without_words


def _listing(data_dir, label_maps, unlabelled_only):
    """What there is, label maps only where they are asked for."""
    if unlabelled_only:
        builder = mlt_s.MltS(config_name="words", data_dir=data_dir, label_maps=label_maps)
        return builder.complete_listing(datasets.DownloadManager())
    listing = mlt_s.list_source(mlt_s.absolute_address(data_dir), _WANTED, {})
    for role in _WANTED:
        kind = mlt_s.KINDS[role]
        if not listing.has(role):
            raise mlt_s.MltSError(
                f"There is no {kind} in {mlt_s.absolute_address(data_dir)} whose split is known. Label maps come of "
                f"MLT's images and words: fetch {mlt_s.ARCHIVES[role][1]} from {mlt_s.IMAGES_URL}."
            )
        if stray := [member for told, member in listing.unplaced if told == role]:
            mlt_s.report_unplaced(stray, kind)
    return listing


def _nothing_to_label(data_dir, listing):
    if listing.has("label"):
        return (
            f"There is nothing to label in {data_dir}: every image that has ground truth has a label map. Without "
            "--unlabelled-only they are labelled all the same."
        )
    return (
        f"There is nothing to label in {data_dir}: no image and ground truth file have split and name in common, such "
        "as img_1.jpg and gt_img_1.txt."
    )


# --- How -----------------------------------------------------------------------------------------------------------


def _label(tasks, model, thresholds, gathering):
    """Makes the label maps that are not there yet."""
    # Always the same batches: a network's probabilities can differ in their last bit with what it sees together.
    batches = [tasks[start : start + _BATCH] for start in range(0, len(tasks), _BATCH)]
    rest = [batch for batch in batches if not all(gathering.has(*task.key) for task in batch)]
    done = len(tasks) - sum(map(len, rest))
    with tqdm(desc="labelling", total=len(tasks), initial=done, unit=" images", disable=None, leave=False) as bar:
        for batch in rest:
            examples = [_read(task.pair) for task in batch]
            for task, (image, words), patches in zip(batch, examples, of_readable(model, examples)):
                label = label_map(image.size, words, patches, thresholds)
                counts = _counted(label, words, patches, thresholds)
                gathering.add(*task.key, archive.signed_png(label, model.name), counts)
                bar.update()


def read_words(pair):
    """The words of a pair, as `mlt_s.parse_words` has them.

    Raises:
        mlt_s.MltSError: they cannot be read.
    """
    return mlt_s.read_example(mlt_s.Pair(pair.image_id, words=pair.words), {})["words"]


def _read(pair):
    """The image of a pair, decoded, and its words."""
    example = mlt_s.read_example(pair, {})
    return choose.decoded(datasets.Image(mode="RGB"), example["image"], pair.image[0]), example["words"]


def _counted(label, words, patches, thresholds):
    unreadable = sum(not word["readable"] for word in words)
    too_little = count_too_little(label.shape[::-1], words, patches, thresholds)
    pixels = [int(np.count_nonzero(label == value)) for value in (BACKGROUND, TEXT, UNCERTAIN)]
    return archive.Counts(1, len(words), unreadable, too_little, *pixels)


# --- For the eye ---------------------------------------------------------------------------------------------------


def _report(out, record, without_words):
    total = sum(counts["images"] for counts in record["splits"].values())
    yield f"{out}: {mlt_s.counted(total, 'label map')} by {record['model']['name']}"
    for split, counts in record["splits"].items():
        pixels = max(1, counts["background"] + counts["text"] + counts["uncertain"])
        yield (
            f"  {split}: {mlt_s.counted(counts['images'], 'image')} with {mlt_s.counted(counts['words'], 'word')}, "
            f"{counts['unreadable']:,} unreadable and {counts['too_little']:,} with too little text found; "
            f"{100 * counts['text'] / pixels:.2f} % of the pixels text, {100 * counts['uncertain'] / pixels:.2f} % "
            "uncertain"
        )
    for split, ids in without_words.items():
        yield f"  {split}: {mlt_s.counted(ids, 'image')} without ground truth, not labelled: {mlt_s.first_few(ids)}"


def _call(out, data_dir, label_maps, unlabelled_only, text_value):
    """How to load what was made, beside the authors' label maps where they are needed to tell what to make."""
    authors = mlt_s.MltSConfig(label_maps=label_maps).label_sources or [f"path/to/{mlt_s.LABEL_ARCHIVE}"]
    given = mlt_s.quoted([*authors, out] if unlabelled_only else out)
    option = f", text_value={text_value}" if text_value != 1 else ""
    return f'Load them by load_dataset("mlt_s", data_dir={mlt_s.quoted(data_dir)}, label_maps={given}{option})'
