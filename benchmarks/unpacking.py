"""What people do who do not read archives: `unzip`, and for `imagefolder` a file that pairs images and label maps."""

import json
import os
import subprocess

from benchmarks.group import Sources


def unpack(sources: Sources, folder: str) -> None:
    """By `unzip` and nothing else, as people do, one folder a split and kind. Takes what `stage.sources` returns."""
    for split, (archives, label_archive, called) in sources.items():
        images, labels = (os.path.join(folder, split, kind) for kind in ("images", "labels"))
        os.makedirs(os.path.dirname(images))
        for archive in archives:
            subprocess.run(["unzip", "-q", "-j", "-o", archive, "-d", images], check=True)
        subprocess.run(["unzip", "-q", "-j", label_archive, f"*{called}*", "-d", labels], check=True)


def write_metadata(folder: str) -> None:
    """What `imagefolder` needs to pair images and label maps: a line for each pair, in a file for each split."""
    for split in os.listdir(folder):
        images, labels = (os.path.join(folder, split, kind) for kind in ("images", "labels"))
        image_of = {name.rpartition(".")[0]: name for name in os.listdir(images)}
        with open(os.path.join(folder, split, "metadata.jsonl"), "w") as file:
            for label in sorted(os.listdir(labels)):
                stem = label.rpartition(".")[0]
                line = {"image_file_name": f"images/{image_of[stem]}", "label_file_name": f"labels/{label}"}
                file.write(json.dumps({**line, "image_id": stem}) + "\n")
