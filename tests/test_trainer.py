"""A real `Trainer` on the archives: it is stopped and resumed, and runs in several processes."""

import json
import os
import re
import subprocess
import sys
import textwrap

import forks
import pytest
from archives import add_words, mlt
from conftest import LEAVE, ROOT

pytestmark = pytest.mark.once

# A model of a few thousand weights, with dropout, so that chance has to be the same too; `read` holds what was read.
RUN = """
import json, logging, os, sys
import torch, transformers
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from transformers import SegformerConfig, SegformerForSemanticSegmentation, TrainingArguments

import mlt_s
from mlt_s_tools.metrics import TextMetrics, predict
from mlt_s_tools.training import ArchiveDataset, EpochCallback, Preset, TextTrainer, collate

mlt_s.logger.setLevel("ERROR")
data_dir, out, rank = sys.argv[1], sys.argv[2], int(os.environ.get("RANK", 0))
preset = Preset((0.5,) * 3, (0.25,) * 3, (32, 32))
transform = preset.training(seed=1)
read, said = [], []
logs = logging.Handler()
logs.emit = lambda record: said.append(record.getMessage())
logging.getLogger("mlt_s_tools").addHandler(logs)


def watched(transform):
    def seen(example):
        read.append(example["image_id"])
        return transform(example)

    return seen


def trainer(folder, train=None, validation=None, **options):
    transformers.set_seed(0)
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[3, 3], strides=[2, 2],
        num_attention_heads=[1, 1], mlp_ratios=[2, 2], decoder_hidden_size=8, classifier_dropout_prob=0.1,
        **preset.model_options(),
    )
    model = SegformerForSemanticSegmentation(config)
    options = {"learning_rate": 1e-2, "save_strategy": "steps", "save_steps": 3, **options}
    args = TrainingArguments(
        folder, per_device_train_batch_size=2, per_device_eval_batch_size=1, num_train_epochs=3, use_cpu=True, seed=7,
        report_to=[], remove_unused_columns=False, batch_eval_metrics=True, disable_tqdm=True, logging_steps=1,
        **options,
    )
    return TextTrainer(
        model, args, data_collator=collate, callbacks=[EpochCallback(transform)],
        train_dataset=train or ArchiveDataset(data_dir, "train", watched(transform)),
        eval_dataset=validation or ArchiveDataset(data_dir, "validation", preset.evaluation()),
        compute_metrics=TextMetrics(),
    )


def stream(split, transform):
    examples = load_dataset("mlt_s", data_dir=data_dir, split=split, streaming=True).shuffle(seed=0, buffer_size=1)
    return examples.map(transform, remove_columns=examples.column_names)


def weights(run):
    return {name: value.clone() for name, value in run.model.state_dict().items()}
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = mlt(tmp_path_factory.mktemp("mlt"), train=11, validation=5, width=48, height=40)
    return add_words(folder, range(1, 12), range(1, 6))


def run(code, data_dir, out, processes=1, torchrun=False):
    """Runs code after the lines above, in one process or several, which `torchrun` starts if need be.

    Returns what each tells, by rank.
    """
    script = out / "run.py"
    script.write_text(RUN + textwrap.dedent(code) + LEAVE, encoding="utf-8")
    if torchrun:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([*command, script, data_dir, out], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    else:
        several = forks.run_script(script, out, data_dir, out, processes=processes)
        assert all(done.returncode == 0 for done in several), [done.stderr[-3000:] for done in several]
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(processes)]


TELL = """
def tell(**told):
    with open(f"{out}/rank{rank}.json", "w") as file:
        json.dump(told, file)
