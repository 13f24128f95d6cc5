"""`mlt-s weak evaluate`: what is counted, how sure the figures are, and what is left out."""

from __future__ import annotations

import json
import re
import sys
import types
import warnings

import numpy as np
import pytest
from archives import (
    add_words,
    encoded,
    image_file,
    label_file,
    label_members,
    mlt,
    words_file,
    words_line,
    write_zip,
)
from networks import drawn, drawn_mlt, png
from PIL import Image

from mlt_s_tools import SAMPLE, weak
from mlt_s_tools.cli import main
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.metrics import TextMetrics
from mlt_s_tools.weak import evaluate
from mlt_s_tools.weak.baseline import Baseline, FilledBox
from mlt_s_tools.weak.patches import Patch, of_readable
from mlt_s_tools.weak.tally import ALL, INNER, STEPS, WORDS, Tally, iou
from mlt_s_tools.words import word_mask

pytestmark = pytest.mark.once
HALF = STEPS.index(0.5)


@pytest.fixture
def folder(tmp_path):
    """Five and four pairs, all with words."""
    return add_words(mlt(tmp_path / "mlt", 5, 4), range(1, 6), range(1, 5))


@pytest.fixture
def run(tmp_path, capsys):
    """Evaluates and returns the status, what was printed, what went to stderr, and the report."""

    def run(folder, *words, model="baseline"):
        report = tmp_path / "report.json"
        of_model = ["--model", model] if model else []
        status = main(["weak", "evaluate", str(folder), *of_model, "--json", str(report), *words])
        said = capsys.readouterr()
        return status, said.out, said.err, json.loads(report.read_text()) if report.exists() else None

    return run


class Trained(FilledBox):
    """A model that predicts text in all of a word, and was trained on some images."""

    name = "network"

    def __init__(self, **trained_on):
        self.trained_on = trained_on


# --- Pixels --------------------------------------------------------------------------------------------------------

SQUARE = [[2, 2], [9, 2], [9, 9], [2, 9]]


def word(quad=SQUARE, readable=True, script="Latin"):
    return {"quad": quad, "readable": readable, "script": script}


def tallied(values, label, words=None):
    tally = Tally()
    tally.add(words or [word()], [Patch((2, 2, 10, 10), values)], label)
    return tally


def test_pixels_are_counted_by_threshold_and_what_is_uncertain_counts_nowhere():
    values = np.full((8, 8), 0.1, np.float32)
    values[:2], values[2:4] = 0.9, 0.5
    label = np.zeros((20, 30), np.uint8)
    label[2:7, 2:10] = 1  # five rows of text, of which four look like it
    label[2, 2:6] = 255
    label[15, 15] = 1  # text outside of any word
    tally = tallied(values, label)
    assert tally.pixels(ALL, HALF).tolist() == [[4 * 8 - 4, 0, 8 + 1, 600 - 40 - 1]]
    assert tally.pixels(ALL, STEPS.index(0.52))[0, 0] == 2 * 8 - 4
    assert tally.pixels(WORDS, HALF).tolist() == [[28, 0, 8, 24]]


def test_pixels_in_an_unreadable_word_do_not_count_even_where_a_readable_word_covers_them():
    label = np.ones((20, 30), np.uint8)
    quad = [[5, 5], [20, 5], [20, 12], [5, 12]]
    tally = Tally()
    values = np.ones((8, 8), np.float32)
    tally.add([word(), word(quad, readable=False)], [Patch((2, 2, 10, 10), values), None], label)
    outside = ~word_mask([quad], (30, 20))
    assert tally.pixels(ALL, HALF)[0].sum() == outside.sum()
    assert tally.pixels(ALL, HALF)[0, 0] == (word_mask([SQUARE], (30, 20)) & outside).sum()


def test_of_words_that_overlap_the_greater_probability_counts():
    tally = Tally()
    low, high = (Patch((2, 2, 10, 10), np.full((8, 8), value, np.float32)) for value in (0.2, 0.8))
    tally.add([word(), word()], [high, low], np.ones((20, 30), np.uint8))
    assert tally.pixels(WORDS, HALF).tolist() == [[64, 0, 0, 0]]


