"""MLT_S: pixel-level label maps for the multilingual scene text of ICDAR 2017 MLT, as a Hugging Face data set.

    import mlt_s                                    # makes the name known to `datasets`
    from datasets import load_dataset

    ds = load_dataset("mlt_s", data_dir="~/mlt")    # the ten zip archives as downloaded

Below `datasets` 4 this file is a loading script as well: `load_dataset("path/to/mlt_s.py", data_dir="~/mlt",
trust_remote_code=True)`.

Pixel values are in `LabelMap`, the match of label maps and images in `join`, the examples in `read_example`, and what
the library calls in `MltS`. From top to bottom: facts, the label schema, sources and archives, the join, pixels, masks
of 0 and 255, words, the download, secrets, built label maps, the builder, read-ahead, the registration.
"""

import base64
import contextlib
import dataclasses
import errno
import functools
import gc
import hashlib
import http.client
import io
import itertools
import json
import logging
import os
import re
import struct
import threading
import time
import unicodedata
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Optional, Union

import datasets
import filelock  # comes with datasets
import fsspec  # comes with datasets
import numpy as np

if TYPE_CHECKING:  # Pillow is imported where a picture is opened: `import datasets` does not load it, nor shall this
    import PIL.Image

# What others may build on. Further functions without an underscore serve mlt_s_tools, and change with it.
__all__ = [
    "IMAGES_URL", "IMAGE_ARCHIVES", "IMAGE_COUNTS", "LABELS_URL", "LABEL_ARCHIVE", "LABEL_MAP", "PUBLISHED_COUNTS",
    "RGB_IMAGE", "SCRIPTS", "WORDS", "WORDS_ARCHIVES", "LabelMap", "Listing", "Member", "MltS", "MltSConfig",
    "MltSError", "Pair", "RGBImage", "RemoteOptions", "archive_members", "indexed_label", "join", "list_label_maps",
    "list_source", "neutral_orientation", "parse_words", "read_example", "read_member", "stored_image", "walk",
]  # fmt: skip

__version__ = "0.1.0"  # pyproject.toml reads it from here

logger = logging.getLogger(__name__)


# --- Facts ---------------------------------------------------------------------------------------------------------

CITATION = """\
@inproceedings{bonechi2019coco_ts,
  title     = {{COCO\\_TS} Dataset: Pixel-Level Annotations Based on Weak Supervision for Scene Text Segmentation},
  author    = {Bonechi, Simone and Andreini, Paolo and Bianchini, Monica and Scarselli, Franco},
  booktitle = {Artificial Neural Networks and Machine Learning -- ICANN 2019},
  pages     = {238--250},
  publisher = {Springer},
  year      = {2019}
}
@article{bonechi2020weak,
  title   = {Weak Supervision for Generating Pixel-Level Annotations in Scene Text Segmentation},
  author  = {Bonechi, Simone and Bianchini, Monica and Scarselli, Franco and Andreini, Paolo},
  journal = {Pattern Recognition Letters},
  year    = {2020},
  issn    = {0167-8655},
  doi     = {10.1016/j.patrec.2020.06.023}
}
"""

_DESCRIPTION = """\
MLT_S gives 6,896 images of the ICDAR 2017 MLT challenge (multilingual scene text) a label map each: 0 background,
1 text, 255 uncertain. The maps are machine-made from MLT's word boxes by weak supervision.
"""

HOMEPAGE = "http://clem.diism.unisi.it/~coco_ts/"
LICENSE = "CC BY 4.0"

# Where the authors offer MLT_S_labels.zip, and where MLT's own archives are (after a registration).
LABELS_URL = "http://clem.diism.unisi.it/~coco_ts/download_mlt_s.php"
IMAGES_URL = "https://rrc.cvc.uab.es/?ch=8&com=downloads"

# Label maps per split, as the authors count them on the dataset page, and images, as MLT's download page does.
PUBLISHED_COUNTS = {"train": 5540, "validation": 1356}
IMAGE_COUNTS = {"train": 7200, "validation": 1800}

LABEL_ARCHIVE = "MLT_S_labels.zip"
IMAGE_ARCHIVES = tuple(f"ch8_training_images_{part}.zip" for part in range(1, 9)) + ("ch8_validation_images.zip",)
WORDS_ARCHIVES = tuple(f"ch8_{part}_localization_transcription_gt_v2.zip" for part in ("training", "validation"))

# As MLT's ground truth names them: "None" of a word whose script could not be told, "Mixed" of one in several.
SCRIPTS = ("Arabic", "Latin", "Chinese", "Japanese", "Korean", "Bangla", "Symbols", "Mixed", "None")


class MltSError(Exception):
    """Whatever keeps MLT_S from loading. The text says what, where, and what to do next, and shows no secret."""

    def __init__(self, text: str = ""):
        super().__init__(without_secrets(text))


# --- The label schema ----------------------------------------------------------------------------------------------


@dataclasses.dataclass(eq=False)
class LabelMap(datasets.Image):
    """A mask of classes: `datasets.Image` with the habits of `datasets.ClassLabel`.

    Decodes to an 8-bit grey `PIL.Image` (mode "L") of the image's size, or as an array `(height, width)`, uint8
    (`with_format("torch")` puts an axis of length 1 before these two):

    | value | class |
    | --- | --- |
    | 0 | background |
    | 1 | text |
    | 255 | uncertain: to be ignored in training and in evaluation |

    It serializes as a plain `Image` and compares equal to one, so what is written with it opens without this module.
    Values, names and colours are those of the MLT_S dataset page.
    """

    names: ClassVar[list[str]] = ["background", "text"]
    num_classes: ClassVar[int] = 2
    ignore_index: ClassVar[int] = 255
    ignore_name: ClassVar[str] = "uncertain"
    id2label: ClassVar[dict[int, str]] = {0: "background", 1: "text"}
    label2id: ClassVar[dict[str, int]] = {"background": 0, "text": 1}
    colors: ClassVar[dict[int, tuple[int, int, int]]] = {0: (0, 0, 0), 1: (255, 0, 0), 255: (255, 222, 0)}

    def int2str(self, values: Any) -> Any:
        """Names of pixel values: an int gives a str, a list or array (of any depth) a list of the same shape.

        Raises:
            ValueError: a value is neither a class nor the ignore index.
        """
        return _translate(values, {**self.id2label, self.ignore_index: self.ignore_name}, "pixel value")

    def str2int(self, values: Any) -> Any:
        """Pixel values of names: a str gives an int, a list or array (of any depth) a list of the same shape.

        Raises:
            ValueError: a name is neither a class nor "uncertain".
        """
        return _translate(values, {**self.label2id, self.ignore_name: self.ignore_index}, "name")

    def colorize(self, label_map: Any) -> "PIL.Image.Image":
        """The label map in the published colours: background black, text red, uncertain yellow.

        Args:
            label_map: a `PIL.Image` of one channel or an integer array `(height, width)` that holds 0, 1 and 255.

        Returns:
            A `PIL.Image` of mode "RGB" and the same size.

        Raises:
            ValueError: more than one channel, or another value in the map.
        """
        import PIL.Image

        values = np.asarray(label_map)
        if values.ndim != 2:
            raise ValueError(f"A label map has the shape (height, width), not {values.shape}.")
        known = np.isin(values, list(self.colors))
        if not known.all():
            raise ValueError(f"A label map holds {list(self.colors)}, not {np.unique(values[~known])[:5].tolist()}.")
        picture = PIL.Image.fromarray(values.astype(np.uint8))
        picture.putpalette([level for value in range(256) for level in self.colors.get(value, (0, 0, 0))])
        return picture.convert("RGB")

    def __repr__(self) -> str:
        fields = {"names": self.names, "ignore_index": self.ignore_index}
        changed = {"mode": (self.mode, None), "decode": (self.decode, True), "id": (self.id, None)}
        fields.update({name: value for name, (value, usual) in changed.items() if value != usual})
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"

    def __eq__(self, other: Any) -> bool:
        # Equal to a plain Image of the same fields: where the library hands one back (a cached map, another process),
        # it still aligns and concatenates the features.
        if not isinstance(other, datasets.Image):
            return NotImplemented
        return (self.mode, self.decode, self.id) == (other.mode, other.decode, other.id)

    __hash__ = None  # type: ignore[assignment]  # how Python itself marks what cannot be hashed


def _translate(values: Any, table: dict[Any, Any], what: str) -> Any:
    if hasattr(values, "tolist"):  # arrays, tensors, and their scalars
        values = values.tolist()
    if isinstance(values, (list, tuple)):
        return [_translate(value, table, what) for value in values]
    if isinstance(values, (str, int)) and not isinstance(values, bool) and values in table:
        return table[values]
    raise ValueError(f"{values!r} is not a {what} of a label map; known are {list(table)}.")


LABEL_MAP = LabelMap()


@dataclasses.dataclass(eq=False)
class RGBImage(datasets.Image):
    """An image that decodes to a `PIL.Image` of mode "RGB", and concatenates with other people's images.

    Serializes as `datasets.Image(mode="RGB")`. Compares equal to that and to a plain `datasets.Image()`, which is what
    other data sets have: `concatenate_datasets` and `interleave_datasets` accept only equal features, and give the
    result the first one.
    """

    # A factory, because `datasets` does not serialize a field that has its default.
    mode: Optional[str] = dataclasses.field(default_factory=lambda: "RGB")

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, datasets.Image):
            return NotImplemented
        same_mode = other.mode == self.mode or (type(other) is datasets.Image and other.mode is None)
        return same_mode and (self.decode, self.id) == (other.decode, other.id)

    __hash__ = None  # type: ignore[assignment]  # how Python itself marks what cannot be hashed


RGB_IMAGE = RGBImage()


# --- Sources: folders and archives, listed without unpacking -------------------------------------------------------

# MLT has JPEG, PNG and GIF files; people convert them to the others.
_IMAGE_EXTENSIONS = ("jpg", "jpeg", "jfif", "png", "gif", "webp", "bmp", "tif", "tiff")
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    "test": "test",  # MLT's test images bear the same names again, and MLT_S has no label maps for them
}
# What a name may tell in place of a role.
_UNTOLD = ""  # neither role nor split
_CONTRADICTION = "?"  # two roles or splits at once, such as "train_and_val"
_HIDDEN = "hidden"  # a folder of a system or a network drive
_OTHER_SET = "other-set"
_PREDICTION = "prediction"  # what a model made: neither an image nor a label map, it bears the names of both
_DERIVED = "derived"  # made of label maps, and named like them: edge_* and det_mask_*, beside the corrected ones
_CORRECTED = "reann"  # in training_labels_reann: label maps that others corrected, which may lie beside the authors'
_CROP = "crop"  # words cut out of the images, as in ch8_training_word_images_gt.zip
_MASK = "mask"  # what people call label maps, and other things too: see Listing.settle
_ROLE_WORDS = {
    **dict.fromkeys(("image", "images"), "image"),
    **dict.fromkeys(("label", "labels", "labelmap", "labelmaps"), "label"),
    "word": _CROP,
    **dict.fromkeys(("mask", "masks", "seg", "segs", "segmentation", "segmentations", "gt", "groundtruth"), _MASK),
    **dict.fromkeys(("annotation", "annotations", "annot", "annots", "anno", "ann"), _MASK),
    **dict.fromkeys(("prediction", "predictions", "predicted", "pred", "preds", "inference"), _PREDICTION),
    **dict.fromkeys(("output", "outputs", "result", "results", "overlay", "overlays"), _PREDICTION),
    **dict.fromkeys(("edge", "edges", "det"), _DERIVED),
}
_LEFT_OUT_BY_NAME = (_OTHER_SET, _PREDICTION, _DERIVED)
# "TrainImages", "trainset" and "valmasks" are several words written as one.
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_VOCABULARY = sorted([*_SPLIT_WORDS, *_ROLE_WORDS, "set", "data", "img", "imgs", "maps"], key=len, reverse=True)
_COMPOUND = re.compile(f"(?:{'|'.join(_VOCABULARY)})+")
_PART_OF_COMPOUND = re.compile("|".join(_VOCABULARY))

# Other data sets, which people keep in the same folder, and whose files are called img_1.jpg as well. The Robust
# Reading Competition numbers its challenges: MLT 2017 is challenge 8 (rrc.cvc.uab.es).
_OTHER_SETS = re.compile(
    r"(?<![^\W\d_])(?:textseg|total[\W_]*text|(?:ms)?coco(?:[\W_]*(?:ts|text))?|synth[\W_]*text|text[\W_]*vqa|textocr|"
    r"(?:scut[\W_]*)?ctw|(?:msra[\W_]*)?td[\W_]?500|svtp?|iiit[\W_]*5k|cute[\W_]?80|rctw|lsvt|rects|mtwi|hiertext|"
    r"ubertext|open[\W_]*images|fsns|dost|kaist|vintext|bts|art(?:20)?19)(?![^\W\d_])"
)
_OTHER_CHALLENGES = re.compile(
    r"(?<![^\W\d_])(?:ch(?:allenge)?[\W_]*0*(?:[1-79]|[1-9]\d+)|(?:icdar|rrc|mlt)[\W_]*20(?!17)\d\d|"
    r"mlt19|icdar[\W_]*(?:03|05|11|13|15|19|21|23)|ic(?:03|11|13|15|19))(?!\d)|"
    r"^20(?:03|05|11|13|15|19|21|23)$"  # ICDAR's years, of a folder's whole name
)
_MLT_2017 = re.compile(
    r"(?<![^\W\d_])(?:ch(?:allenge)?[\W_]*0*8|(?:icdar|mlt|rrc|ic)[\W_]*17)(?!\d)|(?<!\d)2017(?!\d)|"
    r"(?<![^\W\d_])mlt[\W_]*s(?![^\W\d_])"
)
_MLT_IMAGE = re.compile(r"img_\d+", re.IGNORECASE)  # img_1 to img_7200, as MLT's download page has them
_WORDS_FILE = re.compile(r"gt_(.+)\.txt", re.IGNORECASE)  # gt_img_1.txt: where the words of img_1 are
_WORDS_ARCHIVE = {"localization", "transcription", "gt"}

# More than any scene or label map needs, 44 megapixels of RGB: an entry that claims more is damaged or hostile.
_LARGEST_MEMBER = 1 << 27  # bytes


class Member(NamedTuple):
    """A file in a zip archive, or a loose one: all it takes to read it by one access, in any process or thread."""

    address: str  # of the archive, or of the loose file: an absolute path or an fsspec address
    name: Optional[str]  # in the archive; None for a loose file
    size: int  # bytes, unpacked
    stamp: str  # changes with the content: CRC-32 in an archive, modification time of a loose file
    crc: Optional[int] = None  # CRC-32 of the content, which an archive knows and a folder does not
    offset: int = 0  # of the local header in the archive
    packed_size: int = 0
    method: int = zipfile.ZIP_STORED
    encrypted: bool = False
    raw_name: bytes = b""  # as the archive's directory has it, which the member's own header repeats

    def __str__(self) -> str:
        return self.address if self.name is None else f"{self.address}, member {self.name}"


@dataclasses.dataclass
class Listing:
    """What a source holds: images, label maps and ground truth files.

    Attributes:
        files: (role, split) -> (stem, member) of each file; the role is "image", "label" or "words". The stem of
            gt_img_1.txt is that of its image, img_1.
        unplaced: (role, member) of files whose names do not tell one role and one split; the role if it is known.
        containers: (role, path from the root: folders, archive, folder in it) -> number of files of that role.
        parquet: (role, split), by its path, and member of each Parquet file of a built set.
        left_out: reason, a key of `LEFT_OUT`, -> place (an archive, folder or file, in words) -> number of files; or
            "needed" -> the error of what is needed and cannot be read.
        masks: (split, path in parts) -> (stem, member) of the files of a folder that is named as label maps often are;
            empty once they are settled.
        origins: address of an archive that was downloaded, or made from a built set -> where it comes from.
        weak: archives and folders with the record of mlt-s weak, which made the label maps in them.
    """

    files: dict[tuple[str, str], list[tuple[str, Member]]] = dataclasses.field(default_factory=dict)
    unplaced: list[tuple[str, Member]] = dataclasses.field(default_factory=list)
    containers: Counter[tuple[str, str]] = dataclasses.field(default_factory=Counter)
    parquet: list[tuple[tuple[str, str], Member]] = dataclasses.field(default_factory=list)
    left_out: dict[str, Counter] = dataclasses.field(default_factory=lambda: defaultdict(Counter))
    masks: dict[tuple[str, tuple[str, ...]], list[tuple[str, Member]]] = dataclasses.field(
        default_factory=lambda: defaultdict(list)
    )
    origins: dict[str, str] = dataclasses.field(default_factory=dict)
    weak: set[str] = dataclasses.field(default_factory=set)

    def has(self, role: str) -> bool:
        return any(role == held for held, _ in self.files)

    def add(self, other: "Listing") -> None:
        """Adds what another source holds, once it is settled."""
        for place, files in other.files.items():
            self.files.setdefault(place, []).extend(files)
        self.unplaced += other.unplaced
        self.containers += other.containers
        self.parquet += other.parquet
        for reason, places in other.left_out.items():
            self.left_out[reason] += places
        self.origins.update(other.origins)
        self.weak |= other.weak

    def put(self, role: str, split: str, folders: tuple[str, ...], stem: str, member: Member) -> None:
        """Adds a file of known role; if its split is unknown, to `unplaced`."""
        if role == _CONTRADICTION or split in (_UNTOLD, _CONTRADICTION):
            self.unplaced.append((role, member))
        else:
            self.files.setdefault((role, split), []).append((stem, member))
            self.containers[role, "/".join(folders).rstrip("/")] += 1

    def sort_in(
        self, member: Member, folders: tuple[str, ...], name: str, roles: tuple[str, ...], default_role: str = "image"
    ) -> bool:
        """Sorts a file in by its name, and by those of its folders and archive.

        Args:
            member: the file.
            folders: the path from the root to it, in parts.
            name: of the file itself.
            roles: what is wanted, of "image", "label" and "words".
            default_role: of a file that neither folder nor archive calls an image or a label map.

        Returns:
            Whether it is of use. Files left out that are worth reporting are counted in `left_out`.
        """
        role, split = role_and_split(folders)
        stem, _, extension = name.rpartition(".")
        if role == _HIDDEN or is_hidden(name):
            return False
        if found := _WORDS_FILE.fullmatch(name):
            stem, role = found[1], role if role in (_CROP, _OTHER_SET) else "words"
        elif not stem or extension.lower() not in _IMAGE_EXTENSIONS:
            if name == WEAK_RECORD:
                self.weak.add(place_of(member))
            remedy = next((remedy for packed, remedy in _PACKED.items() if re.search(packed, name.lower())), None)
            if remedy and role not in _LEFT_OUT_BY_NAME:
                self.left_out["packed"][f"{member} ({remedy})"] += 1
            return False
        if not role or (role, default_role) == (_MASK, "label"):
            role = default_role
        if split == "test":
            return False
        if role in _LEFT_OUT_BY_NAME:
            self.left_out[role][place_of(member)] += 1
        elif role == _MASK:
            self.masks[split, folders].append((stem, member))
            return True
        elif role == "label" and extension.lower() != "png" and "label" in roles:
            self.left_out["not-png"][place_of(member)] += 1
        elif role in (*roles, _CONTRADICTION):
            self.put(role, split, folders, stem, member)
            return True
        return False

    def settle(self, roles: tuple[str, ...]) -> None:
        """Decides what folders such as masks/train hold, once the whole source is listed.

        One with anything but PNG files holds images. One of PNG files alone holds label maps. It is left out where
        label maps are not wanted, or where a folder or archive called "label" has those of its split.
        """
        named = {split for role, split in self.files if role == "label"}
        for (split, folders), files in self.masks.items():
            if not all(_is_png(member) for _, member in files):
                role = "image"
            elif "label" in roles and split not in named:
                role = "label" if split in PUBLISHED_COUNTS else _CONTRADICTION
            else:
                self.left_out["masks" if "label" in roles else "label"][place_of(files[0][1])] += len(files)
                continue
            for stem, member in files if role in (*roles, _CONTRADICTION) else ():
                self.put(role, split, folders, stem, member)
        self.masks.clear()

    def fingerprint(self) -> str:
        """Changes if and only if the role, split, name, size or time stamp of a file does, whatever its folder."""
        lines = [
            f"{role}/{split}/{stem}/{member.size}/{member.stamp}"
            for (role, split), files in self.files.items()
            for stem, member in files
        ]
        return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pauses Python's garbage collector, in the whole process, while lists of all members are made.

    MLT_S has 16,000, and none is garbage. Looking at each of them several times would take half as long again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# Why something is left out, as messages say it. The last two are mentioned only if something is missing.
