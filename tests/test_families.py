"""The families of models that people fine-tune: each trains for a few steps from its config, and is evaluated."""

import json
import textwrap

import forks
import pytest
from archives import mlt
from pages import blocks

pytestmark = pytest.mark.once

# Images of 70 by 50 pixels, in batches of two; a model of each family of some ten thousand weights.
RUN = """
import json, sys
import torch, transformers
from transformers import (
    BeitConfig, BeitForSemanticSegmentation, BeitImageProcessor, ConvNextConfig, DPTConfig, DPTForSemanticSegmentation,
    DPTImageProcessor, SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor, SwinConfig,
    TrainingArguments, UperNetConfig, UperNetForSemanticSegmentation,
)

import mlt_s
from mlt_s_tools.metrics import TextMetrics, predict
from mlt_s_tools.training import ArchiveDataset, EpochCallback, TextTrainer, collate, for_image_processor

mlt_s.logger.setLevel("ERROR")
torch.set_num_threads(1)
data_dir, out, family = sys.argv[1:]
stages = {"depths": [1] * 4, "out_features": ["stage1", "stage2", "stage3", "stage4"]}
vit = {"hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 1, "intermediate_size": 8, "image_size": 64}


def upernet(backbone, last, **options):
    head = {"hidden_size": 8, "auxiliary_channels": 8, "auxiliary_in_channels": last}
    return UperNetForSemanticSegmentation(UperNetConfig(backbone_config=backbone, **head, **options))


def upernet_swin(**options):
    return upernet(SwinConfig(embed_dim=8, num_heads=[1] * 4, window_size=2, image_size=64, **stages), 32, **options)


def upernet_convnext(**options):
    return upernet(ConvNextConfig(hidden_sizes=[8] * 4, **stages), 8, **options)


def segformer(**options):
    small = {"depths": [1] * 4, "hidden_sizes": [8] * 4, "decoder_hidden_size": 8, "num_attention_heads": [1] * 4}
    return SegformerForSemanticSegmentation(SegformerConfig(**small, **options))


def beit(**options):
    own = {"out_indices": [1, 2, 3, 4], "auxiliary_channels": 8, "use_relative_position_bias": True}
    return BeitForSemanticSegmentation(BeitConfig(**vit, **own, use_absolute_position_embeddings=True, **options))


def dpt(**options):
    own = {"backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}
    return DPTForSemanticSegmentation(DPTConfig(**vit, **own, **options))


make, processor = {
    "SegFormer": (segformer, SegformerImageProcessor),
    "UperNet, Swin": (upernet_swin, SegformerImageProcessor),
    "UperNet, ConvNeXt": (upernet_convnext, SegformerImageProcessor),
    "BEiT": (beit, BeitImageProcessor),
    "DPT": (dpt, DPTImageProcessor),
}[family]
preset = for_image_processor(processor())
transformers.set_seed(0)
model = make(**preset.model_options())
transform = preset.training(size=(64, 64))


def evaluated(**options):
    return ArchiveDataset(data_dir, "validation", preset.evaluation(**options))


def trainer(**options):
    args = TrainingArguments(
        out, per_device_train_batch_size=2, per_device_eval_batch_size=1, max_steps=6, learning_rate=1e-2, use_cpu=True,
        report_to=[], remove_unused_columns=False, batch_eval_metrics=True, disable_tqdm=True, logging_steps=1,
        save_strategy="no",
    )
    return TextTrainer(
        model, args, data_collator=collate, callbacks=[EpochCallback(transform)],
        train_dataset=ArchiveDataset(data_dir, "train", transform), eval_dataset=evaluated(),
        compute_metrics=TextMetrics(), **options,
    )


def figures(run, images):
    "What the trainer says of images, and what the model does with each alone."
    metrics, found = TextMetrics(), run.evaluate(images)
    for given, example in zip(images, images.with_transform(None)):
        with torch.no_grad():
            logits = model(torch.from_numpy(given["pixel_values"])[None]).logits[0]
        metrics.add(predict(logits, given), example["label"])
    alone = metrics.compute()
    return {name: found["eval_" + name] for name in alone}, alone, found["eval_loss"]
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return mlt(tmp_path_factory.mktemp("mlt"), train=5, validation=3, width=70, height=50)


def run(code, data_dir, out, family):
    done = forks.run(RUN + textwrap.dedent(code), out, data_dir, out / "run", family)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


FAMILIES = ["SegFormer", "UperNet, Swin", "UperNet, ConvNeXt", "BEiT", "DPT"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_and_is_evaluated(data_dir, tmp_path, family):
    """In batches of two, `global_batch_size` leaves none of 5 images alone, with which UperNet and BEiT fail."""
    code = """
    before = {name: value.clone() for name, value in model.named_parameters()}
    run = trainer(global_batch_size=2)
    told = {"fresh": figures(run, evaluated())}
    run.train()
    losses = [line["loss"] for line in run.state.log_history if "loss" in line]
    changed = [not torch.equal(before[name], value) for name, value in model.named_parameters()]
    model.eval()
    batch = collate([evaluated()[0], evaluated()[1]])

    def summed(labels):
        counted = int((labels != 255).sum())
        with torch.no_grad():
            return model(batch["pixel_values"], labels=labels).loss.item() * counted

    labels = batch["labels"]
    of_each = [summed(labels.where(labels == value, 255)) for value in (0, 1)]
    told.update({
        "id2label": model.config.id2label, "label2id": model.config.label2id, "losses": losses,
        "changed": sum(changed) / len(changed), "of_each": of_each, "of_all": summed(labels),
        "values": labels.unique().tolist(), "whole": figures(run, evaluated()),
        "reduced": figures(run, evaluated(reduce=2)),
    })
    print(json.dumps(told))
    """
    told = run(code, data_dir, tmp_path, family)
    assert told["id2label"] == {"0": "background", "1": "text"} and told["label2id"] == {"background": 0, "text": 1}
    assert len(told["losses"]) == 6 and sum(told["losses"][3:]) < sum(told["losses"][:3])
    assert told["changed"] > 0.8  # BEiT and UperNet have some that no loss reaches
    # 255 counts for nothing, and background for as much as text: the loss is that of the two together.
    assert told["values"] == [0, 1, 255] and min(told["of_each"]) > 0
    assert sum(told["of_each"]) == pytest.approx(told["of_all"], rel=1e-4)
    for found, alone, loss in (told["fresh"], told["whole"], told["reduced"]):
        assert found == alone and found["images"] == 3 and "fgiou" in found
        assert 0 < loss < 2


@pytest.mark.parametrize("family", ["UperNet, ConvNeXt", "BEiT"])
def test_a_batch_of_one_crop_fails_as_the_documentation_says(data_dir, tmp_path, family):
    code = """
    try:
        trainer().train()
    except ValueError as error:
        print(json.dumps(str(error)))
    """
    assert run(code, data_dir, tmp_path, family).startswith("Expected more than 1 value per channel when training")


def test_an_upernet_has_a_loss_on_label_maps_larger_than_its_images(data_dir, tmp_path):
    """The model resizes its logits to the image, so its own loss is an error there."""
    code = """
    from torch.nn.functional import cross_entropy, interpolate

    model.eval()
    total, counted = 0, 0
    for given in evaluated(reduce=2):
        labels = torch.from_numpy(given["labels"])[None]
        with torch.no_grad():
            logits = model(torch.from_numpy(given["pixel_values"])[None]).logits
        logits = interpolate(logits, labels.shape[-2:], mode="bilinear", align_corners=False)
        total += cross_entropy(logits, labels, ignore_index=255, reduction="sum").item()
        counted += int((labels != 255).sum())
    print(json.dumps([trainer().evaluate(evaluated(reduce=2))["eval_loss"], total / counted]))
    """
    found, expected = run(code, data_dir, tmp_path, "UperNet, ConvNeXt")
    assert found == pytest.approx(expected, rel=1e-5)


# --- Mask2Former, by the functions that the documentation shows


MASKS = """
import json, sys
from types import SimpleNamespace
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig, TrainingArguments, set_seed
from mlt_s_tools.metrics import TextMetrics, count_logits, predict
from mlt_s_tools.training import ArchiveDataset, EpochCallback, TextTrainer

