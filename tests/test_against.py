"""`mlt-s evaluate`: how sure figures are, two models on the same images, scripts and heights, and the plot of them."""

import csv
import json
import re
import sys

import numpy as np
import PIL.Image
import pytest
from archives import add_words, encoded, image_file, label_file, label_members, label_values, mlt, write_zip

import mlt_s
from mlt_s_tools.cli import main
from mlt_s_tools.looking.choose import Source
from mlt_s_tools.metrics import TextMetrics, count
from mlt_s_tools.words import word_mask

pytestmark = pytest.mark.once

NUMBERS = range(1, 11)
WIDTH, HEIGHT = 24, 16


def label_of(number):
    """The label map of a validation image in `archives.mlt`."""
    return label_values(WIDTH, HEIGHT, 500 + number)


def mask_of(number, wrong):
    """A prediction with this share of the pixels wrong: bool (height, width)."""
    return (label_of(number) == 1) ^ (np.random.default_rng(number).random((HEIGHT, WIDTH)) < wrong)


def write_masks(folder, masks):
    folder.mkdir()
    for number, mask in masks.items():
        PIL.Image.fromarray(np.uint8(mask)).save(folder / f"img_{number}.png")
    return folder


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data set as large as published, with words: two training pairs and ten of validation."""
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 2, "validation": len(NUMBERS)})
    return add_words(mlt(tmp_path / "mlt", train=2, validation=len(NUMBERS)), (1, 2), NUMBERS)


@pytest.fixture
def masks(tmp_path):
    return write_masks(tmp_path / "masks", {number: mask_of(number, 0.02 * number) for number in NUMBERS})


@pytest.fixture
def run(data, masks, tmp_path, capsys):
    """Evaluates the masks and returns the status, what was printed, what went to stderr, and the report."""

    def run(*words):
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        status = main(["evaluate", str(masks), str(data), "--json", str(report), *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err, json.loads(report.read_text()) if report.exists() else None

    return run


# --- Intervals -----------------------------------------------------------------------------------------------------


def test_published_figures_have_intervals_beside_them(run):
    status, said, _, report = run()
    metrics = TextMetrics()
    for number in reversed(NUMBERS):  # in any order
        metrics.add(mask_of(number, 0.02 * number), label_of(number))
    figures = report["figures"]
    assert (status, figures) == (0, metrics.compute())
    for name, factor, digits in (("fgiou", 100, 2), ("f_score", 1, 4)):
        lower, upper = figures[f"{name}_lower"], figures[f"{name}_upper"]
        assert lower < figures[name] < upper
        assert f"[{factor * lower:.{digits}f}, {factor * upper:.{digits}f}]" in said


def test_five_images_have_no_interval(run, masks, data, monkeypatch):
    for number in NUMBERS[5:]:
        (masks / f"img_{number}.png").unlink()
    status, said, _, report = run()
    assert status == 1 and report["figures"]["images"] == 5
    assert not any(name.endswith(("_lower", "_upper")) for name in report["figures"]) and "[" not in said


def test_why_there_is_no_interval_is_said_with_the_images_that_count(run, masks, data):
    """Of the seven predictions, two are of images without labelled text, and right there."""
    members = {f"img_{n}": label_file(500 + n) for n in NUMBERS}
    nothing = encoded(PIL.Image.new("L", (WIDTH, HEIGHT)), "PNG")
    members |= {f"img_{n}": nothing for n in (1, 2)}
    train = {f"img_{n}": label_file(n) for n in (1, 2)}
    write_zip(data / "MLT_S_labels.zip", label_members(train, members))
    for number in (1, 2):
        PIL.Image.new("L", (WIDTH, HEIGHT)).save(masks / f"img_{number}.png")
    for number in NUMBERS[7:]:
        (masks / f"img_{number}.png").unlink()
    said = run("--by", "height")[1]
    assert "no interval: 5 images count, 6 are needed" in said and "In brackets" not in said
    (small,) = (line for line in said.splitlines() if line.startswith("  small"))
    assert "no interval: 5 images count, 6 are needed" in small


def test_brackets_are_explained_where_there_are_some(run):
    said = run()[1]
    assert "In brackets" in said and "no interval" not in said


def test_a_plot_says_that_it_is_not_by_the_authors_label_maps(run, data, tmp_path):
    page, said = tmp_path / "plot.html", "not by the authors' label maps"
    assert run("--plot", page)[0] == 0 and said not in page.read_text()
    corrected = (data / "MLT_S_labels.zip").rename(tmp_path / "corrected.zip")
    assert run("--plot", page, "--label-maps", corrected)[0] == 1
    heading, drawn = page.read_text().split("<svg")
    assert said in heading and said in drawn


# --- Against others ------------------------------------------------------------------------------------------------


def test_two_models_are_compared_on_the_same_images_and_ties_are_neither(run, tmp_path):
    """The others are worse on six images, and the same on four."""
    others = {number: mask_of(number, 0.02 * number if number > 6 else 0.3) for number in NUMBERS}
    folder = write_masks(tmp_path / "others", others)
    status, said, _, report = run("--against", folder, "--csv", tmp_path / "all.csv")
    against = report["against"]
    assert (status, against["images"]) == (0, {"both": 10, "better": 6, "worse": 0, "equal": 4})
    alone = TextMetrics()
    for number, mask in others.items():
        alone.add(mask, label_of(number))
    assert against["figures"] == alone.compute()
    for name in ("fgiou", "f_score"):
        found = against["differences"][name]
        assert found["value"] == report["figures"][name] - against["figures"][name]
        assert 0 < found["interval"][0] < found["value"] < found["interval"][1] and found["verdict"] == "better"
    assert "6 better, 0 worse, 4 equal" in said
    assert f"{100 * against['differences']['fgiou']['value']:+.2f}" in said
    with open(tmp_path / "all.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ious = [count(mask, label_of(number)).iou for number, mask in others.items()]
    assert [float(row["against_iou"]) for row in rows] == ious
    assert [row["iou"] == row["against_iou"] for row in rows] == [False] * 6 + [True] * 4


def test_the_other_way_round_it_is_worse_by_as_much(run, data, masks, tmp_path, capsys):
    folder = write_masks(tmp_path / "others", {number: mask_of(number, 0.3) for number in NUMBERS})
    better = run("--against", folder)[3]["against"]["differences"]["fgiou"]
    report = tmp_path / "turned.json"
    assert main(["evaluate", str(folder), str(data), "--against", str(masks), "--json", str(report)]) == 0
    worse = json.loads(report.read_text())["against"]["differences"]["fgiou"]
    assert (better["verdict"], worse["verdict"], worse["value"]) == ("better", "worse", -better["value"])


def test_a_folder_against_itself_differs_nowhere(run, masks):
    _, said, _, report = run("--against", masks, "--by", "script")
    against = report["against"]
    assert against["images"] == {"both": 10, "better": 0, "worse": 0, "equal": 10}
    nothing = {"value": 0, "interval": [0, 0], "verdict": "no difference shown"}
    assert against["differences"] == {"fgiou": nothing, "f_score": nothing}
    assert {found["value"] for found in against["by_script"].values()} == {0}
    assert "0 better, 0 worse, 10 equal" in said and "no difference shown" in said


def test_differences_by_height_are_said_with_the_bounds_of_heights(run, tmp_path):
    others = write_masks(tmp_path / "others", {number: mask_of(number, 0.3) for number in NUMBERS})
    _, said, _, report = run("--against", others, "--by", "height")
    assert set(report["against"]["by_height"]) == {"small"}
    assert said.count("small (below 16 pixels)") == 2  # the figures, and the difference


def test_a_lead_by_one_image_is_not_called_better(run, tmp_path):
    others = {number: mask_of(number, 0.02 * number if number != 1 else 0.5) for number in NUMBERS}
    report = run("--against", write_masks(tmp_path / "others", others))[3]["against"]
    assert report["images"] == {"both": 10, "better": 1, "worse": 0, "equal": 9}
    found = report["differences"]["fgiou"]
    assert found["value"] > 0.01 and found["interval"][0] == 0 and found["verdict"] == "no difference shown"


def test_images_that_one_of_them_lacks_are_not_compared_and_the_status_says_so(run, masks, tmp_path):
    (masks / "img_10.png").unlink()
    others = {number: mask_of(number, 0.3) for number in NUMBERS if number > 2} | {2: np.zeros((5, 5))}
    status, said, _, report = run("--against", write_masks(tmp_path / "others", others))
    assert (status, report["against"]["whole_split"], report["against"]["missing"]) == (1, False, ["img_1"])
    assert list(report["against"]["refused"]) == ["img_2"]
    both, alone = TextMetrics(), TextMetrics()
    for number in range(3, 10):
        both.add(mask_of(number, 0.02 * number), label_of(number))
        alone.add(mask_of(number, 0.3), label_of(number))
    value = both.compute()["fgiou"] - alone.compute()["fgiou"]
    assert report["against"]["images"]["both"] == 7 and report["against"]["differences"]["fgiou"]["value"] == value
    assert "No prediction for 1 image: img_10.\n" in said
    assert "Of the predictions compared with: No prediction for 1 image: img_1.\n" in said
    assert "Of the predictions compared with: Refused 1 prediction:" in said.split("fgIoU")[0]  # above the figures


def test_the_others_alone_may_keep_it_from_the_whole_split(run, tmp_path):
    others = write_masks(tmp_path / "others", {number: mask_of(number, 0.3) for number in NUMBERS[1:]})
    status, _, _, report = run("--against", others)
    assert (status, report["whole_split"], report["against"]["whole_split"]) == (1, True, False)


@pytest.mark.parametrize("number, message", [(99, "is named like an image of the validation split"), (10, "No image")])
def test_others_of_no_image_in_common_are_refused(run, masks, tmp_path, number, message):
    (masks / "img_10.png").unlink()
    status, said, error, report = run("--against", write_masks(tmp_path / "others", {number: mask_of(10, 0.1)}))
    assert (status, said, report) == (2, "", None)
    assert message in error and str(tmp_path / "others") in error


# --- By script and height ------------------------------------------------------------------------------------------


def test_figures_by_script_and_height_are_those_of_the_pixels_of_words(run, data):
    status, said, _, report = run("--by", "script", "--by", "height")
    source, expected, words, outside = Source(str(data), split="validation"), {}, {}, TextMetrics()
    for choice, number in zip(source.choices, NUMBERS):
        label, mask = source.read_label(choice), mask_of(number, 0.02 * number)
        found = source.read_words(choice)
        for script in {word["script"] for word in found}:
            quads, name = [word["quad"] for word in found if word["script"] == script], mlt_s.SCRIPTS[script]
            inside = word_mask(quads, (WIDTH, HEIGHT))
            expected.setdefault(name, TextMetrics()).add(mask, np.where(inside, label, 255))
            words[name] = words.get(name, 0) + sum(
                (label[word_mask([quad], (WIDTH, HEIGHT))] != 255).any() for quad in quads
            )
        every = word_mask([word["quad"] for word in found], (WIDTH, HEIGHT))
        outside.add(mask, np.where(every, 255, label))
    assert status == 0 and len(expected) > 1
    assert {name: of["fgiou"] for name, of in report["by_script"].items()} == {
        name: metrics.compute()["fgiou"] for name, metrics in expected.items()
    }
    assert {name: of["words"] for name, of in report["by_script"].items()} == words
    assert list(report["in_no_word"].values()) == outside.counts().sum(0).tolist()
    assert set(report["by_height"]) <= {"small", "medium", "large"}
    assert sum(of["words"] for of in report["by_height"].values()) == sum(words.values())
    for name, of in report["by_script"].items():
        assert re.search(rf"\n  {name} +fgIoU +{100 * of['fgiou']:.2f} %.* {of['words']} words?, ", said)
    assert "small (below 16 pixels)" in said


def test_published_figures_are_the_same_with_words(run):
    assert run()[3]["figures"] == run("--by", "script")[3]["figures"]


def test_images_without_ground_truth_are_named_and_in_none_of_these_figures(run, data):
    for path in data.glob("*_gt_v2.zip"):
        path.unlink()
    add_words(data, (1, 2), NUMBERS[2:])
    _, said, _, report = run("--by", "script")
    assert report["without_words"] == ["img_1", "img_2"] and report["figures"]["images"] == 10
    assert "No ground truth for 2 images: img_1, img_2." in said


def test_without_any_ground_truth_it_says_where_that_is(run, data):
    for path in data.glob("*_gt_v2.zip"):
        path.unlink()
    status, said, error, _ = run("--by", "height")
    assert (status, said) == (2, "")
    assert "no words to group by" in error and "ch8_validation_localization_transcription_gt_v2.zip" in error
    assert run()[0] == 0


def test_two_models_are_compared_by_script(run, tmp_path):
    others = write_masks(tmp_path / "others", {number: mask_of(number, 0.4) for number in NUMBERS})
    _, said, _, report = run("--against", others, "--by", "script")
    alone = run_report(others, tmp_path)
    for name, found in report["against"]["by_script"].items():
        assert found["value"] == report["by_script"][name]["fgiou"] - alone["by_script"][name]["fgiou"]
        assert re.search(rf"\n    {name} +\{100 * found['value']:+.2f}  .*{found['verdict']}\n", said)


def run_report(predictions, tmp_path):
    report = tmp_path / "alone.json"
    main(["evaluate", str(predictions), str(tmp_path / "mlt"), "--by", "script", "--json", str(report)])
    return json.loads(report.read_text())


@pytest.mark.parametrize("words", ["--by script --by height", "--by script height", "--by height,script"])
def test_both_groups_are_asked_for_as_one_types_it(run, words):
    report = run(*words.split())[3]
    assert set(report["by_script"]) and set(report["by_height"])


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_what_is_no_group_is_named_and_said_where_it_belongs(capsys, command):
    with pytest.raises(SystemExit, match="2"):
        main([command, "--by", "script", "predictions", "mlt"])
    assert "script, height or both, not 'predictions'" in capsys.readouterr().err


# --- The plot ------------------------------------------------------------------------------------------------------


def test_the_plot_is_a_picture_that_is_replaced_by_the_next_one(run, tmp_path):
    out = tmp_path / "plot.png"
    status, said, _, _ = run("--plot", out, "--by", "script")
    assert status == 0 and said.endswith(f"\nThe figures in a plot: {out}\n")
    with PIL.Image.open(out) as drawn:
        assert drawn.format == "PNG" and drawn.info["Software"] == "mlt-s"
        pixels = np.asarray(drawn.convert("RGB"))
    rows = np.flatnonzero((pixels == (0, 80, 160)).all(2).any(1))  # dots of the figures, one below the other
    scripts = run("--by", "script")[3]["by_script"]
    assert 1 + np.count_nonzero(np.diff(rows) > 1) >= 2 + len(scripts)
    assert run("--plot", out)[1].endswith(f"{out} (replaced)\n")


def test_dots_of_a_page_lead_to_the_worst_images(run, masks, tmp_path):
    out = tmp_path / "plot.html"
    assert run("--plot", out, "--worst", 3, "--out", tmp_path / "worst.png")[0] == 0
    page = out.read_text(encoding="utf-8")
    worst = sorted(NUMBERS, key=lambda number: count(mask_of(number, 0.02 * number), label_of(number)).iou)[:3]
    captions = re.findall(r'<figure id="(image-\d)">.*?<figcaption>(\w+) ', page)
    assert captions == [(f"image-{at}", f"img_{number}") for at, number in enumerate(worst)]
    assert all(f'xlink:href="#{link}"' in page for link, _ in captions)
    assert page.count("<img ") == 3 and "<script" not in page and "http-equiv" in page
    assert "_blank" not in page  # the links stay in it
    first = out.read_bytes()
    assert run("--plot", out, "--worst", 3, "--out", tmp_path / "worst.png")[1].endswith(f"{out} (replaced)\n")
    assert out.read_bytes() == first


def test_dots_of_two_models_lead_to_the_images_that_differ_most(run, tmp_path):
    others = {number: mask_of(number, 0.02 * number if number not in (3, 8) else 0.45) for number in NUMBERS}
    run("--against", write_masks(tmp_path / "others", others), "--plot", tmp_path / "plot.html")
    page = (tmp_path / "plot.html").read_text(encoding="utf-8")
    assert set(re.findall(r"<figcaption>(\w+) ", page)) == {"img_3", "img_8"}
    assert "2 better, 0 worse, 8 equal" in page


def test_a_plot_names_its_predictions_and_the_split(run, tmp_path):
    page, other = tmp_path / "plot.html", tmp_path / "_runs"
    write_masks(other, {})
    others = write_masks(other / "masks", {number: mask_of(number, 0.3) for number in NUMBERS})
    assert run("--plot", page)[0] == 0
    assert "<h1>masks: validation, 10 of the 10 images of MLT_S</h1>" in page.read_text(encoding="utf-8")
    run("--against", others, "--plot", page)  # both are called masks
    heading, drawn = page.read_text(encoding="utf-8").split("<svg")
    mine = f"{tmp_path.name}/masks"
    assert f"<h1>{mine} against _runs/masks: validation, 10 of the 10" in heading
    drawn, below = drawn.split("</svg>")
    texts = re.findall(r">([^<>]*)</text>", drawn)
    assert texts.count(mine) == texts.count("_runs/masks") == 1  # in the legend
    assert {f"{mine}, %", "_runs/masks, %"} < set(texts) and any("validation" in text for text in texts)
    assert f"on the left {mine}, on the right _runs/masks" in below


def test_a_name_is_no_markup_and_no_formula(tmp_path, monkeypatch):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 1, "validation": 2})
    names = ("<b>$x_1", "$\\frac$_2")
    write_zip(tmp_path / "mlt/ch8_validation_images.zip", {f"{name}.jpg": image_file(1) for name in names})
    labels = {name: label_file(501) for name in names}
    write_zip(tmp_path / "mlt/MLT_S_labels.zip", label_members({}, labels))
    mask = encoded(PIL.Image.fromarray(np.uint8(mask_of(1, 0.2))), "PNG")
    write_zip(tmp_path / "<i>$\\frac$.zip", {f"{name}.png": mask for name in names})
    predictions = str(tmp_path / "<i>$\\frac$.zip")
    for ending in ("html", "png"):
        plot = str(tmp_path / f"p.{ending}")
        assert main(["evaluate", predictions, str(tmp_path / "mlt"), "--plot", plot, "--against", predictions]) == 0
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "<b>" not in page and "<i>" not in page and "&lt;i&gt;$\\frac$.zip" in page
    main(["evaluate", predictions, str(tmp_path / "mlt"), "--plot", str(tmp_path / "p.html")])
    assert "&lt;b&gt;$x_1 <a" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_one_image_alone_is_drawn(run, masks, tmp_path):
    for number in NUMBERS[1:]:
        (masks / f"img_{number}.png").unlink()
    assert run("--plot", tmp_path / "one.png", "--against", masks)[0] == 1
    assert (tmp_path / "one.png").stat().st_size > 10_000


def test_what_keeps_a_plot_from_being_drawn_is_said_before_the_work(run, tmp_path, monkeypatch):
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    for name, message in (("plot.gif", ".png or .html"), ("mine.html", "is not known to be from mlt-s")):
        status, said, error, _ = run("--plot", tmp_path / name)
        assert (status, said) == (2, "") and message in error
    assert (tmp_path / "mine.html").read_text() == "<p>mine</p>"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, said, error, _ = run("--plot", tmp_path / "plot.png")
    assert (status, said) == (2, "") and 'pip install "mlt-s[plot]"' in error
    assert run()[0] == 0