LEFT_OUT = {
    "unreadable": "Cannot be read, passed over",
    _OTHER_SET: "Other data sets by name, left out",
    _PREDICTION: "Predictions by name, left out",
    _DERIVED: "Edges and detections by name, left out",
    "masks": "Label maps by name, left out beside others (label_maps=... chooses)",
    "not-png": "Label maps that are not PNG files, left out",
    "label": "Taken for label maps by name",
    "packed": "In a form that is not read",
}
ONLY_IF_MISSING = ("label", "packed")


def list_source(
    root: str,
    roles: tuple[str, ...],
    options: dict[str, Any],
    default_role: str = "image",
    leave_out: Sequence[str] = (),
) -> Listing:
    """Lists what is wanted of a folder, or of one archive. Reads directories of archives, not members.

    Args:
        root: a folder (of archives, files and folders, in any mixture) or an archive: a path or an fsspec address.
        roles: what is wanted, of "image", "label" and "words". Archives named for something else are not opened.
        options: for the fsspec file system of a remote root.
        default_role: of files that neither folder nor archive calls images or labels.
        leave_out: archives and folders below the root that are other sources, whatever path leads to them.

    Raises:
        MltSError: the root is not there or cannot be read; or one of the archives that MLT and MLT_S need cannot. What
            else cannot be read is passed over and named in `left_out`.
    """
    listing = Listing()
    # The pause holds for the whole process: no network is waited for in it.
    with contextlib.nullcontext() if is_remote(root) else _no_garbage_collection():
        for seen in survey(listing, root, roles, options, default_role, leave_out):
            if seen.error:
                listing.left_out["needed"][str(seen.error)] += 1
    if listing.left_out["needed"]:
        first, *rest = sorted(listing.left_out["needed"])
        raise MltSError(first + (f" Of what is needed, {len(rest):,} more cannot be read." if rest else ""))
    if mixed := mixed_sets(listing, root):
        raise MltSError(mixed)
    return listing


def mixed_sets(listing: Listing, root: str) -> str:
    """Why it is not clear which label maps of a source are meant: it holds corrected ones and others of one split.

    `join` refuses two of one name. Without this check, an image that lacks a corrected map would silently get another.
    Takes the settled listing and the address of the source. Returns the reason and what to write, or "".
    """
    base = os.path.dirname(root) if is_zip(root) else root.rstrip("/\\")  # the path of an archive begins with its name
    sets: tuple[dict[str, set[str]], ...] = (defaultdict(set), defaultdict(set))  # corrected ones, and others, by split
    for role, path in listing.containers:
        if role == "label":
            sets[not is_corrected(path)][role_and_split((path,))[1]].add(f"{base}/{path}")
    split = next((split for split in PUBLISHED_COUNTS if all(split in found for found in sets)), None)
    if split is None:
        return ""
    corrected, others = ({place for of_split in found.values() for place in of_split} for found in sets)
    holders = _holder(corrected, others), _holder(others, corrected)
    if all(holders):
        first, second = map(quoted, holders)
        advice = f"Give label_maps={first} for the corrected ones, or label_maps={second} for the others."
    else:
        advice = (
            "Copy the folders that you want, of both splits, into a folder of their own, and give that one: "
            'label_maps="~/corrected", for example.'
        )
    first, second = (first_few(sorted(found[split])) for found in sets)
    return (
        f"Two sets of label maps of the {split} split, which are not mixed: corrected ones in {first}, others in "
        f"{second}. {advice}"
    )


def is_corrected(path: str) -> bool:
    """Whether archives or folders in a path are named as the corrected label maps are.

    >>> is_corrected("MLT_S/training_labels_reann"), is_corrected("MLT_S_labels/training_labels")
    (True, False)
    """
    return any(_CORRECTED in _words(name) for name in path.split("/"))


def _holder(places: set[str], others: set[str]) -> str:
    """The one archive or parent folder that holds all of `places` and none of `others`; "" if there is none."""
    found = {re.sub(r"(\.zip)/.*", r"\1", place, flags=re.IGNORECASE) for place in places}
    found = {place if is_zip(place) else place.rpartition("/")[0] for place in found}
    holder = found.pop()
    return "" if found or any(f"{place}/".startswith(f"{holder}/") for place in others) else holder


class Seen(NamedTuple):
    """A loose file, or an archive that was opened, on the way through a source."""

    file: Member
    parts: tuple[str, ...]  # its path from the root; its name, where it is the root itself
    used: Sequence[Member] = ()  # what of it went into the listing
    others: Sequence[Member] = ()  # and what did not, folders apart
    error: Optional[MltSError] = None  # of an archive that cannot be read, and is needed


def survey(
    listing: Listing,
    root: str,
    roles: tuple[str, ...],
    options: dict[str, Any],
    default_role: str = "image",
    leave_out: Sequence[str] = (),
) -> Iterator[Seen]:
    """Goes through a source once, and fills a listing, settled at its end. Takes the arguments of `list_source`.

    Archives whose names say that they hold something else are not opened, and not yielded.

    Raises:
        MltSError: the root is not there or cannot be read.
    """
    files = walk(root, options, leave_out, listing.left_out)
    for file, parts, opened in _with_members(files, root, roles, options):
        *folders, name = parts
        if is_parquet(parts):
            listing.parquet.append((role_and_split(parts), file))
            yield Seen(file, parts)
        elif not is_zip(name):
            is_used = listing.sort_in(file, tuple(folders), name, roles, default_role)
            yield Seen(file, parts, [file] * is_used)
        elif not is_wanted(parts, roles):
            role, _ = role_and_split(parts)
            if role in _LEFT_OUT_BY_NAME:  # and not something else of MLT's
                listing.left_out[role][file.address] += 1
        else:
            try:
                members = opened()
            except MltSError as error:
                if file.address == root or is_needed(parts):
                    yield Seen(file, parts, error=error)
                else:
                    _pass_over(file.address, parts, error, listing.left_out)
                continue
            sorted_in: dict[bool, list[Member]] = {True: [], False: []}
            for member in members:
                folder, _, name = str(member.name).replace("\\", "/").rpartition("/")
                sorted_in[listing.sort_in(member, (*parts, folder), name, roles, default_role)].append(member)
            yield Seen(file, parts, sorted_in[True], sorted_in[False])
    listing.settle(roles)


def _with_members(files: Iterable, root: str, roles: tuple[str, ...], options: dict[str, Any]) -> Iterator[tuple]:
    """Adds to each file a function that returns its `archive_members`. Remote archives are opened concurrently."""
    if not _serves_threads(root, options):
        yield from ((file, parts, functools.partial(archive_members, file, options)) for file, parts in files)
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = [(file, parts, is_zip(parts[-1]) and is_wanted(parts, roles)) for file, parts in files]
        yield from [
            (file, parts, pool.submit(archive_members, file, options).result if is_opened else list)
            for file, parts, is_opened in found
        ]


_AT_ONCE = 16  # requests, while a source is listed


def is_zip(name: str) -> bool:
    """Whether a file is an archive, by its name."""
    return name.lower().endswith(".zip")


def is_below(address: str, sources: Sequence[str]) -> bool:
    """Whether a file or folder is one of the sources, or lies in one, whatever path leads there."""
    if not sources:
        return False
    place = _canonical(address)
    return any(f"{place}/".startswith(f"{_canonical(source)}/") for source in sources)


def _canonical(address: str) -> str:
    """The one spelling of a path or address: without links, "..", and the case that Windows ignores."""
    if is_remote(address):
        protocol, _, path = address.partition("://")
        return f"{protocol}://{os.path.normpath(path.strip('/'))}"
    return os.path.normcase(os.path.realpath(address)).replace(os.sep, "/").rstrip("/")


def above_split(source: str) -> str:
    """The folder above one that is itself named for a split, or lies in one that is; any other as it is.

    Only names inside a source tell the split; that of the source itself does not count.

    >>> above_split("/mlt/training_labels"), above_split("/mlt/val/labels"), above_split("/mlt/labels")
    ('/mlt', '/mlt', '/mlt/labels')
    """
    for path in (source, os.path.dirname(source)):
        folder, name = os.path.split(path)
        if role_and_split((name,))[1] in PUBLISHED_COUNTS:
            is_place = is_remote(folder) == is_remote(source) and not re.fullmatch(r"hf://(\w+/)?[^/]+", folder)
            return folder if is_place else source
    return source


def place_of(member: Member) -> str:
    """The folder or archive that a file lies in, as messages name it."""
    return os.path.dirname(member.address) if member.name is None else member.address


def _is_png(member: Member) -> bool:
    return (member.name or member.address).lower().endswith(".png")


def is_parquet(parts: tuple[str, ...]) -> bool:
    """Whether a file, by its path in parts, is one of a built set."""
    return parts[-1].lower().endswith(".parquet")


# Files that may hold what is missing, in a form that is not read, and what to do with them.
_PACKED = {
    r"\.(?:crdownload|part|partial|download|aria2|opdownload)$": "a download that did not end: fetch it again",
    r"\.zip\.\d+$|\.z\d\d$": "a part of a split archive: join the parts and unpack them",
    r"\.(?:tar|tar\.\w+|tgz|tbz2?|txz|7z|rar)$": "unpack it into a folder",
    r"\.zip$": "an archive within an archive: unpack the outer one",  # those in folders are opened
}


def is_wanted(archive: tuple[str, ...], roles: tuple[str, ...]) -> bool:
    """Whether an archive can hold what is wanted, as far as its name and folders tell."""
    role, split = role_and_split(archive)
    if _WORDS_ARCHIVE.issubset(_words(archive[-1])) and role != _OTHER_SET:
        role = "words"
    return split != "test" and role in (*roles, _UNTOLD, _MASK, _CONTRADICTION)


@functools.lru_cache(maxsize=4096)
def role_and_split(folders: tuple[str, ...]) -> tuple[str, str]:
    """(role, split), each by the innermost folder or archive whose name tells it; "" where none does.

    >>> role_and_split(("mlt", "ch8_training_images_1.zip", ""))
    ('image', 'train')
    >>> role_and_split(("training", "MLT_S_labels.zip", "MLT_S_labels/validation_labels"))
    ('label', 'validation')
    >>> role_and_split(("ICDAR 2015", "train_images"))
    ('other-set', '')
    >>> role_and_split(("train_and_val",))  # two splits at once
    ('', '?')
    """
    names = [name for path in folders for name in path.split("/")]
    if any(map(is_hidden, names)):
        return _HIDDEN, _UNTOLD
    if _is_other_set(names):
        return _OTHER_SET, _UNTOLD
    role = _told_by(names, _ROLE_WORDS)
    if role in ("label", _MASK) and any(_PREDICTION in map(_ROLE_WORDS.get, _words(name)) for name in names):
        role = _PREDICTION  # predictions/masks/train: label maps of a model's
    return role, _told_by(names, _SPLIT_WORDS)


def _told_by(names: list[str], meanings: dict[str, str]) -> str:
    for name in reversed(names):
        said = {meanings[word] for word in _words(name) if word in meanings}
        for stronger in (_CROP, _DERIVED, _PREDICTION):
            if stronger in said:
                return stronger
        if said == {"label", _MASK} or said == {"image", _MASK} and "gt" in _words(name):  # images and their gt_*.txt
            said.remove(_MASK)
        if said:
            return said.pop() if len(said) == 1 else _CONTRADICTION
    return _UNTOLD


def _words(name: str) -> list[str]:
    """The whole words of a name, in lower case, which tell role and split.

    >>> _words("ch8_training_images_1.zip")
    ['ch', 'training', 'images', 'zip']
    >>> _words("TrainSet"), _words("trainset"), _words("constrained")
    (['train', 'set'], ['train', 'set'], ['constrained'])
    """
    found = re.findall(r"[^\W\d_]+", _CAMEL_CASE.sub(" ", name).lower())
    parts = (_PART_OF_COMPOUND.findall(word) if _COMPOUND.fullmatch(word) else [word] for word in found)
    return list(itertools.chain.from_iterable(parts))


def _is_other_set(names: Sequence[str]) -> bool:
    """Whether the innermost name that tells a data set tells one other than MLT 2017."""
    for name in map(str.lower, reversed(names)):
        if _OTHER_SETS.search(name):
            return True
        is_other = bool(_OTHER_CHALLENGES.search(name))
        if is_other != bool(_MLT_2017.search(name)):
            return is_other
    return False


# Folders of systems and of network drives. @eaDir holds thumbnails that are named like the images.
_SYSTEM_FOLDERS = {
    "__macosx", "lost+found", "system volume information", "$recycle.bin", "recycler", "$extend",
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "~snapshot",
}  # fmt: skip


def is_hidden(name: str) -> bool:
    """Whether a file or folder belongs to a system or a network drive, or is hidden there, by its own name."""
    return name.lower() in _SYSTEM_FOLDERS or (name.startswith(".") and name.strip(".") != "")


def walk(
    root: str, options: dict[str, Any], leave_out: Sequence[str] = (), left_out: Optional[dict[str, Counter]] = None
) -> Iterator[tuple[Member, tuple[str, ...]]]:
    """Every file below the root, as a loose member with its path from the root in parts; the root itself if a file.

    Args:
        leave_out: archives and folders that are passed over.
        left_out: takes what cannot be read; without it, that is an error.
    """
    # A source that holds the root excludes nothing of it.
    excluded = [source for source in leave_out if is_remote(source) == is_remote(root)]
    excluded = [source for source in excluded if not is_below(os.path.dirname(root), [source])]
    try:
        if is_remote(root):
            with _without_secrets_in_errors(root, options):
                yield from _remote_files(root, options, excluded)
        else:
            yield from _local_files(root, excluded, left_out)
    except MltSError:
        raise
    except Exception as error:  # each remote file system, and its client, has types of its own
        raise _cannot_read(root, error) from error


def _local_files(
    root: str, excluded: Sequence[str], left_out: Optional[dict[str, Counter]]
) -> Iterator[tuple[Member, tuple[str, ...]]]:
    if os.path.isfile(root):
        yield _loose(root, os.stat(root)), (os.path.basename(root),)
        return
    if not os.path.isdir(root):  # a pipe would be waited for
        raise _nothing_at(root)
    # Where a source has another name too, its inode tells it, which some drives do not have.
    found = map(os.stat, filter(os.path.exists, excluded))
    numbers = {(status.st_dev, status.st_ino) for status in found if status.st_ino}

    def is_excluded(path: str, status: os.stat_result) -> bool:
        return is_below(path, excluded) or (status.st_dev, status.st_ino) in numbers

    seen = set()  # paths without links: where these lead twice, or in a circle, is walked once
    folders: list[tuple[str, tuple[str, ...]]] = [(root, ())]
    while folders:
        folder, parts = folders.pop()
        real = os.path.realpath(folder)
        if real in seen or is_excluded(real, os.stat(folder)):
            continue
        seen.add(real)
        try:  # not os.walk, which `datasets` replaces in this module by one that takes "::" in a path for an address
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if not parts:
                raise
            _pass_over(folder, parts, error, left_out)
            continue
        for entry in entries:
            place = (*parts, entry.name)
            if is_hidden(entry.name):
                continue
            try:
                is_folder, status = entry.is_dir(), entry.stat()
            except OSError as error:
                if isinstance(error, FileNotFoundError):  # where it leads; or it was taken away just now
                    error = OSError(f"it is a link to nothing, {os.path.realpath(entry.path)}")
                _pass_over(entry.path, place, error, left_out)
                continue
            if is_folder:
                folders.append((entry.path, place))
            elif entry.is_file() and not (is_zip(entry.name) and is_excluded(entry.path, status)):
                yield _loose(entry.path, status), place


def _pass_over(path: str, parts: tuple[str, ...], error: Exception, left_out: Optional[dict[str, Counter]]) -> None:
    """Notes what cannot be read, as "needed" where it has the name of something that MLT or MLT_S needs."""
    said = error if isinstance(error, MltSError) else _cannot_read(path, error)
    if left_out is None:
        raise said from error
    reason = error.__cause__ or error
    kind, text = "unreadable", f"{path} ({getattr(reason, 'strerror', None) or reason})"
    if is_needed(parts):
        kind, text = "needed", str(said)
    left_out[kind][text] += 1


def is_needed(parts: tuple[str, ...]) -> bool:
    """Whether an archive or folder, given by its path from the root, has the name of what MLT or MLT_S needs."""
    name = parts[-1].lower()
    return name in _NEEDED or f"{name}.zip" in _NEEDED or role_and_split(parts)[0] == "label"


_NEEDED = {name.lower() for name in (LABEL_ARCHIVE, *IMAGE_ARCHIVES, *WORDS_ARCHIVES)}
_REMEDY = "Check that it is there and that you may read it."
_NO_ANSWER = "The server does not answer: load again later."
# Errors of the machine, for which no file is to blame, and what to do.
_MACHINE = (
    (("EACCES", "EPERM"), _REMEDY),
    (("EMFILE", "ENFILE"), "Too many files are open: raise the limit (ulimit -n), or take fewer loader workers."),
    (("ENOMEM",), "Memory ran out: take fewer processes or loader workers."),
    (
        ("EIO", "ENODEV", "ENXIO", "ESTALE", "ETIMEDOUT", "EREMOTEIO", "ENOTCONN", "EHOSTDOWN", "EHOSTUNREACH"),
        "The disk or network drive does not answer, which says nothing of the file: see to it, and load again.",
    ),
)
_REMEDIES = {getattr(errno, name): remedy for names, remedy in _MACHINE for name in names if hasattr(errno, name)}


