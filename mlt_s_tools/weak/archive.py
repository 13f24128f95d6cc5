"""The archive of label maps that `mlt-s weak label` and `repair` write, and the folder beside it in which they gather.

It is laid out as the authors' own, so that all that takes theirs takes it, with a record (`origin.RECORD`) of how it
was made; and each label map in it is signed. Neither it nor the folder holds a date, a path or the name of a machine:
the same words give the same bytes, interrupted or not.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import zipfile

import PIL.Image
from PIL.PngImagePlugin import PngInfo

import mlt_s
from mlt_s_tools import records, resuming
from mlt_s_tools.origin import KEYWORD, MAKER, RECORD

PARTIAL = ".partial"  # ends the name of the folder beside the archive

_FORMAT = 2  # to be raised where the same words shall make other label maps
_FOLDER = "MLT_S_labels"
FINISHED = "finished.jsonl"  # first line: how they are made; one more for each label map that is whole
_LOCK = ".lock"
_ARCHIVE = "archive"  # the archive to be, while it is being written
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold

# What is counted of a label map, and summed up by split.
PIXELS = ("background", "text", "uncertain")
COUNTS = {
    # unreadable: words that are uncertain as a whole; too_little: others, in which too little text was found
    "label": ("images", "words", "unreadable", "too_little", *PIXELS),
    # by what became of pixels that were uncertain, or, of the last, background
    "repair": ("images", "words", "became_text", "became_background", "joined", *PIXELS),
}

# By what other label maps differ from those that are asked for, the most telling first.
_OTHER = {
    "format": "by another version of mlt-s",
    "kind": "of another command",
    "model": "by another model, or by the same one on another engine",
    "thresholds": "with other thresholds",
    "strokes": "with another word on strokes (--strokes)",
    "unlabelled_only": "of another choice of images (--unlabelled-only)",
    "source": "of other images, label maps or ground truth",
}

# What `order_of` returns, and what stands beside it in the archive and in a line of what is finished.
_ORDER = {
    "format": int,
    "kind": str,
    "model": {"name": str},
    "thresholds": {str: float},
    "strokes?": bool,
    "unlabelled_only?": bool,
    "source": str,
}


def order_of(kind, model, thresholds, source, **options):
    """All that decides which label maps come out, as JSON has it.

    Args:
        kind: "label" or "repair".
        model: see `mlt_s_tools.weak`.
        thresholds: name -> number.
        source: another str where the images, their words or label maps are others.
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
    return json.loads(json.dumps(order))  # as it is read back, to compare the two


def signed_png(label, maker):
    """A label map as a PNG file that says who made it.

    Args:
        label: uint8 (height, width).
        maker: name of the model; of a repaired label map, after "repair".
    """
    signature = PngInfo()
    signature.add_text(KEYWORD, f"{MAKER} {maker}".encode("ascii", "replace"))  # other letters take another chunk
    file = io.BytesIO()
    PIL.Image.fromarray(label).save(file, "PNG", pnginfo=signature)
    return file.getvalue()


def read_record(out):
    """The record of an archive that is there; None where there is no archive.

    Raises:
        mlt_s.MltSError: something else has its name.
    """
    if not os.path.lexists(out):
        return None
    try:
        with zipfile.ZipFile(out) as archive, archive.open(f"{_FOLDER}/{RECORD}") as file:
            record = records.parsed(file.read(records.LARGEST + 1), {"format": int})
        if record["format"] == _FORMAT:
            records.check(record, _ORDER)
            records.check(record, {"splits": {str: dict.fromkeys(COUNTS[record["kind"]], int)}})
        return record
    except Exception:  # a zip of somebody else's can be damaged, encrypted or hold anything, and each has its own
        raise mlt_s.MltSError(f"{out} is there already, and no archive of {MAKER}. Give another name.") from None


def is_finished(out, order):
    """Whether the archive that is asked for is there.

    Raises:
        mlt_s.MltSError: there is another one, or something else.
    """
    record = read_record(out)
    if record is None:
        return False
    if other := resuming.difference(record, order, _OTHER):
        raise mlt_s.MltSError(f"{out} is there already, and holds label maps {other}. Give another name, or remove it.")
    return True