torch.set_num_threads(1)
data_dir, out = sys.argv[1:]
set_seed(0)
stages = ["stage1", "stage2", "stage3", "stage4"]
swin = SwinConfig(embed_dim=8, depths=[1] * 4, num_heads=[1] * 4, window_size=2, image_size=64, out_features=stages)
model = Mask2FormerForUniversalSegmentation(Mask2FormerConfig(
    backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=32,
    encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=32, num_queries=4, train_num_points=256,
    num_labels=150,
))
model.save_pretrained(out + "-ade")
own = {**preset.model_options(), "ignore_mismatched_sizes": True}
model = Mask2FormerForUniversalSegmentation.from_pretrained(out + "-ade", **own)
transform = preset.training(size=(64, 64))
args = TrainingArguments(
    out, per_device_train_batch_size=2, max_steps=6, learning_rate=3e-3, use_cpu=True, report_to=[], logging_steps=1,
    remove_unused_columns=False, disable_tqdm=True, save_strategy="no",
)
run = TextTrainer(
    model, args, data_collator=with_masks, callbacks=[EpochCallback(transform)],
    train_dataset=ArchiveDataset(data_dir, "train", transform),
)
before = {name: value.clone() for name, value in model.named_parameters()}
run.train()
changed = [not torch.equal(before[name], value) for name, value in model.named_parameters()]
model.eval()
metrics, targets = TextMetrics(), []
for given in ArchiveDataset(data_dir, "validation", preset.evaluation()):
    batch = collate([given])
    with torch.no_grad():
        logits = as_logits(model(batch["pixel_values"]))
    metrics.add_counts(count_logits(logits, batch["labels"]))
    made = with_masks([given])
    again = torch.full_like(batch["labels"][0], 255)
    for value, mask in zip(made["class_labels"][0], made["mask_labels"][0]):
        again[mask == 1] = value
    targets.append([sorted(made), torch.equal(again, batch["labels"][0])])