def is_of_machine(error: BaseException) -> bool:
    """Whether an error comes from the machine and says nothing about the file that was read."""
    return isinstance(error, MemoryError) or isinstance(error, OSError) and error.errno in _REMEDIES


def _cannot_read(what: Any, error: BaseException) -> MltSError:
    otherwise = _NO_ANSWER if isinstance(error, TimeoutError) else _REMEDY
    return MltSError(f"Cannot read {what}: {error}. {_REMEDIES.get(getattr(error, 'errno', None), otherwise)}")


def _nothing_at(root: str) -> MltSError:
    return MltSError(f"There is nothing at {root}: check data_dir and label_maps.")


def _loose(path: str, status: os.stat_result) -> Member:
    return Member(path, None, status.st_size, str(status.st_mtime_ns))


def _remote_files(
    root: str, options: dict[str, Any], excluded: Sequence[str]
) -> Iterator[tuple[Member, tuple[str, ...]]]:
    filesystem, path = _filesystem(root, options)
    # An archive by its name, because over http a folder looks like a file.
    find = functools.partial(filesystem.find, detail=True)
    found = {path: _asked_again(filesystem.info, path)} if is_zip(path) else _asked_again(find, path)
    if not found:
        raise _nothing_at(root)
    unsized = [name for name, info in found.items() if info.get("size") is None]  # a web page links to files, no more
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found.update(zip(unsized, pool.map(functools.partial(_asked_again, filesystem.info), unsized)))
    is_in_options = bool(filesystem._get_kwargs_from_urls(root))
    for name, info in sorted(found.items()):
        parts = tuple(name[len(path) :].strip("/").split("/")) if name != path else (name.rsplit("/", 1)[-1],)
        # With ftp://user@host/, sftp:// and others, host and user are options and not part of the name.
        address = root.rstrip("/") + name[len(path) :] if is_in_options else filesystem.unstrip_protocol(name)
        if not any(map(is_hidden, parts)) and not is_below(address, excluded):
            stamp = hashlib.sha256(str(sorted(info.items())).encode()).hexdigest()  # an ETag, a commit, a time, ...
            yield Member(address, None, info["size"], stamp), parts


def is_remote(address: str) -> bool:
    """Whether this is an fsspec address and not a path."""
    return "://" in address


# --- Archives: read in place ---------------------------------------------------------------------------------------


def archive_members(archive: Member, options: dict[str, Any]) -> list[Member]:
    """The files in a zip archive, as its directory has them, without its folders.

    Raises:
        MltSError: it is not an archive, or is cut off, or holds nothing, or cannot be read.
    """
    try:
        with _File(archive, options, is_archive=True) as file, zipfile.ZipFile(file) as opened:
            entries = opened.infolist()
            if archive.size > _WRAP:
                _unwrap(entries, file)
            _refuse_overlap(entries)
    except (MemoryError, MltSError):
        raise
    except Exception as error:  # zipfile has a dozen types for damage, and one of them where a server does not answer
        reason = error.__context__ if isinstance(error, zipfile.BadZipFile) else error
        if isinstance(reason, OSError):
            raise _cannot_read(archive, reason) from reason
        raise MltSError(
            f"{archive} ({archive.size:,} bytes) is not a zip archive, or is cut off or damaged: {error}. "
            "Fetch it again."
        ) from error
    if not entries:
        raise MltSError(f"{archive} ({archive.size:,} bytes) is an archive without any file. Fetch it again.")
    return [_member(archive.address, entry) for entry in entries if entry.filename[-1:] not in ("/", "\\")]


# MLT and MLT_S together have 27,000 files, which take 3 MB. The list of a million files would take a gigabyte.
_LARGEST_DIRECTORY = 1 << 24  # bytes of an archive's directory, which `zipfile` reads at once


class _File(fsspec.spec.AbstractBufferedFile):
    """A loose file, local or remote, each read of which is one `read_range`. Its size is known: nobody is asked."""

    def __init__(self, file: Member, options: dict[str, Any], is_archive: bool):
        super().__init__(None, file.address, size=file.size, cache_type="none")
        self._options, self._is_archive, self._end = options, is_archive, b""

    def read(self, length: int = -1) -> bytes:
        if self._is_archive and length > _LARGEST_DIRECTORY:
            raise ValueError(f"its directory claims {length:,} bytes, for more files than MLT and MLT_S have together")
        return super().read(length)

    def _fetch_range(self, start: int, end: int) -> bytes:
        first = max(0, self.size - _END_RECORDS)
        if start < first:
            return read_range(self.path, start, end - start, self._options)
        self._end = self._end or read_range(self.path, first, self.size - first, self._options)
        return self._end[start - first : end - first]


_END_RECORDS = 62  # bytes: 22 of the record at an archive's end and 20 of Zip64's, which are read one by one; and spare
_WRAP = 1 << 32  # where the offsets of a zip without Zip64 records begin at 0 again


def _unwrap(entries: list[zipfile.ZipInfo], file: Any) -> None:
    """Puts right the offsets of an archive of more than 4 GiB whose directory has them modulo 2**32.

    macOS Finder writes such archives. Members stand in the order of the directory, so an offset that is less than the
    one before has gone round once more. The headers beside each such place confirm it, or it raises ValueError.
    """

    def is_there(entry: zipfile.ZipInfo) -> bool:
        file.seek(entry.header_offset)
        return file.read(4) == b"PK\3\4"

    if not entries or is_there(entries[0]):
        return
    rounds, before, doubtful = 0, entries[0], [entries[0], entries[-1]]
    for entry in entries:
        entry.header_offset = entry.header_offset % _WRAP + rounds * _WRAP
        if entry.header_offset < before.header_offset:
            rounds += 1
            entry.header_offset += _WRAP
            doubtful += [before, entry]
        before = entry
    if not all(map(is_there, doubtful)):
        raise ValueError(
            "it has more than 4 GiB and no Zip64 records, and its members are not where its directory says; if it is "
            "whole, another program can unpack it into a folder"
        )


def _refuse_overlap(entries: list[zipfile.ZipInfo]) -> None:
    """Raises ValueError where members share bytes: a few of them would stand for any number of gigabytes.

    See D. Fifield, "A better zip bomb" (WOOT 2019). Members that hold nothing, such as folders, may lie anywhere.
    """
    by_place = sorted((entry for entry in entries if entry.compress_size), key=lambda entry: entry.header_offset)
    for entry, following in zip(by_place, by_place[1:]):
        if entry.header_offset + _LOCAL_HEADER + entry.compress_size > following.header_offset:
            raise ValueError(f"its members {entry.filename} and {following.filename} overlap")


def _member(archive: str, entry: zipfile.ZipInfo) -> Member:
    name, flags = entry.orig_filename, entry.flag_bits
    # ASCII is UTF-8 too, which is encoded ten times as fast as cp437, the code page of a zip's other names.
    raw_name = name.encode("utf-8" if flags & 0x800 or name.isascii() else "cp437")
    # Positional, because 16,000 calls by keyword take twice as long.
    stored = entry.header_offset, entry.compress_size, entry.compress_type, bool(flags & 0x1), raw_name
    return Member(archive, entry.filename, entry.file_size, f"{entry.CRC:08x}", entry.CRC, *stored)


# As `zipfile` names those that are not read, for the message.
_OTHER_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstandard", 98: "ppmd"}


def read_member(member: Member, options: dict[str, Any]) -> bytes:
    """The content of a member, checked against the archive's CRC-32.

    Opens, reads and closes the file each time: nothing is shared between threads or forked processes, and an archive
    that was replaced is noticed. The cost is some 20 microseconds for a local file.

    Raises:
        MltSError: the member cannot be read, is encrypted, packed by a method other than deflate, or damaged.
    """
    if member.size > _LARGEST_MEMBER or member.packed_size > _LARGEST_MEMBER:
        claimed = max(member.size, member.packed_size)
        raise MltSError(
            f"{member} claims {claimed:,} bytes, more than any image of MLT has. It is damaged: fetch it again."
        )
    try:
        if member.name is None:
            return _whole(member, read_range(member.address, 0, member.size + 1, options))
        if member.encrypted or member.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            method = _OTHER_METHODS.get(member.method, f"zip method {member.method}")
            kind = "encrypted" if member.encrypted else f"packed by {method}"
            raise MltSError(f"{member} is {kind}, which this loader does not read. Unpack the archive into a folder.")
        return _unpacked(member, _read_packed(member, options))
    except (OSError, ValueError, zlib.error) as error:
        if is_of_machine(error) or isinstance(error, TimeoutError):
            raise _cannot_read(member, error) from error
        raise MltSError(
            f"{member} cannot be read: {error}. It is damaged, or was replaced or removed since it was listed: "
            "fetch it again, or load again."
        ) from error


_LOCAL_HEADER = 30  # bytes before the name: "PK\3\4" ... length of name, length of extra field (APPNOTE.TXT, 4.3.7)


def _read_packed(member: Member, options: dict[str, Any]) -> memoryview:
    # The local header's extra field may be longer than the directory's, so one read fetches a little more than needed,
    # and only a longer field than that costs a second one.
    spare = _LOCAL_HEADER + len(member.raw_name) + 64
    read = memoryview(read_range(member.address, member.offset, spare + member.packed_size, options))
    if read[:4] != b"PK\3\4" or len(read) < _LOCAL_HEADER:
        raise ValueError("there is no such member at the place that the archive's directory names")
    name_size, extra_size = struct.unpack("<HH", read[26:30])
    # A damaged directory can have right CRCs and wrong names; then an image would get another one's label map.
    if read[_LOCAL_HEADER : _LOCAL_HEADER + name_size] != member.raw_name:
        raise ValueError("the member there has another name than in the archive's directory")
    start = _LOCAL_HEADER + name_size + extra_size
    lacking = start + member.packed_size - max(start, len(read))
    if lacking > 0:
        rest = read_range(member.address, member.offset + max(start, len(read)), lacking, options)
        return memoryview(bytes(read[start:]) + rest)
    return read[start : start + member.packed_size]


def _unpacked(member: Member, packed: memoryview) -> bytes:
    if member.method == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        content = inflate.decompress(packed, member.size + 1)  # never more than the directory promised
    else:
        content = bytes(packed)
    _whole(member, content)
    if zlib.crc32(content) != member.crc:
        raise ValueError("its CRC-32 is not the one in the archive's directory")
    return content


def _whole(member: Member, content: bytes) -> bytes:
    if len(content) != member.size:
        raise ValueError(f"it has another length than the {member.size:,} bytes that it was listed with")
    return content


def read_range(address: str, start: int, size: int, options: dict[str, Any]) -> bytes:
    """`size` bytes of a file from `start` on, or as many as there are. Asks a server again that stalls or is busy."""
    if is_remote(address):
        try:
            with _without_secrets_in_errors(address, options):
                return _asked_again(_remote_range, address, start, size, options)
        except (OSError, MltSError):
            raise
        except Exception as error:  # each client of a remote file system has types of its own
            raise OSError(f"{type(error).__name__}: {error}") from error
    # Not `open`, which `datasets` replaces in this module by one that inspects the address first.
    with io.BufferedReader(io.FileIO(address)) as file:
        file.seek(start)
        return file.read(size)


def _remote_range(address: str, start: int, size: int, options: dict[str, Any]) -> bytes:
    filesystem, path = _filesystem(address, options)
    if _opens_to_cat(filesystem):
        with filesystem.open(path, "rb") as file:
            # Its own reading fetches 5 MiB ahead. A cache on this machine's disk ("blockcache::") was asked for.
            is_cached = isinstance(getattr(file, "cache", None), fsspec.caching.MMapCache)
            if isinstance(file, fsspec.spec.AbstractBufferedFile) and not is_cached:
                end = min(start + size, file.size)
                return file._fetch_range(start, end) if start < end else b""
            file.seek(start)
            return file.read(size)
    patience = {"timeout": STALLED_AFTER + size / SLOWEST} if filesystem.async_impl else {}
    if "http" in filesystem.protocol:
        return _part_over_http(filesystem, path, start, size, patience)
    return filesystem.cat_file(path, start=start, end=start + size, **patience)


def _part_over_http(filesystem: Any, url: str, start: int, size: int, patience: dict[str, float]) -> bytes:
    """Reads through the file, which checks the head of the answer: `cat_file` would take a whole archive for a part."""
    file = filesystem.open(url, size=start + size)  # with a size, it is not asked for
    try:
        return file._fetch_range(start, start + size, **patience)
    except ValueError as error:
        raise MltSError(
            f"{url} cannot be read in part: asked for a part of it (Range), its server sends the whole file, as "
            "python -m http.server does. Take a server that answers such requests, or download the archives."
        ) from error


STALLED_AFTER = 30.0  # seconds until a server counts as stalled; clients of their own wait for up to five minutes
SLOWEST = 1 << 14  # bytes a second, for which it gets as much longer: many reads share a line
PAUSES = (0.5, 2, 8)  # seconds before a server is asked again


def _asked_again(fetch: Callable[..., Any], *arguments: Any) -> Any:
    for pause in (*PAUSES, None):
        try:
            return fetch(*arguments)
        except Exception as error:
            if not _may_pass(error):
                raise
            if pause is None:
                said = str(error) or "no answer"
                raise TimeoutError(f"{said} ({type(error).__name__}, asked {len(PAUSES) + 1} times)") from error
            time.sleep(pause)


def _may_pass(error: Exception) -> bool:
    """Whether it may help to ask a server again, by what its client raised."""
    for said in (error, error.__cause__):  # over http, a file without size "is not found", whatever the server said
        status = getattr(said, "status", None) or getattr(getattr(said, "response", None), "status_code", None)
        if isinstance(status, int):
            return status in (408, 429) or status >= 500
    lasting = (FileNotFoundError, PermissionError, NotImplementedError, ImportError, MemoryError, MltSError)
    mistakes = (AttributeError, LookupError, TypeError, ValueError)
    is_full = getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    return not is_full and not isinstance(error, (*lasting, *mistakes))


if hasattr(os, "register_at_fork"):  # with fsspec below 2026, forked workers would wait for a thread of their parent
    os.register_at_fork(after_in_child=fsspec.asyn.reset_lock)

_SHARED: dict[Any, Any] = {}  # file systems by process and options


def _filesystem(address: str, options: dict[str, Any]) -> tuple[Any, str]:
    """As `fsspec.core.url_to_fs`, but all threads share a file system that serves them.

    Otherwise each thread has its own: of the Hub, each would list the repository anew; and a forked process ends those
    of its parent when it makes its first one, and waits a second for each. The parent's stay referenced here.
    """
    protocol, _, _ = address.partition("://")
    kind = None if "::" in protocol else fsspec.get_filesystem_class(protocol)
    if kind is None or not (protocol == "hf" or kind.async_impl):
        return fsspec.core.url_to_fs(address, **options)
    every = {**kind._get_kwargs_from_urls(address), **options}
    key = os.getpid(), protocol, str(sorted(every.items(), key=str))
    if key not in _SHARED:
        _SHARED[key] = fsspec.core.url_to_fs(address, **options)[0]
    return _SHARED[key], _SHARED[key]._strip_protocol(address)


def _serves_threads(address: str, options: dict[str, Any]) -> bool:
    """Whether several threads may read at a time: not of ftp and others that have one connection."""
    try:
        return is_remote(address) and (address.startswith("hf://") or _filesystem(address, options)[0].async_impl)
    except Exception:  # said when it is read
        return False


def _opens_to_cat(filesystem: Any) -> bool:
    """Whether `cat_file` of a file system opens the file, which would read ahead."""
    from fsspec.implementations.dirfs import DirFileSystem  # which `import datasets` alone does not load everywhere

    while isinstance(filesystem, DirFileSystem):
        filesystem = filesystem.fs
    # Looked up on the instance, where asynchronous file systems have theirs. That of ftp calls the inherited one.
    inherited = fsspec.AbstractFileSystem.cat_file
    return getattr(filesystem.cat_file, "__func__", None) is inherited or "ftp" in filesystem.protocol


# --- The join: a label map and its image share split and name ------------------------------------------------------


class Pair(NamedTuple):
    """A label map, its image, and its ground truth. The first member of each is read; the others must be equal."""

    image_id: str
    label: tuple[Member, ...] = ()  # empty of an image that has none
    image: tuple[Member, ...] = ()  # empty where only label maps are wanted
    words: tuple[Member, ...] = ()  # empty where no ground truth is wanted
    text_value: int = 1  # in the label map as it is stored: 1, or 255 where it holds 0 and 255


@_no_garbage_collection()  # of the whole process, for as long as this takes
def join(
    listing: Listing, split: str, roles: tuple[str, ...], unlabelled: bool = False
) -> tuple[list[Pair], dict[str, list[str]]]:
    """The pairs of a split in the order of their numbers, and the ids that lack something, by the role they lack.

    Names match whatever their case, extension and Unicode form.

    Args:
        listing: files of these roles.
        roles: what belongs to a pair, "label" among them.
        unlabelled: whether images without a label map follow those that have one, in the order of their numbers too.
            Otherwise they are left out: MLT has 2,104.

    Raises:
        MltSError: a name occurs twice in the split with different contents, or is not Unicode.

    Examples:
        >>> listing = Listing()
        >>> for name in ("train_images/img_2.jpg", "train_images/IMG_10.JPG", "train_labels/img_10.png",
        ...              "train_labels/img_2.png", "train_labels/img_3.png"):
        ...     folder, _, file = name.partition("/")
        ...     _ = listing.sort_in(Member(f"/mlt/{name}", None, 9, ""), (folder,), file, ("image", "label"))
        >>> pairs, missing = join(listing, "train", ("image", "label"))
        >>> for pair in pairs:
        ...     print(pair.image_id, pair.image[0], pair.label[0])
        img_2 /mlt/train_images/img_2.jpg /mlt/train_labels/img_2.png
        img_10 /mlt/train_images/IMG_10.JPG /mlt/train_labels/img_10.png
        >>> missing
        {'image': ['img_3']}
    """
    files = {role: by_name(listing.files.get((role, split), [])) for role in roles}
    names = sorted(files["label"], key=number_order)
    if unlabelled:
        names += sorted(files["image"].keys() - files["label"].keys(), key=number_order)
    pairs, missing = [], defaultdict(list)
    for name in names:
        found = {role: of_role[name] for role, of_role in files.items() if name in of_role}
        stem, copies = found.get("label") or found["image"]
        lacking = next((role for role in roles if role != "label" and role not in found), None)
        if lacking:
            missing[lacking].append(stem)
        elif re.search("[\ud800-\udfff]", stem):  # of a loose file whose name the system gave in bytes of its own
            raise MltSError(f"{str(copies[0])!a} has a name that is not UTF-8, which no data set can hold: rename it.")
        else:
            label, image, words = (found[role][1] if role in found else () for role in ("label", "image", "words"))
            pairs.append(_checked(Pair(stem, label, image, words)))
    return pairs, dict(missing)


