"""What the contenders work on: archives, the same unpacked, and what was prepared of them before."""

import contextlib
import dataclasses
import io
import itertools
import json
import os
import subprocess
from pathlib import Path

import datasets
import numpy as np

import mlt_s
import mlt_s_tools
from benchmarks import mlt_like
from benchmarks.paths import Stage

SMALL = (240, 80)  # pixels, of the files of which there are as many as in MLT: the least that words fit into
MOST_TOUCHED = 1 << 30  # bytes: more than a contender takes at a tenth of MLT
SPLITS = {"train": "training", "validation": "validation"}  # and how archives and folders of MLT call them


def set_up(root, share, epoch_share=None, counts=1.0, size=mlt_like.SIZE, data_dir=None):
    """Makes all of it below a folder.

    Args:
        root: a `Path`, empty.
        share: of the counts of MLT, for archives of full size.
        epoch_share: the same, for full epochs; None to go over all.
        counts: of the counts of MLT, for archives of small files.
        size: (width, height) of what is of full size.
        data_dir: a folder of the user's own archives, in place of those of full size.

    Returns:
        A `Stage`.
    """
    archives = Path(data_dir).expanduser().resolve() if data_dir else _made(root / "archives", share, size)
    few = _made(root / "few", epoch_share, size) if epoch_share and not data_dir else archives
    many, tenth = _made(root / "many", counts, SMALL), _made(root / "tenth", counts / 10, SMALL)
    names = {many: "many", few: "few", archives: "archives"}  # few may be all of them
    unpacked = {folder: _unpacked(folder, root / f"{name}_unpacked") for folder, name in names.items()}
    stage = Stage(
        str(archives),
        str(unpacked[archives]),
        str(few),
        str(unpacked[few]),
        str(root / "prepared"),
        str(root / "prepared_imagefolder"),
        str(root / "built"),
        str(many),
        str(unpacked[many]),
        str(tenth),
    )
    datasets.load_dataset("mlt_s", data_dir=stage.few, cache_dir=stage.prepared)
    datasets.load_dataset("imagefolder", data_dir=stage.few_unpacked, cache_dir=stage.prepared_imagefolder)
    with contextlib.redirect_stdout(io.StringIO()):
        mlt_s_tools.build(stage.few, stage.built)
    return stage


def _made(folder, share, size):
    mlt_like.make(folder, share, size)
    return folder


def _unpacked(archives, folder):
    unpack(archives, folder)
    write_metadata(folder)
    return folder


def image_archives(folder, split):
    """The archives of a split's images that are there."""
    names = [name for name in mlt_s.IMAGE_ARCHIVES if SPLITS[split] in name]
    return [path for path in (os.path.join(folder, name) for name in names) if os.path.exists(path)]


def all_archives(folder):
    """Of images and label maps, as a segmentation needs them."""
    images = [path for split in SPLITS for path in image_archives(folder, split)]
    return [*images, os.path.join(folder, mlt_s.LABEL_ARCHIVE)]


def unpack(archives, folder):
    """By `unzip` and nothing else, as people do, one folder a split and kind."""
    for split, called in SPLITS.items():
        images, labels = (os.path.join(folder, split, kind) for kind in ("images", "labels"))
        os.makedirs(os.path.dirname(images))
        for archive in image_archives(archives, split):
            subprocess.run(["unzip", "-q", "-j", "-o", archive, "-d", images], check=True)
        pictures = f"*{called}*"
        subprocess.run(
            ["unzip", "-q", "-j", os.path.join(archives, mlt_s.LABEL_ARCHIVE), pictures, "-d", labels], check=True
        )


def write_metadata(folder):
    """What `imagefolder` needs to pair images and label maps: a line for each pair, in a file for each split."""
    for split in SPLITS:
        images, labels = (os.path.join(folder, split, kind) for kind in ("images", "labels"))
        image_of = {name.rpartition(".")[0]: name for name in os.listdir(images)}
        with open(os.path.join(folder, split, "metadata.jsonl"), "w") as file:
            for label in sorted(os.listdir(labels)):
                stem = label.rpartition(".")[0]
                line = {"image_file_name": f"images/{image_of[stem]}", "label_file_name": f"labels/{label}"}
                file.write(json.dumps({**line, "image_id": stem}) + "\n")


def read_once(stage):
    """Reads each file, so that contenders find it in memory: a system may drop what was not used for minutes."""
    for folder in set(dataclasses.astuple(stage)):
        for path in Path(folder).rglob("*"):
            if path.is_file():
                with open(path, "rb", buffering=0) as file:
                    for _ in itertools.takewhile(bool, iter(lambda: file.read(1 << 22), None)):
                        pass


def touch_memory(stage):
    """Uses as much memory as the archives are large, at most a gigabyte, for a moment: so a contender gets it at once.

    A virtual machine gives memory that is free back to its host after a few seconds, and getting it again takes longer
    than preparing: who came after a pause would pay for it.
    """
    np.ones(min(MOST_TOUCHED, sum(map(os.path.getsize, all_archives(stage.archives)))), np.uint8)
