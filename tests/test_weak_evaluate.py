"""`mlt-s weak evaluate`: what is compared with the authors' label maps, by which thresholds, and what is left out."""

import json
import sys
import types

import numpy as np
import pytest
from archives import add_words, image_file, label_file, label_members, mlt, write_zip
from PIL import Image

from mlt_s_tools import SAMPLE, weak
from mlt_s_tools.choose import Source
from mlt_s_tools.cli import main
from mlt_s_tools.metrics import TextMetrics
from mlt_s_tools.weak import evaluate
from mlt_s_tools.weak.baseline import Baseline, FilledBox
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.rule import Thresholds, label_map
from mlt_s_tools.weak.tally import STEPS

pytestmark = pytest.mark.once


@pytest.fixture
def folder(tmp_path):
    """Five and four pairs, all with words."""
    return add_words(mlt(tmp_path / "mlt", 5, 4), range(1, 6), range(1, 5))


@pytest.fixture
def run(tmp_path, capsys):
    """Evaluates and returns the status, what was printed, what went to stderr, and the report."""

    def run(folder, *words):
        report, picture = tmp_path / "report.json", tmp_path / "weak.png"
        status = main(
            ["weak", "evaluate", str(folder), "baseline", "--json", str(report), "--out", str(picture), *words]
        )
        said = capsys.readouterr()
        return status, said.out, said.err, json.loads(report.read_text()) if report.exists() else None

    return run


class Trained(FilledBox):
    """What says all of a word is text, and was trained on some images."""

    name = "network"

    def __init__(self, **trained_on):
        self.record = {"name": self.name, "trained_on": trained_on}


# --- On the bundled sample -----------------------------------------------------------------------------------------


def figures_by_hand(model, split, thresholds):
    """Of every second image of the sample, from the second on: figures and the share of uncertain pixels."""
    source, metrics, made = Source(str(SAMPLE), split=split), TextMetrics(), []
    for choice in source.choices[1::2]:
        example, words = source.read(choice), source.read_words(choice)
        (patches,) = of_readable(model, [(example["image"], words)])
        label = label_map(example["image"].size, words, patches, thresholds)
        metrics.add(label == 1, example["label"])
        made.append(label.ravel())
    return metrics.compute(), np.mean(np.concatenate(made) == 255)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    report = tmp_path_factory.mktemp("sample") / "report.json"
    picture = report.with_name("weak.png")
    main(["weak", "evaluate", str(SAMPLE), "baseline", "--json", str(report), "--out", str(picture)])
    return json.loads(report.read_text()), picture


def test_the_figures_are_those_of_the_label_maps_that_the_rule_makes(sample):
    report, _ = sample
    assert (report["split"], report["images"]) == ("validation", {"choice": 3, "report": 3})
    assert [of["name"] for of in report["models"]] == ["baseline", "filled box"]
    for of, model in zip(report["models"], (Baseline(), FilledBox())):
        figures, uncertain = figures_by_hand(model, "validation", Thresholds(**of["thresholds"]))
        assert of["figures"] == figures
        assert of["uncertain_share"] == pytest.approx(uncertain)


def test_the_share_of_uncertain_pixels_of_the_authors_stands_beside(sample):
    report, _ = sample
    source = Source(str(SAMPLE), split="validation")
    labels = np.concatenate([source.read_label(choice).ravel() for choice in source.choices[1::2]])
    assert report["uncertain_share_of_authors"] == pytest.approx(np.mean(labels == 255))


def test_the_baseline_beats_a_filled_box_by_far(sample):
    report, _ = sample
    baseline, filled = (of["figures"] for of in report["models"])
    assert baseline["fgiou"] > 0.9 > 0.45 > filled["fgiou"]
    assert baseline["f_score"] > filled["f_score"] + 0.3
    assert filled["pooled_recall"] > 0.99


def test_the_curves_go_over_all_thresholds(sample):
    report, _ = sample
    baseline, filled = report["models"]
    assert [point["upper"] for point in baseline["by_upper"]] == list(STEPS)
    recalls = [point["recall"] for point in baseline["by_upper"]]
    assert recalls == sorted(recalls, reverse=True) and recalls[0] > 0.99 > recalls[-1]
    at_chosen = baseline["by_upper"][STEPS.index(baseline["thresholds"]["upper"])]
    assert at_chosen["precision"] == baseline["figures"]["pooled_precision"]
    lowers = [point["lower"] for point in baseline["by_lower"]]
    assert lowers == [step for step in STEPS if step <= baseline["thresholds"]["upper"]]
    for name, falls in (("text_lost", False), ("uncertain_share", True)):
        shares = [point[name] for point in baseline["by_lower"]]
        assert shares == sorted(shares, reverse=falls)
    assert len({point["precision"] for point in filled["by_upper"]}) == 1