def test_outlines_are_what_lies_within_a_pixel_of_a_border_of_text():
    label = np.zeros((20, 30), np.uint8)
    label[4:8, 4:8] = 1
    values = np.zeros((8, 8), np.float32)
    values[1:7, 1:7] = 1  # a pixel too wide all around: nothing but outlines is wrong
    tally = tallied(values, label)
    assert iou(tally.pixels(ALL, HALF)[0]) == 16 / 36
    assert tally.pixels(INNER, HALF).tolist() == [[4, 0, 0, 600 - 36]]


def test_words_are_counted_by_script_and_by_height():
    tally = Tally()
    label = np.zeros((80, 90), np.uint8)
    label[:60] = 1
    tall = [[20, 2], [70, 2], [70, 61], [20, 61]]
    patches = [
        Patch((2, 2, 10, 10), np.ones((8, 8), np.float32)),
        Patch((20, 2, 71, 62), np.zeros((60, 51), np.float32)),
    ]
    tally.add([word(), word(tall, script="Arabic")], patches, label)
    assert iou(tally.pixels(("script", "Latin"), HALF)[0]) == iou(tally.pixels(("height", "small"), HALF)[0]) == 1
    assert tally.pixels(("script", "Arabic"), HALF)[0, 2] == tally.pixels(("height", "large"), HALF)[0, 2] == 58 * 51
    assert tally.words(("script", "Arabic")) == 1


def test_the_share_of_text_that_is_said_unsure_and_the_error_of_calibration():
    values = np.full((8, 8), 0.9, np.float32)
    values[:2] = 0.4
    label = np.ones((20, 30), np.uint8)
    label[:, 8:] = 0
    tally = tallied(values, label)  # of each row, 6 of 8 pixels are text
    assert tally.unsure_share() == 0.25
    assert tally.calibration_error() == pytest.approx(0.25 * abs(0.4 - 0.75) + 0.75 * abs(0.9 - 0.75))


def test_the_best_threshold_is_that_of_the_greatest_fgiou_on_the_images_for_the_choice():
    tally, label = Tally(), np.zeros((20, 30), np.uint8)
    label[2:6, 2:10] = 1
    for text, other in ((0.3, 0.2), (0.9, 0.8)):
        values = np.full((8, 8), other, np.float32)
        values[:4] = text
        tally.add([word()], [Patch((2, 2, 10, 10), values)], label)
    assert 0.2 < STEPS[tally.best_threshold(slice(0, None, 2))] <= 0.3
    assert 0.8 < STEPS[tally.best_threshold(slice(1, None, 2))] <= 0.9


def test_calibration_and_unsure_text_can_be_those_of_some_of_the_images():
    tally, label = Tally(), np.ones((20, 30), np.uint8)
    for value in (0.4, 0.9):
        tally.add([word()], [Patch((2, 2, 10, 10), np.full((8, 8), value, np.float32))], label)
    assert [tally.unsure_share(which) for which in (slice(0, 1), slice(1, 2), slice(None))] == [1, 0, 0.5]
    assert tally.calibration_error(slice(0, 1)) == pytest.approx(0.6)
    assert tally.calibration_error(slice(1, 2)) == pytest.approx(0.1)
    assert tally.calibration_error() == pytest.approx(0.35)
    assert tally.calibration(slice(1, 2))[0].sum() == 64


# --- Two models ----------------------------------------------------------------------------------------------------


def compared(name, *shares):
    tally = Tally()
    for share in shares:
        label = np.zeros((100, 40), np.uint8)
        label[:50] = 1
        values = np.zeros((100, 40), np.float32)
        values[: round(50 * share)] = 1
        quad = [[0, 0], [39, 0], [39, 99], [0, 99]]
        tally.add([word(quad)], [Patch((0, 0, 40, 100), values)], label)
    return evaluate.Compared(types.SimpleNamespace(name=name), tally)


