"""What needs torchvision: recipes, and other image processors of transformers. `nox -s torchvision` runs it."""

import json
import os
import re

import pytest
from archives import mlt
from conftest import ROOT, run_python
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


PROCESSORS = """
import dataclasses, json
import torchvision, transformers
from mlt_s_tools.training import for_image_processor


def told(processor):
    assert "TorchvisionBackend" in [kind.__name__ for kind in type(processor).__mro__]
    try:
        return dataclasses.astuple(for_image_processor(processor))
    except ValueError as error:
        return str(error)


kinds = [getattr(transformers, f"{name}ImageProcessor") for name in ("Segformer", "DPT", "Mask2Former")]
print(json.dumps([told(kind()) for kind in kinds] + [told(kinds[0](do_reduce_labels=True))]))
"""


def test_presets_take_the_image_processors_that_transformers_has_beside_torchvision(tmp_path):
    """With torchvision, transformers has other image processors than in all other tests."""
    done = run_python(IMPORTED + PROCESSORS, tmp_path, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    segformer, dpt, of_masks, reducing = json.loads(done.stdout.splitlines()[-1])
    assert segformer == [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225], [512, 512], False]
    assert dpt == [[0.5] * 3, [0.5] * 3, [384, 384], True]
    assert "mask per class" in of_masks and "do_reduce_labels=True" in reducing