def test_there_is_a_picture_of_them(sample):
    _, picture = sample
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG" and min(drawn.size) > 400
        assert len(np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)) > 50


# --- What is printed -----------------------------------------------------------------------------------------------


def test_the_table_says_what_was_chosen_on_what_and_what_to_do_next(run, tmp_path):
    status, said, _, report = run(SAMPLE, "--split", "train")
    assert status == 0
    assert "train: figures of 7 images, by thresholds that were chosen on 7 others" in said
    baseline, filled = report["models"]
    upper, lower = (baseline["thresholds"][name] for name in ("upper", "lower"))
    assert f"\nbaseline      {upper:.2f}   {lower:.2f}  {100 * baseline['figures']['fgiou']:7.2f}" in said
    assert "\nfilled box       -      -" in said
    assert "\nthe authors " in said
    assert "Figures of a part of a split are not to be compared with published ones." in said
    assert f"The thresholds in a picture: {tmp_path / 'weak.png'}" in said
    assert f"mlt-s weak label DATA_DIR baseline OUT.zip --upper {upper:.2f} --lower {lower:.2f}" in said


# --- What is compared ----------------------------------------------------------------------------------------------


def test_a_model_stands_beside_baseline_and_filled_box(run, folder, monkeypatch):
    monkeypatch.setattr(evaluate, "open_model", lambda name: Trained())
    _, said, _, report = run(folder)
    assert [of["name"] for of in report["models"]] == ["network", "baseline", "filled box"]
    assert report["models"][0]["figures"] == report["models"][2]["figures"]
    assert report["images"] == {"choice": 2, "report": 2}


def test_images_that_the_model_was_trained_on_are_left_out(run, folder, monkeypatch):
    model = Trained(train=["img_1", "img_2"], validation=["img_3"])
    monkeypatch.setattr(evaluate, "open_model", lambda name: model)
    _, said, _, report = run(folder)
    assert report["images"] == {"choice": 2, "report": 1}
    assert report["left_out"]["trained_on"] == ["img_3"]
    assert "Left out 1 image on which the model was trained: img_3." in said
    _, _, _, report = run(folder, "--split", "train")
    assert report["images"] == {"choice": 2, "report": 1}
    assert report["left_out"]["trained_on"] == ["img_1", "img_2"]


def test_whatever_the_case_and_unicode_form_of_their_names(run, folder, monkeypatch):
    monkeypatch.setattr(evaluate, "open_model", lambda name: Trained(validation=["IMG_3"]))
    _, _, _, report = run(folder)
    assert report["left_out"]["trained_on"] == ["img_3"]


def test_so_are_images_without_words_and_label_maps_that_were_made_here(run, folder, tmp_path, capsys):
    write_zip(
        folder / "more_validation_images.zip",
        {f"img_{n}.jpg": image_file(500 + n) for n in (5, 6)},
    )
    add_words(folder, range(1, 6), (1, 2, 3, 4, 6))
    main(["weak", "label", str(folder), "baseline", str(tmp_path / "weak.zip"), "--unlabelled-only"])
    write_zip(tmp_path / "one.zip", label_members({}, {"img_5": label_file(505)}))
    capsys.readouterr()
    maps = [folder / "MLT_S_labels.zip", tmp_path / "weak.zip", tmp_path / "one.zip"]
    _, said, _, report = run(folder, *(word for path in maps for word in ("--label-maps", str(path))))
    assert report["images"] == {"choice": 2, "report": 2}
    assert report["left_out"] == {"trained_on": [], "without_words": ["img_5"], "not_authors": ["img_6"]}
    assert "Left out 1 image without ground truth: img_5." in said
    assert "Left out 1 image with a label map by mlt-s weak and not by the authors: img_6." in said


@pytest.mark.parametrize("batch", [1, 3])
def test_the_figures_do_not_depend_on_how_many_are_read_at_a_time(run, folder, monkeypatch, batch):
    _, _, _, at_once = run(folder)
    monkeypatch.setattr(evaluate, "_BATCH", batch)
    assert run(folder)[3] == at_once


def test_thresholds_do_not_depend_on_the_images_that_are_reported(run, folder):
    _, _, _, before = run(folder)
    labels = label_members({}, {f"img_{n}": label_file(500 + n if n % 2 else 900 + n) for n in range(1, 5)})
    write_zip(folder / "MLT_S_labels.zip", labels)
    _, _, _, after = run(folder)
    assert [of["thresholds"] for of in before["models"]] == [of["thresholds"] for of in after["models"]]
    assert before["models"][0]["figures"] != after["models"][0]["figures"]


