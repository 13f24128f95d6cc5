"""The recipes of docs/recipes.md that need torchvision. `nox -s torchvision` runs them; see there."""

import json
import os
import re

import pytest
from archives import mlt
from recipes import SAME_PLACE, assert_same_place, mlt_in_colours, run

pytestmark = pytest.mark.once

# torchvision on PyPI is built for CUDA, and beside PyTorch without it the compiled part does not load. It has operators
# for boxes and files, and no recipe calls one; but where two of them are not known, torchvision fails to import.
IMPORTED = f"""
import sys
sys.path.append({os.environ.get("MLT_S_TORCHVISION", "")!r})
import torch
try:
    import torchvision
except RuntimeError:
    for name in ("nms", "qnms"):
        torch.library.define("torchvision::" + name, "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
torch.manual_seed(0)
"""
FIGURES = """
import json

alone = TextMetrics()
for given in ArchiveDataset("~/mlt", "validation", preset.evaluation()):
    with torch.no_grad():
        logits = model(torch.from_numpy(given["pixel_values"])[None])
    logits = logits if isinstance(logits, torch.Tensor) else logits["out"]
    prediction = torch.nn.functional.interpolate(logits, given["labels"].shape, mode="bilinear")[0].argmax(0) == 1
    height, width = given["size"]
    alone.add(prediction[:height, :width].numpy(), given["labels"][:height, :width])
print(json.dumps([metrics.compute(), alone.compute()]))
"""


@pytest.fixture
def home(tmp_path):
    mlt(tmp_path / "mlt", width=70, height=50)
    return tmp_path


@pytest.mark.parametrize("title", ["torchvision's models", "segmentation_models_pytorch"])
def test_a_model_trains_and_is_evaluated(home, title):
    """Its loss falls, and the figures are those of its predictions cut to the size of the images."""
    *lines, last = run(title, home, FIGURES, IMPORTED, {"range(1)": "range(4)", "lr=1e-4": "lr=1e-3"})
    losses = [float(line.split("loss ")[1]) for line in lines if "loss" in line]
    assert len(losses) == 4 * 2 and sum(losses[4:]) < sum(losses[:4])
    assert re.search(r"fgIoU \d+\.\d\d%$", lines[-1])
    figures, alone = json.loads(last)
    assert figures == alone and figures["images"] == 3


def test_the_transforms_move_image_and_label_map_together(tmp_path):
    mlt_in_colours(tmp_path / "mlt")
    *_, last = run("torchvision's transforms", tmp_path, SAME_PLACE, IMPORTED, {"batch_size=8": "batch_size=2"})
    assert_same_place(last, crops=8)