@contextlib.contextmanager
def gathering(out, order):
    """The `Gathering` of an archive: a new one, or that of an earlier run; None where the archive is finished.

    No other process gets at it meanwhile. What gathered is removed when the archive is there, also what a run left that
    was killed between the two.

    Args:
        out: absolute path of the archive to be.
        order: what `order_of` returns.

    Raises:
        mlt_s.MltSError: label maps of another order lie there or at `out`, or something else, or another process is at
            work.
        OSError: the folder cannot be made.
    """
    folder = out + PARTIAL
    if is_finished(out, order) and not os.path.exists(folder):
        yield None
        return
    taken = f"Another {MAKER} is writing {out}: wait for it, or give another name."
    try:
        with resuming.alone(folder, _LOCK, taken):
            try:
                # Asked once more, as another process may have finished it while this one waited.
                yield None if is_finished(out, order) else Gathering(out, folder, order)
            finally:
                if os.path.exists(out):
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        if not mlt_s.is_out_of_space(error):
            if error.errno and error.filename is None:
                error.filename = out
            raise
        raise mlt_s.MltSError(
            f"There is no space left for {out}. Free some and run the same again: what is made so far is kept."
        ) from error


class Gathering:
    """The label maps that are made so far.

    Args:
        out: path of the archive to be.
        folder: path of the folder that they lie in.
        order: what `order_of` returns.

    Raises:
        mlt_s.MltSError: those in the folder are of another order.
    """

    def __init__(self, out, folder, order):
        self._out, self._folder, self._order = out, folder, order
        self._names = COUNTS[order["kind"]]
        earlier, finished = _read_finished(os.path.join(folder, FINISHED), self._names)
        if earlier is not None and (other := resuming.difference(earlier, order, _OTHER)):
            raise mlt_s.MltSError(
                f"{folder} holds what an interrupted run made, {other}. To go on with it, give the same "
                "arguments as then; to begin anew, remove it or give another name."
            )
        self._counts = {
            (line["split"], line["image_id"]): {name: line["counts"][name] for name in self._names}
            for line in finished
            if os.path.exists(self._path(line["split"], line["image_id"]))
        }
        # Anew: a run that was killed may have left half a line in it.
        lines = (self._line(*key) for key in self._counts)
        resuming.begin_journal(os.path.join(folder, FINISHED), order, lines)

    def has(self, split, image_id):
        return (split, image_id) in self._counts

    def add(self, split, image_id, label, counts):
        """Keeps a label map, given as a PNG file, and its counts, a dict by `COUNTS`."""
        path = self._path(split, image_id)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        resuming.write(path, label)
        self._counts[split, image_id] = counts
        resuming.add_to_journal(os.path.join(self._folder, FINISHED), self._line(split, image_id))

    def finish(self, ids, without_words):
        """Writes the archive, and returns its record.

        Args:
            ids: (split, image_id) of all label maps, in order.
            without_words: split -> number of images that have no ground truth.
        """
        splits = {split: dict.fromkeys(self._names, 0) for split, _ in ids}
        for split, image_id in ids:
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
            for split, image_id in ids:
                with open(self._path(split, image_id), "rb") as file:
                    archive.writestr(zipfile.ZipInfo(_member(split, image_id), _DATE), file.read())
        os.replace(whole, self._out)
        return record

    def _path(self, split, image_id):
        # Not by the name of the image, which may be longer than that of a file, or not allowed there.
        return os.path.join(self._folder, split, f"{_digest(image_id)}.png")

    def _line(self, split, image_id):
        return {"split": split, "image_id": image_id, "counts": self._counts[split, image_id]}


def _digest(image_id):
    return hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _member(split, image_id):
    return f"{_FOLDER}/{'training' if split == 'train' else split}_labels/{image_id}.png"


def _read_finished(path, names):
    """The order that a list of finished label maps begins with, and its lines; None and none where there is no list.

    A line that is damaged is left out: its label map is made again.
    """
    try:
        order, *lines = records.lines(path)  # and not half a line, of a run that was killed
        finished = (_finished(line, names) for line in lines)
        return records.parsed(order, {"format": int}), [line for line in finished if line]
    except (FileNotFoundError, ValueError):
        return None, []


def _finished(line, names):
    try:
        return records.parsed(line, {"split": str, "image_id": str, "counts": dict.fromkeys(names, int)})
    except ValueError:
        return None