# --- What keeps it from working ------------------------------------------------------------------------------------


def test_one_image_is_too_few(run, folder, monkeypatch):
    monkeypatch.setattr(evaluate, "open_model", lambda name: Trained(validation=["img_1", "img_2", "img_4"]))
    status, said, error, report = run(folder)
    assert (status, said, report) == (2, "", None)
    assert "too few images to evaluate, 1 of the validation split in" in error
    assert "Left out: 3 images on which the model was trained: img_1, img_2, img_4." in error


def test_without_ground_truth_it_says_where_that_is(run, folder):
    for path in folder.glob("*_gt_v2.zip"):
        path.unlink()
    status, _, error, _ = run(folder)
    assert status == 2
    assert "too few images to evaluate, 0 of the validation split" in error
    assert "4 images without ground truth: img_1, img_2, img_3 and 1 more. Ground truth is in ch8_training_loc" in error


def test_without_matplotlib_it_says_what_to_install_before_it_begins(run, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(evaluate, "Source", lambda *arguments: pytest.fail("it began"))
    status, _, error, _ = run(folder)
    assert status == 2
    assert "The picture of the thresholds needs what is not installed here (" in error
    assert "matplotlib" in error and ': pip install "mlt-s[weak]".' in error


@pytest.mark.parametrize("command", ["train", "label", "evaluate"])
def test_without_pytorch_it_says_what_to_install(folder, tmp_path, monkeypatch, capsys, command):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "weak.json").write_text("{}")
    for name in [name for name in sys.modules if name.startswith(("mlt_s_tools.weak.network", "mlt_s_tools.weak.tr"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in "train", "network":
        monkeypatch.delattr(weak, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    out = [str(tmp_path / "weak.zip")] if command == "label" else []
    assert main(["weak", command, str(folder), str(tmp_path / "net"), *out]) == 2
    said = capsys.readouterr().err
    assert " network needs what is not installed here (" in said and "torch" in said
    assert said.endswith(': pip install "mlt-s[weak]".\n')


def test_a_folder_without_the_split_is_refused(run, tmp_path):
    folder = add_words(mlt(tmp_path / "mlt", 2, 0), (1, 2), ())
    status, _, error, _ = run(folder)
    assert status == 2
    assert "There is no pair of the validation split in" in error


def test_a_label_map_that_holds_something_else_is_refused(run, folder):
    wrong = Image.new("L", (24, 16), 7)
    wrong.save(folder / "wrong.png")
    content = (folder / "wrong.png").read_bytes()
    (folder / "wrong.png").unlink()
    labels = {**{f"img_{n}": label_file(500 + n) for n in (1, 2, 3)}, "img_4": content}
    write_zip(folder / "MLT_S_labels.zip", label_members({}, labels))
    status, _, error, _ = run(folder)
    assert status == 2
    assert "validation_labels/img_4.png cannot be shown: A label map holds [0, 1, 255], not [7]" in error


def test_what_it_needs_is_asked_for_by_name(capsys):
    for words, text in (([], "COMMAND"), (["evaluate"], "DATA_DIR, MODEL"), (["label", "d"], "MODEL, OUT.zip")):
        with pytest.raises(SystemExit, match="2"):
            main(["weak", *words])
        assert f"the following arguments are required: {text}" in capsys.readouterr().err


def test_training_gets_what_the_command_line_says(monkeypatch, capsys):
    asked = []
    stub = types.SimpleNamespace(run=lambda **words: asked.append(words))
    monkeypatch.setattr(weak, "train", stub, raising=False)
    words = ["--from-config", "--steps", "5", "--batch", "2", "--seed", "3", "--label-maps", "a", "--label-maps", "b"]
    assert main(["weak", "train", "data", "net", *words]) == 0
    assert main(["weak", "train", "data", "net", "--model", "mine"]) == 0
    given = {"from_config": True, "model": "nvidia/mit-b0", "steps": 5, "batch": 2, "seed": 3, "text_value": 1}
    first = {"data_dir": "data", "out": "net", "label_maps": ["a", "b"], **given}
    other = {"label_maps": None, "from_config": False, "model": "mine", "steps": None, "batch": None, "seed": 0}
    assert asked == [first, {**first, **other}]

    def stopped(**words):
        raise KeyboardInterrupt

    stub.run = stopped
    assert main(["weak", "train", "data", "net"]) == 130
    assert "interrupted; the same command goes on from here" in capsys.readouterr().err


def test_every_command_has_a_help(capsys):
    for command in ("train", "label", "evaluate"):
        with pytest.raises(SystemExit, match="0"):
            main(["weak", command, "--help"])
        assert f"usage: mlt-s weak {command}" in capsys.readouterr().out
