"""examples/train_segformer.py as a user runs it: on the bundled sample, on a built set, and on from a checkpoint."""

import json
import os
import re
import subprocess
import sys

import PIL.Image
import pytest
from conftest import ROOT

import mlt_s_tools
from mlt_s_tools.cli import main

pytestmark = pytest.mark.once

SCRIPT = ROOT / "examples" / "train_segformer.py"
QUICK = ["--from-config", "--batch-size", "2", "--crop", "128", "--workers", "0", "--reduce", "2"]


def train(data, out, *words, processes=1):
    """Runs the script, and returns the state of its last checkpoint and what it printed last."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] * (processes > 1)
    command = [sys.executable, *launcher, str(SCRIPT), str(data), "--out", str(out), *QUICK, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=out.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    last = max(out.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    return json.loads((last / "trainer_state.json").read_text()), done.stdout.splitlines()[-1]


def evaluated(folder, split):
    """Figures of a model, in this process, and those of the guess that all is text."""
    import torch
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

    from mlt_s_tools.metrics import TextMetrics, count_logits
    from mlt_s_tools.training import ArchiveDataset, collate, for_segformer

    model, learnt, guess = SegformerForSemanticSegmentation.from_pretrained(folder).eval(), TextMetrics(), TextMetrics()
    transform = for_segformer(SegformerImageProcessor()).evaluation(reduce=2)
    for example in ArchiveDataset(mlt_s_tools.SAMPLE, split, transform):
        batch = collate([example])
        with torch.no_grad():
            logits = model(pixel_values=batch["pixel_values"]).logits
        learnt.add_counts(count_logits(logits, batch["labels"]))
        guess.add_counts(count_logits(torch.ones_like(logits) * torch.tensor([0.0, 1]).view(2, 1, 1), batch["labels"]))
    return learnt.compute(), guess.compute()


def test_it_learns_on_a_processor_in_a_minute(tmp_path):
    counted = tmp_path / "check.json"
    main(["check", str(mlt_s_tools.SAMPLE), "--pixels", "--json", str(counted)])
    words = ["--epochs", "40", "--evaluate-every", "40", "--learning-rate", "8e-4", "--class-weights", str(counted)]
    state, told = train(mlt_s_tools.SAMPLE, tmp_path / "run", *words)
    assert state["global_step"] == 40 * 7
    learnt, guess = (figures["fgiou"] for figures in evaluated(tmp_path / "run", "train"))
    assert guess < 0.06 and learnt > 2 * guess, (learnt, guess)
    assert re.fullmatch(rf"fgIoU \d+\.\d\d%, F-score 0\.\d\d\d: {re.escape(str(tmp_path / 'run'))}", told)
    with PIL.Image.open(tmp_path / "run" / "pictures" / "step-000280.png") as picture:
        assert picture.width > 1000


def test_it_goes_on_from_a_checkpoint_with_a_built_set(tmp_path):
    built, out = tmp_path / "built", tmp_path / "run"
    mlt_s_tools.build(mlt_s_tools.SAMPLE, built, jobs=1)
    state, _ = train(built, out, "--epochs", "1")
    assert (state["global_step"], state["epoch"]) == (7, 1)
    state, _ = train(built, out, "--epochs", "2", "--resume")
    assert (state["global_step"], state["epoch"]) == (14, 2)
    assert [line["step"] for line in state["log_history"] if "eval_fgiou" in line] == [7, 14]


def test_two_processes_evaluate_images_of_any_size_as_one_does(tmp_path):
    """Six validation images of six sizes."""
    state, _ = train(mlt_s_tools.SAMPLE, tmp_path / "run", "--epochs", "1", "--learning-rate", "1e-3", processes=2)
    told = state["log_history"][-1]
    alone, _ = evaluated(tmp_path / "run", "validation")
    assert state["global_step"] == 4 and alone["images"] == 6
    assert {name: told[f"eval_{name}"] for name in alone} == alone


def test_without_a_checkpoint_it_says_so(tmp_path):
    command = [sys.executable, str(SCRIPT), "mlt", "--out", str(tmp_path / "run"), "--resume"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"There is no checkpoint in {tmp_path / 'run'} to go on from."