def _checked(pair: Pair) -> Pair:
    """The last guard: a label map is never its own image, whatever names and links say."""
    for label, image in itertools.product(pair.label, pair.image):
        if (label.size, label.crc, label.name) != (image.size, image.crc, image.name):
            continue  # nearly always, and without touching a disk
        if label.crc is not None or _canonical(label.address) == _canonical(image.address):
            raise MltSError(
                f"{label} is taken both for the label map and for the image of {pair.image_id}. Keep label maps in a "
                "folder or archive with label in its name, or give their place by label_maps."
            )
    return pair


def name_key(stem: str) -> str:
    """What names of one image have in common: they match whatever their case and Unicode form."""
    return stem.lower() if stem.isascii() else unicodedata.normalize("NFC", stem.lower())  # macOS decomposes "é"


def by_name(files: list[tuple[str, Member]]) -> dict[str, tuple[str, tuple[Member, ...]]]:
    """`name_key` -> stem and members of that name, from (stem, member) of the files of one role and split.

    Raises MltSError where two of one name have different contents.
    """
    found: dict[str, tuple[str, list[Member]]] = {}
    for stem, member in files:
        found.setdefault(name_key(stem), (stem, []))[1].append(member)
    # As a rule a name stands for one file.
    return {name: (stem, agreeing_copies(same) if same[1:] else (same[0],)) for name, (stem, same) in found.items()}


def agreeing_copies(same: list[Member]) -> tuple[Member, ...]:
    """The members of one name, loose ones first, if they can hold one content: by size and CRC-32.

    A folder knows no CRCs: that a loose file is the same is checked when it is read. Raises MltSError where they have
    different contents.
    """
    loose = [member for member in same if member.crc is None]
    packed = [member for member in same if member.crc is not None]
    for first, second in zip((loose + packed), (loose + packed)[1:]):
        if first.size != second.size or None not in (first.crc, second.crc) and first.crc != second.crc:
            raise _conflict(first, second)
    return tuple(loose + packed[:1])


def _conflict(first: Member, second: Member) -> MltSError:
    hint = ""
    if _is_png(first) != _is_png(second):
        mask, image = (first, second) if _is_png(first) else (second, first)
        place = place_of(mask)
        source = place if is_zip(place) else above_split(place)  # of a folder given, the name would not tell the split
        remedy = f"load them by label_maps={quoted(source)}"
        if source != place and is_below(image.address, [source]):
            remedy = "write label into its name, as in training_labels"
        hint = f" {place} may hold label maps or predictions: if it holds label maps, {remedy}."
    elif _is_png(first):
        hint = " If both are label maps, choose one set of them by label_maps=..."
    kinds = [(member.name or member.address).rpartition(".")[2].upper() for member in (first, second)]
    return MltSError(
        f"One name, two contents: {first} ({kinds[0]}, {first.size:,} bytes) and {second} ({kinds[1]}, "
        f"{second.size:,} bytes) are taken for one file of one split.{hint} If one of them belongs to another data "
        "set, keep its folder or archive outside the folder that is loaded."
    )


def number_order(name: str) -> list[Any]:
    """Sorts img_2 before img_10. Digits are compared as text: a name may hold more of them than an int takes."""
    parts = re.split(r"(\d+)", name)
    return [(len(part.lstrip("0")), part.lstrip("0"), part) if at % 2 else part for at, part in enumerate(parts)]


def in_shards(pairs: list[Pair]) -> list[tuple[Pair, ...]]:
    """Deals the pairs out, in order, to shards of one or two: the units that `datasets` shuffles and shares out.

    Their number is 15 times a power of two (3,840 and 960 for the published counts), so that it divides by 2, 3, 4, 5,
    6, 8, 10, 12, 16, ... nodes. Node r of w takes the shards r, r + w, r + 2w, ...: shards of two come in whole rows of
    240, which all those w divide, so that nodes differ by one pair at most. The rows of two are spread, which
    evens out the contiguous parts that `num_proc` makes too.

    >>> [len(shard) for shard in in_shards(list(range(20)))]  # 15 shards; of 5, there are two
    [2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    >>> len(in_shards(list(range(5540)))), len(in_shards(list(range(1356))))
    (3840, 960)
    """
    count = max((base for base in (1, 3, 15) if base <= len(pairs)), default=0)
    if not count:
        return []
    while 2 * count <= len(pairs):
        count *= 2
    row = min(count, 240)
    rows = count // row
    full, rest = divmod(len(pairs) - count, row)  # rows of two, and the shards of two that remain
    doubled = [row if (at + 1) * full // rows > at * full // rows else 0 for at in range(rows)]
    doubled[doubled.index(0)] = rest
    sizes = [2 if at < twos else 1 for twos in doubled for at in range(row)]
    return [tuple(pairs[end - size : end]) for size, end in zip(sizes, itertools.accumulate(sizes))]


# --- Pixels: one frame, the stored one -----------------------------------------------------------------------------

_ORIENTATION = 0x0112  # the tag's number in EXIF, which is laid out as TIFF
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}  # how TIFF, and EXIF, begins
_KINDS_OF_ENTRIES = (*range(1, 14), 16)  # of TIFF, bytes to 64-bit numbers; readers skip others
_EXIF_HEAD = b"Exif\0\0"  # stands before it in JPEG files, by mistake twice, and by mistake in PNG files
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:=["']|>))([2-8])""")
# What readers are offered. Of the other 40 formats of Pillow, one runs PostScript, and some open but cannot be read.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
_ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82", "GIF": b";"}
_CLIPPED_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow makes all above 255 white in mode "RGB"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_PNG_XMP = b"XML:com.adobe.xmp\0"
_PNG_RAW_EXIF = b"Raw profile type exif\0"  # ImageMagick's EXIF from before PNG had a chunk for it
_SOFTWARE = b"Software\0"  # begins a text chunk that says which program made the picture
SIGNATURE = _SOFTWARE + b"mlt-s weak"  # begins that of a label map by mlt-s weak, which holds 0, 1 and 255
WEAK_RECORD = "weak.json"  # lies beside the label maps in an archive that mlt-s weak made
_TEXT_LIMIT = re.compile("decompressed data too large|too much memory used in text", re.IGNORECASE)  # Pillow's words

# Far more than pictures have, so that a file of kilobytes costs neither minutes nor gigabytes before, or while, Pillow
# reads it. Its number of pixels is limited by PIL.Image.MAX_IMAGE_PIXELS, 89 million.
_MOST_CHUNKS = 1 << 16  # of a PNG file: libpng writes 8 KB of pixels in each, so this is half a gigabyte
_MOST_SEGMENTS = 1000  # of a JPEG file, of up to 64 KB each, before its pixels: there are 3 to 30
_MOST_SCANS = 64  # of a progressive JPEG file: 10 as a rule
_MOST_FILL = 1 << 20  # bytes of a JPEG file between its segments, where there are none as a rule
_MOST_TAGGED = 1 << 26  # bytes that the entries of EXIF claim together: in its 64 KB, entries share none


def neutral_orientation(data: bytes) -> tuple[bytes, int]:
    """The same file with every orientation tag (EXIF or XMP) set to 1, and the orientation that it had, 1 to 8.

    Readers differ: `datasets` and OpenCV turn the picture by the tag, plain Pillow does not. With the tag at 1 all of
    them show the stored pixels, which MLT's annotations refer to (mmocr pull request 375). No pixel is touched; a file
    without such a tag comes back as it is. Knows JPEG and PNG; a GIF has no such tag. Compressed XMP of a PNG file, and
    EXIF that it holds as text (ImageMagick's), are left out unread.

    Raises:
        ValueError: the file holds more beside its pixels than any picture does.
    """
    if data[:2] in _BYTE_ORDERS:
        _refuse_crowded(data)
    is_png, blocks, changed = data.startswith(PNG_SIGNATURE), list(_metadata(data)), bytearray(data)
    found: dict[str, int] = {}
    exif = [data[start:end] for kind, start, end in blocks if kind == "exif"]
    for block in exif if is_png else [b"".join(exif)]:  # of a JPEG file, Pillow takes all of them for one
        _refuse_crowded(block)
    for kind, start, end in reversed(blocks):  # the first one counts, and nothing moves before its turn
        if kind == "text":
            del changed[start - 8 : end + 4]
            continue
        block, orientation = _neutral_exif(data[start:end]) if kind == "exif" else _neutral_xmp(data[start:end])
        if orientation:
            found[kind], changed[start:end] = orientation, block
            if is_png:
                changed[end : end + 4] = struct.pack(">I", zlib.crc32(changed[start - 4 : end]))
    return bytes(changed) if changed != data else data, found.get("exif") or found.get("xmp") or 1


def _metadata(data: bytes) -> Iterator[tuple[str, int, int]]:
    """What may hold an orientation: "exif", "xmp" or (in PNG, unread) "text", and where its content starts and ends."""
    if data.startswith(b"\xff\xd8"):
        for start, end in _app1_segments(data):
            if data.startswith(_EXIF_HEAD, start):
                yield "exif", start + len(_EXIF_HEAD), end
            elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0", start):
                yield "xmp", start, end
    elif data.startswith(PNG_SIGNATURE):
        at = 0
        for kind, payload, whole in png_chunks(data):
            start, end, at = at + 8, at + 8 + len(payload), at + len(whole)
            if kind == b"eXIf":
                yield "exif", start, end
            elif kind == b"iTXt" and payload.startswith(_PNG_XMP + b"\0"):  # not packed
                yield "xmp", start, end
            elif kind in _PNG_TEXT and payload.startswith((_PNG_XMP, _PNG_RAW_EXIF)):
                yield "text", start, end


_NO_FILL_BYTE = re.compile(rb"[^\xff]")  # any number of fill bytes may stand before a marker (ITU-T T.81, B.1.1.2)
_JPEG_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # the others belong to the pixels


