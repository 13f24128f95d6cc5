"""`mlt-s evaluate`: the figures of a folder of predictions, which files are taken, and what is said of the others."""

import csv
import json
import unicodedata
import zipfile
import zlib

import numpy as np
import PIL.Image
import pytest
from archives import (
    encoded,
    image_file,
    label_file,
    label_members,
    label_values,
    mlt,
    png_chunk,
    png_with,
    raw_png,
    unpacked,
    write_zip,
)

import mlt_s
from mlt_s_tools.cli import main
from mlt_s_tools.evaluation.evaluate import Evaluation, Result
from mlt_s_tools.evaluation.worst import ERROR_COLORS, colored_errors, error_sheet
from mlt_s_tools.looking import preview
from mlt_s_tools.metrics import Counts, TextMetrics

NAMES = ("img_1", "img_2", "img_3")
WIDTH, HEIGHT = 24, 16


def label_of(name, offset=500):
    """The label map of a validation image in `archives.mlt`."""
    return label_values(WIDTH, HEIGHT, offset + int(name.split("_")[1]))


def prediction_of(name):
    """A prediction with a tenth of the pixels wrong: bool (height, width)."""
    wrong = np.random.default_rng(int(name.split("_")[1])).random((HEIGHT, WIDTH)) < 0.1
    return (label_of(name) == 1) ^ wrong


def grey(prediction, text=255):
    return encoded(PIL.Image.fromarray(np.uint8(prediction) * text), "PNG")


