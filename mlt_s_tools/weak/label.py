"""`mlt-s weak label`: makes label maps for images with word boxes, in an archive like the authors'."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import datasets
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools.looking import choose
from mlt_s_tools.weak import archive, open_model
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.rule import Thresholds, count_too_little, counted, label_map

if TYPE_CHECKING:
    import numpy as np

    from mlt_s_tools.weak.patches import Model, Patches, Words

    # Makes a label map, as a PNG file, and its counts, from an example and its patches.
    Maker = Callable[[dict[str, Any], Patches], tuple[bytes, dict[str, int]]]

BATCH = 8  # images in memory at a time; a model makes batches of their words
_WANTED = ("image", "words")


class Task(NamedTuple):
    """An image and its words: a pair without a label map, to label, or with one, to repair."""

    split: str
    pair: mlt_s.Pair

    @property
    def key(self) -> tuple[str, str]:
        return self.split, self.pair.image_id


def run(
    data_dir: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    unlabelled_only: bool = False,
    label_maps: str | list[str] | None = None,
    thresholds: Thresholds | None = None,
    text_value: int = 1,
) -> None:
    """Makes label maps, writes them to an archive, and prints what is in it.

    If a call is interrupted, repeat it with the same arguments: it resumes, and writes the same bytes as an
    uninterrupted call. A finished archive is not made again.

    Args:
        data_dir: folder of the archives, with images and ground truth, as for `load_dataset`.
        out: path of the archive to write, outside the folders of `data_dir` and `label_maps`. Its name must end in .zip
            and be one from which the loader reads label maps.
        model: None for the network that ships, "baseline", or the folder of a trained one.
        unlabelled_only: leave out images that have a label map. Label maps are found as by `load_dataset`: in
            `label_maps`, in `data_dir`, or at the authors'. By default none are needed, and every image with words gets
            one.
        label_maps: for `unlabelled_only`: the label archive, or a list of several, if it is not in `data_dir`.
        thresholds: the thresholds of the rule; by default those of `rule.Thresholds()`.
        text_value: the value of text in `label_maps`, as for the loader: 1 or 255. It is part of the printed call.

    Raises:
        mlt_s.MltSError: there is nothing to label, a file cannot be read, or there are other label maps at `out`. It is
            raised before anything is written, if the problem can be found by then.
        OSError: the archive cannot be written.
    """
    out, thresholds = checked(out, data_dir, label_maps), thresholds or Thresholds()
    tasks, without_words = _tasks(data_dir, label_maps, unlabelled_only)
    for task in tasks:  # report words that cannot be read now, not in an hour
        read_words(task.pair)
    opened = open_model(model)
    used, digest = dataclasses.asdict(thresholds), digest_of(tasks)
    order = archive.order_of("label", opened, used, digest, unlabelled_only=unlabelled_only)

    def made(example: dict[str, Any], patches: Patches) -> tuple[bytes, dict[str, int]]:
        image, words = example["image"], example["words"]
        label = label_map(image.size, words, patches, thresholds)
        return archive.signed_png(label, opened.name), _counted(label, words, patches, thresholds)

    counts = {split: len(ids) for split, ids in without_words.items()}
    record = gathered(out, order, tasks, opened, made, counts)
    print("\n".join(_report(out, record, without_words)))
    print(_call(out, data_dir, label_maps, unlabelled_only, text_value))


def checked(out: str | os.PathLike[str], data_dir: str | os.PathLike[str], label_maps: str | list[str] | None) -> str:
    """The absolute path of the archive to write.

    Raises:
        mlt_s.MltSError: the loader would not read label maps from an archive of this name, or would mix them with the
            label maps of that folder.
    """
    out = os.path.abspath(os.path.expanduser(out))
    name = os.path.basename(out)
    if not name.lower().endswith(".zip") or not mlt_s.is_wanted((name,), ("label",)):
        raise mlt_s.MltSError(
            f"The loader would not look for label maps in an archive named {name}: give a name that ends in .zip and "
            "has no word for images, words or a test split, such as weak.zip."
        )
    for place in map(mlt_s.absolute_address, [data_dir, *mlt_s.MltSConfig(label_maps=label_maps).label_sources]):
        if mlt_s.is_below(out, [place]):
            raise mlt_s.MltSError(f"{out} lies in {place}, where label maps are looked for: give another folder.")
    return out


# --- What to label -------------------------------------------------------------------------------------------------


def _tasks(
    data_dir: str | os.PathLike[str], label_maps: str | list[str] | None, unlabelled_only: bool
) -> tuple[list[Task], dict[str, list[str]]]:
    """The tasks in the order of splits and numbers, and for each split the ids of images without ground truth."""
    listing = _listing(data_dir, label_maps, unlabelled_only)
    tasks: list[Task] = []
    without_words = {}
    for split in mlt_s.PUBLISHED_COUNTS:
        labelled = {mlt_s.name_key(stem) for stem, _ in listing.files.get(("label", split), [])}
        pairs, missing = mlt_s.join(listing, split, ("label", *_WANTED), unlabelled=True)
        tasks += [Task(split, pair) for pair in pairs if not pair.label]
        if lacking := [name for name in missing.get("words", []) if mlt_s.name_key(name) not in labelled]:
            without_words[split] = lacking
    if not tasks:
        raise mlt_s.MltSError(_nothing_to_label(data_dir, listing))
    return tasks, without_words


def _listing(
    data_dir: str | os.PathLike[str], label_maps: str | list[str] | None, unlabelled_only: bool
) -> mlt_s.Listing:
    """The listing of the sources; of label maps only for `unlabelled_only`."""
    if unlabelled_only:
        builder = mlt_s.MltS(config_name="words", data_dir=data_dir, label_maps=label_maps)
        return builder.complete_listing()
    listing = mlt_s.list_source(mlt_s.absolute_address(data_dir), _WANTED, {})
    mlt_s.refuse_built(listing, _WANTED, data_dir)
    mlt_s.refuse_unplaced(listing, mlt_s.MltSConfig(name="words", data_dir=data_dir))
    for role in _WANTED:
        kind = mlt_s.KINDS[role]
        if not listing.has(role):
            raise mlt_s.MltSError(
                f"There is no {kind} in {mlt_s.absolute_address(data_dir)} whose split is known. Label maps are made "
                f"from MLT's images and words: download {mlt_s.ARCHIVES[role][1]} from {mlt_s.IMAGES_URL}."
            )
    return listing


def _nothing_to_label(data_dir: str | os.PathLike[str], listing: mlt_s.Listing) -> str:
    if listing.has("label"):
        return (
            f"There is nothing to label in {data_dir}: every image that has ground truth has a label map. Leave out "
            "--unlabelled-only to label these images too."
        )
    return (
        f"There is nothing to label in {data_dir}: no image has a ground truth file of the same name in its split, as "
        "img_1.jpg has gt_img_1.txt."
    )


def with_words(pairs: choose.Source, where: str) -> list[Task]:
    """Labelled pairs, with their ground truth if they have any, in the order of splits and numbers.

    Args:
        pairs: the pairs.
        where: their place, as the error names it.

    Raises:
        mlt_s.MltSError: no pair has ground truth.
    """
    tasks = [Task(choice.split, pairs.with_words(choice)) for choice in pairs.choices]
    if not any(task.pair.words for task in tasks):
        raise mlt_s.MltSError(
            f"No pair in {where} has ground truth, which says where words are: download "
            f"{' and '.join(mlt_s.WORDS_ARCHIVES)} from {mlt_s.IMAGES_URL}."
        )
    return tasks


def digest_of(tasks: Iterable[Task]) -> str:
    """A digest by which an interrupted run recognises its sources.

    It changes if an image, a label map, the value of text in it, or ground truth changes. Changes are recognised by
    sizes and stamps, so only directories are read.
    """
    tasks = list(tasks)
    lines = [
        f"{split}/{pair.image_id}/{copies[0].size}/{copies[0].stamp}"
        for split, pair in tasks
        for copies in (pair.image, pair.label, pair.words)
        if copies
    ]
    lines += [f"{split}/{pair.image_id}: text is {pair.text_value}" for split, pair in tasks if pair.text_value != 1]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# --- How -----------------------------------------------------------------------------------------------------------


def gathered(
    out: str, order: dict[str, Any], tasks: list[Task], model: Model, made: Maker, without_words: dict[str, int]
) -> dict[str, Any]:
    """Makes the missing label maps, writes the archive of all of them, and returns its record.

    Args:
        out, order: as for `archive.gathering`.
        tasks: the images and words of all label maps.
        model: any `patches.Model`.
        made: from an example and its patches, makes a label map, as a PNG file, and its counts.
        without_words: split -> number of images without ground truth.
    """
    sources = {task.key: digest_of([task]) for task in tasks}
    with archive.gathering(out, order, sources) as gathering:
        if not gathering:
            print(f"{out} is done already.")
            record = archive.read_record(out)
            assert record, "a finished archive has a record"
            return record
        if gathering.outdated:
            print(
                f"{mlt_s.counted(gathering.outdated, 'label map')} of the interrupted run made again, as the image, "
                f"label map or ground truth has changed since: {mlt_s.first_few(gathering.outdated)}"
            )
        # The batches are always the same: in other batches, a network's probabilities can differ in their last bits.
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
        return gathering.finish(without_words)


def read_words(pair: mlt_s.Pair) -> list[dict[str, Any]]:
    """The words of a pair, as `mlt_s.parse_words` returns them.

    Raises:
        mlt_s.MltSError: they cannot be read.
    """
    return mlt_s.read_example(mlt_s.Pair(pair.image_id, words=pair.words), {})["words"]


def read_pair(pair: mlt_s.Pair) -> dict[str, Any]:
    """The example of a pair, decoded; its words are empty if it has no ground truth."""
    features = {"image": datasets.Image(mode="RGB"), "label": mlt_s.LABEL_MAP}
    return {"words": [], **choose.read(pair, features, {})}


def _counted(label: np.ndarray, words: Words, patches: Patches, thresholds: Thresholds) -> dict[str, int]:
    return {
        "images": 1,
        "words": len(words),
        "unreadable": sum(not word["readable"] for word in words),
        "too_little": count_too_little((label.shape[1], label.shape[0]), words, patches, thresholds),
        **counted(label),
    }


# --- For the eye ---------------------------------------------------------------------------------------------------


def _report(out: str, record: dict[str, Any], without_words: dict[str, list[str]]) -> Iterator[str]:
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


def _call(
    out: str,
    data_dir: str | os.PathLike[str],
    label_maps: str | list[str] | None,
    unlabelled_only: bool,
    text_value: int,
) -> str:
    """The call that loads the label maps; for `unlabelled_only`, together with the existing ones."""
    there = os.path.join(mlt_s.absolute_address(data_dir), mlt_s.LABEL_ARCHIVE)
    place = there if os.path.isfile(there) else f"path/to/{mlt_s.LABEL_ARCHIVE}"
    authors = mlt_s.MltSConfig(label_maps=label_maps).label_sources or [place]
    config = mlt_s.MltSConfig(
        name=mlt_s.MltS.DEFAULT_CONFIG_NAME,
        data_dir=data_dir,
        label_maps=[*authors, out] if unlabelled_only else out,
        text_value=text_value,
    )
    return f"Load them by {config.call()}"
