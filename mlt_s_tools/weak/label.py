"""`mlt-s weak label`: label maps for images that have words, in an archive like the authors'."""

import dataclasses
import os
from collections.abc import Callable
from typing import NamedTuple

import datasets
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools.looking import choose
from mlt_s_tools.weak import archive, open_model, source
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.rule import Thresholds, count_too_little, counted, label_map

BATCH = 8  # images in memory at a time, of whose words a model makes batches of its own
_WANTED = ("image", "words")


class Task(NamedTuple):
    """An image and its words: to label, a pair without a label map; to repair, one with it."""

    split: str
    pair: mlt_s.Pair

    @property
    def key(self):
        return self.split, self.pair.image_id


def run(data_dir, out, model=None, unlabelled_only=False, label_maps=None, thresholds=None, text_value=1):
    """Makes label maps, writes the archive of them, and prints what is in it.

    Stopped, it goes on where it was when it is called again with the same arguments, and ends in the same bytes. A
    finished archive is not made again.

    Args:
        data_dir: the folder of the archives, images and ground truth among them, as for `load_dataset`.
        out: path of the archive to write, neither there nor among the label maps; its name ends in .zip, and the loader
            takes it for one of label maps.
        model: None, the network that ships; "baseline"; or the folder of a trained one.
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
    out, thresholds = checked(out, data_dir, label_maps), thresholds or Thresholds()
    tasks, without_words = _tasks(data_dir, label_maps, unlabelled_only)
    for task in tasks:  # of words that cannot be read, the error comes now and not in an hour
        read_words(task.pair)
    opened = open_model(model)
    used, digest = dataclasses.asdict(thresholds), source.digest(tasks)
    order = archive.order_of("label", opened, used, digest, unlabelled_only=unlabelled_only)

    def made(example, patches):
        image, words = example["image"], example["words"]
        label = label_map(image.size, words, patches, thresholds)
        return archive.signed_png(label, opened.name), _counted(label, words, patches, thresholds)

    counts = {split: len(ids) for split, ids in without_words.items()}
    record = gathered(out, order, tasks, opened, made, counts)
    print("\n".join(_report(out, record, without_words)))
    print(_call(out, data_dir, label_maps, unlabelled_only, text_value))


def checked(out, data_dir, label_maps) -> str:
    """The absolute path of an archive to write.

    Raises:
        mlt_s.MltSError: the loader would not find it by its name, or would take it together with what is there.
    """
    out = os.path.abspath(os.path.expanduser(out))
    _refuse_name(os.path.basename(out))
    _refuse_inside(out, [data_dir, *mlt_s.MltSConfig(label_maps=label_maps).label_sources])
    return out


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
        return builder.complete_listing()
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


def gathered(out: str, order: dict, tasks: list, model, made: Callable, without_words: dict) -> dict:
    """Makes the label maps that are not there yet, writes the archive of all, and returns its record.

    Args:
        out, order: as `archive.gathering` takes them.
        tasks: list of `Task`.
        model: see `mlt_s_tools.weak`.
        made: a function from an example and its patches to a label map, as a PNG file, and its counts.
        without_words: split -> number of images without ground truth.
    """
    with archive.gathering(out, order) as gathering:
        if not gathering:
            print(f"{out} is done already.")
            return archive.read_record(out)
        # Always the same batches: a network's probabilities can differ in their last bit with what it sees together.
        batches = [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]
        rest = [batch for batch in batches if not all(gathering.has(*task.key) for task in batch)]
        done = len(tasks) - sum(map(len, rest))
        with tqdm(desc=order["kind"], total=len(tasks), initial=done, unit=" images", disable=None, leave=False) as bar:
            for batch in rest:
                examples = [read_pair(task.pair) for task in batch]
                shown = [(example["image"], example["words"]) for example in examples]
                for task, example, patches in zip(batch, examples, of_readable(model, shown)):
                    gathering.add(*task.key, *made(example, patches))
                    bar.update()
        return gathering.finish([task.key for task in tasks], without_words)


def read_words(pair):
    """The words of a pair, as `mlt_s.parse_words` has them.

    Raises:
        mlt_s.MltSError: they cannot be read.
    """
    return mlt_s.read_example(mlt_s.Pair(pair.image_id, words=pair.words), {})["words"]


def read_pair(pair: mlt_s.Pair) -> dict:
    """The example of a pair, decoded; without words where it has no ground truth."""
    features = {"image": datasets.Image(mode="RGB"), "label": mlt_s.LABEL_MAP}
    return {"words": [], **choose.read(pair, features, {})}


def _counted(label, words, patches, thresholds):
    return {
        "images": 1,
        "words": len(words),
        "unreadable": sum(not word["readable"] for word in words),
        "too_little": count_too_little(label.shape[::-1], words, patches, thresholds),
        **counted(label),
    }


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
    given = {"label_maps": [*authors, out] if unlabelled_only else out, "text_value": text_value}
    name = mlt_s.MltS.DEFAULT_CONFIG_NAME
    return f"Load them by {mlt_s.MltSConfig(name=name, data_dir=data_dir, **given).call()}"