def wanted(names=NAMES):
    """The figures of these predictions."""
    metrics = TextMetrics()
    for name in names:
        metrics.add(prediction_of(name), label_of(name))
    return metrics.compute()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data set as large as published: two training pairs and three of validation."""
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 2, "validation": 3})
    return mlt(tmp_path / "mlt", train=2, validation=3)


@pytest.fixture
def predictions(tmp_path):
    return write(tmp_path / "predictions", {f"{name}.png": grey(prediction_of(name)) for name in NAMES})


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def evaluate(predictions, folder, *words):
    return main(["evaluate", str(predictions), str(folder), *map(str, words)])


def report_of(predictions, folder, tmp_path, *words):
    """The exit status and the JSON report."""
    status = evaluate(predictions, folder, "--json", tmp_path / "report.json", *words)
    return status, json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


# --- The figures ---------------------------------------------------------------------------------------------------


def test_the_figures_of_a_whole_split(folder, predictions, tmp_path, capsys):
    status, report = report_of(predictions, folder, tmp_path)
    figures = wanted()
    assert (status, report["whole_split"], report["figures"]) == (0, True, figures)
    assert (report["missing"], report["refused"], report["extra"]) == ([], {}, [])
    said = capsys.readouterr().out
    assert said.startswith("validation: 3 of the 3 images of MLT_S\n\nAs published\n")
    assert f"fgIoU      {100 * figures['fgiou']:6.2f} %" in said
    assert f"F-score    {figures['f_score']:.4f}    of mean precision {figures['mean_precision']:.4f}" in said
    assert "NOT" not in said


def test_what_is_printed_line_by_line(folder, tmp_path, capsys):
    """The first image is right; the second has nothing predicted; the third has text everywhere."""
    labels = {name: label_of(name) for name in NAMES}
    masks = [labels["img_1"] == 1, np.zeros((HEIGHT, WIDTH)), np.ones((HEIGHT, WIDTH))]
    write(tmp_path / "masks", {f"{name}.png": grey(mask) for name, mask in zip(NAMES, masks)})
    assert evaluate(tmp_path / "masks", folder, "--per-image") == 0
    text, all_of_it = (int(np.sum(label == 1)) for label in (labels["img_2"], labels["img_3"]))
    ground = int(np.sum(labels["img_3"] == 0))
    share = all_of_it / (all_of_it + ground)
    assert capsys.readouterr().out.splitlines()[:5] == [
        "image   IoU %  precision  recall     missed      wrong",
        "img_1  100.00     1.0000  1.0000          0          0",
        f"img_2    0.00     0.0000  0.0000  {text:9}          0",
        f"img_3  {100 * share:6.2f}     {share:.4f}  1.0000          0  {ground:9}",
        "",
    ]


def test_the_training_split_is_another_one(folder, predictions, tmp_path):
    (predictions / "img_3.png").unlink()
    status, report = report_of(predictions, folder, tmp_path, "--split", "train")
    metrics = TextMetrics()
    for name in NAMES[:2]:
        metrics.add(prediction_of(name), label_of(name, offset=0))
    assert (status, report["figures"]) == (0, metrics.compute())


def test_label_maps_may_lie_elsewhere(folder, predictions, tmp_path):
    (folder / "MLT_S_labels.zip").rename(tmp_path / "maps.zip")
    assert report_of(predictions, folder, tmp_path, "--label-maps", tmp_path / "maps.zip")[1]["figures"] == wanted()


def test_a_label_map_is_turned_into_the_frame_of_its_image(tmp_path, monkeypatch, predictions):
    """The image is stored 24 x 16 with a tag that turns it; its label map is of the turned picture."""
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 2, "validation": 1})
    write_zip(tmp_path / "mlt/ch8_validation_images.zip", {"img_1.jpg": image_file(1, orientation=6)})
    turned = PIL.Image.fromarray(label_of("img_1")).transpose(PIL.Image.Transpose.ROTATE_270)
    write_zip(tmp_path / "mlt/MLT_S_labels.zip", label_members({}, {"img_1": encoded(turned, "PNG")}))
    status, report = report_of(predictions, tmp_path / "mlt", tmp_path)
    assert (status, report["figures"]) == (0, wanted(NAMES[:1]))


def test_a_table_of_all_images(folder, predictions, tmp_path):
    (predictions / "img_2.png").unlink()
    write(predictions, {"img_3.png": b"no picture"})
    assert evaluate(predictions, folder, "--csv", tmp_path / "all.csv") == 1
    with open(tmp_path / "all.csv", newline="", encoding="utf-8") as file:
        head, first, second, third = csv.reader(file)
    assert head == ["image_id", "state", "tp", "fp", "fn", "tn", "iou", "precision", "recall"]
    figures = wanted(NAMES[:1])
    assert first[:2] == ["img_1", "counted"] and sum(map(int, first[2:6])) == np.sum(label_of("img_1") != 255)
    assert list(map(float, first[6:])) == [figures[key] for key in ("fgiou", "mean_precision", "mean_recall")]
    assert (second, third) == (["img_2", "missing", *[""] * 7], ["img_3", "refused", *[""] * 7])


def test_images_without_labelled_text_are_said(folder, predictions, capsys):
    blank = encoded(PIL.Image.new("L", (WIDTH, HEIGHT), 255), "PNG")
    labels = {"img_1": blank, **{name: label_file(500 + int(name[-1])) for name in NAMES[1:]}}
    write_zip(folder / "MLT_S_labels.zip", label_members({"img_1": blank, "img_2": blank}, labels))
    assert evaluate(predictions, folder) == 0
    assert "No labelled text in 1 image:" in capsys.readouterr().out


# --- Which label maps the figures rest on --------------------------------------------------------------------------


def weak_file(seed):
    """A label map as `mlt-s weak repair` writes it: with its signature."""
    return png_with(label_file(seed), b"tEXt", b"Software\0mlt-s weak repair by network")


def maps_of(path, file=label_file, weak=()):
    validation = {f"img_{n}": (weak_file if n in weak else file)(500 + n) for n in (1, 2, 3)}
    return write_zip(path, label_members({f"img_{n}": file(n) for n in (1, 2)}, validation))


def test_figures_by_label_maps_of_mlt_s_weak_are_not_called_published(folder, predictions, tmp_path, capsys):
    repaired = maps_of(tmp_path / "repaired.zip", weak=(1, 3))
    status, report = report_of(predictions, folder, tmp_path, "--label-maps", repaired)
    assert (status, report["as_published"], report["weak"]) == (1, False, ["img_1", "img_3"])
    assert (report["label_maps"], report["not_authors"]) == ([str(repaired)], [str(repaired)])
    assert (report["whole_split"], report["figures"]) == (True, wanted())
    said = capsys.readouterr().out
    assert "As published" not in said and "do not compare these figures with published ones" in said
    assert f"{repaired}; of the 3 label maps counted, mlt-s weak signed 2" in said


@pytest.mark.parametrize("is_given", [True, False], ids=["by --label-maps", "in DATA_DIR"])
def test_a_signed_label_map_is_found_under_the_authors_name(is_given, folder, predictions, tmp_path, capsys):
    place = (tmp_path if is_given else folder) / "MLT_S_labels.zip"
    maps_of(place, weak=(2,))
    status, report = report_of(predictions, folder, tmp_path, *(["--label-maps", place] if is_given else []))
    assert (status, report["as_published"], report["weak"]) == (1, False, ["img_2"])
    said = capsys.readouterr().out
    assert "As published" not in said and "mlt-s weak signed 1" in said


def test_a_label_map_counts_as_signed_only_where_its_image_counts(folder, predictions, tmp_path):
    repaired = maps_of(folder / "MLT_S_labels.zip", weak=(2,))
    (predictions / "img_2.png").unlink()
    status, report = report_of(predictions, folder, tmp_path, "--label-maps", repaired)
    assert (status, report["weak"], report["as_published"], report["whole_split"]) == (1, [], False, False)


def test_corrected_label_maps_are_named_and_not_called_published(folder, predictions, tmp_path, capsys):
    corrected = maps_of(tmp_path / "corrected.zip")
    status, report = report_of(predictions, folder, tmp_path, "--label-maps", corrected)
    assert (status, report["as_published"], report["whole_split"], report["weak"]) == (1, False, True, [])
    assert report["not_authors"] == [str(corrected)]
    said = capsys.readouterr().out
    assert "As published" not in said and str(corrected) in said


@pytest.mark.parametrize("packed", [True, False])
def test_corrected_label_maps_beside_the_images_are_not_called_published(folder, predictions, tmp_path, packed):
    archive = folder / "MLT_S_labels.zip"
    with zipfile.ZipFile(archive) as opened:
        files = {name.replace("_labels/", "_labels_reann/"): opened.read(name) for name in opened.namelist()}
    archive.unlink()
    place = folder / "MLT_S.zip" if packed else folder
    if packed:
        write_zip(place, files)
    else:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    status, report = report_of(predictions, folder, tmp_path)
    assert (status, report["as_published"], report["whole_split"]) == (1, False, True)
    (named,) = report["not_authors"]
    assert named == str(place) if packed else named.endswith("validation_labels_reann")


def test_masks_of_0_and_255_are_not_the_authors(folder, predictions, tmp_path):
    write_zip(
        folder / "MLT_S_labels.zip",
        label_members({}, {name: grey(label_of(name) == 1) for name in NAMES}),
    )
    status, report = report_of(predictions, folder, tmp_path, "--text-value", 255)
    assert (status, report["as_published"], report["not_authors"]) == (1, False, [str(folder)])


@pytest.mark.parametrize("way", ["archive", "its folder", "the folder of the archive", "its folders"])
def test_the_authors_label_maps_from_elsewhere_are_named_and_published(way, folder, predictions, tmp_path, capsys):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    archive = (folder / "MLT_S_labels.zip").rename(elsewhere / "MLT_S_labels.zip")
    given = {"archive": archive, "the folder of the archive": elsewhere}.get(way)
    if given is None:
        unpacked(archive, elsewhere)
        given = elsewhere / "MLT_S_labels" if way == "its folder" else elsewhere
    status, report = report_of(predictions, folder, tmp_path, "--label-maps", given)
    assert (status, report["as_published"], report["figures"]) == (0, True, wanted())
    assert (report["label_maps"], report["not_authors"], report["weak"]) == ([str(given)], [], [])
    said = capsys.readouterr().out
    assert "\nAs published\n" in said and f"{given}; of the 3 label maps counted, mlt-s weak signed 0" in said


def test_predictions_compared_by_such_label_maps_are_not_published_either(folder, predictions, tmp_path, capsys):
    repaired = maps_of(folder / "MLT_S_labels.zip", weak=(1,))
    others = write(tmp_path / "others", {f"{name}.png": grey(label_of(name) == 1) for name in NAMES})
    status, report = report_of(predictions, folder, tmp_path, "--against", others, "--label-maps", repaired)
    assert (status, report["as_published"], report["against"]["as_published"]) == (1, False, False)
    assert report["weak"] == report["against"]["weak"] == ["img_1"]
    assert "As published" not in capsys.readouterr().out


# --- Which files are taken -----------------------------------------------------------------------------------------

ONE_BIT = [0, 0, 0, 255, 255, 255]
INVERTED = [255, 255, 255, 0, 0, 0]


def palette(indices, colors):
    return raw_png(np.uint8(indices), 8, kind=3, palette=colors)


KINDS = {
    "grey of 0 and 1": lambda text: grey(text, 1),
    "grey of 0 and 255": lambda text: grey(text, 255),
    "one bit": lambda text: encoded(PIL.Image.fromarray(text), "PNG"),
    "two bits": lambda text: raw_png(np.uint8(text), depth=2),
    "palette, black and white": lambda text: palette(text, ONE_BIT),
    "palette of VOC": lambda text: palette(text, [0, 0, 0, 128, 0, 0]),
    "palette of indices 0 and 255": lambda text: palette(np.uint8(text) * 255, [0, 0, 0] * 255 + [255, 0, 0]),
    "palette of other indices, black and white": lambda text: palette(np.uint8(text) + 3, [9] * 9 + ONE_BIT),
    "RGB of one grey level": lambda text: encoded(PIL.Image.fromarray(np.uint8(text) * 255).convert("RGB"), "PNG"),
    "opaque RGBA": lambda text: encoded(PIL.Image.fromarray(np.uint8(text) * 255).convert("RGBA"), "PNG"),
    "the published colours": lambda text: encoded(mlt_s.LABEL_MAP.colorize(np.uint8(text)), "PNG"),
    "16 bits": lambda text: raw_png(np.uint16(text), depth=16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_way_to_write_a_mask_is_taken(kind, folder, tmp_path):
    write(tmp_path / "masks", {f"{name}.png": KINDS[kind](prediction_of(name)) for name in NAMES})
    status, report = report_of(tmp_path / "masks", folder, tmp_path)
    assert (status, report["figures"]) == (0, wanted())


def test_names_match_in_any_case_depth_and_unicode_form(tmp_path, monkeypatch):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 1, "validation": 2})
    composed, apart = (unicodedata.normalize(form, "é_2") for form in ("NFC", "NFD"))
    images = {"Img_1.jpg": image_file(1), f"{composed}.jpg": image_file(2)}
    write_zip(tmp_path / "mlt/ch8_validation_images.zip", images)
    labels = {"Img_1": label_file(501), composed: label_file(502)}
    write_zip(tmp_path / "mlt/MLT_S_labels.zip", label_members({}, labels))
    masks = {"deep/er/IMG_1.PNG": grey(prediction_of("img_1")), f"{apart}.png": grey(prediction_of("img_2"))}
    status, report = report_of(write(tmp_path / "masks", masks), tmp_path / "mlt", tmp_path)
    assert (status, report["figures"]) == (0, wanted(NAMES[:2]))


def test_predictions_may_be_a_zip(folder, tmp_path):
    masks = {f"run 7/{name}.png": grey(prediction_of(name)) for name in NAMES}
    rubbish = {"__MACOSX/run 7/._img_1.png": b"x", "run 7/.img_9.png": b"x", "run 7/log.txt": b"x", "run 7/": b""}
    write_zip(tmp_path / "masks.zip", {**masks, **rubbish})
    status, report = report_of(tmp_path / "masks.zip", folder, tmp_path)
    assert (status, report["figures"], report["extra"]) == (0, wanted(), [])


def test_the_home_directory_may_be_a_tilde(folder, predictions, monkeypatch):
    monkeypatch.setenv("HOME", str(predictions.parent))
    assert evaluate("~/predictions", folder) == 0


# --- What is missing, too much, or does not fit --------------------------------------------------------------------


def test_images_without_prediction_are_named_and_nothing_is_made_up(folder, predictions, tmp_path, capsys):
    (predictions / "img_2.png").unlink()
    status, report = report_of(predictions, folder, tmp_path, "--per-image")
    assert (status, report["whole_split"], report["missing"]) == (1, False, ["img_2"])
    assert report["figures"] == wanted(["img_1", "img_3"])
    said = capsys.readouterr().out
    warning = ". NOT THE WHOLE SPLIT: do not compare these figures with published ones\n"
    assert f"validation: 2 of the 3 images of MLT_S{warning}" in said
    assert "No prediction for 1 image: img_2.\n" in said.split("fgIoU")[0]  # above the figures
    assert "img_2  missing\n" in said


def test_data_with_fewer_pairs_than_published_is_no_whole_split(folder, predictions, monkeypatch, capsys):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 2, "validation": 1356})
    assert evaluate(predictions, folder) == 1
    said = capsys.readouterr().out
    assert said.startswith("validation: 3 of the 1,356 images of MLT_S. NOT THE WHOLE SPLIT")
    (remark,) = (line for line in said.splitlines() if "1,353 fewer" in line)
    assert "3 label maps" in remark and "mlt-s check" in remark


def test_data_with_more_pairs_than_published_is_no_whole_split(folder, predictions, monkeypatch, capsys):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 2, "validation": 2})
    (predictions / "img_3.png").unlink()
    assert evaluate(predictions, folder) == 1
    (remark,) = (line for line in capsys.readouterr().out.splitlines() if "1 more" in line)
    assert "3 label maps" in remark


def test_predictions_for_no_label_map_are_left_out_and_said(folder, predictions, tmp_path, capsys):
    """As of MLT's 444 validation images that have no label map."""
    write(predictions, {f"img_{n}.png": grey(prediction_of("img_1")) for n in range(10, 17)})
    status, report = report_of(predictions, folder, tmp_path)
    assert (status, report["figures"], len(report["extra"])) == (0, wanted(), 7)
    names = "img_10.png, img_11.png, img_12.png, img_13.png, img_14.png and 2 more"
    above = capsys.readouterr().out.split("fgIoU")[0]
    assert f"Left out 7 predictions without a label map in this split: {names}.\n" in above


MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
GRADIENT = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
VALUES = "A prediction is a PNG file of 0 and 1, or of 0 and 255; probabilities need a threshold."
REFUSED = {
    "the padded size": (
        grey(np.zeros((32, 32))),
        "is 32 x 32, its label map 24 x 16 (width x height): the image seems to have been padded; predict(logits, ",
    ),
    "another size": (
        grey(np.zeros((8, 12))),
        "is 12 x 8, its label map 24 x 16 (width x height): resize the logits, not the mask, to the image's own size",
    ),
    "turned": (
        grey(MASK.T),
        "is 16 x 24, its label map 24 x 16 (width x height): resize the logits, not the mask, to the image's own size",
    ),
    "probabilities": (encoded(PIL.Image.fromarray(GRADIENT), "PNG"), f"holds the values 0, 1, 2, 3, 4, .... {VALUES}"),
    "a label map": (label_file(501), f"is not a prediction: it holds the values 0, 1, 255. {VALUES}"),
    "colours": (
        encoded(PIL.Image.new("RGB", (WIDTH, HEIGHT), (0, 128, 0)), "PNG"),
        f"cannot be read as a prediction: its colours are neither grey nor those published for MLT_S (black, red, "
        f"yellow). {VALUES}",
    ),
    "an inverted palette": (
        palette(MASK, INVERTED),
        "its palette draws 0 white and the other value black, so which one is text is not clear.",
    ),
    "transparent": (encoded(PIL.Image.new("LA", (WIDTH, HEIGHT)), "PNG"), "some of its pixels are transparent."),
    "a JPEG file": (
        encoded(PIL.Image.fromarray(MASK), "JPEG"),
        f"cannot be read as a prediction: it is not a PNG file, or is cut off. {VALUES}",
    ),
    "empty": (b"", "cannot be read as a prediction: it is not a PNG file, or is cut off."),
    "cut off": (grey(prediction_of("img_1"))[:-40], "cannot be read as a prediction: "),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_prediction_that_does_not_fit_is_refused_and_why(kind, folder, predictions, tmp_path, capsys):
    content, message = REFUSED[kind]
    write(predictions, {"img_2.png": content})
    status, report = report_of(predictions, folder, tmp_path)
    assert (status, report["whole_split"], list(report["refused"])) == (1, False, ["img_2"])
    assert report["refused"]["img_2"].startswith(str(predictions / "img_2.png"))
    assert message in report["refused"]["img_2"]
    assert report["figures"] == wanted(["img_1", "img_3"])
    said = capsys.readouterr().out
    assert "NOT THE WHOLE SPLIT" in said
    assert f"Refused 1 prediction:\n  {report['refused']['img_2']}\n" in said


@pytest.fixture
def of_two_sizes(tmp_path, monkeypatch):
    """Two pairs of training, 16 x 24, and two of validation, 24 x 16; the first validation image has orientation 6."""
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 2, "validation": 2})
    folder = mlt(tmp_path / "two", train=2, validation=2)
    upright = {f"img_{n}.jpg": image_file(n, width=HEIGHT, height=WIDTH) for n in (1, 2)}
    write_zip(folder / "ch8_training_images_1.zip", upright)
    for archive in folder.glob("ch8_training_images_*.zip"):
        if archive.name != "ch8_training_images_1.zip":
            archive.unlink()
    write_zip(
        folder / "ch8_validation_images.zip",
        {"img_1.jpg": image_file(1, orientation=6), "img_2.jpg": image_file(2)},
    )
    train = {f"img_{n}": label_file(n, width=HEIGHT, height=WIDTH) for n in (1, 2)}
    validation = {f"img_{n}": label_file(500 + n) for n in (1, 2)}
    write_zip(folder / "MLT_S_labels.zip", label_members(train, validation))
    return folder


