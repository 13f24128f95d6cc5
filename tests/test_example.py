"""The examples as a user runs them: training on the sample, on a built set, on from a checkpoint; and the masks."""

import importlib.util
import json
import re
import shlex
import sys

import forks
import numpy as np
import PIL.Image
import pytest
from archives import label_values, mlt, picture
from conftest import ROOT

import mlt_s
import mlt_s_tools
from mlt_s_tools.cli import main

pytestmark = pytest.mark.once

SCRIPT = ROOT / "examples" / "train.py"
SMALL = ["--from-config", "--crop", "128"]
QUICK = ["--batch-size", "2", "--workers", "0", "--reduce", "2"]


def train(data, out, *words, model=SMALL, processes=1):
    """Runs the script, and returns the state of its last checkpoint and its last output."""
    arguments = list(map(str, (data, "--out", out, *model, *QUICK, *words)))
    done, *others = forks.run_script(SCRIPT, out.parent, *arguments, processes=processes)
    assert all(one.returncode == 0 for one in (done, *others)), [one.stderr[-3000:] for one in (done, *others)]
    last = max(out.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    return json.loads((last / "trainer_state.json").read_text()), done.stdout.splitlines()[-1]


def evaluated(folder, split):
    """The figures of a model, evaluated in this process, and those of predicting text everywhere."""
    import torch
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

    from mlt_s_tools.metrics import TextMetrics, count_logits
    from mlt_s_tools.training import ArchiveDataset, collate, for_image_processor

    model, learnt, guess = SegformerForSemanticSegmentation.from_pretrained(folder).eval(), TextMetrics(), TextMetrics()
    transform = for_image_processor(SegformerImageProcessor()).evaluation(reduce=2)
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
    words = ["--epochs", "12", "--evaluate-every", "12", "--learning-rate", "8e-4", "--class-weights", str(counted)]
    state, told = train(mlt_s_tools.SAMPLE, tmp_path / "run", *words)
    assert state["global_step"] == 12 * 7
    learnt, guess = (figures["fgiou"] for figures in evaluated(tmp_path / "run", "train"))
    assert guess < 0.06 and learnt > 2 * guess, (learnt, guess)
    assert re.fullmatch(rf"fgIoU \d+\.\d\d%, F-score 0\.\d\d\d: {re.escape(str(tmp_path / 'run'))}", told)
    with PIL.Image.open(tmp_path / "run" / "pictures" / "step-000084.png") as picture:
        assert picture.width > 1000


def test_it_goes_on_from_a_checkpoint_with_a_built_set(tmp_path):
    built, out = tmp_path / "built", tmp_path / "run"
    mlt_s_tools.build(mlt(tmp_path / "mlt", train=4, validation=2, width=70, height=50), built, jobs=1)
    state, _ = train(built, out, "--epochs", "1")
    assert (state["global_step"], state["epoch"]) == (2, 1)
    before = (out / "model.safetensors").read_bytes()
    (again,) = forks.run_script(SCRIPT, tmp_path, built, "--out", out, *SMALL, *QUICK, "--epochs", "1")
    assert again.returncode == 1 and again.stderr.splitlines()[-1].startswith(f"{out} holds files of another run.")
    assert (out / "model.safetensors").read_bytes() == before
    words = ["--label-maps", tmp_path / "masks", "--out", tmp_path / "other"]  # which a built set has no use for
    (refused,) = forks.run_script(SCRIPT, tmp_path, built, *SMALL, *words)
    assert refused.returncode == 1 and "--label-maps" in refused.stderr.splitlines()[-1]
    state, _ = train(built, out, "--epochs", "2", "--resume")
    assert (state["global_step"], state["epoch"]) == (4, 2)
    assert [line["step"] for line in state["log_history"] if "eval_fgiou" in line] == [2, 4]


def test_two_processes_evaluate_images_of_any_size_as_one_does(tmp_path):
    """Six validation images of six sizes."""
    state, _ = train(mlt_s_tools.SAMPLE, tmp_path / "run", "--epochs", "1", "--learning-rate", "1e-3", processes=2)
    told = state["log_history"][-1]
    alone, _ = evaluated(tmp_path / "run", "validation")
    assert state["global_step"] == 4 and alone["images"] == 6
    assert {name: told[f"eval_{name}"] for name in alone} == alone


def test_without_a_checkpoint_it_says_so(tmp_path):
    (done,) = forks.run_script(SCRIPT, tmp_path, "mlt", "--out", tmp_path / "run", "--resume")
    assert done.returncode == 1
    assert f"There is no checkpoint in {tmp_path / 'run'}" in done.stderr.splitlines()[-1]


def test_a_folder_that_is_not_there_is_not_asked_of_the_hub(tmp_path):
    (done,) = forks.run_script(SCRIPT, tmp_path, tmp_path / "nosuch", *SMALL, "--out", tmp_path / "run")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, f"There is nothing at {tmp_path / 'nosuch'}.")


