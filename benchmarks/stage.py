"""The data that contenders work on: archives, the same unpacked, and prepared sets."""

import contextlib
import dataclasses
import io
import itertools
import os
import zipfile
from pathlib import Path
from typing import Optional

import datasets
import numpy as np

import mlt_s
import mlt_s_tools
from benchmarks import mlt_like, server
from benchmarks.group import Sources
from benchmarks.paths import Stage
from benchmarks.unpacking import unpack, write_metadata

SMALL = (240, 80)  # pixels, of the files of which there are as many as in MLT: the least that words fit into
MOST_TOUCHED = 1 << 30  # bytes: more than a contender takes at a tenth of MLT
SPLITS = {"train": "training", "validation": "validation"}  # and how archives and folders of MLT call them


def set_up(
    root: Path,
    share: float,
    epoch_share: Optional[float] = None,
    counts: float = 1.0,
    size: tuple[int, int] = mlt_like.SIZE,
    data_dir: Optional[str] = None,
    uses: Optional[set[str]] = None,
    delay: float = server.DELAY,
    other_python: str = "",
    copies: tuple[str, ...] = (),
) -> Stage:
    """Makes all of it below a folder.

    Args:
        root: a `Path`, empty.
        share: of the counts of MLT, for archives of full size.
        epoch_share: the same, for full epochs; None to go over all.
        counts: of the counts of MLT, for archives of small files.
        size: (width, height) of what is of full size.
        data_dir: a folder of the user's own archives, in place of those of full size.
        uses: names of the fields that are used, a set; None for all. Other archives of full size than `few` are made
            only if they are.
        delay, other_python, copies: as in `Stage`.

    Returns:
        A `Stage`.
    """
    uses = {field.name for field in dataclasses.fields(Stage)} if uses is None else uses
    folders = {name: root / name for name in ("archives", "few", "many", "tenth", "third")}
    if data_dir:
        folders["archives"] = folders["few"] = Path(data_dir).expanduser().resolve()
    elif not epoch_share:
        folders["few"] = _made(folders["archives"], share, size)
    else:
        _made(folders["few"], epoch_share, size)
        if uses & {"archives", "unpacked"}:
            _made(folders["archives"], share, size)
        else:
            folders["archives"] = folders["few"]
    for name, part in (("many", counts), ("tenth", counts / 10), ("third", 0.3 * counts)):
        if uses & {name, f"{name}_unpacked"}:
            _made(folders[name], part, SMALL)
    unpacked = {name: f"{folders[name]}_unpacked" for name in ("archives", "few", "many")}
    if data_dir:
        unpacked["archives"] = unpacked["few"] = str(root / "unpacked")
    needed = {"archives": {"unpacked"}, "few": {"few_unpacked", "prepared_imagefolder"}, "many": {"many_unpacked"}}
    for folder, archives in {unpacked[name]: folders[name] for name in unpacked if uses & needed[name]}.items():
        _unpacked(archives, folder)
    stage = Stage(
        archives=str(folders["archives"]),
        unpacked=unpacked["archives"],
        few=str(folders["few"]),
        few_unpacked=unpacked["few"],
        prepared=str(root / "prepared"),
        prepared_imagefolder=str(root / "prepared_imagefolder"),
        built=str(root / "built"),
        many=str(folders["many"]),
        many_unpacked=unpacked["many"],
        tenth=str(folders["tenth"]),
        third=str(folders["third"]),
        delay=delay,
        other_python=other_python,
        copies=copies,
    )
    if "prepared" in uses:
        datasets.load_dataset("mlt_s", data_dir=stage.few, cache_dir=stage.prepared)
    if "prepared_imagefolder" in uses:
        datasets.load_dataset("imagefolder", data_dir=stage.few_unpacked, cache_dir=stage.prepared_imagefolder)
    if "built" in uses:
        with contextlib.redirect_stdout(io.StringIO()):
            mlt_s_tools.build(stage.few, stage.built)
    return stage


def _made(folder: Path, share: float, size: tuple[int, int]) -> Path:
    mlt_like.make(folder, share, size)
    return folder


def _unpacked(archives: Path, folder: str) -> None:
    unpack(sources(str(archives)), folder)
    write_metadata(folder)


def images(folder: str) -> list[str]:
    """Names of the images in the archives of a folder."""
    names = []
    for split in SPLITS:
        for path in image_archives(folder, split):
            with zipfile.ZipFile(path) as archive:
                names += archive.namelist()
    return names


def sources(folder: str) -> Sources:
    """For each split, what `plain.BareLoop` takes: archives of images, that of label maps, the split's folder in it."""
    labels = all_archives(folder)[-1]
    return {split: (image_archives(folder, split), labels, called) for split, called in SPLITS.items()}


def image_archives(folder: str, split: str) -> list[str]:
    """The archives of a split's images that are there."""
    names = [name for name in mlt_s.IMAGE_ARCHIVES if SPLITS[split] in name]
    return [path for path in (os.path.join(folder, name) for name in names) if os.path.exists(path)]


def all_archives(folder: str) -> list[str]:
    """Of images and label maps, as a segmentation needs them."""
    images = [path for split in SPLITS for path in image_archives(folder, split)]
    return [*images, os.path.join(folder, mlt_s.LABEL_ARCHIVE)]


def read_once(stage: Stage) -> None:
    """Reads each file, so that contenders find it in memory: a system may drop what was not used for minutes."""
    fields = [field for field in dataclasses.astuple(stage) if isinstance(field, str)]
    for folder in set(filter(os.path.isdir, fields)):
        for path in Path(folder).rglob("*"):
            if path.is_file():
                with open(path, "rb", buffering=0) as file:
                    for _ in itertools.takewhile(bool, iter(lambda: file.read(1 << 22), None)):
                        pass


def touch_memory(stage: Stage) -> None:
    """Uses as much memory as the archives are large, at most a gigabyte, for a moment: so a contender gets it at once.

    A virtual machine gives memory that is free back to its host after a few seconds, and getting it again takes longer
    than preparing: who came after a pause would pay for it.
    """
    np.ones(min(MOST_TOUCHED, sum(map(os.path.getsize, all_archives(stage.archives)))), np.uint8)