def refusals(folder, tmp_path, predicted, *words):
    """The reasons why masks of these sizes are refused, by image; the mask of one more image fits."""
    masks = write(tmp_path / "of", {f"{name}.png": grey(np.zeros(shape)) for name, shape in predicted.items()})
    return report_of(masks, folder, tmp_path, *words)[1]["refused"]


def test_predictions_of_the_other_split_are_said_to_be(of_two_sizes, tmp_path):
    fits, swapped = (HEIGHT, WIDTH), (WIDTH, HEIGHT)
    refused = refusals(of_two_sizes, tmp_path, {"img_1": fits, "img_2": swapped})
    assert list(refused) == ["img_2"] and "--split train" in refused["img_2"] and "EXIF" not in refused["img_2"]
    refused = refusals(of_two_sizes, tmp_path, {"img_1": swapped, "img_2": fits}, "--split", "train")
    assert list(refused) == ["img_2"] and "--split validation" in refused["img_2"] and "EXIF" not in refused["img_2"]


def test_of_an_image_with_an_orientation_both_possibilities_are_said(of_two_sizes, tmp_path):
    refused = refusals(of_two_sizes, tmp_path, {"img_1": (WIDTH, HEIGHT), "img_2": (HEIGHT, WIDTH)})
    assert "EXIF" in refused["img_1"] and "--split train" in refused["img_1"]


