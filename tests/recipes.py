"""The recipes of docs/recipes.md, and what they are run on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import forks
import numpy as np
import PIL.Image
from archives import encoded, label_members, label_values, write_zip
from pages import TEXT

# Red, green and blue tell which value the label map has at a pixel.
COLOURS = {0: (200, 40, 40), 1: (40, 200, 40), 255: (40, 40, 200)}

# Looks at two epochs of a loader over such images, whatever was done to their scale, place and colour.
SAME_PLACE = """
import json
import numpy as np
import torch

torch.manual_seed(0)
values, wrong, clear, unfilled, filled, crops = set(), 0, 0, 0, 0, []
mean, std = (np.array(of).reshape(1, 3, 1, 1) for of in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
for epoch in range(2):
    for batch in loader:
        crops += batch["labels"].sum((1, 2)).tolist()
        for pixels, labels in zip(batch["pixel_values"].numpy() * std + mean, batch["labels"].numpy()):
            values |= set(np.unique(labels).tolist())
            least, second, most = np.sort(pixels, 0)
            sure = most - second > 0.75 * (most - second).max()  # away from the borders of its square
            told = np.array([0, 1, 255])[pixels.argmax(0)]
            wrong, clear = wrong + int((labels != told)[sure].sum()), clear + int(sure.sum())
            grey = most - least < 1e-3  # what lies beyond the image, black before its contrast changed
            unfilled, filled = unfilled + int((labels != 255)[grey].sum()), filled + int(grey.sum())
print(json.dumps({
    "values": sorted(values), "wrong": wrong, "clear": clear, "unfilled": unfilled, "filled": filled,
    "pixels": list(batch["pixel_values"].shape[1:]), "dtypes": [str(of.dtype) for of in batch.values()], "crops": crops,
}))
"""


def recipes() -> dict[str, str]:
    """The code of each recipe, by its heading."""
    parts = re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT["docs/recipes.md"], re.DOTALL | re.MULTILINE)
    codes = {title: re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) for title, text in parts}
    return {title: code for title, (code,) in ((title, found) for title, found in codes.items() if found)}


def run(title: str, home: Path, more: str, before: str = "", replaced: Mapping[str, str] | None = None) -> list[str]:
    """The lines that a recipe, with crops of 64 pixels, and more code after it print."""
    code = recipes()[title]
    for old, new in {"512": "64", **(replaced or {})}.items():
        code = code.replace(old, new)
    done = forks.run(f"{before}\n{code}\n{more}", home)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def mlt_in_colours(folder: Path, count: int = 4) -> Path:
    """Training pairs of 70 by 50 pixels whose images show their label maps, in squares of 10 pixels."""
    images, labels = {}, {}
    for n in range(1, count + 1):
        values = label_values(7, 5, seed=n).repeat(10, 0).repeat(10, 1)
        colours = np.zeros((*values.shape, 3), np.uint8)
        for value, colour in COLOURS.items():
            colours[values == value] = colour
        images[f"img_{n}.png"] = encoded(PIL.Image.fromarray(colours), "PNG")
        labels[f"img_{n}"] = encoded(PIL.Image.fromarray(values), "PNG")
    write_zip(folder / "ch8_training_images_1.zip", images)
    write_zip(folder / "MLT_S_labels.zip", label_members(labels, {}))
    return folder


def assert_same_place(line: str, crops: int) -> None:
    """Image and label map moved together, and what is beyond them is ignored; each crop is another one."""
    told = json.loads(line)
    assert told["values"] == [0, 1, 255]
    assert told["wrong"] == 0 and told["clear"] > crops * 500
    assert told["filled"] > 1000 and told["unfilled"] < 0.01 * told["filled"]
    assert told["pixels"] == [3, 64, 64] and told["dtypes"] == ["torch.float32", "torch.int64"]
    assert len(set(told["crops"])) == len(told["crops"]) == crops