def _app1_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the segments of a JPEG file that hold EXIF and XMP, up to the picture itself.

    Raises ValueError if there are more segments, filler bytes or scans than the limits above.
    """
    at, fill, components = 2, 0, None
    for number in itertools.count():
        fill_end = at + _MOST_FILL + 2
        before = data.find(b"\xff", at, fill_end)
        found = _NO_FILL_BYTE.search(data, before, fill_end) if before >= 0 else None
        fill += (found.end() - 2 if found else len(data)) - at
        if fill > _MOST_FILL or number > _MOST_SEGMENTS:
            raise ValueError(f"more than {_MOST_SEGMENTS:,} segments, or {_MOST_FILL:,} bytes outside them")
        if not found:
            return
        marker, start = found[0][0], found.end()
        if marker == 0x00 or 0xD0 <= marker <= 0xD9:  # these have no length
            at = start
            continue
        at = start + int.from_bytes(data[start : start + 2], "big")
        if marker in (0xC0, 0xC1):  # start of a frame that is not progressive
            components = data[start + 7 : start + 8]
        if marker == 0xDA:  # start of scan
            # Of a picture with all components in its first scan, no other one is read.
            if data[start + 2 : start + 3] != components and _has_many_scans(data, at):
                raise ValueError(f"more than {_MOST_SCANS} scans")
            return
        if marker == 0xE1:
            yield start + 2, min(at, len(data))


def _has_many_scans(data: bytes, at: int) -> bool:
    """Whether more scans follow the first one, which begins there, than any picture has."""
    scans = 1
    for _ in range(_MOST_SEGMENTS):
        found = _JPEG_MARKER_IN_SCAN.search(data, at)
        if not found or found[0] == b"\xff\xd9":  # end of image; a camera may put a video behind it
            return False
        scans += found[0] == b"\xff\xda"
        if scans > _MOST_SCANS:
            return True
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return True


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(type, payload, the bytes of all) of each chunk; what is not a chunk, the signature first, has the type b"".

    Raises ValueError where there are more chunks than in any picture.
    """
    yield b"", b"", data[:8]
    at = 8
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            break
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + 8 + size], data[at : at + 12 + size]
        at += 12 + size
    else:
        raise ValueError(f"more than {_MOST_CHUNKS:,} chunks")
    yield b"", b"", data[at:]


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """A chunk of a PNG file, as it is stored: length, type, payload, checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def _neutral_xmp(text: bytes) -> tuple[bytes, Optional[int]]:
    found = _XMP_ORIENTATION.search(text)
    return (_XMP_ORIENTATION.sub(rb"\g<1>1", text), int(found[2])) if found else (text, None)


def _neutral_exif(exif: bytes) -> tuple[bytes, Optional[int]]:
    """EXIF with the orientation at 1, and the orientation that turned the picture, or None."""
    tiff = _without_head(exif)
    order = _BYTE_ORDERS.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return exif, None
    changed, found = bytearray(tiff), None
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    count = int.from_bytes(tiff[start : start + 2], "little" if order == "<" else "big")
    for at in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, _ = struct.unpack_from(order + "HHI", tiff, at)
        if tag == _ORIENTATION:
            (value,) = struct.unpack_from(order + ("I" if kind in (4, 9) else "H"), tiff, at + 8)  # 4, 9: 32 bits
            if 2 <= value <= 8:
                changed[at : at + 12] = struct.pack(order + "HHIHH", _ORIENTATION, 3, 1, 1, 0)
                found = found or value
    return exif[: len(exif) - len(tiff)] + bytes(changed), found


def _without_head(exif: bytes) -> bytes:
    while exif.startswith(_EXIF_HEAD):
        exif = exif[len(_EXIF_HEAD) :]
    return exif


def _refuse_crowded(exif: bytes) -> None:
    """Raises ValueError where the entries of EXIF, or of a TIFF file, claim the same bytes again and again.

    Pillow reads them all and keeps a copy of each, which makes gigabytes of 64 KB.
    """
    tiff = _without_head(exif)
    order = _BYTE_ORDERS.get(tiff[:2])
    if order is None or len(tiff) < 16:
        return
    number, offset, at = ("Q", "Q", 8) if 43 in tiff[2:4] else ("H", "I", 4)  # 43: BigTIFF, of 64 bits
    (start,) = struct.unpack_from(order + offset, tiff, at)
    start += struct.calcsize(number)
    if start > len(tiff):
        return
    (count,) = struct.unpack_from(order + number, tiff, start - struct.calcsize(number))
    bits = order + ("u8" if offset == "Q" else "u4")
    entry = np.dtype([("tag", order + "u2"), ("kind", order + "u2"), ("count", bits), ("value", bits)])
    count = min(count, (len(tiff) - start) // entry.itemsize)
    entries = np.frombuffer(tiff, entry, count, start)
    known = entries["count"][np.isin(entries["kind"], _KINDS_OF_ENTRIES)].astype(np.float64)
    claimed = np.minimum(8 * known, len(tiff)).sum()  # 8: the most bytes of a value
    if claimed > max(_MOST_TAGGED, 2 * len(tiff)):
        raise ValueError(f"EXIF or TIFF tags that claim {claimed:,.0f} bytes of its {len(tiff):,}")


def _opened(data: bytes, member: Member, with_pixels: bool = False) -> "PIL.Image.Image":
    """The picture with its header read, and its pixels only if asked for."""
    import PIL.Image

    try:
        image = PIL.Image.open(io.BytesIO(data), formats=_FORMATS)
        limit, pixels = PIL.Image.MAX_IMAGE_PIXELS, image.width * image.height
        if limit is not None and pixels > limit:  # up to twice as many Pillow only warns of
            raise PIL.Image.DecompressionBombError(f"Image size ({pixels} pixels) exceeds limit of {limit} pixels.")
        if with_pixels:
            image.load()
        return image
    except PIL.UnidentifiedImageError:
        fault = f"is not an image, or is cut off in its header: {_start(data)}"
        raise MltSError(f"{member} {fault}. Fetch it again.") from None
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning) as error:
        raise MltSError(
            f"{member} is too large: {error} If the file is to be trusted, set PIL.Image.MAX_IMAGE_PIXELS to at least "
            "its number of pixels before you load, and in every process that decodes it."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # what broken headers and pixels raise
        if _TEXT_LIMIT.search(str(error)):
            raise MltSError(
                f"{member} holds more text, or a larger colour profile, than Pillow reads ({error}). If the file is to "
                "be trusted, set PIL.PngImagePlugin.MAX_TEXT_CHUNK (bytes of one, by default 1 MB) and MAX_TEXT_MEMORY "
                "(of all) higher before you load, and in every process that decodes it; or save the file without them."
            ) from error
        fault = "is cut off or damaged in its pixels" if with_pixels else "cannot be opened as an image"
        raise MltSError(f"{member} {fault}: {error}. Fetch it again.") from error


def _start(data: bytes) -> str:
    return f"it starts with {data[:16]!r}" if data else "it is empty"


def stored_image(data: bytes, member: Member) -> tuple[bytes, tuple[int, int], int]:
    """An image's bytes with neutral orientation, its stored (width, height), and the orientation that it had.

    EXIF data that Pillow cannot read, and `datasets` would fail on at every decode, is masked, with a warning.

    Raises:
        MltSError: not an image, cut off, or one that readers would turn in spite of everything or show as white.
    """
    image, data, orientation = _neutral(data, member)
    if image.format == "PNG" and _is_drawn_label_map(image, data):
        raise MltSError(
            f"{member} is taken for an image, and looks like a label map: it holds nothing but 0, 1 and 255, or the "
            "published colours. Keep label maps in a folder or archive with label in its name, or give their place by "
            "label_maps."
        )
    if image.mode in _CLIPPED_MODES:
        raise MltSError(
            f"{member} has more than 8 bits a channel (mode {image.mode}), and `datasets` would show it as nearly "
            "white: save it with 8."
        )
    return data, image.size, orientation


def _is_drawn_label_map(image: "PIL.Image.Image", data: bytes) -> bool:
    """Whether a PNG file that stands for an image shows a label map."""
    # No photo is packed as tightly as a label map. Mode "1" is a scan in black and white.
    if len(data) > 4096 + image.width * image.height // 8 or image.mode == "1":
        return False
    try:
        colors = image.convert("RGB").getcolors(len(LABEL_MAP.colors))  # None where there are more
    except Exception:  # a broken picture, which is reported where it is decoded
        return False
    palette = {*LABEL_MAP.colors.values(), *((value,) * 3 for value in LABEL_MAP.colors)}
    return colors is not None and len(colors) > 1 and {color for _, color in colors} <= palette


def _neutral(data: bytes, member: Member) -> tuple["PIL.Image.Image", bytes, int]:
    """The picture with its header read, its bytes with neutral orientation, and the orientation that it had."""
    try:
        data, orientation = neutral_orientation(data)
    except ValueError as error:
        raise MltSError(
            f"{member} has {error}. No picture of MLT has: it is damaged, or made to cost time and memory. Fetch it "
            "again, or save it anew if you trust it."
        ) from error
    image = _opened(data, member)
    if _would_be_turned(image, data):
        logger.warning("%s has EXIF data that cannot be read; it is left out, no pixel is touched.", member)
        data = _without_exif(data)
        image = _opened(data, member)
        if _would_be_turned(image, data):
            raise MltSError(
                f"{member} is a {image.format} file whose orientation tag cannot be neutralised: save it without."
            )
    if not _looks_whole(image, data):  # cut off it would fail in training, but what a camera has added is no fault
        _opened(data, member, with_pixels=True)
    return image, data, orientation


def _looks_whole(image: "PIL.Image.Image", data: bytes) -> bool:
    """Whether a file ends as its format does and the checksums of a PNG file are right. Costs next to nothing."""
    if image.format == "PNG":
        chunks = [(kind, whole) for kind, _, whole in png_chunks(data) if kind]
        if any(zlib.crc32(whole[4:-4]).to_bytes(4, "big") != whole[-4:] for _, whole in chunks):
            return False
        # A colour profile behind the pixels is against the format; Pillow reads it with them, and not before.
        if b"iCCP" in itertools.dropwhile(lambda kind: kind != b"IDAT", (kind for kind, _ in chunks)):
            return False
    return data.endswith(_ENDS.get(str(image.format), ()))


def _would_be_turned(image: "PIL.Image.Image", data: bytes) -> bool:
    """Whether `datasets` would turn the picture, or fail when it looks for the tag."""
    import PIL.Image

    try:
        if image.format == "PNG":  # of its metadata alone: Pillow would decode all pixels to find what follows them
            chunks = [(kind, load) for kind, load, _ in png_chunks(data) if kind in (b"IHDR", b"eXIf", *_PNG_TEXT)]
            if all(kind == b"IHDR" for kind, _ in chunks):
                return False
            metadata = b"".join(png_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])
            image = PIL.Image.open(io.BytesIO(PNG_SIGNATURE + metadata))
        _refuse_crowded(image.info.get("exif", b""))  # of WebP; those of other files were looked at before
        return PIL.Image.Image.getexif(image).get(_ORIENTATION) in range(2, 9)
    except MemoryError:
        raise
    except Exception:  # half a dozen types
        return True


def _without_exif(data: bytes) -> bytes:
    if data.startswith(PNG_SIGNATURE):
        return b"".join(whole for kind, _, whole in png_chunks(data) if kind not in (b"eXIf", *_PNG_TEXT))
    masked = bytearray(data)
    for kind, start, _ in _metadata(data):
        if kind == "exif":
            masked[start - len(_EXIF_HEAD) : start - 2] = b"\0\0\0\0"  # readers skip a segment of no known name
    return bytes(masked)


def label_in_frame(data: bytes, member: Member, image: Member, image_size: tuple[int, int], orientation: int) -> bytes:
    """A label map's bytes in the frame of the image's stored pixels.

    The sizes decide: what fits the stored picture stays as it is, what fits only the picture turned by its orientation
    tag is turned back, without loss.

    Args:
        data: the label map, as `indexed_label` returns it.
        image_size: stored (width, height) of the image, in pixels.
        orientation: the image's tag, 1 to 8.

    Raises:
        MltSError: no orientation explains the label map's size.

    A camera held upright stores a picture 2 wide and 1 high, and the tag 6: readers turn it a quarter to the right. The
    label map was drawn on what they show, 1 wide and 2 high, with text (1) at the top:

    >>> import PIL.Image
    >>> file = io.BytesIO()
    >>> PIL.Image.fromarray(np.array([[1], [0]], np.uint8)).save(file, "PNG")
    >>> label, image = Member("img_1.png", None, 0, ""), Member("img_1.jpg", None, 0, "")
    >>> stored = label_in_frame(file.getvalue(), label, image, image_size=(2, 1), orientation=6)
    >>> np.asarray(PIL.Image.open(io.BytesIO(stored))).tolist()
    [[1, 0]]
    """
    import PIL.Image

    size = _png_header(data, member)[:2]
    if size == image_size:
        return data
    # What turns the upright picture back to the stored one: the inverses of PIL.ImageOps.exif_transpose.
    back = {
        5: PIL.Image.Transpose.TRANSPOSE,
        6: PIL.Image.Transpose.ROTATE_90,
        7: PIL.Image.Transpose.TRANSVERSE,
        8: PIL.Image.Transpose.ROTATE_270,
    }.get(orientation)
    if back is None or size != image_size[::-1]:
        raise MltSError(
            f"A label map of another size than its image: {member} is {size[0]} x {size[1]}, "
            f"{image} is {image_size[0]} x {image_size[1]} (width x height, stored). They do not belong together: find "
            "out which of the two is not MLT's, or was resized, and fetch it again."
        )
    return _png(np.asarray(_opened(data, member, with_pixels=True).transpose(back)), data)


def indexed_label(data: bytes, member: Member, text_value: int = 1) -> bytes:
    """A label map's bytes as an 8-bit grey PNG of 0, 1 and 255. What is one already comes back as it is.

    Palette files keep their indices, unless only their colours are values of `LabelMap` (as grey levels, or as the
    published colours). Files of colour give their common grey level or the values of the published colours. Other
    depths keep their values.

    Args:
        text_value: 255 for a label map of 0 and 255, whose 255 becomes 1 (see the table at `_black_or_white`). One that
            `mlt-s weak` signed holds 0, 1 and 255 and stays as it is.

    Raises:
        MltSError: not a PNG file, or pixels that are not a single number of 8 bits; with `text_value=255`, other values
            than 0 and 255.
    """
    _, _, depth, kind = _png_header(data, member)
    _, data, _ = _neutral(data, member)
    if text_value != 1 and is_signed(data):
        text_value = 1
    if (depth, kind, text_value) == (8, 0, 1):
        return data
    image = _opened(data, member, with_pixels=True)
    try:
        return _png(_label_values(image, depth, text_value), data)
    except ValueError as error:
        raise MltSError(
            f"{member} cannot be read as a label map (PNG, mode {image.mode}): {error}. {_EXPECTED[text_value]}"
        ) from error


_EXPECTED = {
    1: "One channel of 0, 1 and 255 is expected, or of 0 and 255 (white, text) with text_value=255: fetch its archive "
    "again.",
    255: "With text_value=255, one channel of 0 and 255 is expected. Where 1 is text, load without it; to take other "
    "label maps, name them by label_maps=...",
}


def _label_values(image: "PIL.Image.Image", depth: int, text_value: int) -> np.ndarray:
    """The values of a label map by the schema, (height, width), uint8. Raises ValueError where it has none."""
    if text_value == 255:
        values = _black_or_white(image, depth)
        found = _distinct(values)
        if not set(found) <= {0, 255}:
            raise ValueError(f"it holds {_listed(found)}")
        return (values != 0).astype(np.uint8)
    values = single_channel(image, depth)
    if image.mode == "P":
        check_palette(image)
    return values


def single_channel(image: "PIL.Image.Image", depth: int) -> np.ndarray:
    """The pixel values of a label map that is not 8-bit grey: an array (height, width), uint8."""
    known = list(LABEL_MAP.colors)
    values = np.asarray(image)
    if image.mode == "P" and not np.isin(values, known).all():
        with contextlib.suppress(ValueError):  # raised of other colours: then the indices are the values
            by_color = _from_colors(np.asarray(image.convert("RGB")))
            values = by_color if np.isin(by_color, known).all() else values
    if values.ndim == 3:
        values = _from_colors(_opaque(values, depth))
    if image.mode == "L" and depth < 8:  # Pillow spreads 2 and 4 bits over 0 to 255
        values = values // (255 // (2**depth - 1))
    if values.max(initial=0) > 255:
        raise ValueError(f"it holds values up to {values.max()}, a label map has at most 255")
    return values.astype(np.uint8)


def _from_colors(pixels: np.ndarray) -> np.ndarray:
    """The values of colours (height, width, 1 or 3): their common grey level, or that of the published colours."""
    if (pixels == pixels[:, :, :1]).all():
        return pixels[:, :, 0]
    values = np.full(pixels.shape[:2], -1)
    for value, color in LABEL_MAP.colors.items():
        values[(pixels == color).all(axis=2)] = value
    if values.min(initial=0) < 0:
        raise ValueError("its colours are neither grey nor those published for MLT_S (black, red, yellow)")
    return values


def _opaque(pixels: np.ndarray, depth: int) -> np.ndarray:
    """Colours (height, width, 2 to 4) without their alpha. Raises ValueError where that, or their depth, hides some."""
    if depth == 16:  # of which Pillow keeps the upper 8, where a 1 is a 0
        raise ValueError("it has 16-bit colours")
    if pixels.shape[2] in (2, 4):
        if (pixels[:, :, -1] != 255).any():
            raise ValueError("some of its pixels are transparent")
        pixels = pixels[:, :, :-1]
    return pixels


def check_palette(image: "PIL.Image.Image") -> None:
    """Raises ValueError where a palette draws 0 white and all else black: its indices do not tell which one is text."""
    black, white = (0, 0, 0), (255, 255, 255)
    drawn = _drawn(image)
    if drawn.get(0, white) == white and all(color == black for value, color in drawn.items() if value):
        raise ValueError("its palette draws 0 white and the other value black, so which one is text is not clear")


def _drawn(image: "PIL.Image.Image") -> dict[int, tuple[int, ...]]:
    """The colours of the indices that occur in a picture of mode "P"."""
    palette = image.getpalette() or []
    return {index: tuple(palette[3 * index : 3 * index + 3]) for index, count in enumerate(image.histogram()) if count}


def _distinct(values: np.ndarray) -> list[int]:
    """The values that occur, in order. (`np.unique` sorts two million pixels for it.)"""
    return np.flatnonzero(np.bincount(values.ravel())).tolist()


def _listed(values: list[int]) -> str:
    """Such as "the values 0, 1 and 255"."""
    if len(values) > 8:
        return f"{len(values)} values, from {values[0]} to {values[-1]}"
    *rest, last = map(str, values)
    return f"the values {', '.join(rest)} and {last}" if rest else f"the value {last} alone"


def _png_header(data: bytes, member: Member) -> tuple[int, int, int, int]:
    """Width, height, bit depth and colour type."""
    if not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR" or len(data) < 33:
        fault = f"is not a PNG file, or is cut off in its header: {_start(data)}"
        raise MltSError(f"{member} {fault}. Fetch its archive again.")
    return struct.unpack_from(">IIBB", data, 16)


def _png(values: np.ndarray, origin: bytes) -> bytes:
    """An array (height, width), uint8, as a PNG file, with the origin's word on who made it."""
    import PIL.Image
    import PIL.PngImagePlugin

    text = PIL.PngImagePlugin.PngInfo()
    for kind, payload, _ in png_chunks(origin):
        if kind == b"tEXt" and payload.startswith(_SOFTWARE):
            text.add(kind, payload)
    file = io.BytesIO()
    # Runs of one value are all that a label map has to pack: smaller by a tenth than by default, in half of the time.
    PIL.Image.fromarray(values).save(file, "PNG", pnginfo=text, compress_type=zlib.Z_RLE)
    return file.getvalue()


# --- Masks of 0 and 255: label maps whose text is 255 ----------------------------------------------------------------

# Label maps to look at, of each source and split, before anything is prepared. Not more, since each is a read, and of a
# remote source a request. Not one, since it may be blank, or uncertain as a whole. Masks of 0 and 255 never hold a 1:
# one map that does clears its source.
_LOOKS = 3
_LOOKS_IN_DOUBT = 24  # where none of them holds a 1: reading these is better than refusing label maps that are right
_AUTHORS = re.compile(r"(?:^|/)mlt_s_labels(?:\.zip|/(?:training|validation)_labels)$")  # their archive, or its folders


class Misread(NamedTuple):
    """Label maps of a source and split that would be read wrong."""

    source: str  # their archive or folder, or what that was made of
    member: Member  # one of them
    reason: str  # which values it holds
    is_text_255: bool  # whether `text_value=255` would read them right
    looked: int  # how many were looked at
    is_alone: bool = True  # whether the split has no other source


def find_misread(
    pairs: Sequence[Pair],
    roots: Sequence[str],
    origins: dict[str, str],
    options: dict[str, Any],
    with_authors: bool = False,
) -> list[Misread]:
    """The sources whose label maps the text value of the pairs does not fit, by a look at a few of each.

    A source is an archive, or a folder at the top of a root. Label maps of `mlt-s weak`, and those in the published
    colours, say themselves what 255 is, so they may be uncertain throughout. A damaged file is passed over here: the
    error comes where its pair is read.

    Args:
        pairs: of a split, all with one text value.
        roots: folders that loose files lie in.
        with_authors: whether to look at the authors' own label maps too. Otherwise that is done for `text_value=255`
            alone, which would spoil them.
    """
    text_value = pairs[0].text_value if pairs else 1
    places: dict[str, list[Member]] = defaultdict(list)
    sources: dict[str, list[Member]] = defaultdict(list)
    for member in (pair.label[0] for pair in pairs if pair.label):
        places[place_of(member)].append(member)
    for place, members in places.items():
        origin = origins.get(place, place)
        if with_authors or text_value != 1 or not is_authors(origin):
            sources[origin if members[0].name is not None else _top_folder(place, roots)] += members
    found = [_misread(source, members, text_value, options) for source, members in sources.items()]
    return [misread._replace(is_alone=len(places) == 1) for misread in found if misread]


def is_authors(origin: str) -> bool:
    """Whether an archive, or a folder of loose files, is the authors' own, packed or unpacked, by its name."""
    return origin == LABELS_URL or bool(_AUTHORS.search(origin.replace("\\", "/").rstrip("/").lower()))


def _top_folder(folder: str, roots: Sequence[str]) -> str:
    """The folder at the top of its root that a folder is, or lies in."""
    root = next((root.rstrip("/") for root in roots if is_below(folder, [root])), "")
    top = folder[len(root) :].strip("/").split("/")[0]
    return f"{root}/{top}" if root and top else folder


def _misread(source: str, members: list[Member], text_value: int, options: dict[str, Any]) -> Optional[Misread]:
    first = _evenly(members, _LOOKS)
    more = [member for member in _evenly(members, _LOOKS_IN_DOUBT) if member not in first] if text_value == 1 else []
    seen: list[str] = []
    doubted = None
    for member in [*first, *more]:
        if len(seen) >= len(first) and ("text" in seen or "sure" in seen and not doubted):
            break
        what, reason = _seen(member, text_value, options)
        seen.append(what)
        if what == "wrong":
            return Misread(source, member, reason, False, len(seen))
        if what == "doubted":
            doubted = doubted or (member, reason)
    return Misread(source, *doubted, True, len(seen)) if doubted and "text" not in seen else None