def test_a_size_of_neither_split_is_not_of_the_other_split(of_two_sizes, tmp_path):
    refused = refusals(of_two_sizes, tmp_path, {"img_1": (HEIGHT, WIDTH), "img_2": (8, 12)})
    assert "--split" not in refused["img_2"] and "logits" in refused["img_2"]


@pytest.mark.parametrize("orientation, is_said", [(6, True), (3, False), (None, False)])
def test_an_orientation_is_said_only_where_it_swaps_the_sides(orientation, is_said, of_two_sizes, tmp_path):
    """Without the other split, it is only possible that the predictions belong to it."""
    (of_two_sizes / "ch8_training_images_1.zip").unlink()
    images = {"img_1.jpg": image_file(1, orientation=orientation), "img_2.jpg": image_file(2)}
    write_zip(of_two_sizes / "ch8_validation_images.zip", images)
    refused = refusals(of_two_sizes, tmp_path, {"img_1": (WIDTH, HEIGHT), "img_2": (HEIGHT, WIDTH)})
    assert ("EXIF" in refused["img_1"]) == is_said and "--split train" in refused["img_1"]


def test_many_refused_predictions_are_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(mlt_s, "PUBLISHED_COUNTS", {"train": 1, "validation": 9})
    data = mlt(tmp_path / "mlt", train=1, validation=9)
    masks = {f"img_{n}.png": b"" for n in range(2, 10)}
    assert evaluate(write(tmp_path / "masks", {**masks, "img_1.png": grey(MASK)}), data) == 1
    said = capsys.readouterr().out
    above, figures = said.split("\nAs published\n")
    assert "Refused 8 predictions:\n" in above and above.endswith("\n  and 3 more\n") and "fgIoU" in figures


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "There is nothing at {at}: give the folder, or the zip, of the predictions."),
        ({"notes.txt": b"x"}, "There are no predictions in {at}. Predictions are PNG files named like the images"),
        (
            {"a/img_1.png": grey(MASK), "b/IMG_1.png": grey(MASK)},
            "Two predictions for one image: {at}/a/img_1.png and {at}/b/IMG_1.png.",
        ),
        (
            {"res_img_1.png": grey(MASK)},
            "No prediction in {at} is named like an image of the validation split. It holds res_img_1.png; expected "
            "names such as img_1.png.",
        ),
        (
            {"img_2.png": grey(MASK.T), "img_3.png": b""},
            "No prediction in {at} fits its image. The first of 2: {at}/img_2.png is 16 x 24,",
        ),
    ],
)
def test_without_a_prediction_of_use_there_are_no_figures(files, message, folder, tmp_path, capsys):
    write(tmp_path / "masks", files)
    assert evaluate(tmp_path / "masks", folder) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.replace("\n", " ").find(message.format(at=tmp_path / "masks")) >= 0