"""


def test_a_stopped_run_resumes_as_if_uninterrupted(data_dir, tmp_path):
    """11 pairs in batches of 2 are 6 steps an epoch, 18 in all: stopped after 9, in the middle of the second epoch."""
    code = """
    from transformers import TrainerCallback

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.global_step == 9

    whole = trainer(out + "/whole")
    whole.train()
    all_read, read[:] = list(read), []
    stopped = trainer(out + "/stopped")
    stopped.add_callback(Stop())
    stopped.train()
    before, read[:] = list(read), []
    checkpoint = out + "/stopped/checkpoint-9"
    resumed = trainer(out + "/stopped")
    resumed.train(resume_from_checkpoint=checkpoint)
    one, other = weights(whole), weights(resumed)
    losses = [[line["loss"] for line in run.state.log_history if "loss" in line] for run in (whole, resumed)]
    tell(
        all_read=all_read, before=before, after=read, losses=losses,
        same=all(torch.equal(one[name], other[name]) for name in one),
    )
    """
    (told,) = run(TELL + textwrap.dedent(code), data_dir, tmp_path)
    assert len(told["all_read"]) == 33 and len(set(told["all_read"][:11])) == 11
    assert told["all_read"][:11] != told["all_read"][11:22]
    assert told["before"] == told["all_read"][: len(told["before"])] and len(told["before"]) >= 17
    assert told["after"] == told["all_read"][17:]  # not one of what was seen is read again
    assert told["losses"][0] == told["losses"][1] and len(told["losses"][0]) == 18
    assert told["same"]


def test_the_best_model_that_is_loaded_at_the_end_has_all_of_its_weights(data_dir, tmp_path):
    code = """
    run = trainer(
        out + "/run", max_steps=6, eval_strategy="steps", eval_steps=3, load_best_model_at_end=True,
        metric_for_best_model="eval_loss", greater_is_better=True,  # so the best is not the last
    )
    run.train()
    best = run.state.best_model_checkpoint
    saved = SegformerForSemanticSegmentation.from_pretrained(best).state_dict()
    tell(best=best, differing=[name for name, value in weights(run).items() if not torch.equal(value, saved[name])])
    """
    (told,) = run(TELL + textwrap.dedent(code), data_dir, tmp_path)
    assert told["best"].endswith("checkpoint-3") and told["differing"] == []


def test_a_checkpoint_of_another_model_is_refused(data_dir, tmp_path):
    code = """
    trainer(out + "/run", max_steps=3).train()
    other = trainer(out + "/run", max_steps=6)
    other.model.unknown = torch.nn.Linear(2, 2)
    try:
        other.train(resume_from_checkpoint=True)
    except ValueError as error:
        tell(refused=str(error))
    """
    (told,) = run(TELL + textwrap.dedent(code), data_dir, tmp_path)
    assert "checkpoint-3" in told["refused"] and "unknown.weight" in told["refused"]


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_read_disjoint_parts_and_agree(data_dir, tmp_path, processes):
    code = """
    with_words = ArchiveDataset(data_dir, "validation", preset.evaluation(words=True), config="words")
    run = trainer(out + "/run", validation=with_words, save_strategy="no")
    run.train()
    figures = run.evaluate()
    metrics = TextMetrics()
    for given, example in zip(with_words, with_words.with_transform(None)):
        with torch.no_grad():
            logits = run.model(torch.from_numpy(given["pixel_values"])[None]).logits[0]
        metrics.add(predict(logits, given), example["label"], example["words"])
    alone = metrics.compute()
    for name, group in (*metrics.by("script").items(), *metrics.by("height").items()):
        alone.update({f"{key}_{name}": group[key] for key in ("fgiou", "words", "pixels")})
    tell(
        read=read, steps=run.state.global_step, alone=alone, said=said,
        figures={name: figures["eval_" + name] for name in alone},
    )
    """
    told = run(TELL + textwrap.dedent(code), data_dir, tmp_path, processes, torchrun=processes == 2)
    each = 12 // processes  # examples a process and epoch: the last batch, of one, is filled up with the first
    for epoch in range(3):
        parts = [one["read"][epoch * each : (epoch + 1) * each] for one in told]
        together = [image_id for part in parts for image_id in part]
        assert len(together) == 12 and len(set(together)) == 11
    assert {len(one["read"]) for one in told} == {3 * each}
    assert {one["steps"] for one in told} == {3 * each // 2}
    for one in told:
        (said,) = one["said"]
        assert [int(number) for number in re.findall(r"\d+", said)] == [11, 2 * processes, 1]
        assert "same epoch" in said
        assert one["figures"] == one["alone"] == told[0]["alone"]
        assert one["alone"]["images"] == 5
        assert one["alone"]["words_Latin"] == one["alone"]["words_None"] == one["alone"]["words_small"] / 2 == 5


def test_processes_read_disjoint_parts_of_a_stream_and_make_as_many_steps(data_dir, tmp_path):
    """Its shards are dealt out: 6 examples to one process, 5 to the other, in batches of 2 both 3 steps."""
    code = """
    run = trainer(out + "/run", train=stream("train", watched(transform)), save_strategy="no", max_steps=6)
    run.train()
    figures = [run.evaluate(), run.evaluate(stream("validation", preset.evaluation()))]
    tell(read=read, steps=run.state.global_step, figures=[[one["eval_images"], one["eval_fgiou"]] for one in figures])
    """
    told = run(TELL + textwrap.dedent(code), data_dir, tmp_path, 2)
    parts = [set(one["read"]) for one in told]
    assert sorted(map(len, parts)) == [5, 6] and len(parts[0] | parts[1]) == 11
    for one, part in zip(told, parts):
        assert (
            one["steps"] == 6 and set(one["read"][: len(part)]) == set(one["read"][len(part) : 2 * len(part)]) == part
        )
        assert one["figures"][0] == one["figures"][1] and one["figures"][0][0] == 5


def test_a_stream_that_was_split_already_is_refused(data_dir, tmp_path):
    code = """
    part = split_dataset_by_node(stream("train", transform), rank=1, world_size=3)
    try:
        trainer(out + "/run", train=part, save_strategy="no", max_steps=6).train()
    except ValueError as error:
        tell(refused=str(error))
    """
    (told,) = run(TELL + textwrap.dedent(code), data_dir, tmp_path)
    assert "split_dataset_by_node: part 1 of 3" in told["refused"] and "full stream" in told["refused"]


def test_accelerate_deals_out_a_loop_of_ones_own(data_dir, tmp_path):
    code = """
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    train = ArchiveDataset(data_dir, "train", watched(transform))
    loader = torch.utils.data.DataLoader(train, batch_size=2, shuffle=True, collate_fn=collate)
    steps = sum(1 for batch in accelerator.prepare(loader))
    tell(read=read, steps=steps)
    """
    first, second = run(TELL + textwrap.dedent(code), data_dir, tmp_path, 2)
    assert len(first["read"]) == len(second["read"]) == 6 and len({*first["read"], *second["read"]}) == 11
    assert first["steps"] == second["steps"] == 3


# --- A stream that is resumed


def test_a_stream_that_is_resumed_has_the_epochs_of_a_run_that_was_not_stopped(data_dir, tmp_path):
    """11 pairs in batches of 2 are 6 steps a pass. Checkpoints: in the second and third pass, and between two.

    A plain Trainer begins the pass of the checkpoint anew where it is not the first: the epoch stays for 6 more steps.
    """
    code = """
    import transformers
    from transformers import TrainerCallback

    class Epochs(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            epochs.append(transform.epoch)

    def epochs_of(folder, checkpoint=None, kind=TextTrainer, steps=21):
        epochs.clear()
        transform.set_epoch(99)
        run = trainer(folder, train=stream("train", watched(transform)), max_steps=steps)
        if kind is not TextTrainer:
            run = kind(
                run.model, run.args, data_collator=collate, train_dataset=run.train_dataset,
                callbacks=[EpochCallback(transform)],
            )
        run.add_callback(Epochs())
        run.train(resume_from_checkpoint=checkpoint)
        return list(epochs)

    epochs = []
    told = {"whole": epochs_of(out + "/whole")}
    for step in (3, 6, 9, 12, 15):
        told[f"from {step}"] = epochs_of(out + "/resumed", f"{out}/whole/checkpoint-{step}")
    epochs_of(out + "/again", out + "/whole/checkpoint-15", steps=18)
    told["again"] = epochs_of(out + "/resumed", out + "/again/checkpoint-18")
    told["plain"] = epochs_of(out + "/resumed", out + "/whole/checkpoint-9", kind=transformers.Trainer)
    tell(**told)
    """
    (told,) = run(TELL + textwrap.dedent(code), data_dir, tmp_path)
    assert told["whole"] == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 3
    for step in (3, 6, 9, 12, 15):
        assert told[f"from {step}"] == told["whole"][step:], step
    assert told["again"] == [3] * 3
    assert told["plain"] == [1] * 6 + [2] * 6


# --- An evaluation that breaks off


class Breaking:
    """Images, one of which fails at times."""

    def __init__(self, images):
        self.images, self.error = images, None

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if self.error and index == 3:
            raise self.error
        return self.images[index]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the disk is gone")], ids=["Ctrl-C", "error"])
def test_an_evaluation_after_one_that_broke_off_starts_empty(tmp_path, error):
    import numpy as np
    import transformers

    from mlt_s_tools.metrics import TextMetrics
    from mlt_s_tools.training import TextTrainer

    chance = np.random.default_rng(0)
    data = Breaking(
        [
            {
                "pixel_values": chance.normal(size=(3, 32, 32)).astype(np.float32),
                "labels": chance.choice([0, 1, 255], (32, 32)),
            }
            for _ in range(6)
        ]
    )
    small = {"depths": [1] * 4, "hidden_sizes": [8] * 4, "decoder_hidden_size": 8, "num_attention_heads": [1] * 4}
    trainer = TextTrainer(
        transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig(num_labels=2, **small)),
        transformers.TrainingArguments(
            str(tmp_path), per_device_eval_batch_size=1, batch_eval_metrics=True, use_cpu=True, report_to=[]
        ),
        compute_metrics=TextMetrics(),
    )

    def figures(evaluated, name):
        return {key: evaluated[f"{name}_{key}"] for key in ("images", "fgiou", "f_score", "loss")}

    expected = figures(trainer.evaluate(data), "eval")
    assert expected["images"] == 6
    for broken_off in (trainer.evaluate, trainer.predict):
        data.error = error
        with pytest.raises(type(error)):
            broken_off(data)
        data.error = None
        assert figures(trainer.evaluate(data), "eval") == expected
        data.error = error
        with pytest.raises(type(error)):
            broken_off(data)
        data.error = None
        assert figures(trainer.predict(data).metrics, "test") == expected