def _evenly(members: list[Member], count: int) -> list[Member]:
    count = min(count, len(members))
    return [members[(2 * at + 1) * len(members) // (2 * count)] for at in range(count)]


def _seen(member: Member, text_value: int, options: dict[str, Any]) -> tuple[str, str]:
    """What a label map tells of its text value, and which values it holds.

    | what | when |
    | --- | --- |
    | "text" | it holds 1 |
    | "blank" | it holds 0 alone, or is damaged; or 255 is its text value, and fits |
    | "sure" | it says itself what 255 is |
    | "doubted" | 1 is its text value, but it holds no 1, and 255 would fit |
    | "wrong" | its text value does not fit, and 255 does not either |
    """
    try:
        data = read_member(member, options)
        depth = _png_header(data, member)[2]
        image = _opened(data, member, with_pixels=True)
    except Exception:  # our error, or what Pillow raises: it is told where the pair is read
        return "blank", ""

    def read_as(text_value: int) -> tuple[list[int], str]:
        try:
            found = _distinct(_label_values(image, depth, text_value))
        except ValueError as error:
            return [], str(error)
        return found, f"it holds {_listed(found)}"

    if is_signed(data):
        return "sure", ""
    found, reason = read_as(text_value)
    if text_value == 255:
        return ("blank" if found else "wrong"), reason
    if found == [0]:
        return "blank", reason
    if 1 in found and set(found) <= {0, 1, 255}:
        return "text", reason
    if read_as(255)[0]:
        return "doubted", reason
    return ("sure" if found and set(found) <= {0, 255} else "wrong"), reason


def _black_or_white(image: "PIL.Image.Image", depth: int) -> np.ndarray:
    """The pixels of a label map of 0 and 255, (height, width): black is 0, white 255, whatever the kind of PNG.

    Raises ValueError where it has colours, or says by them that 255 is uncertain, or that 0 is what is white.

    | PNG | what is read |
    | --- | --- |
    | grey of 1, 2 or 4 bits | the level from 0, black, to 255, white, as viewers show it |
    | grey of 8 or 16 bits | the value |
    | palette | the index, if 0 and 255 alone occur; otherwise the colour, if black and white alone do |
    | grey and alpha, RGB, RGBA | the common level of the channels |
    """
    if image.mode == "P":
        drawn = _drawn(image)
        if set(drawn) <= {0, 255}:
            check_palette(image)
            if drawn.get(255) == LABEL_MAP.colors[255]:
                raise ValueError("its 255 has the published colour of uncertain pixels")
        elif set(drawn.values()) <= {(0, 0, 0), (255, 255, 255)}:
            image = image.convert("L")
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    if values.ndim == 2:
        return values
    values = _opaque(values, depth)
    if (values != values[:, :, :1]).any():
        raise ValueError("it has colours, and not black and white alone")
    return values[:, :, 0]


def is_signed(data: bytes) -> bool:
    """Whether a label map, given as the bytes of its PNG file, was made by `mlt-s weak`. Decodes no pixel."""
    return any(kind == b"tEXt" and payload.startswith(SIGNATURE) for kind, payload, _ in png_chunks(data))


# --- Words: MLT's ground truth -------------------------------------------------------------------------------------

WORDS = [
    {
        "quad": [[datasets.Value("float64")]],
        "script": datasets.ClassLabel(names=list(SCRIPTS)),
        "transcription": datasets.Value("string"),
        "readable": datasets.Value("bool"),
    }
]
UNREADABLE = "###"  # the transcription of a word that nobody could read
LINE_END = re.compile(r"\r\n|\r|\n")  # and none of the others of str.splitlines, which a transcription may hold
_NUMBER = r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*"
# x1,y1,x2,y2,x3,y3,x4,y4,script,transcription; the last one may hold commas.
_WORD = re.compile(",".join([_NUMBER] * 8 + ["([^,]*)", "(.*)"]), re.ASCII | re.DOTALL)
_FARTHEST = 100_000  # pixels: no image is as large, so such a corner is damage, and what is drawn stays bounded
_SCRIPT_VALUES = {name.lower(): value for value, name in enumerate(SCRIPTS)}
UNKNOWN_SCRIPT = -1  # what `ClassLabel` gives to an unknown name
unknown_scripts: set[str] = set()  # each is reported once, and not for each of a thousand words
# Far more than ground truth has, so that neither lists of words nor what is drawn of them cost minutes or gigabytes.
_LARGEST_WORDS = 1 << 20  # bytes of a file: a word takes some 60
_MOST_WORDS = 2000  # of an image: the fullest page of text has a few hundred
_MOST_AREA = 10  # of the rectangles around all words, in areas of the image: words hardly overlap
_MOST_SCRIPTS_SAID = 10


def parse_words(data: bytes, member: Member) -> list[dict[str, Any]]:
    """The words of a ground truth file, in its order, as the column `words` holds them.

    | in the file | what becomes of it |
    | --- | --- |
    | a byte order mark; Windows line ends; blank lines; spaces around numbers and script | no part of any word |
    | no line | no words |
    | commas, quotes, spaces, any letters in the transcription; none at all | kept as they are |
    | decimals, corners outside the image, quads that fold over or have no area | kept as they are |
    | ### | kept; the word is not readable |
    | a script in other case, such as latin | Latin |
    | a script that MLT does not have | -1, and a warning, once for each of the first ten |
    | fewer than ten fields; a corner that is not a number, or 100,000 pixels away; text that is not UTF-8 | an error |
    | more than 1 MB, or more than 2,000 words | an error |

    Args:
        data: the file's content.
        member: what to name in errors.

    Returns:
        One dict per word: `quad`, the four corners [x, y] (float, pixels of the stored image, in the file's order),
        `script` (int, of `SCRIPTS`), `transcription` (str) and `readable` (bool).

    Raises:
        MltSError: a line is not valid (says which, and why), or the file is larger than any of MLT's.
    """
    if len(data) > _LARGEST_WORDS:
        raise _too_many_words(member, f"{len(data):,} bytes")
    words = []
    for number, line in enumerate(LINE_END.split(data.decode("utf-8-sig", "surrogateescape")), 1):
        if not line.strip():
            continue
        try:
            words.append(_word(line, member))
        except ValueError as error:
            where = " in the unpacked archive, and take the archive away" if member.name is not None else ""
            raise MltSError(
                f"{member}, line {number}, is not a valid ground-truth line: {error}: {line[:100]!r}. Expected is "
                f"x1,y1,x2,y2,x3,y3,x4,y4,script,transcription, saved as UTF-8. Correct the line{where}; or "
                'load "segmentation", which needs no ground truth.'
            ) from None
        if len(words) > _MOST_WORDS:
            raise _too_many_words(member, f"more than {_MOST_WORDS:,} words")
    return words


def refuse_piled(words: list[dict[str, Any]], size: tuple[int, int], member: Member) -> None:
    """Refuses words that lie on top of each other many times over: each takes time and memory of its rectangle.

    Takes the words of `parse_words` and the stored (width, height) of their image in pixels. Raises MltSError where the
    rectangles around the words, within the image, have more than ten times its area.
    """
    corners = np.array([word["quad"] for word in words]).reshape(-1, 4, 2)
    sides = np.clip(corners.max(1, initial=0) + 1, 0, size) - np.clip(corners.min(1, initial=_FARTHEST), 0, size)
    area, image = np.maximum(sides, 0).prod(1).sum(), size[0] * size[1]
    if area > _MOST_AREA * image + len(words):  # a word covers a pixel at least, also in the smallest image
        raise _too_many_words(member, f"words of {area / image:,.0f} times the area of their image")


def _too_many_words(member: Member, what: str) -> MltSError:
    return MltSError(
        f"{member} holds {what}, more than any ground truth of MLT: it belongs to another data set, or is damaged. "
        'Fetch it again; or load "segmentation", which needs no ground truth.'
    )


def _word(line: str, member: Member) -> dict[str, Any]:
    if strange := re.search("[\udc80-\udcff].*", line):  # what bytes that are not UTF-8 were decoded to
        raise ValueError(f"it is not UTF-8, from {strange[0].encode('utf-8', 'surrogateescape')[:8]!r} on")
    found = _WORD.fullmatch(line)
    if not found:
        fields = line.split(",", 9)
        if len(fields) < 10:
            raise ValueError(f"it has {counted(fields, 'field')}, not 10")
        field = next(field for field in fields[:8] if not re.fullmatch(_NUMBER, field, re.ASCII))
        raise ValueError(f"{field.strip()[:20]!r} is not a number of pixels")
    *numbers, script, transcription = found.groups()
    x1, y1, x2, y2, x3, y3, x4, y4 = corners = [float(number) for number in numbers]
    if max(map(abs, corners)) > _FARTHEST:
        far = next(number for number in numbers if abs(float(number)) > _FARTHEST)
        raise ValueError(f"a corner at {far[:20]} is farther away than any image is large")
    return {
        "quad": [[x1, y1], [x2, y2], [x3, y3], [x4, y4]],
        "script": _script_value(script.strip(), member),
        "transcription": transcription,
        "readable": transcription.strip() != UNREADABLE,
    }


def _script_value(name: str, member: Member) -> int:
    value = _SCRIPT_VALUES.get(name.lower(), UNKNOWN_SCRIPT)
    if value == UNKNOWN_SCRIPT and name not in unknown_scripts and len(unknown_scripts) < _MOST_SCRIPTS_SAID:
        unknown_scripts.add(name)
        logger.warning(f"{member} has words of the script {name[:40]!r}, which MLT does not have: it is {value} here.")
    return value


# --- The download of the label archive -----------------------------------------------------------------------------

TIMEOUT = 30  # seconds without a byte
PATIENCE = 60  # seconds for the head of each answer, and for each block after it: 1 KB a second
_BLOCK = 1 << 16  # bytes
_LARGEST_HEAD = 1 << 20  # bytes, and of an answer that redirects its body too: a thousand times what servers send
_LARGEST_DOWNLOAD = 1 << 30  # bytes: ten times the authors' archive
SILENCE = 3  # seconds to wait for another process without saying so


def fetch_label_archive(url: str, folder: str, again: bool = False) -> str:
    """Downloads the label archive once, into `folder`, with a progress bar, and returns its path.

    The file takes its name when it is whole and an archive of PNG files, not before. By the standard library:
    `datasets` 5.2 cannot fetch http addresses unless aiohttp is installed. Raises MltSError where the server does not
    answer, sends something else, or never ends (says what came back, and how to fetch it by hand), or the disk refuses.
    """
    path = os.path.join(folder, f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{LABEL_ARCHIVE}")
    return _made_once(path, functools.partial(_download, url), again)


def _made_once(path: str, make: Any, again: bool = False) -> str:
    """The path of a file. Where it is missing, one process makes it, whole or not at all."""
    if os.path.exists(path) and not again:  # for which nothing needs to be written
        return path
    folder, partial = os.path.dirname(path), path + ".incomplete"
    try:
        os.makedirs(folder, exist_ok=True)
        with _lock(path):  # the processes of a training run start together
            if again or not os.path.exists(path):
                try:
                    make(partial)
                    os.replace(partial, path)
                finally:
                    with contextlib.suppress(FileNotFoundError):
                        os.remove(partial)
    except OSError as error:
        reason = "has no space left" if is_out_of_space(error) else f"cannot be written ({error})"
        raise MltSError(
            f"{folder}, where `datasets` keeps its downloads, {reason}. Set HF_DATASETS_CACHE to a folder that can be "
            "written and has space, before you import datasets."
        ) from error
    return path


def _lock(path: str) -> Any:
    """Acquires the lock of a file. Says so if it has to wait, as another process may take an hour."""
    lock = filelock.FileLock(path + ".lock")
    try:
        return lock.acquire(timeout=SILENCE)
    except filelock.Timeout:
        logger.warning("Waiting for another process, which is making %s and holds %s.lock.", path, path)
        return lock.acquire()


def _download(url: str, path: str) -> None:
    if getattr(datasets.config, "HF_HUB_OFFLINE", False):
        raise _download_error(url, "HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set")
    with _network(url):
        answer = urllib.request.build_opener(_Web, _Redirects).open(_request(url), timeout=TIMEOUT)
    size, received = answer.length or 0, 0  # 0 where the server does not say
    bar = datasets.utils.tqdm(total=size or None, unit="B", unit_scale=True, desc=LABEL_ARCHIVE)
    with answer, open(path, "wb") as file, bar:
        answer.stream.allow(_LARGEST_DOWNLOAD)
        while True:
            with _network(url):  # what is raised outside of it is the writer's
                block = answer.read(_BLOCK)
                if not block and received < size:
                    raise ConnectionError(f"the transfer was cut off after {received:,} of {size:,} bytes")
            if not block:
                break
            file.write(block)
            received += len(block)
            bar.update(len(block))
    if not _holds_label_maps(path):
        start, kind = read_range(path, 0, 60, {}), answer.headers.get_content_type()
        what = f"{kind}, {received:,} bytes" + (f", starting with {start!r}" if start else "")
        raise _download_error(url, f"expected a zip archive of PNG files, got {what}")


def _request(url: str) -> urllib.request.Request:
    scheme, netloc, *rest = urllib.parse.urlsplit(url)
    userinfo, _, host = netloc.rpartition("@")
    url = urllib.parse.urlunsplit((scheme, host, *rest))
    request = urllib.request.Request(url, headers={"User-Agent": f"mlt_s datasets/{datasets.__version__}"})
    if userinfo:  # urllib takes it for a part of the host; a host that this one redirects to must not get it
        basic = base64.b64encode(urllib.parse.unquote_to_bytes(userinfo)).decode()
        request.add_unredirected_header("Authorization", f"Basic {basic}")
    return request


@contextlib.contextmanager
def _network(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _download_error(url, str(error) or type(error).__name__) from error


class _Metered(io.RawIOBase):
    """An answer's stream, bounded in size and in time: the timeout of a socket ends only a server that is silent."""

    def __init__(self, stream: io.RawIOBase):
        self._stream = stream
        self.allow(_LARGEST_HEAD)

    def allow(self, size: int) -> None:
        """Sets how much may be read from now on."""
        self._limit, self._received, self._until = size, 0, time.monotonic() + PATIENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if time.monotonic() > self._until:
            raise TimeoutError(f"timed out, as less than {_BLOCK:,} bytes came in {PATIENCE} seconds")
        size = self._stream.readinto(buffer) or 0
        if self._received // _BLOCK < (self._received + size) // _BLOCK:  # another block is complete
            self._until = time.monotonic() + PATIENCE
        self._received += size
        if self._received > self._limit:
            raise ConnectionError(f"it sent more than {self._limit:,} bytes and did not end")
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.stream = _Metered(self.fp.detach())
        self.fp = io.BufferedReader(self.stream)


class _Web(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens http and https addresses so that the answers are metered, their heads too."""

    def do_open(self, http_class: Any, req: Any, **options: Any) -> Any:
        metered: Any = type("_MeteredConnection", (http_class,), {"response_class": _Answer})
        return super().do_open(metered, req, **options)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> Optional[urllib.request.Request]:
        url = args[-1]
        if not url.lower().startswith(("http://", "https://")):  # the library follows ftp too
            raise ValueError(f"it redirects to {url}, and only http and https are followed")
        return super().redirect_request(*args)


def _holds_label_maps(path: str) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".png") for name in archive.namelist())
    except Exception as error:  # zipfile answers damage with a dozen types
        if is_of_machine(error):
            raise
        return False


def _download_error(url: str, reason: str) -> MltSError:
    return MltSError(
        f"{LABEL_ARCHIVE} could not be downloaded from {url}: {reason}.\n"
        f"Open {HOMEPAGE} in a browser, fetch {LABEL_ARCHIVE} there, and put it beside the image archives in "
        f'data_dir, or name it: label_maps="path/to/{LABEL_ARCHIVE}".'
    )


# --- Secrets: used, carried to workers, and never shown -------------------------------------------------------------

_SECRET_WORD = r"(?:token|key|secret|passw|pwd|auth|jwt|session|cred|cookie|sig)"
_SENTENCE = r"[:;,.)]{0,4}"  # what follows an address in a sentence is no part of it
_SECRETS_OF_ADDRESSES = [
    re.compile(r'(https?://)[^/\s"]+(?=@)', re.IGNORECASE),  # a token may stand where the user's name does
    re.compile(r'(\w:///?[^/\s":]*:)[^/\s"]+(?=@)'),  # and abfs://container@account holds none
    # Signed addresses, by the name of a parameter.
    re.compile(rf"([?&][\w.-]*{_SECRET_WORD}[\w.-]*=)[^&\s\"']+?(?={_SENTENCE}(?:[&\s\"']|$))", re.IGNORECASE),
    # And by values that look like tokens: 16 characters or more, with letters and digits, and not the name of a file.
    # Others stay, so that ?download=1 can be copied from a message.
    re.compile(
        rf"([?&][^=?&\s\"']+=)(?![^?&\s\"']*?\.[a-z]\w{{1,3}}{_SENTENCE}(?:[?&\s\"']|$))"
        rf"(?=[^?&\s\"']*\d)(?=[^?&\s\"']*[a-z])[^?&\s\"']{{16,}}?(?={_SENTENCE}(?:[?&\s\"']|$))",
        re.IGNORECASE,
    ),
]


class RemoteOptions(dict):
    """Options of an fsspec file system. They hold tokens and passwords, so no value is shown; pickled, all are kept."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, "***"))


def _secrets_in(options: Any, is_secret: bool = False) -> Iterator[str]:
    """The values whose name, or that of what they lie in, says that they are secret."""
    if isinstance(options, dict):
        for name, value in options.items():
            yield from _secrets_in(value, is_secret or bool(re.search(_SECRET_WORD, str(name), re.IGNORECASE)))
    elif isinstance(options, (list, tuple)):
        for value in options:
            yield from _secrets_in(value, is_secret)
    elif is_secret and isinstance(options, (str, bytes)):
        text = options.decode("latin-1") if isinstance(options, bytes) else options
        # Of "Bearer hf_..." the second word alone is as secret. And a token with the line end of the file that it was
        # read from is what clients complain of, by its repr.
        yield from {text.strip(), *text.split()} - {""}


def without_secrets(text: str) -> str:
    """A text with *** in place of passwords, tokens and keys in the addresses that stand in it."""
    for pattern in _SECRETS_OF_ADDRESSES:
        text = pattern.sub(r"\1***", text)
    return text


@contextlib.contextmanager
def _without_secrets_in_errors(address: str, options: dict[str, Any]) -> Iterator[None]:
    """Replaces an error that would show a secret by one that does not; no traceback shows the first one then."""
    try:
        yield
    except Exception as error:
        text, secrets = str(error), set(_secrets_in(options))
        for found in (found for pattern in _SECRETS_OF_ADDRESSES for found in pattern.finditer(address)):
            secret = found[0][len(found[1]) :]
            secrets |= {secret, secret.partition(":")[2], urllib.parse.unquote(secret)} - {""}
        for secret in sorted(secrets, key=len, reverse=True):  # the longest first, as one may be a part of another
            text = text.replace(secret, "***")
        text = without_secrets(text)
        if text == str(error):
            raise
        kinds = (FileNotFoundError, PermissionError, TimeoutError)
        raise next((kind for kind in kinds if isinstance(error, kind)), OSError)(text) from None


def _make_printable(record: logging.LogRecord) -> bool:
    """Hides secrets, and spells out what is invisible or moves the cursor: names come from archives and servers."""
    text = without_secrets(record.getMessage())
    spelled = (c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    record.msg, record.args = "".join(spelled), None
    return True


logger.addFilter(_make_printable)


# --- Built label maps: a data set of image_id and label, in Parquet files ------------------------------------------

# Parquet files of a stranger's: a few kilobytes can stand for any number of rows and bytes. MLT has 18,000 images, and
# MLT_S 6,896 label maps of 102 MB.
MOST_LABEL_MAPS = 50_000  # rows of all files, those without a label map among them
LARGEST_GROUP = 1 << 29  # bytes of a row group's ids and label maps
_LARGEST_LABEL = 1 << 24  # bytes
LARGEST_LABEL_ARCHIVE = 1 << 30  # bytes of all label maps
_LONGEST_ID = 251  # bytes: with .png behind it, the longest name of a file
_AT_A_TIME = 1000  # rows
_LABEL_COLUMNS = ["image_id", "label.bytes"]


def list_label_maps(address: str, options: dict[str, Any]) -> Listing:
    """Lists the label maps at an address: in an archive, in a folder, or in the Parquet files of a built data set.

    The label maps of a built set are put into an archive once, which is kept among the downloads of `datasets` like the
    authors' own. So label maps are joined, streamed and cached in one way, wherever they come from.

    Args:
        address: of an archive, a folder, or the folder or Hub repository of a data set of Parquet files with the
            columns `image_id` and `label`. Of several configurations, the one called labels is taken.
        options: for the fsspec file system of a remote address.

    Raises:
        MltSError: nothing is there or it cannot be read, or the Parquet files hold something else.
    """
    listing = list_source(address, ("label",), options, "label")
    if archive := built_label_archive(listing.parquet, options):
        listing = list_source(archive, ("label",), options, "label")
        listing.origins[archive] = address
    return listing


def built_label_archive(parquet: list[tuple[tuple[str, str], Member]], options: dict[str, Any]) -> Optional[str]:
    """The path of the archive of the label maps in Parquet files (see `Listing`); None where no split is known."""
    files = [(place, file) for place, file in sorted(parquet) if place[1] in PUBLISHED_COUNTS]
    labels = [(place, file) for place, file in files if place[0] == "label"]
    found = [(split, file) for (_, split), file in labels or files]
    if not found:
        return None
    key = hashlib.sha256(repr([(file.address, file.size, file.stamp) for _, file in found]).encode()).hexdigest()
    path = os.path.join(str(datasets.config.DOWNLOADED_DATASETS_PATH), f"{key[:16]}-{LABEL_ARCHIVE}")
    return _made_once(path, functools.partial(_archive_label_maps, found, options))


def refuse_built(listing: Listing, roles: Iterable[str], data_dir: Any) -> None:
    """Raises MltSError where a folder has Parquet files, as a built set has, and nothing of the roles."""
    if not listing.parquet or any(map(listing.has, roles)):
        return
    place = os.fspath(data_dir)
    raise MltSError(
        f"{place} holds Parquet files and no archives of MLT. If mlt-s build made it, open it by "
        f"load_dataset({quoted(re.sub('^hf://datasets/', '', place))}), or join its label maps with your images by "
        f'data_dir="path/to/the/archives", label_maps={quoted(place)}. Commands take the folder of the archives as '
        "DATA_DIR, and this one by --label-maps."
    )


def _archive_label_maps(files: list[tuple[str, Member]], options: dict[str, Any], path: str) -> None:
    """Writes an archive, laid out as the authors' is, of the label maps in Parquet files of known split."""
    rows = size = 0
    with zipfile.ZipFile(path, "w") as archive, datasets.utils.tqdm(unit=" label maps", desc=LABEL_ARCHIVE) as bar:
        for split, file in files:
            folder = f"MLT_S_labels/{'training' if split == 'train' else split}_labels"
            for image_id, label in _rows(file, options):
                rows, size = rows + 1, size + len(label)
                if rows > MOST_LABEL_MAPS or size > LARGEST_LABEL_ARCHIVE:
                    raise _too_much(file, f"{rows:,} rows and {size:,} bytes of label maps, with the files before")
                if image_id is not None:
                    archive.writestr(f"{folder}/{image_id}.png", label)
                    bar.update()


def _rows(file: Member, options: dict[str, Any]) -> Iterator[tuple[Optional[str], bytes]]:
    """Id and label map of each row in a Parquet file; None and nothing of an image without label map."""
    import pyarrow.parquet as pq  # comes with datasets

    try:
        with _File(file, options, is_archive=False) as stream:
            metadata = pq.read_metadata(stream)
            _refuse_other_rows(file, metadata)
            # One value that a million rows refer to stays one in memory.
            with pq.ParquetFile(stream, metadata=metadata, read_dictionary=_LABEL_COLUMNS) as table:
                groups = range(table.num_row_groups)
                for batch in (b for group in groups for b in table.iter_batches(_AT_A_TIME, [group], _LABEL_COLUMNS)):
                    for image_id, label in zip(batch.column("image_id"), batch.column("label")):
                        is_valid = label.is_valid
                        yield _checked_row(image_id.as_py(), label["bytes"].as_py(), file) if is_valid else (None, b"")
    except MltSError:
        raise
    except Exception as error:  # pyarrow, file systems and damaged files have a dozen types
        raise MltSError(f"{file} cannot be read as label maps: {error}. {_REMEDY}") from error


def _refuse_other_rows(file: Member, metadata: Any) -> None:
    """Raises MltSError for a Parquet file whose columns, rows or sizes are not those of label maps."""
    columns = metadata.schema.to_arrow_schema().names
    if not {"image_id", "label"} <= set(columns):
        raise MltSError(f"{file} holds the columns {first_few(columns, 8)}; label maps have image_id and label.")
    if metadata.num_rows > MOST_LABEL_MAPS:
        raise _too_much(file, f"{metadata.num_rows:,} rows")
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        parts = [group.column(at) for at in range(group.num_columns)]
        if sum(part.total_uncompressed_size for part in parts if part.path_in_schema in _LABEL_COLUMNS) > LARGEST_GROUP:
            raise MltSError(f"{file} has a row group larger than all label maps of MLT_S: it holds others.")


def _too_much(file: Member, what: str) -> MltSError:
    return MltSError(
        f"{file} holds {what}. MLT_S has {sum(PUBLISHED_COUNTS.values()):,} label maps of 102 MB: this is another data "
        "set, or damaged. Give a set of label maps by label_maps."
    )


def _checked_row(image_id: Any, label: Optional[bytes], file: Member) -> tuple[str, bytes]:
    label = label or b""
    if len(label) > _LARGEST_LABEL:
        raise _too_much(file, f"a label map of {len(label):,} bytes")
    if not label.startswith(PNG_SIGNATURE):
        raise MltSError(f"{file} holds a label map that is not a PNG file: {_start(label)}.")
    # The id becomes the name of a file.
    if isinstance(image_id, str) and len(image_id.encode()) <= _LONGEST_ID and re.fullmatch(r"[^/\\\0]+", image_id):
        return image_id, label
    shown = repr(image_id)[:60]
    raise MltSError(f"{file} holds a label map of the image_id {shown}, which cannot be the name of an image.")


# --- The builder ---------------------------------------------------------------------------------------------------


ROLES = {"segmentation": ("image", "label"), "words": ("image", "label", "words"), "labels": ("label",)}


@dataclasses.dataclass
class MltSConfig(datasets.BuilderConfig):
    """What to load.

    Attributes:
        name: "segmentation" (images and label maps), "words" (and MLT's word boxes) or "labels" (label maps alone).
        data_dir: folder of the archives, unpacked or not, in any mixture: a path or an fsspec address.
        missing_images: "error" refuses label maps without image, and images without ground truth where words are
            wanted; "skip" leaves them out and says how many. An archive that is needed and cannot be read is an error
            in either case: fetch it again.
        unlabelled: whether MLT's images that have no label map follow those that have one, with `label=None`.
        label_maps: the label archive or its folder where it is not in `data_dir`: a path, an fsspec address, or an
            http(s) address, which is downloaded. Without it and without one in `data_dir`, the authors' is downloaded.
            Or a built set of label maps: the folder or Hub repository (hf://datasets/...) of a data set in Parquet
            files with `image_id` and `label`. Or a list of these, whose label maps are taken together.
        text_value: what text is in the label maps as they are stored. 1, as in the authors' own, which hold 0, 1 and
            255. Or 255, as in most other masks: of 0 and 255, 255 becomes 1, and any other value is an error. It is one
            for all sources, so the authors' archive is refused with 255, as all that holds 1 is; only label maps that
            `mlt-s weak` made keep their meaning beside it. To join the authors' with masks of 0 and 255, let
            `mlt-s build --config labels --text-value 255` make label maps of these first.
        remote_options: for the fsspec file system of remote addresses; the builder's `storage_options` end up here, and
            its `token` for hf:// addresses. Workers get them, and no value is ever shown.
    """

    missing_images: str = "error"
    unlabelled: bool = False
    label_maps: Union[str, list[str], None] = None
    text_value: int = 1
    remote_options: dict[str, Any] = dataclasses.field(default_factory=RemoteOptions)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, RemoteOptions(value or {}) if name == "remote_options" else value)

    def __repr__(self) -> str:
        values = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self))
        return without_secrets(f"{type(self).__name__}({', '.join(values)})")

    @property
    def roles(self) -> tuple[str, ...]:
        """What belongs to an example."""
        return ROLES[self.name]

    @property
    def label_sources(self) -> list[str]:
        """Where label maps are; none where they are in `data_dir`, or are to be downloaded from the authors."""
        return list(map(absolute_address, self._given_label_maps))

    @property
    def _given_label_maps(self) -> list[Any]:
        given = self.label_maps if isinstance(self.label_maps, (list, tuple)) else [self.label_maps]
        return [source for source in given if source]

    @property
    def label_urls(self) -> list[str]:
        """The addresses that label archives are downloaded from."""
        return [source for source in self.label_sources if source.startswith(("http://", "https://"))]

    def create_config_id(self, config_kwargs: dict, custom_features: Optional[datasets.Features] = None) -> str:
        """The key of the prepared cache: by what the sources hold, not by where they are or when they were copied."""
        report_left_out(self.listing)  # here, as a set from the cache is listed and not prepared
        if not self.label_sources:  # whoever names them knows them
            report_weak(self.listing)
        options = [self.missing_images, self.unlabelled, self.text_value]
        key = [self.name, *options, self.listing.fingerprint(), self.label_urls]
        if custom_features is not None:
            key.append(custom_features.to_dict())
        return f"{self.name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"

    @functools.cached_property
    def listing(self) -> Listing:
        """What the sources hold, listed once: the key of the cache and the examples stand for the same files.

        Raises:
            MltSError: a source is not there or cannot be read, or an option has an unknown value.
        """
        self._check_options()
        sources, listing = self.label_sources, Listing()
        root = absolute_address(self.data_dir) if self.data_dir else ""
        roles = tuple(role for role in self.roles if role != "label" or not sources)
        if root and roles:
            others = [source for source in sources if _canonical(source) != _canonical(root)]
            listing = list_source(root, roles, self.remote_options, leave_out=others)
            refuse_built(listing, roles, self.data_dir)
        for given, source in zip(self._given_label_maps, sources):
            if root and "image" in self.roles and _canonical(source) == _canonical(root):
                raise MltSError(
                    f"label_maps and data_dir are one folder, {source}. Leave label_maps out: label maps are found in "
                    "data_dir too."
                )
            if re.fullmatch(r"[\w.-]+/[\w.-]+", str(given)) and not os.path.exists(source):
                hint = f'A repository of the Hub is given as label_maps="hf://datasets/{given}".'
                raise MltSError(f"There is nothing at {source}. {hint}")
            if source not in self.label_urls:
                listing.add(list_label_maps(source, self.remote_options))
        return listing

    def _check_options(self) -> None:
        if self.missing_images not in ("error", "skip"):
            raise MltSError(f'missing_images={self.missing_images!r}: it takes "error" or "skip".')
        if not isinstance(self.unlabelled, bool):
            raise MltSError(f"unlabelled={self.unlabelled!r}: it takes True or False.")
        if type(self.text_value) is not int or self.text_value not in _EXPECTED:
            raise MltSError(
                f"text_value={self.text_value!r}: it takes 1, or 255 for label maps of 0 and 255 in which 255 is text."
            )
        if self.unlabelled and "image" not in self.roles:
            raise MltSError(f'unlabelled=True adds images, and "{self.name}" has none: load "segmentation" or "words".')

    def call(self, **options: Any) -> str:
        """The line of code that loads this with other options, by the same route, or by `MltS` from an address.

        An option of None is dropped.
        """
        names = ("data_dir", "label_maps", "missing_images", "unlabelled", "text_value")
        given = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(MltSConfig, name)}
        name = [f'"{self.name}"'] if self.name != MltS.DEFAULT_CONFIG_NAME else []
        words = [f"{option}={quoted(value)}" for option, value in {**given, **options}.items() if value is not None]
        if is_remote(str(self.data_dir)):
            return f"mlt_s.MltS({', '.join([f'config_name={text}' for text in name] + words)})"
        path, end = ('"path/to/mlt_s.py"', ["trust_remote_code=True"]) if _IS_SCRIPT else ('"mlt_s"', [])
        return f"load_dataset({', '.join([path, *name, *words, *end])})"

    def __getstate__(self) -> dict[str, Any]:
        # It travels to every worker process, which needs no listing.
        return {name: value for name, value in vars(self).items() if name != "listing"}


def absolute_address(address: Any) -> str:
    """The absolute path, with a home folder filled in, or the fsspec address as it is. Others raise MltSError."""
    try:
        address = os.fspath(address)
    except TypeError:
        raise MltSError(
            f"data_dir takes a path or an address, label_maps one or a list of them, not {address!r}."
        ) from None
    if address.startswith(("file://", "local://")):
        address = fsspec.implementations.local.LocalFileSystem._strip_protocol(address)
    if is_remote(address):
        return address
    path = os.path.expanduser(address)
    # What ".." leads to behind a link, only the system knows; without it, messages show the path as it was given.
    return os.path.realpath(path) if ".." in path.replace(os.sep, "/").split("/") else os.path.abspath(path)


SOURCE_HASH = hashlib.sha256(__loader__.get_data(__file__)).hexdigest()  # type: ignore[name-defined]  # of this code


# How messages call the files of a role, and which archives of MLT hold them.
KINDS = {"label": "label map", "image": "image", "words": "ground truth file"}
_LACKING = {"image": ("label map", "an image"), "words": ("image", "ground truth")}
ARCHIVES = {
    "image": (IMAGE_ARCHIVES, "nine image archives"),
    "words": (WORDS_ARCHIVES, "two archives of ground truth"),
}
_OTHER_VALUES = (
    "A label map holds 0 (background), 1 (text) and 255 (uncertain); or 0 and 255 (text), with text_value=255. Save "
    "these with such values, or leave them out."
)
_ONE_TEXT_VALUE = (
    "text_value holds for all sources. Where only some are of 0 and 255, make label maps of 0 and 1 of these: mlt-s "
    "build DATA_DIR OUT --config labels --label-maps THESE --text-value 255, and give OUT in their place."
)
_ADVICE = (
    "MLT uses the same names in both splits, so each needs an archive or folder of its own, inside the folder given, "
    "with train or training, val or validation in its name (and not both; nor both image and label)."
)


class MltS(datasets.GeneratorBasedBuilder):
    """MLT_S, joined from the archives of MLT 2017 and the authors' label maps. See `MltSConfig` for the options.

    Examples are `image_id` (str, unique in a split), `image` (decodes to RGB; not in the configuration "labels"),
    `label` (see `LabelMap`; None of unlabelled images) and, in the configuration "words", `words` (see `parse_words`),
    ordered by number. All of them are in the frame of the image's stored pixels.
    """

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = MltSConfig
    BUILDER_CONFIGS = [
        MltSConfig(name="segmentation", version=VERSION, description="Images and their label maps."),
        MltSConfig(name="words", version=VERSION, description="Images, their label maps, and MLT's word boxes."),
        MltSConfig(name="labels", version=VERSION, description="Label maps alone; needs no images."),
    ]
    DEFAULT_CONFIG_NAME = "segmentation"
    # Images held at a time while preparing, 13 MB of them. With the library's own number, 1,000 on 2.21, a gigabyte.
    DEFAULT_WRITER_BATCH_SIZE = 16

    def __init__(self, **kwargs: Any) -> None:
        options = {**(kwargs.get("remote_options") or {}), **(kwargs.get("storage_options") or {})}
        if kwargs.get("token") and "hf://" in f"{kwargs.get('data_dir')} {kwargs.get('label_maps')}":
            options.setdefault("token", kwargs["token"])
        if options:
            kwargs["remote_options"] = options
        if kwargs.get("storage_options"):
            kwargs["storage_options"] = RemoteOptions(kwargs["storage_options"])  # the library adds the token to it
        # Both routes share a cache, and changed code starts a new one. Without it, the class's folder would be the
        # parent of the registered name's, and replace it.
        kwargs.setdefault("hash", SOURCE_HASH)
        with _preparing(kwargs.get("cache_dir") or datasets.config.HF_DATASETS_CACHE):
            super().__init__(**kwargs)
        _restore_schema(self.info)

    def _info(self) -> datasets.DatasetInfo:
        columns = {"image": RGB_IMAGE, "label": LABEL_MAP, "words": WORDS}
        features = {"image_id": datasets.Value("string"), **{role: columns[role] for role in self.config.roles}}
        return datasets.DatasetInfo(
            description=_DESCRIPTION,
            features=datasets.Features(features),
            homepage=HOMEPAGE,
            license=LICENSE,
            citation=CITATION,
        )

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        with _preparing(self._cache_dir_root):
            super().download_and_prepare(*args, **kwargs)

    def _prepare_split_single(self, *args: Any, **kwargs: Any) -> Iterator[tuple[int, bool, Any]]:
        # The library wraps what goes wrong, and from a process of num_proc the wrapper arrives without its content.
        try:
            yield from super()._prepare_split_single(*args, **kwargs)
        except datasets.exceptions.DatasetGenerationError as error:
            if isinstance(error.__cause__, MltSError):
                raise error.__cause__ from error.__cause__.__cause__
            raise

    def _load_info(self) -> datasets.DatasetInfo:
        return _restore_schema(super()._load_info())

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        # Below 4, dataset_infos.json would make the library refuse every set but the published one: a sample, a part,
        # an archive that differs by a file. Other counts are said by `pairs`.
        self.info.splits = None
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"shards": in_shards(pairs)})
            for split, pairs in self.pairs(dl_manager).items()
        ]

    def pairs(self, dl_manager: Any = None) -> dict[str, list[Pair]]:
        """The pairs of each split that has any, in the order of their numbers; nothing of them is read yet.

        Label archives are downloaded where it takes that. What is left out, and other counts than the published ones,
        are logged.

        Args:
            dl_manager: a `datasets.DownloadManager`, for where downloads are kept.

        Raises:
            MltSError: no label map has its image, or some lack theirs and `missing_images` is "error", or a source
                cannot be read.
        """
        config, listing = self.config, self.complete_listing(dl_manager)
        found: dict[str, list[Pair]] = {}
        missing: dict[str, dict[str, list[str]]] = {}
        for split in PUBLISHED_COUNTS:
            if config.unlabelled and (strangers := take_out_strangers(listing, split)):
                text = f"left out {counted(strangers, 'image')} that have no label map and are not named as MLT's are"
                logger.warning(f"{split}: {text} (img_1, img_2, ...): {first_few(strangers)}.")
            found[split], missing[split] = join(listing, split, config.roles, config.unlabelled)
        self._report_missing(listing, missing)
        for split, pairs in found.items():
            found[split] = self._with_text_value(split, pairs, listing.origins)
            self._report(split, pairs)
        if not any(found.values()):
            text = f"No label map in {self._places()} has its image there. {self._instructions()}"
            raise _incomplete(listing, text)
        return {split: pairs for split, pairs in found.items() if pairs}  # one of none could not be read back

    def _generate_examples(self, shards: list[tuple[Pair, ...]]) -> Iterator[tuple[str, dict[str, Any]]]:
        for example in read_examples(itertools.chain.from_iterable(shards), self.config.remote_options):
            yield example["image_id"], example

    def _get_examples_iterable_for_split(self, split_generator: Any) -> Any:
        found = super()._get_examples_iterable_for_split(split_generator)
        members = itertools.chain.from_iterable(pair[1:4] for shard in found.kwargs["shards"] for pair in shard)
        if any(is_remote(copies[0].address) for copies in members if copies):
            return _ReadAhead(found.generate_examples_fn, found.kwargs)
        return found

    def _with_text_value(self, split: str, pairs: list[Pair], origins: dict[str, str]) -> list[Pair]:
        """The pairs of a split with the text value of their label maps, which a look at a few of these confirms."""
        config = self.config
        if config.text_value != 1:
            pairs = [pair._replace(text_value=config.text_value) for pair in pairs]
        data_dir = [absolute_address(config.data_dir)] if config.data_dir else []
        found = find_misread(pairs, config.label_sources or data_dir, origins, config.remote_options)
        if not found:
            return pairs
        source, member, reason, is_text_255, looked, is_alone = found[0]
        several = "" if is_alone and len(config.label_sources) < 2 else f"\n{_ONE_TEXT_VALUE}"
        if config.text_value == 255:
            raise MltSError(f"text_value=255 does not fit {member}: {reason}. {_EXPECTED[255]}{several}")
        if not is_text_255:
            raise MltSError(f"{member} cannot be read as a label map: {reason}. {_OTHER_VALUES}")
        raise MltSError(
            f"Nothing would be text in the {split} label maps of {source}: none of {counted(looked, 'label map')} "
            f"looked at holds 1, and 255 means uncertain. {member}: {reason}. If 255 (white) is text there, load them "
            "so (in mlt-s commands by --text-value 255, in mlt-s compare by --text-values):\n"
            f"    {self.config.call(text_value=255)}{several}\n"
            f"The authors' own may be uncertain throughout: leave them in {LABEL_ARCHIVE}, or in folders of its names, "
            "MLT_S_labels/training_labels and validation_labels."
        )

    def complete_listing(self, dl_manager: Any = None) -> Listing:
        """The sources' listing, with the downloaded label archive where there is none; arguments as for `pairs`."""
        config, dl_manager = self.config, dl_manager or datasets.DownloadManager()
        if not config.data_dir:
            self._report_no_folder()
        listing = Listing()
        listing.add(config.listing)
        refuse_unplaced(listing, config)
        if "image" in config.roles and not listing.has("image"):
            raise _incomplete(listing, f"There are no images of MLT in {self._places()}.", self._instructions())
        if "words" in config.roles and not listing.has("words"):
            raise _incomplete(
                listing,
                f"There is no ground truth of MLT in {self._places()}. Fetch {' and '.join(WORDS_ARCHIVES)} from "
                f'{IMAGES_URL} and put them there too; or load "segmentation", which needs none.',
            )
        if not listing.has("label") and listing.left_out["not-png"]:
            raise MltSError(
                "Label maps are PNG files, as other formats change the values of pixels. These are not: "
                f"{first_few(list(listing.left_out['not-png']))}. Take them as PNG files, or the authors' by "
                f"label_maps={quoted(LABELS_URL)}."
            )
        is_lacking = not listing.has("label") and not config.label_sources
        for url in [LABELS_URL] if is_lacking else config.label_urls:
            folder = dl_manager.download_config.cache_dir or str(datasets.config.DOWNLOADED_DATASETS_PATH)
            archive = fetch_label_archive(url, folder, dl_manager.download_config.force_download)
            listing.add(list_source(archive, ("label",), {}, "label"))
            listing.origins[archive] = url
        if not listing.has("label"):
            raise MltSError(
                f"There are no label maps in {' and '.join(config.label_sources) or LABELS_URL}. Expected: PNG files "
                "in folders or archives that are named for a split, such as training_labels and validation_labels, or "
                "a folder that mlt-s build made."
            )
        return listing

    def _report_no_folder(self) -> None:
        """Says that images need a folder, and where it is if MLT's archives lie among `data_files`.

        For a registered name the library fills in `data_files` by itself, from the working directory: so that there are
        some does not mean that they were given.
        """
        files = [str(file) for of_split in (self.config.data_files or {}).values() for file in of_split]
        names = (*IMAGE_ARCHIVES, *WORDS_ARCHIVES, LABEL_ARCHIVE)
        known = [file for file in files if os.path.basename(file) in names and not is_remote(file)]
        said = (
            "MLT's images have to be fetched by hand. This loader takes their folder as data_dir, and no data_files.\n"
            f"{self._instructions()}"
        )
        if known:
            said = (
                f"No data_dir was given, so {first_few(known)} would not be used: this loader takes the folder of the "
                "archives, and no data_files. To load from there:\n"
                f"    {self.config.call(data_dir=os.path.commonpath(map(os.path.dirname, known)))}"
            )
        if "image" in self.config.roles:
            raise MltSError(said)
        if any(os.path.basename(file) == LABEL_ARCHIVE for file in known):
            logger.warning("%s", " ".join(said.split()))

    def _report(self, split: str, pairs: list[Pair]) -> None:
        """Warns of other counts than the published ones, and of images that may be another data set's."""
        labelled, published = sum(1 for pair in pairs if pair.label), PUBLISHED_COUNTS[split]
        rest = IMAGE_COUNTS[split] - published if self.config.unlabelled else 0
        if labelled != published:
            logger.warning(f"{split}: {counted(labelled, 'example')}; MLT_S has {published:,}.")
        if (count := len(pairs) - labelled) != rest:
            logger.warning(f"{split}: {counted(count, 'unlabelled image')}; MLT has {rest:,}.")
        if others := images_from_elsewhere(pairs):
            from_mlt = counted(len(pairs) - len(others), "example")
            logger.warning(
                f"{split}: the images of {from_mlt} come from MLT's archives, those of {counted(others, 'example')} "
                f"from elsewhere: {first_few(sorted(set(map(place_of, others))))}. Other data sets have images of the "
                "same names: see that these are MLT's."
            )

    def _report_missing(self, listing: Listing, missing: dict[str, dict[str, list[str]]]) -> None:
        """Says what lacks something: of each split, the role that is lacking, and the ids that lack it."""
        said = []
        skipped = ", skipped" if self.config.missing_images == "skip" else ""
        for split, of_split in missing.items():
            for role, ids in of_split.items():
                thing, lack = _LACKING[role]
                said.append(f"{counted(ids, thing)} of the {split} split without {lack}{skipped}: {first_few(ids)}.")
        if not said or skipped:
            for line in said:
                logger.warning("%s", line)
            return
        said.append(f"Searched {self._places()}.")
        for role in sorted({role for of_split in missing.values() for role in of_split}):
            places = {path: count for (held, path), count in sorted(listing.containers.items()) if held == role}
            known = {name.lower() for path in places for name in path.split("/")}
            archives, are_called = ARCHIVES[role]
            absent = [name for name in archives if known.isdisjoint((name, name[: -len(".zip")]))]
            said += [
                f"Found: {first_few([f'{at} ({counted(count, KINDS[role])})' for at, count in places.items()], 12)}.",
                f"Not found, of MLT's {are_called}: {', '.join(absent) or 'none, so one is not whole'}.",
            ]
        said.append(f"Fetch what is missing from {IMAGES_URL}, or load the pairs that are there:")
        raise _incomplete(listing, *said, f"    {self.config.call(missing_images='skip')}")

    def _instructions(self) -> str:
        words = WORDS_ARCHIVES if "words" in self.config.roles else ()
        *archives, last = f"{IMAGE_ARCHIVES[0]} to {IMAGE_ARCHIVES[7]}", IMAGE_ARCHIVES[8], *words
        return (
            f"Register at {IMAGES_URL} (ICDAR 2017 MLT, task 1), download {', '.join(archives)} and {last}, and put "
            f"them, zipped or unpacked, into one folder. {LABEL_ARCHIVE} belongs there too; without it, it is "
            f"downloaded. Then:\n    {self.config.call(data_dir='path/to/that/folder')}"
        )

    def _places(self) -> str:
        places = list(self.config.label_sources)
        if "image" in self.config.roles and self.config.data_dir:
            folder = absolute_address(self.config.data_dir)
            is_archive = " (a single archive: data_dir is the folder that holds all of them)" if is_zip(folder) else ""
            places.insert(0, folder + is_archive)
        return " and ".join(places)