def test_a_broken_zip_is_said(folder, tmp_path, capsys):
    (tmp_path / "masks.zip").write_bytes(b"no zip")
    assert evaluate(tmp_path / "masks.zip", folder) == 2
    assert "masks.zip (6 bytes) is not a zip archive" in capsys.readouterr().err


# All of a PNG file but most of its pixels.
HOLLOW = label_file(501)[:33] + png_chunk(b"IDAT", zlib.compress(b"\0")) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "label, message",
    [
        (
            encoded(PIL.Image.new("L", (WIDTH, HEIGHT), 7), "PNG"),
            "img_1.png: A label map must hold only 0, 1 and 255; this one holds 7",
        ),
        (label_file(501)[:-30], " is cut off or damaged"),
        (HOLLOW, " cannot be decoded: "),
    ],
)
def test_a_label_map_that_is_none_stops_it(label, message, folder, predictions, capsys):
    labels = {"img_1": label, "img_2": label_file(502), "img_3": label_file(503)}
    write_zip(folder / "MLT_S_labels.zip", label_members({"img_1": label_file(1), "img_2": label_file(2)}, labels))
    assert evaluate(predictions, folder) == 2
    said = capsys.readouterr().err
    assert "MLT_S_labels.zip, member MLT_S_labels/validation_labels/img_1.png" in said and message in said


