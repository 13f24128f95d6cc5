"""The loss of a step or an evaluation is the same however it is split, over accumulation steps and over processes."""

import numpy as np
import pytest
from test_trainer import TELL, run

pytestmark = pytest.mark.once

# Crops that differ in how many of their pixels count, none of the fourth's; a network without batch normalisation,
# which would look at a batch as a whole.
SETUP = """
import datasets, itertools
import numpy as np
from transformers import TrainerCallback

WAYS = {"alike": {}, "weighted": {"class_weights": [0.3, 1.7]}, "smoothed": {"label_smoothing_factor": 0.1},
        "one class": {"classes": 1}}
CROPS = []
for n, ignored in enumerate([0.0, 0.5, 0.9, 1.0, 0.7]):
    chance = np.random.default_rng(n)
    labels = np.where(chance.random((32, 32)) < ignored, 255, chance.random((32, 32)) < 0.2).astype(np.int64)
    CROPS.append({"pixel_values": chance.normal(size=(3, 32, 32)).astype(np.float32), "labels": labels})
STEP = CROPS[:4]


def network(classes=2, dropout=0.0):
    transformers.set_seed(0)
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[3, 3], strides=[2, 2],
        num_attention_heads=[1, 1], mlp_ratios=[2, 2], decoder_hidden_size=8, num_labels=classes,
        classifier_dropout_prob=dropout, drop_path_rate=0.0,
    )
    model = SegformerForSemanticSegmentation(config)
    model.decode_head.batch_norm = torch.nn.Identity()
    return model


def flat(values):
    return torch.cat([value.detach().flatten() for value in values])


class Gradient(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.value = flat(weights.grad for weights in model.parameters()).tolist()


def text_trainer(model, train=None, class_weights=None, metrics=TextMetrics, callbacks=(), **options):
    args = TrainingArguments(
        out + "/run", learning_rate=0.1, optim="sgd", use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no",
        batch_eval_metrics=True, **{"logging_steps": 1, **options},
    )
    return TextTrainer(
        model, args, train_dataset=train, compute_metrics=metrics and metrics(), callbacks=list(callbacks),
        class_weights=class_weights and torch.tensor(class_weights),
    )


def split(size, accumulated, classes=2, **options):
    gradient = Gradient()
    trained = text_trainer(
        network(classes), STEP, callbacks=[gradient], num_train_epochs=1, per_device_train_batch_size=size,
        gradient_accumulation_steps=accumulated, **options,
    )
    loss = trained.train().training_loss
    logged = [line for line in trained.state.log_history if "loss" in line]
    return {
        "gradient": gradient.value, "train_loss": loss, "loss": [line["loss"] for line in logged],
        "norm": [line["grad_norm"] for line in logged], "weights": flat(trained.model.parameters()).tolist(),
    }


def evaluated(size, classes=2, **options):
    losses = []
    for metrics in (TextMetrics, None):
        run = text_trainer(network(classes), metrics=metrics, per_device_eval_batch_size=size, **options)
        losses += [run.evaluate(CROPS)["eval_loss"], run.predict(CROPS).metrics["test_loss"]]
    return losses


def by_hand(crops, classes=2, class_weights=(1.0, 1.0), label_smoothing_factor=0.0):
    # Of all pixels that count in one batch, by PyTorch alone; a logit of text is one beside 0, that of background.
    batch = {name: torch.tensor(np.stack([crop[name] for crop in crops])) for name in crops[0]}
    model = network(classes)
    logits = torch.nn.functional.interpolate(model(batch["pixel_values"]).logits, (32, 32), mode="bilinear")
    if classes == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    loss = torch.nn.functional.cross_entropy(
        logits, batch["labels"], torch.tensor(class_weights), ignore_index=255, label_smoothing=label_smoothing_factor
    )
    loss.backward()
    gradient = flat(weights.grad for weights in model.parameters())
    return {"loss": loss.item(), "gradient": gradient.tolist(), "weights": flat(model.parameters()).tolist()}


def reported(splits, batch_sizes=(1, 4)):
    return {
        "splits": [[name, split(*sizes, **way)] for name, way in WAYS.items() for sizes in splits],
        "unlogged": [split(*sizes, logging_steps=9)["train_loss"] for sizes in splits],
        "clipped": [split(*sizes, max_grad_norm=0.01)["weights"] for sizes in splits],
        "evaluated": [[name, evaluated(size, **way)] for name, way in WAYS.items() for size in batch_sizes],
    }


def numbers(shards):
    for n in shards:
        yield {"labels": (STEP * 2)[n]["labels"], "pixel_values": (STEP * 2)[n]["pixel_values"]}


def streamed(model, length, accumulated, steps, **options):
    stream = datasets.IterableDataset.from_generator(numbers, gen_kwargs={"shards": list(range(length))})
    return text_trainer(
        model, stream.with_format("torch"), max_steps=steps, per_device_train_batch_size=1,
        gradient_accumulation_steps=accumulated, **options,
    )
"""