def refuse_unplaced(listing: Listing, config: MltSConfig) -> None:
    """Says which files fit nowhere; refuses to go on without label maps, or without any image or ground truth."""
    for role, kind in KINDS.items():
        # What is not even known to be a label map or ground truth has the extension of an image.
        members = [member for known, member in listing.unplaced if (known if known in KINDS else "image") == role]
        if members and (role == "label" or role in config.roles and not listing.has(role)):
            said = f"Cannot tell the split of {counted(members, kind)}: {first_few(members)}. {_ADVICE}"
            raise MltSError(said + _call_from_above(config, role, members))
        if members:
            report_unplaced(members, kind)


def _call_from_above(config: MltSConfig, role: str, members: list[Member]) -> str:
    """Where a folder that was given is itself named for a split: the line that gives the one above it."""
    data_dir = absolute_address(config.data_dir) if config.data_dir else ""
    option = "label_maps" if role == "label" and config.label_sources else "data_dir"
    given = config.label_sources if option == "label_maps" else [data_dir]
    unplaced = {place_of(member) for member in members}
    above = [above_split(root) if any(is_below(at, [root]) for at in unplaced) else root for root in given]
    if above == given:
        return ""
    above = list(dict.fromkeys(above))
    # What data_dir holds is found without label_maps.
    value = None if above == [data_dir] and option == "label_maps" else above if len(above) > 1 else above[0]
    return (
        " The name of the folder given does not count itself: give the folder above it.\n"
        f"    {config.call(**{option: value})}"
    )