# --- The sheet of the worst ----------------------------------------------------------------------------------------


def test_every_kind_of_pixel_has_its_colour():
    label = np.array([[1, 1, 0, 0, 255, 255]], np.uint8)
    prediction = np.array([[True, False, True, False, True, False]])
    found, missed, wrong, uncounted = ERROR_COLORS.values()
    nothing = (0, 0, 0)
    assert colored_errors(prediction, label).tolist() == [
        [list(color) for color in (found, missed, wrong, nothing, uncounted, nothing)]
    ]
    assert len({*ERROR_COLORS.values(), nothing, *mlt_s.LABEL_MAP.colors.values()}) == 7  # black is in both


def test_the_sheet_shows_image_label_map_and_errors():
    width, height = preview.PANEL_SIZE
    label = np.zeros((height, width), np.uint8)
    label[20:40, 20:60], label[60:80, 20:60] = 1, 255
    prediction = np.zeros((height, width), bool)
    prediction[20:40, 40:80] = prediction[60:80, 50:60] = True
    example = {"image": PIL.Image.new("RGB", (width, height), (9, 99, 199)), "label": PIL.Image.fromarray(label)}
    sheet = np.asarray(error_sheet([("img_1", example, prediction)]))

    def count_of(color):
        return int((sheet == color).all(axis=2).sum())

    swatch = (preview.SWATCH - 1) ** 2
    assert count_of((9, 99, 199)) == width * height
    assert count_of((255, 0, 0)) == 20 * 40 + swatch
    assert count_of((255, 222, 0)) == 20 * 40 + swatch
    pixels = {"found": 20 * 20, "missed": 20 * 20, "wrong": 20 * 20, "on uncertain ground, not counted": 20 * 10}
    assert {name: count_of(color) - swatch for name, color in ERROR_COLORS.items()} == pixels