def test_masks_of_0_and_255_from_elsewhere_are_trained_on(tmp_path):
    folder = mlt(tmp_path / "mlt", train=3, validation=1, width=70, height=50)
    masks = tmp_path / "masks"
    for part, count, offset in (("training", 3, 0), ("validation", 1, 500)):
        (masks / part).mkdir(parents=True)
        for n in range(1, count + 1):
            text = label_values(70, 50, seed=offset + n) == 1
            PIL.Image.fromarray(np.uint8(text) * np.uint8(255)).save(masks / part / f"img_{n}.png")
    (folder / "MLT_S_labels.zip").unlink()
    state, _ = train(folder, tmp_path / "run", "--label-maps", masks, "--text-value", "255", "--epochs", "1")
    assert state["global_step"] == 2
    (done,) = forks.run_script(SCRIPT, tmp_path, folder, *SMALL, "--label-maps", masks, "--out", tmp_path / "other")
    assert done.returncode == 1 and "text_value=255" in done.stderr


# --- Masks of a trained model ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model after a few steps on small images with sizes that are not multiples of 32, and its figures."""
    folder = tmp_path_factory.mktemp("trained")
    mlt(folder / "mlt", train=3, validation=3, width=70, height=50)
    run = ["--epochs", "2", "--crop", "64"]
    state, _ = train(folder / "mlt", folder / "run", *run)
    return folder, state["log_history"][-1]