def told(code, folder, processes=1):
    return run(TELL + SETUP + code, folder, folder, processes)


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """The loss of one batch in one process, by hand and by the trainer."""
    code = """
tell(
    step={name: by_hand(STEP, **way) for name, way in WAYS.items()},
    evaluation={name: by_hand(CROPS, **way)["loss"] for name, way in WAYS.items()},
    **reported([(4, 1), (2, 2), (1, 4), (3, 2)]),
)
"""
    return told(code, tmp_path_factory.mktemp("pooled"))[0]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two processes report."""
    code = """
def trained(evaluates, **options):
    run = text_trainer(
        network(dropout=0.2), CROPS, num_train_epochs=2, per_device_train_batch_size=1, seed=3,
        per_device_eval_batch_size=1, **options,
    )
    if evaluates:
        run.evaluate(CROPS)
        run.predict(CROPS)
    run.train()
    return flat(run.model.parameters()).tolist()


shared = network(dropout=0.2)
text_trainer(shared).evaluate(CROPS)
first = text_trainer(shared, CROPS, num_train_epochs=2, per_device_train_batch_size=1, seed=3)
first.train()
uneven = streamed(network(), 7, 2, 8)
uneven.train()
tell(
    uneven=flat(uneven.model.parameters()).tolist(),
    trained=[[trained(evaluates, **options) for evaluates in (False, True)] for options in ({}, {"bf16": True})],
    by_another=flat(shared.parameters()).tolist(),
    **reported([(2, 1), (1, 2)]),
)
"""
    return told(code, tmp_path_factory.mktemp("pair"), processes=2)


def assert_steps_are_those_of_one_batch(found, step):
    assert len(found["splits"]) == len(step) * len(found["clipped"])
    for name, one in found["splits"]:
        norm = np.linalg.norm(step[name]["gradient"])
        assert norm > 0.01
        assert one["gradient"] == pytest.approx(step[name]["gradient"], rel=1e-4, abs=1e-6)
        assert one["norm"] == [pytest.approx(norm, rel=1e-4)]
        assert one["loss"] == [pytest.approx(step[name]["loss"], rel=1e-5)]
        assert one["train_loss"] == pytest.approx(step[name]["loss"], rel=1e-5)
    alike = step["alike"]
    assert found["unlogged"] == pytest.approx([alike["loss"]] * len(found["unlogged"]), rel=1e-5)
    expected = alike["weights"] - 0.1 * 0.01 * np.array(alike["gradient"]) / np.linalg.norm(alike["gradient"])
    for weights in found["clipped"]:
        assert weights == pytest.approx(expected, abs=1e-7)


def test_a_step_is_that_of_one_batch_however_it_is_accumulated(pooled):
    """The fourth crop is 255 throughout, and in some of the splits a batch of its own."""
    assert_steps_are_those_of_one_batch(pooled, pooled["step"])


def test_a_step_is_that_of_one_batch_in_two_processes(pooled, pair):
    for one in pair:
        assert_steps_are_those_of_one_batch(one, pooled["step"])


def test_an_evaluation_has_one_loss_in_one_process_and_in_several(pooled, pair, tmp_path):
    """Of five images, two processes repeat one and three repeat some, to have as many each."""
    three = told("tell(**reported([]))", tmp_path, processes=3)
    for one in (pooled, *pair, *three):
        assert len(one["evaluated"]) == 2 * len(pooled["evaluation"])
        for name, losses in one["evaluated"]:
            assert losses == pytest.approx([pooled["evaluation"][name]] * 4, rel=1e-5), name


def test_processes_that_evaluated_first_train_as_those_that_did_not(pair):
    first, second = pair
    assert first["trained"] == second["trained"]
    for unevaluated, evaluated in first["trained"]:
        assert evaluated == unevaluated
    assert first["by_another"] == second["by_another"] == first["trained"][0][0]


def test_processes_with_different_numbers_of_batches_make_the_same_steps(pair):
    """Of a stream of seven, accumulated by two, one process has four batches in a pass and the other three."""
    assert pair[0]["uneven"] == pair[1]["uneven"]


def test_what_a_pass_over_a_stream_leaves_does_not_add_to_the_next_step(tmp_path):
    code = """
class Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        gradients.append(flat(weights.grad for weights in model.parameters()).tolist())
        for weights in model.parameters():
            weights.grad.zero_()


gradients, refused = [], ""
streamed(network(), 3, 2, 3, callbacks=[Gradients()]).train()
try:
    streamed(network(), 3, 4, 3).train()
except ValueError as error:
    refused = str(error)
steps = [[STEP[0], STEP[1]], [STEP[2], STEP[0]], [STEP[1], STEP[2]]]
tell(gradients=gradients, expected=[by_hand(step)["gradient"] for step in steps], refused=refused)
"""
    (one,) = told(code, tmp_path)
    assert len(one["gradients"]) == 3
    for gradient, expected in zip(one["gradients"], one["expected"]):
        assert gradient == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert "3 batches" in one["refused"] and "4 (gradient_accumulation_steps)" in one["refused"]