def report_unplaced(members: list[Member], kind: str) -> None:
    """Warns of files that are left out because no name tells their split."""
    logger.warning("Left out %s of no known split: %s. %s", counted(members, kind), first_few(members), _ADVICE)


def report_left_out(listing: Listing) -> None:
    """Warns of what a complete folder does not hold: one warning per reason."""
    for line in _left_out(listing, [reason for reason in LEFT_OUT if reason not in ONLY_IF_MISSING]):
        logger.warning("%s", line)


def report_weak(listing: Listing) -> None:
    """Warns of label maps by mlt-s weak: one warning per split."""
    for split in PUBLISHED_COUNTS if listing.weak else ():
        sources = [place_of(member) for _, member in listing.files.get(("label", split), ())]
        places = {place: [at for at in sorted(listing.weak) if is_below(place, [at])] for place in set(sources)}
        if weak := [place for place in sources if places[place]]:
            logger.warning(
                "%s: %s by mlt-s weak, and not the authors', among %s: %s. They load as the others do; label_maps=... "
                "chooses.",
                split,
                counted(weak, "label map"),
                f"{len(sources):,}",
                first_few(sorted({at for found in places.values() for at in found})),
            )


def _left_out(listing: Listing, reasons: Iterable[str] = tuple(LEFT_OUT)) -> list[str]:
    found = {why: sorted(listing.left_out[why]) for why in reasons if listing.left_out[why]}
    return [f"{LEFT_OUT[why]}: {first_few(places, 8)}." for why, places in found.items()]


def _incomplete(listing: Listing, *said: str) -> MltSError:
    return MltSError("\n".join([*_left_out(listing), *said]))


def take_out_strangers(listing: Listing, split: str) -> list[Member]:
    """Takes out of a split the images without label map that are not named as MLT's are: another data set's."""
    labelled = {name_key(stem) for stem, _ in listing.files.get(("label", split), ())}
    kept: list[tuple[str, Member]] = []
    strangers: list[tuple[str, Member]] = []
    for stem, member in listing.files.get(("image", split), ()):
        is_known = _MLT_IMAGE.fullmatch(stem) or name_key(stem) in labelled
        (kept if is_known else strangers).append((stem, member))
    if strangers:
        listing.files["image", split] = kept
    return [member for _, member in strangers]


def images_from_elsewhere(pairs: list[Pair]) -> list[Member]:
    """The images that lie in none of MLT's own archives, of a split that has images of both kinds."""
    images = [pair.image for pair in pairs if pair.image]
    others = [copies[0] for copies in images if not any(map(_is_of_mlt_archive, copies))]
    return others if len(others) < len(images) else []


def _is_of_mlt_archive(member: Member) -> bool:
    """Whether an image lies in one of MLT's archives, or in a folder of its name."""
    # Browsers call a second download "ch8_training_images_1 (1).zip".
    names = re.split(r"[\\/]", re.sub(r" ?\(\d+\)", "", member.address.lower()))
    return any(name in _NEEDED or f"{name}.zip" in _NEEDED for name in names)


def first_few(items: list[Any], count: int = 3) -> str:
    """The first items in a sentence, and how many more there are.

    >>> first_few(["img_1", "img_2", "img_3", "img_4"])
    'img_1, img_2, img_3 and 1 more'
    """
    rest = f" and {len(items) - count:,} more" if len(items) > count else ""
    return ", ".join(str(item) for item in items[:count]) + rest


def counted(things: Any, name: str) -> str:
    """A number of things, or of the items of a list, with their name.

    >>> counted(1200, "image"), counted(["img_1"], "image")
    ('1,200 images', '1 image')
    """
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {name}" + ("" if number == 1 else "s")


def quoted(value: Any) -> str:
    """As Python would read it, between double quotes."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(quoted, value))}]"
    return str(value) if isinstance(value, int) else json.dumps(os.fspath(value), ensure_ascii=False)


def is_out_of_space(error: Optional[BaseException]) -> bool:
    """Whether the disk was full, in this process or (where only the text of the error arrives) in another one."""
    full = [f"[errno {code}]" for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)]
    return any(code in str(cause).lower() for cause in _causes(error) for code in full)


def _causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


@contextlib.contextmanager
def _preparing(cache: Any) -> Iterator[None]:
    """Turns errors of the disk that holds the library's cache into ours."""
    try:
        yield
    except MltSError:
        raise
    except Exception as error:
        if is_out_of_space(error):
            raise MltSError(
                f"There is no space left to prepare MLT_S in {cache}: the whole set takes 7 GB. Free some, or load "
                "with another cache_dir, or with streaming=True, which takes none. Nothing half done is kept."
            ) from error
        # Reading the sources raises MltSError. The library's own errors of connections and missing files have no errno.
        for cause in itertools.takewhile(lambda cause: not isinstance(cause, MltSError), _causes(error)):
            if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ConnectionError):
                raise MltSError(
                    f"{cache}, the cache of `datasets`, cannot be written: {cause}. Load with another cache_dir, or "
                    "set HF_DATASETS_CACHE before you import datasets; streaming=True, too, writes a lock there."
                ) from error
        raise


def _restore_schema(info: datasets.DatasetInfo) -> datasets.DatasetInfo:
    """Puts the schema back where the library read a plain `Image` from its cache."""
    features = info.features or {}
    schema = {"label": LABEL_MAP} if features.get("label") == LABEL_MAP else {}
    if features.get("image") == datasets.Image(mode="RGB"):  # and not a plain Image(), which the user asked for
        schema["image"] = RGB_IMAGE
    if schema:
        info.features = datasets.Features({**features, **schema})  # a new one: it may be the user's own
    return info


def read_example(
    pair: Pair, options: dict[str, Any], reads: Optional[dict[Member, "Future[bytes]"]] = None
) -> dict[str, Any]:
    """Reads a pair: `image_id`, the bytes of `image` and `label`, and `words`, as far as it has them, in one frame.

    Args:
        pair: what to read.
        options: for the fsspec file system of remote members.
        reads: of members that are being read already, as `read_examples` has them.

    Raises:
        MltSError: a file is damaged, is not a picture, or does not fit the other in size; a line of ground truth is not
            valid, or there are more words than any image has; or the pair's `text_value` does not fit its label map.
    """
    _keep_freed_memory()
    example: dict[str, Any] = {"image_id": pair.image_id}
    label = None
    if pair.label:
        label = indexed_label(read_copies(pair.label, options, reads), pair.label[0], pair.text_value)
    if pair.image:
        image, size, orientation = stored_image(read_copies(pair.image, options, reads), pair.image[0])
        if label is not None:
            label = label_in_frame(label, pair.label[0], pair.image[0], size, orientation)
        # No path: where a file of that name lies in the working directory, `datasets` would take it for the bytes.
        example["image"] = {"path": None, "bytes": image}
    example["label"] = {"path": None, "bytes": label} if label is not None else None
    if pair.words:  # of the stored pixels, as MLT gives them: nothing to turn
        example["words"] = parse_words(read_copies(pair.words, options, reads), pair.words[0])
        if pair.image:
            refuse_piled(example["words"], size, pair.words[0])
    return example


# --- Read-ahead: members at addresses are fetched while those before them are decoded ------------------------------

# At 50 ms a round trip, 8 pairs under way feed a core that decodes 70 pairs a second twice over; at 200 ms, 16 do.
PAIRS_AHEAD = 16
BYTES_AHEAD = 1 << 26  # packed and unpacked, held or under way; a pair that is larger is read alone
_GRACE = 1  # seconds to wait for reads under way when an iterator is closed early: the process may be forked next


def read_examples(pairs: Iterable[Pair], options: dict[str, Any], at_once: int = 2) -> Iterator[dict[str, Any]]:
    """`read_example` of each pair, in order. Threads fetch remote members before their turn.

    No more is under way than `PAIRS_AHEAD` and `BYTES_AHEAD` allow, in the beginning less: whoever looks at the first
    example does not wait for sixteen. Each read has a thread of its own, which ends with it.

    Args:
        pairs: what to read.
        options: as for `read_example`.
        at_once: how many pairs to begin with.

    Raises:
        MltSError: as `read_example`, when it is the turn of the pair.
    """
    waiting: deque[tuple[Pair, dict[Member, Future[bytes]], int]] = deque()
    rest, held, window = iter(pairs), 0, at_once
    pair = next(rest, None)
    try:
        while pair or waiting:
            while pair and len(waiting) < min(window, PAIRS_AHEAD):
                members = [copies[0] for copies in (pair.label, pair.image, pair.words) if copies]
                members = [member for member in members if _serves_threads(member.address, options)]
                size = sum(member.size + member.packed_size for member in members)
                if waiting and held + size > BYTES_AHEAD:
                    break
                waiting.append((pair, {member: _begun(member, options) for member in members}, size))
                held, pair = held + size, next(rest, None)
            turn, reads, size = waiting.popleft()
            example = read_example(turn, options, reads)
            reads.clear()  # the bytes are freed when the example is
            held, window = held - size, min(2 * window, PAIRS_AHEAD)
            yield example
    finally:
        wait([read for _, reads, _ in waiting for read in reads.values()], timeout=_GRACE)


def _begun(member: Member, options: dict[str, Any]) -> "Future[bytes]":
    """The read of a member, in a thread that neither an end nor Ctrl-C waits for."""
    read: Future[bytes] = Future()

    def run() -> None:
        try:
            read.set_result(read_member(member, options))
        except BaseException as error:
            read.set_exception(error)

    threading.Thread(target=run, name=f"mlt_s {member.name}", daemon=True).start()
    return read


class _ReadAhead(datasets.iterable_dataset.ExamplesIterable):
    """The shards of a stream, shuffled and shared out, with read-ahead.

    The library's own class asks for one shard of one or two pairs after the other. This one hands over all that follow;
    orders and states are the same.
    """

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        state = self._state_dict or {"shard_idx": 0, "shard_example_idx": 0}
        first, *others = self.kwargs["shards"][state["shard_idx"] :] or [()]
        shards = [first[state["shard_example_idx"] :], *others]
        with contextlib.closing(self.generate_examples_fn(shards=shards)) as examples:
            for shard in shards:
                for example in itertools.islice(examples, len(shard)):
                    state["shard_example_idx"] += 1
                    yield example
                state["shard_idx"] += 1
                state["shard_example_idx"] = 0

    def shuffle_data_sources(self, generator: np.random.Generator) -> "_ReadAhead":
        order = list(range(len(self.kwargs["shards"])))
        deepcopy(generator).shuffle(order)
        return _ReadAhead(self.generate_examples_fn, {"shards": [self.kwargs["shards"][at] for at in order]})

    def shard_data_sources(self, *place: Any, **options: Any) -> "_ReadAhead":
        return _ReadAhead(self.generate_examples_fn, super().shard_data_sources(*place, **options).kwargs)


@functools.cache
def _keep_freed_memory() -> None:
    """Lets an image reuse the memory of the one before it, in this process and in those that are forked from it.

    By itself, glibc returns a freed block as large as an image to the system, and the next image gets new pages, which
    the system clears first: a sixth of the time of preparing, and as much of training with workers. The size from which
    on it does so follows the largest block that was freed, up to 32 MB (mallopt(3), M_MMAP_THRESHOLD). This block is
    never written to, so it takes no memory itself; other systems take no notice.
    """
    bytes(31 << 20)


def read_copies(
    copies: tuple[Member, ...], options: dict[str, Any], reads: Optional[dict[Member, "Future[bytes]"]] = None
) -> bytes:
    """The content of the members of one name, the first of which may be one of `reads`, under way already.

    Raises:
        MltSError: one cannot be read, or they have different contents.
    """
    data = reads[copies[0]].result() if reads and copies[0] in reads else read_member(copies[0], options)
    for copy in copies[1:]:
        same = zlib.crc32(data) == copy.crc if copy.crc is not None else data == read_member(copy, options)
        if not same:
            raise _conflict(copies[0], copy)
    return data


# --- The registration ----------------------------------------------------------------------------------------------

_IS_SCRIPT = __name__.startswith("datasets_modules.")  # run by `load_dataset("path/to/mlt_s.py")`, below 4

if not _IS_SCRIPT:
    try:  # so that `load_dataset("mlt_s")` finds this module; the table is private to `datasets`
        datasets.packaged_modules._PACKAGED_DATASETS_MODULES["mlt_s"] = (__name__, SOURCE_HASH)
    except Exception as reason:
        logger.warning(
            f'datasets {datasets.__version__} does not take the name "mlt_s" ({type(reason).__name__}: {reason}), so '
            'load_dataset("mlt_s") will not work. mlt_s.MltS(data_dir=...) does the same: .download_and_prepare() and '
            ".as_dataset(), or .as_streaming_dataset()."
        )