@pytest.fixture
def predicted(tmp_path, monkeypatch, capsys):
    """Runs predict.py beside the masks, and gives what it said on stdout and on stderr."""
    spec = importlib.util.spec_from_file_location("predict_example", ROOT / "examples" / "predict.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.chdir(tmp_path)

    def run(*words, status=0):
        capsys.readouterr()
        try:
            ended = example.main(list(map(str, words)))
        except SystemExit as refused:
            ended = 1
            print(refused, file=sys.stderr)
        assert ended == status
        return capsys.readouterr()

    return run


@pytest.mark.parametrize("of", ["run", "run/checkpoint-4"])
def test_the_masks_of_a_checkpoint_have_the_figures_that_training_told(trained, predicted, tmp_path, monkeypatch, of):
    folder, told = trained
    said, _ = predicted(folder / of, folder / "mlt", "masks")  # at half of width and height, as in training
    evaluate = shlex.split(said.splitlines()[-1].split(": ")[1])
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 3, "validation": 3})
    assert evaluate[0] == "mlt-s" and main([*evaluate[1:], "--json", "figures.json"]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert figures == {name: told[f"eval_{name}"] for name in figures}
    assert 0 < figures["fgiou"] < 1
    with PIL.Image.open(tmp_path / "masks" / "img_1.png") as mask:
        assert mask.size == (70, 50) and set(np.unique(mask)) == {0, 255}


def test_it_looks_at_images_as_it_is_told(trained, predicted, tmp_path):
    folder, _ = trained
    for name, words in {"by default": [], "half": ["--reduce", 2], "whole": ["--reduce", 1]}.items():
        predicted(folder / "run", folder / "mlt", name, *words)
    masks = {name: (tmp_path / name / "img_1.png").read_bytes() for name in ("by default", "half", "whole")}
    assert masks["by default"] == masks["half"] != masks["whole"]
    _, said = predicted(folder / "run", folder / "mlt", "half", "--reduce", 1, status=1)
    assert "masks of another reduce" in said


def upernet(transformers):
    stages = {"hidden_sizes": [8] * 4, "depths": [1] * 4, "out_features": [f"stage{n}" for n in range(1, 5)]}
    head = {"hidden_size": 8, "auxiliary_channels": 8, "auxiliary_in_channels": 8, "num_labels": 150}
    config = transformers.UperNetConfig(backbone_config=transformers.ConvNextConfig(**stages), **head)
    return transformers.UperNetForSemanticSegmentation(config), transformers.SegformerImageProcessor


VIT = {"hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 1, "intermediate_size": 8, "num_labels": 150}


def beit(transformers):
    own = {"out_indices": [1, 2, 3, 4], "auxiliary_channels": 8, "use_relative_position_bias": True}
    model = transformers.BeitForSemanticSegmentation(transformers.BeitConfig(image_size=64, **VIT, **own))
    return model, transformers.BeitImageProcessor


def dpt(transformers):
    own = {"backbone_out_indices": [0, 1, 2, 3], "neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}
    model = transformers.DPTForSemanticSegmentation(transformers.DPTConfig(image_size=64, **VIT, **own))
    return model, transformers.DPTImageProcessor


@pytest.mark.parametrize("family", [upernet, beit, dpt])
def test_models_of_other_families_that_were_trained_on_ade20k(family, predicted, tmp_path, monkeypatch):
    """150 classes without background, crops as large as the processor says, and three images in batches of two."""
    import transformers

    model, processor = family(transformers)
    model.save_pretrained(tmp_path / "ade")
    processor(do_reduce_labels=True, size={"height": 64, "width": 64}).save_pretrained(tmp_path / "ade")
    mlt(tmp_path / "mlt", train=3, validation=3, width=70, height=50)
    run = tmp_path / "run"
    state, _ = train(tmp_path / "mlt", run, "--epochs", "1", model=["--model", tmp_path / "ade"])
    assert state["global_step"] == 2
    config = json.loads((run / "config.json").read_text())
    assert config["id2label"] == {"0": "background", "1": "text"}
    predicted(run, tmp_path / "mlt", "masks")
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 3, "validation": 3})
    assert main(["evaluate", "masks", str(tmp_path / "mlt"), "--json", "figures.json"]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    assert figures["images"] == 3
    assert figures == {name: state["log_history"][-1][f"eval_{name}"] for name in figures}


def test_a_model_that_learns_from_masks_is_refused_before_its_weights_are_loaded(tmp_path):
    import transformers

    transformers.Mask2FormerImageProcessor().save_pretrained(tmp_path / "model")
    (done,) = forks.run_script(SCRIPT, tmp_path, "mlt", "--model", tmp_path / "model")
    assert done.returncode == 1
    assert "Mask2FormerImageProcessor" in done.stderr and "docs/training.md" in done.stderr


def test_masks_of_ones_own_pictures_fit_what_a_viewer_shows(trained, predicted, tmp_path):
    folder, _ = trained
    own = tmp_path / "holidays"
    (own / "more").mkdir(parents=True)
    upright = picture(40, 60, seed=4)
    upright.save(own / "upright.png")
    upright.transpose(PIL.Image.Transpose.ROTATE_90).save(own / "turned.tiff", exif=exif_of(6))
    grey = upright.convert("L")
    grey.save(own / "more" / "Ünïcode grey.webp", lossless=True)
    PIL.Image.merge("RGBA", (*PIL.Image.new("RGB", (40, 60)).split(), PIL.Image.new("L", (40, 60)))).save(own / "a.gif")
    PIL.Image.new("RGB", (40, 60), "white").save(own / "white.bmp")
    (own / "broken.jpg").write_bytes(b"no picture")
    PIL.Image.new("I;16", (40, 60)).save(own / "deep.png")
    (own / "notes.txt").write_text("x")
    said, warned = predicted(folder / "run", "masks", "--images", "holidays", status=1)
    masks = {str(path.relative_to(tmp_path / "masks")): np.asarray(PIL.Image.open(path)) for path in found_in(tmp_path)}
    assert set(masks) == {"upright.png", "turned.png", "more/Ünïcode grey.png", "a.png", "white.png"}
    assert all(mask.shape == (60, 40) for mask in masks.values())
    assert np.array_equal(masks["upright.png"], masks["turned.png"])
    assert np.array_equal(masks["a.png"], masks["white.png"])
    assert "broken" in warned and "8 bits" in warned and "notes.txt" in warned and "5 of 7 masks" in said
    assert "mlt-s evaluate" not in said


def found_in(folder):
    return (folder / "masks").rglob("*.png")


def exif_of(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_pictures_that_differ_in_their_extension_have_masks_of_their_own(trained, predicted, tmp_path):
    folder, _ = trained
    own = tmp_path / "own"
    own.mkdir()
    for name in ("sign.jpg", "sign.PNG", "sign.jpg.png"):
        picture(40, 60, seed=len(name)).save(own / name)
    said, _ = predicted(folder / "run", "own/masks", "--images", "own")
    assert sorted(path.name for path in (own / "masks").glob("*.png")) == [
        "sign.PNG.png",
        "sign.jpg.png",
        "sign.jpg.png.png",
    ]
    # The masks lie in the folder of the pictures, and are none.
    again, _ = predicted(folder / "run", "own/masks", "--images", "own")
    assert said == again


def test_stopped_it_goes_on_and_keeps_to_one_model(trained, predicted, tmp_path):
    folder, _ = trained
    words = (folder / "run", folder / "mlt", "masks", "--split", "train")
    predicted(*words)
    first, second, third = sorted((tmp_path / "masks").glob("*.png"))
    whole = {path.name: path.read_bytes() for path in (first, second, third)}
    first.write_bytes(b"kept")
    second.unlink()
    (tmp_path / "masks" / f".{third.name}.part").write_bytes(b"half")
    third.unlink()
    predicted(*words)
    assert first.read_bytes() == b"kept"
    assert {path.name: path.read_bytes() for path in (second, third)} == {
        name: whole[name] for name in (second.name, third.name)
    }
    assert [path.name for path in (tmp_path / "masks").iterdir() if path.name.startswith(".")] == []
    _, said = predicted(folder / "run", folder / "mlt", "masks", status=1)
    assert "masks of another images" in said
    _, said = predicted(folder / "run" / "checkpoint-2", *words[1:], status=1)
    assert "masks of another model" in said


def test_a_folder_that_holds_other_files_is_left_alone(trained, predicted, tmp_path):
    folder, _ = trained
    (tmp_path / "own").mkdir()
    picture(40, 60).save(tmp_path / "own" / "a.png")
    before = (tmp_path / "own" / "a.png").read_bytes()
    _, said = predicted(folder / "run", "own", "--images", "own", status=1)
    assert "give a new folder" in said
    assert {path.name: path.read_bytes() for path in (tmp_path / "own").iterdir()} == {"a.png": before}


def test_a_checkpoint_tells_the_transforms_what_they_have_to_know(trained):
    from transformers import AutoImageProcessor, SegformerImageProcessor

    from mlt_s_tools.training import for_image_processor

    folder, _ = trained
    for checkpoint in ("run", "run/checkpoint-2", "run/checkpoint-4"):
        own = for_image_processor(AutoImageProcessor.from_pretrained(folder / checkpoint))
        assert own == for_image_processor(SegformerImageProcessor())
