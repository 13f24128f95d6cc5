"""What docs/recipes.md shows for other libraries is run, on small archives and without their weights."""

import json

import numpy as np
import PIL.Image
import pytest
from archives import encoded, mlt, picture
from recipes import SAME_PLACE, assert_same_place, mlt_in_colours, recipes, run

pytestmark = pytest.mark.once

HERE = {"Albumentations", "Lightning", "Another data set beside it", "TensorBoard"}
IN_TEST_TORCHVISION = {"torchvision's models", "segmentation_models_pytorch", "torchvision's transforms"}


@pytest.fixture
def home(tmp_path):
    mlt(tmp_path / "mlt", width=70, height=50)
    return tmp_path


def test_each_recipe_is_tested():
    assert set(recipes()) == HERE | IN_TEST_TORCHVISION


def test_albumentations_moves_image_and_label_map_together(tmp_path):
    mlt_in_colours(tmp_path / "mlt")
    quiet = "import os; os.environ['NO_ALBUMENTATIONS_UPDATE'] = '1'"  # it would ask the network for a newer release
    # Two workers have batches of their own.
    *_, last = run("Albumentations", tmp_path, SAME_PLACE, quiet, {"batch_size=8": "batch_size=2"})
    assert_same_place(last, crops=8)


def test_lightning_fits_and_validates(home):
    """Three steps in each of two epochs, with other crops, and the figure that a loop of one's own has."""
    more = """
import json

module, data = trainer.lightning_module, trainer.datamodule
metrics = TextMetrics()
for batch in data.val_dataloader():
    with torch.no_grad():
        metrics.add_counts(count_logits(module.model.eval()(batch["pixel_values"]), batch["labels"]))
changed = not torch.equal(torch.load("before.pt"), module.model[0].weight.cpu())
print(json.dumps([trainer.global_step, data.transform.epoch, float(trainer.callback_metrics["fgiou"]), changed,
                  metrics.compute()["fgiou"], metrics.compute()["images"]]))
"""
    replaced = {
        "max_epochs=1": "max_epochs=2, accelerator='cpu', enable_progress_bar=False, enable_checkpointing=False",
        "trainer.fit(": "torch.save(model[0].weight.detach().clone(), 'before.pt')\ntrainer.fit(",
        "batch_size=8": "batch_size=2",
    }
    *_, last = run("Lightning", home, more, replaced=replaced)
    steps, epoch, told, changed, alone, images = json.loads(last)
    assert (steps, epoch, images) == (6, 1, 3) and changed
    assert told == pytest.approx(alone, rel=1e-6) and 0 < told < 1


def test_another_set_with_masks_of_0_and_255_becomes_like_ours(home):
    for folder in ("images", "masks"):
        (home / "other" / folder).mkdir(parents=True)
    for n in (1, 2):
        (home / "other" / "images" / f"sign_{n}.jpg").write_bytes(encoded(picture(70, 50, seed=n)))
        (home / "other" / "masks" / f"sign_{n}.png").write_bytes(encoded(PIL.Image.fromarray(mask(n)), "PNG"))
    more = """
import json
import torch
from mlt_s_tools.training import ArchiveDataset, Preset, collate

transform = Preset((0.5,) * 3, (0.25,) * 3, (64, 64)).training(scales=(1, 1))
crops = both.with_transform(transform)
unprepared = torch.utils.data.ConcatDataset(
    [ArchiveDataset("~/mlt", "train", transform), theirs.with_transform(transform)]
)
(joined,) = torch.utils.data.DataLoader(unprepared, batch_size=7, collate_fn=collate)
expected = torch.utils.data.default_collate(crops[:]["labels"])
last = both[len(both) - 1]
as_it_is = transform({**last, "label": fromarray(np.asarray(last["label"]) * np.uint8(255))})
np.save("label.npy", np.asarray(last["label"])), np.save("image.npy", np.asarray(last["image"]))
print(json.dumps({
    "ids": list(both["image_id"]), "mixed": sorted(set(mixed["image_id"])), "lengths": [len(both), len(mixed)],
    "ours": type(theirs.features["label"]).__name__, "same": both.features == ours.features,
    "values": [sorted(np.unique(np.asarray(example["label"])).tolist()) for example in both],
    "trained": sorted({value for crop in crops for value in np.unique(crop["labels"]).tolist()}),
    "text": [int((crop["labels"] == 1).sum()) > 0 for crop in crops],
    "unprepared": torch.equal(joined["labels"], expected),
    "as it is": np.unique(as_it_is["labels"]).tolist(),
}))
"""
    told = json.loads(run("Another data set beside it", home, more)[-1])
    ids = [*(f"img_{n}" for n in range(1, 6)), "other/sign_1", "other/sign_2"]
    assert told["ids"] == ids and told["mixed"] == sorted(ids)
    assert told["lengths"][0] == 7 <= told["lengths"][1]
    assert told["ours"] == "LabelMap" and told["same"]
    assert told["values"] == [[0, 1, 255]] * 5 + [[0, 1]] * 2
    assert told["trained"] == [0, 1, 255] and all(told["text"])
    assert told["unprepared"]
    assert told["as it is"] == [0, 255]  # as the page says: no error, and no text
    assert np.array_equal(np.load(home / "label.npy"), mask(2) // 255)
    jpeg = home / "other" / "images" / "sign_2.jpg"
    assert np.array_equal(np.load(home / "image.npy"), np.asarray(PIL.Image.open(jpeg)))


def mask(seed):
    """Text in a corner, as a mask of 0 and 255."""
    values = np.zeros((50, 70), np.uint8)
    values[5 : 15 + seed, 10:30] = 255
    return values


def test_tensorboard_shows_the_loss_and_the_figures(home):
    more = """
import json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from pathlib import Path

(file,) = Path("runs").rglob("events.out.tfevents.*")
events = EventAccumulator(str(file)).Reload()
shown = {name: [[event.step, event.value] for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
print(json.dumps([shown, trainer.state.log_history]))
"""
    replaced = {
        "preset.training(seed=0)": "preset.training(seed=0, size=(64, 64))",
        'TrainingArguments("runs", num_train_epochs=1': 'TrainingArguments("runs", num_train_epochs=2, use_cpu=True',
    }
    shown, logged = json.loads(run("TensorBoard", home, more, replaced=replaced)[-1])
    for name, key in {"train/loss": "loss", "eval/fgiou": "eval_fgiou", "eval/f_score": "eval_f_score"}.items():
        lines = [[line["step"], line[key]] for line in logged if key in line]
        assert len(lines) == 2
        assert [[step, pytest.approx(value, rel=1e-5)] for step, value in shown[name]] == lines
