"""The archive of label maps that `mlt-s weak label` and `repair` write, and the folder that holds unfinished ones.

The archive is laid out like the authors', so it can replace theirs. It also has a record (`origin.RECORD`) of how it
was made, and each label map in it is signed. It contains no date, path or machine name: the same arguments give the
same bytes, interrupted or not.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from PIL.PngImagePlugin import PngInfo

import mlt_s
from mlt_s_tools import records, resuming
from mlt_s_tools.origin import KEYWORD, MAKER, RECORD

if TYPE_CHECKING:
    from mlt_s_tools.weak.patches import Model

    Key = tuple[str, str]  # split and image id

PARTIAL = ".partial"  # ends the name of the folder beside the archive

_FORMAT = 2  # raise it when the same arguments give different label maps
_FOLDER = "MLT_S_labels"
FINISHED = "finished.jsonl"  # a journal, as in `resuming`: one line for each label map
_LOCK = ".lock"
_ARCHIVE = "archive"  # name of the archive while it is being written
_DATE = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold
# All that a run leaves in its folder.
_LEFT = {FINISHED, FINISHED + resuming.PART, _LOCK, _ARCHIVE + resuming.PART, *mlt_s.PUBLISHED_COUNTS}

# The counts of each label map, which are summed by split.
PIXELS = ("background", "text", "uncertain")
COUNTS = {
    # unreadable: words that are uncertain as a whole; too_little: readable ones with too little text
    "label": ("images", "words", "unreadable", "too_little", *PIXELS),
    # became_text, became_background: uncertain pixels that were resolved; joined: background that became text
    "repair": ("images", "words", "became_text", "became_background", "joined", *PIXELS),
}

# How existing label maps differ from the requested ones, the most informative difference first.
_OTHER = {
    "format": "by another version of mlt-s",
    "kind": "of another command",
    "model": "by another model, or by the same one on another engine",
    "thresholds": "with other thresholds",
    "strokes": "with another choice of --strokes",
    "unlabelled_only": "of another choice of images (--unlabelled-only)",
    "source": "of other images, label maps or ground truth",
}

# The same of an interrupted run, whose label maps are used if they are of the same images: each only if none of its own
# sources has changed.
_OTHER_RUN = {**{key: text for key, text in _OTHER.items() if key != "source"}, "images": "of other images"}

# What `order_of` returns.
_ORDER: records.Shape = {
    "format": int,
    "kind": str,
    "model": {"name": str},
    "thresholds": {str: float},
    "strokes?": bool,
    "unlabelled_only?": bool,
    "source": str,
}


def order_of(kind: str, model: Model, thresholds: dict[str, float], source: str, **options: bool) -> dict[str, Any]:
    """Everything that decides the label maps, as JSON values.

    Args:
        kind: "label" or "repair".
        model: any `patches.Model`.
        thresholds: name -> number.
        source: what `label.digest_of` returns.
        options: `unlabelled_only` or `strokes`.
    """
    order = {
        "format": _FORMAT,
        "kind": kind,
        "model": {"name": model.name, **model.record},
        "thresholds": thresholds,
        **options,
        "source": source,
    }
    return json.loads(json.dumps(order))  # in the form in which a record is read, to compare both


def signed_png(label: np.ndarray, maker: str) -> bytes:
    """A label map as a PNG file, signed with its maker.

    Args:
        label: uint8 (height, width).
        maker: name of the model, for a repaired label map after `origin.REPAIRED` or `origin.REPAIRED_OTHERS`.
    """
    signature = PngInfo()
    signature.add_text(KEYWORD, f"{MAKER} {maker}".encode("ascii", "replace"))  # other letters need another chunk type
    file = io.BytesIO()
    PIL.Image.fromarray(label).save(file, "PNG", pnginfo=signature)
    return file.getvalue()


def read_record(out: str) -> dict[str, Any] | None:
    """The record of the archive at `out`; None if there is no file.

    Raises:
        mlt_s.MltSError: the file is not such an archive.
    """
    if not os.path.lexists(out):
        return None
    try:
        with zipfile.ZipFile(out) as archive, archive.open(f"{_FOLDER}/{RECORD}") as file:
            record = records.parsed(file.read(records.LARGEST + 1), {"format": int})
        if record["format"] == _FORMAT:
            records.check(record, _ORDER)
            counts: records.Shape = dict.fromkeys(COUNTS[record["kind"]], int)
            records.check(record, {"splits": {str: counts}, "without_ground_truth": {str: int}})
        return record
    except Exception:  # a zip may be damaged, encrypted or hold anything, and each raises a different error
        raise mlt_s.MltSError(f"{out} is there already, and was not written by {MAKER}. Give another name.") from None


def is_finished(out: str, order: dict[str, Any]) -> bool:
    """Whether the archive of this order exists.

    Raises:
        mlt_s.MltSError: another archive, or another file, is there.
    """
    record = read_record(out)
    if record is None:
        return False
    if other := resuming.difference(record, order, _OTHER):
        raise mlt_s.MltSError(f"{out} is there already, and holds label maps {other}. Give another name, or remove it.")
    return True


@contextlib.contextmanager
def gathering(out: str, order: dict[str, Any], sources: Mapping[Key, str]) -> Iterator[Gathering | None]:
    """The `Gathering` of an archive, new or from an interrupted run; None if the archive is finished.

    Meanwhile, other processes are kept out. Once the archive exists, the folder is removed, also if it is left from a
    run that was killed between the two.

    Args:
        out: absolute path of the archive to write.
        order: what `order_of` returns.
        sources: split and image id of each label map, in order -> a digest of what it is made from.

    Raises:
        mlt_s.MltSError: there are label maps of another order, another file is at `out`, other files are in the folder,
            or another process is writing it.
        OSError: the folder cannot be created.
    """
    folder = out + PARTIAL
    if is_finished(out, order) and not os.path.exists(folder):
        yield None
        return
    _refuse_others(folder)
    busy = f"Another {MAKER} is writing {out}: wait for it, or give another name."
    try:
        with resuming.alone(folder, _LOCK, busy):
            try:
                # Checked again, as another process may have finished it while this one waited.
                yield None if is_finished(out, order) else Gathering(out, folder, order, sources)
            finally:
                if os.path.exists(out):
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        if not mlt_s.is_out_of_space(error):
            if error.errno and error.filename is None:
                error.filename = out
            raise
        raise mlt_s.MltSError(
            f"There is no space left for {out}. Free some, and run the same command again: it resumes."
        ) from error


def _refuse_others(folder: str) -> None:
    """Refuses a folder, or a file of its name, that no run left: it would be removed in the end."""
    try:
        others = sorted(set(os.listdir(folder)) - _LEFT)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise mlt_s.MltSError(f"{folder} is a file, and would be the folder of this run. Give another name.") from None
    if others:
        raise mlt_s.MltSError(
            f"{folder} would be the folder of this run, but holds other files: {mlt_s.first_few(others)}. Give another "
            "name."
        )


class Gathering:
    """The label maps made so far.

    Args:
        out: path of the archive to write.
        folder: path of their folder.
        order: what `order_of` returns.
        sources: as for `gathering`.

    Attributes:
        outdated: image ids of the label maps of an interrupted run whose sources have changed since.

    Raises:
        mlt_s.MltSError: the folder has label maps of another order, or of other sources alone.
    """

    def __init__(self, out: str, folder: str, order: dict[str, Any], sources: Mapping[Key, str]) -> None:
        self._out, self._folder, self._order, self._sources = out, folder, order, sources
        self._names = COUNTS[order["kind"]]
        # With other images, batches would be others, and results could differ in their last bits.
        run = {**order, "images": _digest("\n".join(map("/".join, sources)))}
        earlier, finished = _read_finished(os.path.join(folder, FINISHED), self._names)
        same: list[dict[str, Any]] = []
        outdated: list[dict[str, Any]] = []
        for line in finished:
            is_same = line["source"] == sources.get((line["split"], line["image_id"]))
            (same if is_same else outdated).append(line)
        other = resuming.difference(earlier, run, _OTHER_RUN) if earlier else ""
        if outdated and not same:
            other = other or _OTHER["source"]  # not a few files that were replaced
        if other:
            raise mlt_s.MltSError(
                f"{folder} holds label maps of an interrupted run, {other}. To continue that run, give the same "
                "arguments in the same environment; to start over, remove the folder or give another name."
            )
        self.outdated = [line["image_id"] for line in outdated]
        self._counts = {
            (line["split"], line["image_id"]): {name: line["counts"][name] for name in self._names}
            for line in same
            if os.path.exists(self._path(line["split"], line["image_id"]))
        }
        # Rewritten, because a killed run may have left half a line.
        lines = (self._line(*key) for key in self._counts)
        resuming.begin_journal(os.path.join(folder, FINISHED), run, lines)

    def has(self, split: str, image_id: str) -> bool:
        return (split, image_id) in self._counts

    def add(self, split: str, image_id: str, label: bytes, counts: dict[str, int]) -> None:
        """Keeps a label map (the bytes of its PNG file) and its counts, named as in `COUNTS`."""
        path = self._path(split, image_id)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        resuming.write(path, label)
        self._counts[split, image_id] = counts
        resuming.add_to_journal(os.path.join(self._folder, FINISHED), self._line(split, image_id))

    def finish(self, without_words: dict[str, int]) -> dict[str, Any]:
        """Writes the archive of all label maps, and returns its record.

        Args:
            without_words: split -> number of images without ground truth.
        """
        splits = {split: dict.fromkeys(self._names, 0) for split, _ in self._sources}
        for split, image_id in self._sources:
            for name in self._names:
                splits[split][name] += self._counts[split, image_id][name]
        record = {
            "made_by": MAKER,
            **self._order,
            "splits": splits,
            "without_ground_truth": without_words,
        }
        whole = os.path.join(self._folder, _ARCHIVE + resuming.PART)
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr(zipfile.ZipInfo(f"{_FOLDER}/{RECORD}", _DATE), json.dumps(record, indent=1) + "\n")
            for split, image_id in self._sources:
                with open(self._path(split, image_id), "rb") as file:
                    archive.writestr(zipfile.ZipInfo(_member(split, image_id), _DATE), file.read())
        os.replace(whole, self._out)
        return record

    def _path(self, split: str, image_id: str) -> str:
        # Not named like the image: its name may be too long for a file, or not allowed.
        return os.path.join(self._folder, split, f"{_digest(image_id)}.png")

    def _line(self, split: str, image_id: str) -> dict[str, Any]:
        key = split, image_id
        return {"split": split, "image_id": image_id, "source": self._sources[key], "counts": self._counts[key]}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _member(split: str, image_id: str) -> str:
    return f"{_FOLDER}/{'training' if split == 'train' else split}_labels/{image_id}.png"


def _read_finished(path: str, names: Iterable[str]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The order and the lines of the journal of finished label maps; None and no lines if there is no journal.

    A damaged line is left out: its label map is made again.
    """
    try:
        first, *lines = records.lines(path)
        order = records.parsed(first, {"format": int})
    except (FileNotFoundError, ValueError):
        return None, []
    finished = []
    shape: records.Shape = {"split": str, "image_id": str, "source": str, "counts": dict.fromkeys(names, int)}
    for line in lines:
        with contextlib.suppress(ValueError):
            finished.append(records.parsed(line, shape))
    return order, finished
