"""`python -m benchmarks.gpu` with a tiny model on the CPU: what it counts and says, never how fast it was."""

from __future__ import annotations

import json
import sys

import pytest
from archives import mlt
from conftest import ROOT

sys.path.append(str(ROOT))

pytestmark = pytest.mark.once

TINY = {
    "hidden_sizes": [8, 8, 8, 8],
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 1, 1],
    "decoder_hidden_size": 8,
}
SMALL = {"models": {"tiny": TINY}, "workers": (0, 1), "size": 64, "batch": 2, "steps": 3, "warm_up": 1}


@pytest.fixture
def gpu():
    """Imported for these tests alone: each process of tests would import transformers for it."""
    from benchmarks import gpu

    return gpu


def cell_of(cell):
    return cell["model"], cell["source"], cell["workers"]


def test_each_cell_trains_on_as_many_images_as_it_says(gpu, tmp_path, capsys):
    folder = mlt(tmp_path / "mlt", width=90, height=70)
    found = gpu.main([str(tmp_path), "--data-dir", str(folder)], **SMALL)
    wanted = {("tiny", source, workers) for source in ("zips", "prepared", "remote") for workers in (0, 1)}
    assert {cell_of(cell) for cell in found["cells"]} == wanted and found["left_out"] == []
    for cell in found["cells"]:
        assert cell["images"] == 6
        assert cell["images_per_second"] == pytest.approx(6 / cell["seconds"])
        assert 0 <= cell["waiting"] <= 1
    assert found["ceilings"]["tiny"] > 0
    assert json.loads((tmp_path / "gpu.json").read_text()) == json.loads(json.dumps(found))
    printed = capsys.readouterr().out
    assert printed.count("| tiny | ") == 7  # with the model alone
    assert "crops of 64 x 64" in printed


def test_what_there_is_no_time_for_is_left_out_and_said(gpu, tmp_path, capsys):
    folder = mlt(tmp_path / "mlt", width=90, height=70)
    found = gpu.main([str(tmp_path), "--data-dir", str(folder)], **SMALL, budget=0)
    assert found["cells"] == [] and len(found["left_out"]) == 6
    printed = capsys.readouterr().out
    assert "tiny remote 1" in printed and "num_workers" not in printed


def test_the_fewest_workers_that_are_enough_are_advised(gpu):
    rates = {("zips", 4): 190.0, ("zips", 8): 199.0, ("prepared", 4): 80.0, ("prepared", 8): 195.0, ("remote", 4): 60.0}
    cells = [
        {"model": "B0", "source": source, "workers": workers, "images_per_second": rate, "waiting": 1 - rate / 200}
        for (source, workers), rate in rates.items()
    ]
    zips, prepared, remote = gpu.advice({"ceilings": {"B0": 200.0}, "cells": cells})
    assert "zips" in zips and "num_workers=4" in zips
    assert "prepared" in prepared and "num_workers=8" in prepared
    assert "num_workers" not in remote and "70%" in remote


def test_the_models_are_segformers_of_their_sizes(gpu):
    """The paper's millions of parameters, with the head of 150 classes that it has: 3.8 and 27.5."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    for name, millions in (("B0", 3.8), ("B2", 27.5)):
        model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=150, **gpu.MODELS[name]))
        assert sum(weights.numel() for weights in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