@pytest.mark.parametrize(
    "one, other, verdict",
    [
        ([0.8] * 6, [0.7] * 6, "better"),
        ([0.7] * 6, [0.8] * 6, "worse"),
        ([0.8] * 5, [0.2] * 5, "too few images to say"),
        ([0.9, 0.5] * 5, [0.5, 0.9] * 5, "no difference shown"),
        ([0.8] * 6, [0.8] * 6, "no difference shown"),
        # Paired: images differ far more from each other than the two models do.
        (np.linspace(0.2, 1, 11), np.linspace(0.16, 0.96, 11), "better"),
        ([0.9] + [0.7] * 9, [0.1] + [0.72] * 9, "no difference shown"),  # ahead by one image alone
    ],
)
def test_a_model_is_called_better_only_if_the_interval_of_the_difference_excludes_0(one, other, verdict):
    found = evaluate.difference(compared("one", *one), compared("other", *other))
    assert found["verdict"] == verdict
    assert found["value"] == pytest.approx(np.mean(one) - np.mean(other), abs=0.002)
    assert (found["interval"] is None) == (verdict == "too few images to say")


# --- By the command ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    report = tmp_path_factory.mktemp("sample") / "report.json"
    picture = report.with_name("weak.png")
    words = ["--json", str(report), "--out", str(picture)]
    main(["weak", "evaluate", str(SAMPLE), "--split", "train", "--model", "baseline", *words])
    return json.loads(report.read_text()), picture


def by_hand(model):
    """Figures of the training split of the sample, pixels in unreadable words left out."""
    source, metrics = Source(str(SAMPLE), split="train"), TextMetrics()
    for choice in source.choices:
        example, words = source.read(choice), source.read_words(choice)
        (patches,) = of_readable(model, [(example["image"], words)])
        label = np.array(example["label"])
        found = np.zeros(label.shape, bool)
        for one, patch in zip(words, patches):
            mask = word_mask([one["quad"]], example["image"].size)
            if patch is None:
                label[mask] = 255
                continue
            whole = np.zeros(label.shape, bool)
            left, top, right, bottom = patch.box
            whole[top:bottom, left:right] = patch.values >= 0.5
            found |= whole & mask
        metrics.add(found, label)
    return metrics.compute()


def test_the_figures_are_those_of_all_images_by_the_fixed_threshold_where_there_are_few(sample):
    report, _ = sample
    assert (report["split"], report["images"]) == ("train", {"choice": 0, "report": 14})
    assert [of["name"] for of in report["models"]][:2] == ["baseline", "filled box"]
    assert [of["threshold"] for of in report["models"]] == [0.5, None, None]  # the others have none to choose
    for of, model in zip(report["models"], (Baseline(), FilledBox())):
        assert of["figures"] == pytest.approx(by_hand(model), rel=1e-4)  # a word's mask may end otherwise at a border
        assert of["fgiou"] == of["figures"]["fgiou"]
        assert of["interval"][0] <= of["fgiou"] <= of["interval"][1]
        assert of["interval"] == [of["figures"]["fgiou_lower"], of["figures"]["fgiou_upper"]]


def test_the_share_of_uncertain_pixels_of_the_authors_stands_beside(sample):
    report, _ = sample
    source = Source(str(SAMPLE), split="train")
    labels = np.concatenate([source.read_label(choice).ravel() for choice in source.choices])
    assert report["uncertain_share_of_authors"] == pytest.approx(np.mean(labels == 255))


def test_the_baseline_beats_a_filled_box_by_far(sample):
    report, _ = sample
    baseline, filled = report["models"][:2]
    assert baseline["fgiou"] > 0.9 > 0.45 > filled["fgiou"]
    assert baseline["without_outlines"]["fgiou"] > baseline["fgiou"] - 0.02
    assert filled["figures"]["pooled_recall"] > 0.99
    assert report["differences"][0]["verdict"] == "better" and report["differences"][0]["from"] == "filled box"


def test_scripts_and_heights_are_parts_of_all_words(sample):
    baseline = sample[0]["models"][0]
    words = [sum(group["words"] for group in baseline[kind].values()) for kind in ("by_script", "by_height")]
    assert words[0] == words[1] > 20
    assert set(baseline["by_height"]) <= {"small", "medium", "large"} and len(baseline["by_script"]) > 2