def test_a_stroke_thinner_than_a_panels_pixel_is_seen():
    size = (4 * preview.PANEL_SIZE[0], 4 * preview.PANEL_SIZE[1])
    label = np.zeros(size[::-1], np.uint8)
    label[400, 100:900] = 1
    example = {"image": PIL.Image.new("RGB", size), "label": PIL.Image.fromarray(label)}
    sheet = np.asarray(error_sheet([("img_1", example, np.zeros(size[::-1], bool))]))
    half = np.array(ERROR_COLORS["missed"]) / 2
    assert (np.abs(sheet - half) <= 2).all(axis=2).sum() == 200


def test_the_worst_are_those_of_the_lowest_iou_then_of_the_most_wrong_pixels():
    right, empty = Counts(9, 0, 0, 9), Counts(0, 0, 0, 9)
    lowest_first = [Counts(0, 0, 8, 9), Counts(0, 3, 0, 9), Counts(1, 1, 1, 9), Counts(99, 9, 9, 9), right]
    results = [Result(None, counts) for counts in (*lowest_first[::-1], empty)]
    ordered = [result.counts for result in Evaluation("validation", results, []).worst_first]
    assert ordered[:4] == lowest_first[:4] and set(ordered[4:]) == {right, empty}


def test_the_worst_come_first_with_their_numbers(folder, tmp_path, monkeypatch, capsys):
    titles = []
    sheet = PIL.Image.new("L", (1, 1))
    monkeypatch.setattr("mlt_s_tools.evaluation.evaluate.error_sheet", lambda rows: titles.extend(rows) or sheet)
    masks = {"img_1.png": grey(label_of("img_1") == 1), "img_2.png": grey(label_of("img_2") != 1)}
    masks["img_3.png"] = grey(prediction_of("img_3"))
    out = tmp_path / "sheet.png"
    assert evaluate(write(tmp_path / "masks", masks), folder, "--worst", 9, "--out", out) == 0
    assert [title.split()[0] for title, _, _ in titles] == ["img_2", "img_3", "img_1"]
    text, ground = (int(np.sum(label_of("img_2") == value)) for value in (1, 0))
    assert titles[0][0] == f"img_2   IoU 0.0 %, pixels: {text} missed, {ground} wrong"
    assert capsys.readouterr().out.endswith(f"\n\nThe worst 3 of 3 images: {out}\n")


def test_the_sheet_is_written(folder, predictions, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evaluate(predictions, folder, "--worst", 2) == 0
    with PIL.Image.open("worst.png") as sheet:
        assert sheet.width == 2 * preview.MARGIN + 2 * preview.group_width(3) + preview.COLUMN_GAP


# --- The command ---------------------------------------------------------------------------------------------------


def test_what_does_not_go_together_is_refused(folder, predictions, capsys):
    for words, message in (
        (("--out", "sheet.png"), "--out needs --worst"),
        (("--worst", "0"), "'0' is not a positive integer"),
        (("--split", "test"), "invalid choice: 'test'"),
    ):
        with pytest.raises(SystemExit, match="2"):
            evaluate(predictions, folder, *words)
        assert message in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_said(folder, predictions, tmp_path, capsys):
    assert evaluate(predictions, folder, "--csv", tmp_path / "nowhere" / "all.csv") == 2
    assert "nowhere/all.csv" in capsys.readouterr().err