# Four queries: text on the left, background on the right, and two that are of no class.
sure, no_class = torch.eye(3) * 50, torch.tensor([2, 2])
left = torch.where(torch.arange(8) < 4, 50.0, -50.0).expand(6, 8)
output = SimpleNamespace(
    class_queries_logits=torch.cat([sure[[1, 0]], sure[no_class]])[None],
    masks_queries_logits=torch.stack([left, -left, -left, left])[None],
)
is_text = predict(as_logits(output)[0], (6, 8))
print(json.dumps({
    "losses": [line["loss"] for line in run.state.log_history if "loss" in line], "figures": metrics.compute(),
    "changed": sum(changed) / len(changed), "targets": targets, "id2label": model.config.id2label,
    "columns": is_text.float().mean(0).tolist(),
}))
"""


def test_a_mask2former_trains_by_the_code_of_the_documentation(data_dir, tmp_path):
    (shown,) = [block.code for block in blocks("python") if "def with_masks" in block.code]
    done = forks.run(shown + MASKS, tmp_path, data_dir, tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["id2label"] == {"0": "background", "1": "text"}
    assert len(told["losses"]) == 6 and sum(told["losses"][3:]) < sum(told["losses"][:3])
    assert told["changed"] > 0.8
    assert told["targets"] == [[["class_labels", "mask_labels", "pixel_values"], True]] * 3  # 255 is in no mask
    assert told["figures"]["images"] == 3 and 0 <= told["figures"]["fgiou"] <= 1
    assert told["columns"] == [1] * 4 + [0] * 4