def test_there_is_a_picture_of_them(sample):
    _, picture = sample
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG" and min(drawn.size) > 400
        assert len(np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)) > 50


def test_thresholds_are_chosen_on_one_half_of_enough_images_and_reported_on_the_other(tmp_path, run):
    """On the images for the figures, label maps are all text. A threshold chosen on them would be low."""

    def relabel(split, number, mask):
        return np.ones_like(mask) if number % 2 == 0 else mask

    few = drawn_mlt(tmp_path / "few", validation=range(1, 39), relabel=relabel)
    enough = drawn_mlt(tmp_path / "enough", validation=range(1, 40), relabel=relabel)
    _, said, _, report = run(few)
    assert report["images"] == {"choice": 0, "report": 38} and report["models"][0]["threshold"] == 0.5
    assert "figures of 38 images, with the threshold 0.5" in said and "39 images" in said
    _, said, _, report = run(enough)
    assert report["images"] == {"choice": 20, "report": 19}
    assert "figures of 19 images, with thresholds chosen on 20 others" in said
    baseline = report["models"][0]
    assert baseline["threshold"] > 0.2 and baseline["figures"]["pooled_recall"] < 0.2
    # All pixels of words in these images are text.
    assert {share for pixels, _, share in baseline["calibration"] if pixels} == {1}


def test_a_threshold_is_shown_only_for_models_that_it_changes(tmp_path, run):
    _, said, _, report = run(drawn_mlt(tmp_path / "enough", validation=range(1, 40)))
    assert report["images"]["choice"] and [of["threshold"] for of in report["models"][1:]] == [None, None]
    assert re.search(r"^filled box +-  ", said, re.M) and re.search(r"^Sauvola +-  ", said, re.M)
    assert re.search(rf"^baseline +{report['models'][0]['threshold']:.2f}  ", said, re.M)


def with_scripts(folder, numbers, script_of):
    """Replaces the ground truth of the validation split of `drawn_mlt`: words of these scripts."""
    words = {f"gt_img_{n}.txt": words_file(words_line(drawn(f"Val{n}")[2], script_of(n))) for n in numbers}
    write_zip(folder / "ch8_validation_localization_transcription_gt_v2.zip", words)
    return folder


def group_line(said, name):
    (line,) = (line for line in said.splitlines() if line.startswith(f"{name:<24}"))
    return line


def test_a_script_of_which_all_images_served_the_choice_is_not_measured(tmp_path, run):
    numbers = range(1, 40)
    folder = drawn_mlt(tmp_path / "mlt", validation=numbers)
    _, said, _, report = run(with_scripts(folder, numbers, lambda n: "Bangla" if n % 2 else "Latin"))
    for of in report["models"]:
        assert of["by_script"]["Bangla"] == {"fgiou": None, "interval": None, "counting": 0, "words": 0}
        # The numbers of words are those of the 19 images of the figures, not of all 39.
        assert of["by_script"]["Latin"]["words"] == of["by_script"]["Latin"]["counting"] == 19
        assert sum(group["words"] for group in of["by_height"].values()) == 19
    assert re.search(r"^Bangla +-  nothing measured", group_line(said, "Bangla"))
    assert group_line(said, "Latin").endswith("]  19 words")


def test_nor_is_one_of_which_no_pixel_counts(tmp_path, run):
    def relabel(split, number, mask):
        return np.full(mask.shape, 255) if number == 1 else mask

    folder = drawn_mlt(tmp_path / "mlt", validation=(1, 2, 3), relabel=relabel)
    _, said, _, report = run(with_scripts(folder, (1, 2, 3), lambda n: "Bangla" if n == 1 else "Latin"))
    for of in report["models"]:
        assert (of["by_script"]["Bangla"]["fgiou"], of["by_script"]["Bangla"]["words"]) == (None, 0)
        assert of["by_script"]["Latin"]["fgiou"] > 0 and of["by_script"]["Latin"]["words"] == 2
    assert re.search(r"^Bangla +-  nothing measured", group_line(said, "Bangla"))


def test_where_no_pixel_counts_at_all_no_figure_is_0(tmp_path, run):
    folder = drawn_mlt(tmp_path / "mlt", validation=(1, 2), relabel=lambda split, number, mask: 0 * mask + 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's, of a legend of nothing
        status, said, _, report = run(folder, "--out", str(tmp_path / "weak.png"))
    assert status == 0
    for of in report["models"]:
        figures = [of, of["without_outlines"], of["within_words"], *of["by_script"].values(), *of["by_height"].values()]
        assert [figure["fgiou"] for figure in figures] == [None] * len(figures)
        assert of["text_unsure"] is of["calibration_error"] is None
        assert {(point["precision"], point["recall"]) for point in of["by_threshold"]} == {(None, None)}
        assert f"{of['name']} has no fgIoU: no pixel that counts is text" in said
    assert all(pair["value"] is None and pair["verdict"] == "nothing to compare" for pair in report["differences"])
    assert "baseline less filled box: nothing to compare" in said
    table = [line for line in said.splitlines() if re.match("(baseline|filled box|Sauvola) +[0-9-]", line)]
    assert len(table) == 3 and not any(re.search(r"\b0\.0", line) for line in table)


def test_words_without_text_that_a_model_leaves_alone_are_not_measured():
    tally = Tally()
    tally.add([word()], [Patch((2, 2, 10, 10), np.zeros((8, 8), np.float32))], np.zeros((20, 30), np.uint8))
    of = evaluate.Compared(types.SimpleNamespace(name="one"), tally)
    found = evaluate.as_json("train", [of], evaluate.LeftOut([], [], []), 0)["models"][0]
    assert found["by_script"]["Latin"] == {"fgiou": None, "interval": None, "counting": 0, "words": 1}


def test_the_table_has_intervals_and_a_verdict(run):
    status, said, _, report = run(SAMPLE, "--split", "train")
    assert status == 0
    baseline, filled = report["models"][:2]
    lower, upper = baseline["interval"]
    assert f"\nbaseline         0.50   {100 * baseline['fgiou']:.1f} [{100 * lower:.1f}, {100 * upper:.1f}]" in said
    (against,) = (of for of in report["differences"] if of["from"] == "filled box")
    assert f"\nbaseline less filled box: {100 * against['value']:+.1f} [" in said and "], better\n" in said
    assert "small (below 16 pixels)" in said or "medium (16 to 48)" in said
    for script, of in baseline["by_script"].items():
        assert f"\n{script:<24}  {100 * of['fgiou']:5.1f}" in said


def test_brackets_are_explained_only_where_there_are_some(folder, tmp_path, run):
    said = run(folder)[1]
    assert "[" not in said and "In brackets" not in said
    assert "baseline has no interval: 4 images count, 6 are needed" in said
    _, said, _, report = run(SAMPLE, "--split", "train")
    assert "In brackets" in said and "baseline has no interval" not in said
    few = {script: of for script, of in report["models"][0]["by_script"].items() if of["counting"] < 6}
    assert few and all(of["interval"] is None for of in few.values())
    for script, of in few.items():
        (line,) = (line for line in said.splitlines() if line.startswith(f"{script:<24}"))
        assert f"no interval: {of['counting']} image" in line


def test_the_network_that_ships_stands_beside_baseline_and_filled_box(shipped, tmp_path, run):
    folder = drawn_mlt(tmp_path / "drawn", validation=range(1, 7))
    _, said, _, report = run(folder, model=None)
    names = [of["name"] for of in report["models"]]
    assert names[0].startswith("network ") and names[1:3] == ["baseline", "filled box"]
    assert report["models"][0]["fgiou"] > 0.9
    assert [of["from"] for of in report["differences"]] == names[1:]
    assert report["differences"][1]["verdict"] == "better"


def test_sauvola_stands_beside_them_where_scikit_image_is_installed(tmp_path, run, monkeypatch):
    folder = drawn_mlt(tmp_path / "drawn", validation=(1, 2))
    monkeypatch.setitem(sys.modules, "skimage.filters", None)
    assert "Sauvola" not in [of["name"] for of in run(folder)[3]["models"]]
    monkeypatch.undo()
    _, _, _, report = run(folder)
    assert report["models"][-1]["name"] == "Sauvola" and report["models"][-1]["fgiou"] > 0.9
    assert report["models"][-1]["calibration_error"] is None


# --- What is left out ----------------------------------------------------------------------------------------------


def test_images_that_the_model_was_trained_on_are_left_out(run, folder, monkeypatch):
    model = Trained(train=["img_1", "img_2"], validation=["img_3"])
    monkeypatch.setattr(evaluate, "open_model", lambda name: model)
    _, said, _, report = run(folder)
    assert report["images"]["report"] == 3
    assert report["left_out"]["trained_on"] == ["img_3"]
    assert "Left out 1 image that the model was trained on: img_3." in said
    _, _, _, report = run(folder, "--split", "train")
    assert report["images"]["report"] == 3
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
    made = [str(tmp_path / "weak.zip"), "--unlabelled-only", "--model", "baseline"]
    assert main(["weak", "label", str(folder), *made]) == 0
    write_zip(tmp_path / "one.zip", label_members({}, {"img_5": label_file(505)}))
    capsys.readouterr()
    maps = [folder / "MLT_S_labels.zip", tmp_path / "weak.zip", tmp_path / "one.zip"]
    _, said, _, report = run(folder, *(word for path in maps for word in ("--label-maps", str(path))))
    assert report["images"]["report"] == 4
    assert report["left_out"] == {"trained_on": [], "without_words": ["img_5"], "not_authors": ["img_6"]}
    assert "Left out 1 image without ground truth: img_5." in said
    assert "Left out 1 image with a label map by mlt-s weak, not by the authors: img_6." in said


@pytest.mark.parametrize("batch", [1, 3])
def test_the_figures_do_not_depend_on_how_many_are_read_at_a_time(run, folder, monkeypatch, batch):
    _, _, _, at_once = run(folder)
    monkeypatch.setattr(evaluate, "BATCH", batch)
    assert run(folder)[3] == at_once


def test_a_script_that_mlt_does_not_have_is_a_group_like_others(tmp_path, run):
    picture, mask, quad = drawn()
    write_zip(tmp_path / "mlt" / "ch8_validation_images.zip", {"img_1.png": encoded(picture, "PNG")})
    gt = "ch8_validation_localization_transcription_gt_v2.zip"
    write_zip(tmp_path / "mlt" / gt, {"gt_img_1.txt": words_file(words_line(quad, "Klingon"))})
    write_zip(tmp_path / "mlt" / "MLT_S_labels.zip", label_members({}, {"img_1": png(mask)}))
    status, _, _, report = run(tmp_path / "mlt")
    assert status == 0 and report["models"][0]["by_script"]["unknown"]["words"] == 1


# --- What keeps it from working ------------------------------------------------------------------------------------


def test_no_image_is_too_few(run, folder, monkeypatch):
    monkeypatch.setattr(evaluate, "open_model", lambda name: Trained(validation=[f"img_{n}" for n in range(1, 5)]))
    status, said, error, report = run(folder)
    assert (status, said, report) == (2, "", None)
    assert "There is no image to evaluate in the validation split of" in error
    assert "Left out: 4 images that the model was trained on: img_1, img_2, img_3 and 1 more." in error
    assert "another DATA_DIR or --model" in error and "--split" not in error
    assert "_gt_v2" not in error and "--label-maps" not in error


def test_where_a_model_was_trained_on_all_of_the_training_split_it_says_to_take_the_other(run, folder, monkeypatch):
    monkeypatch.setattr(evaluate, "open_model", lambda name: Trained(train=[f"img_{n}" for n in range(1, 6)]))
    status, _, error, _ = run(folder, "--split", "train")
    assert status == 2 and "--split validation" in error
    assert run(folder, "--split", "validation")[0] == 0


def test_where_all_label_maps_were_made_here_it_asks_for_others_and_not_for_ground_truth(run, tmp_path, capsys):
    folder = drawn_mlt(tmp_path / "mlt", validation=(1, 2))
    assert main(["weak", "label", str(folder), str(tmp_path / "weak.zip"), "--model", "baseline"]) == 0
    capsys.readouterr()
    status, _, error, _ = run(folder, "--label-maps", str(tmp_path / "weak.zip"))
    assert status == 2
    assert "Left out: 2 images with a label map by mlt-s weak, not by the authors: img_1, img_2." in error
    assert "MLT_S_labels.zip" in error and "--label-maps" in error
    assert "_gt_v2" not in error and "--model" not in error


def test_without_ground_truth_it_says_where_that_is(run, folder):
    for path in folder.glob("*_gt_v2.zip"):
        path.unlink()
    status, _, error, _ = run(folder)
    assert status == 2
    assert "4 images without ground truth: img_1, img_2, img_3 and 1 more. Ground truth is in ch8_training_loc" in error
    assert "--model" not in error and "--label-maps" not in error


def test_without_matplotlib_it_says_what_to_install_before_it_begins(run, folder, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(folder)[0] == 0  # no picture is asked for
    monkeypatch.setattr(evaluate, "Source", lambda *arguments: pytest.fail("it began"))
    status, _, error, _ = run(folder, "--out", str(tmp_path / "weak.png"))
    assert status == 2
    assert "A picture needs" in error
    assert "matplotlib" in error and ': pip install "mlt-s[weak]".' in error


def test_without_pytorch_all_but_training_works(shipped, tmp_path, monkeypatch, capsys):
    folder = drawn_mlt(tmp_path / "drawn", train=(1,), validation=(1,))
    for name in [name for name in sys.modules if name.startswith(("mlt_s_tools.weak.torch", "mlt_s_tools.weak.tr"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in "train", "torch_network":
        monkeypatch.delattr(weak, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    for command in (["label", str(tmp_path / "a.zip")], ["repair", str(tmp_path / "b.zip")], ["evaluate"]):
        assert main(["weak", command[0], str(folder), *command[1:]]) == 0
    capsys.readouterr()
    assert main(["weak", "train", str(folder), str(tmp_path / "net")]) == 2
    said = capsys.readouterr().err
    assert "Training a network needs" in said and "torch" in said
    assert said.endswith(': pip install "mlt-s[weak]".\n')


def test_a_folder_without_the_split_is_refused(run, tmp_path):
    folder = add_words(mlt(tmp_path / "mlt", 2, 0), (1, 2), ())
    status, _, error, _ = run(folder)
    assert status == 2
    assert "There is no pair of the validation split in" in error


def test_a_label_map_that_holds_something_else_is_refused(run, folder):
    wrong = png(np.full((16, 24), 7))
    labels = {**{f"img_{n}": label_file(500 + n) for n in (1, 2, 3)}, "img_4": wrong}
    write_zip(folder / "MLT_S_labels.zip", label_members({}, labels))
    status, _, error, _ = run(folder)
    assert status == 2
    assert "validation_labels/img_4.png cannot be shown: A label map holds [0, 1, 255], not [7]" in error


def test_what_it_needs_is_asked_for_by_name(capsys):
    for words, text in (
        ([], "COMMAND"),
        (["evaluate"], "DATA_DIR"),
        (["label", "d"], "OUT.zip"),
        (["train", "d"], "OUT"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["weak", *words])
        assert f"the following arguments are required: {text}" in capsys.readouterr().err


def test_only_commands_that_take_the_baseline_offer_it(capsys):
    for command, offers in (("label", True), ("repair", True), ("evaluate", True), ("train", False)):
        with pytest.raises(SystemExit, match="0"):
            main(["weak", command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert "--model FOLDER the folder that mlt-s weak train wrote" in said
        assert ("baseline" in said) == offers


def test_the_list_of_commands_says_that_networks_can_be_trained(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "train the network" in " ".join(capsys.readouterr().out.split())


def test_every_command_has_a_help(capsys):
    for command in ("train", "label", "repair", "evaluate"):
        with pytest.raises(SystemExit, match="0"):
            main(["weak", command, "--help"])
        assert f"usage: mlt-s weak {command}" in capsys.readouterr().out
