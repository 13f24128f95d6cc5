"""`mlt-s weak evaluate`: how good label maps of a model are, by those that the authors made of the same words.

Thresholds are chosen on every second image, and the figures are those of the others. All thresholds are looked at in
one pass, by counts of pixels (`tally`), and no label map is kept.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import output
from mlt_s_tools.choose import Source
from mlt_s_tools.origin import KEYWORD, MAKER
from mlt_s_tools.weak import open_model, plot
from mlt_s_tools.weak.baseline import Baseline, FilledBox
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.rule import Thresholds
from mlt_s_tools.weak.tally import STEPS, Tally
from mlt_s_tools.writing import write_json

_BATCH = 8  # images in memory at a time


class Compared(NamedTuple):
    """A model, and what was counted of it: on the images for the choice, and on those for the figures."""

    model: object
    choice: Tally
    report: Tally


class Left(NamedTuple):
    """Ids of the images that are left out, and why: a list each."""

    trained_on: list
    without_words: list
    not_authors: list


def run(data_dir, model, split="validation", label_maps=None, out="weak.png", json=None, text_value=1):
    """Evaluates a model beside the baseline and filled boxes, prints the figures, and draws them over the thresholds.

    Args:
        data_dir: the folder of the archives, ground truth among them, as for `load_dataset`.
        model: "baseline", or the folder of a trained one.
        split: "train" or "validation". Images that the model was trained on are left out.
        label_maps: the label archive, or a list of several, where it is not in `data_dir`.
        out: path of the PNG file to draw.
        json: path of the report to write for a program.
        text_value: what text is in the label maps, as for the loader: 1, or 255.

    Raises:
        mlt_s.MltSError: there are fewer than two images to evaluate, something cannot be read, or matplotlib is not
            installed.
        OSError: a file cannot be written, or one is there that is not known to be from mlt-s.
    """
    plot.check()
    output.check_free(out, json)
    replaces = Path(out).exists()
    opened = open_model(model)
    source = Source(data_dir, label_maps, split, text_value)
    models = [opened, *([] if isinstance(opened, Baseline) else [Baseline()]), FilledBox()]
    compared, left = compare(source, split, models)
    if not compared[0].report.images:
        raise mlt_s.MltSError(_too_few(compared, left, split, data_dir))
    report = as_json(split, compared, left)
    print("\n".join(_report(report, left)))
    if json:
        write_json(json, report)
    plot.draw(report, out)
    print(f"\nThe thresholds in a picture: {output.written(out, replaces)}")
    print(f"To label with those chosen: mlt-s weak label DATA_DIR {model} OUT.zip {_words(report['models'][0])}")


def compare(source, split, models):
    """Counts the pixels of every labelled image that has words and that the first model was not trained on.

    Args:
        source: a `choose.Source` of that split alone.
        split: its name.
        models: a list; see `mlt_s_tools.weak`.

    Returns:
        A list of `Compared`, and `Left`.

    Raises:
        mlt_s.MltSError: something cannot be read.
    """
    trained = {mlt_s.name_key(image_id) for image_id in models[0].record.get("trained_on", {}).get(split, ())}
    compared, left = [Compared(model, Tally(), Tally()) for model in models], Left([], [], [])
    images = 0
    with tqdm(desc="evaluating", total=source.count, unit=" images", disable=None, leave=False) as bar:
        for start in range(0, source.count, _BATCH):
            choices = source.choices[start : start + _BATCH]
            examples = [example for choice in choices if (example := _example(source, choice, trained, left))]
            for of in compared:
                answers = of_readable(of.model, [(image, words) for image, words, _ in examples])
                for at, ((_, words, label), patches) in enumerate(zip(examples, answers), images):
                    (of.report if at % 2 else of.choice).add(words, patches, label)
            images += len(examples)
            bar.update(len(choices))
    return compared, left


def _example(source, choice, trained, left):
    """Image, words and label map (height, width) of a choice; or None, and why it is left out in `left`."""
    image_id = choice.pair.image_id
    if mlt_s.name_key(image_id) in trained:
        return left.trained_on.append(image_id)
    words = source.read_words(choice)
    if words is None:
        return left.without_words.append(image_id)
    example = source.read(choice)
    if str(example["label"].info.get(KEYWORD, "")).startswith(MAKER):
        return left.not_authors.append(image_id)
    return example["image"], words, np.asarray(example["label"])


def _too_few(compared, left, split, data_dir):
    reasons = " and ".join(_left_lines(left)) or "none"
    return (
        f"There are too few images to evaluate, {compared[0].choice.images} of the {split} split in {data_dir}; two "
        f"are needed, one to choose thresholds and one to report. Left out: {reasons}. Ground truth is in "
        f"{' and '.join(mlt_s.WORDS_ARCHIVES)}, from {mlt_s.IMAGES_URL}."
    )


def _left_lines(left):
    for ids, why in (
        (left.trained_on, "on which the model was trained"),
        (left.without_words, "without ground truth"),
        (left.not_authors, "with a label map by mlt-s weak and not by the authors"),
    ):
        if ids:
            yield f"{mlt_s.counted(ids, 'image')} {why}: {mlt_s.first_few(ids)}"


# --- For a program -------------------------------------------------------------------------------------------------


def as_json(split, compared, left):
    """The figures of all models: a dict as JSON has it."""
    choice, report = compared[0].choice, compared[0].report
    return {
        "split": split,
        "images": {"choice": choice.images, "report": report.images},
        "left_out": left._asdict(),
        "uncertain_share_of_authors": report.uncertain_share,
        "models": [_of_model(of) for of in compared],
    }


def _of_model(of):
    upper, lower = of.choice.choose()
    found = of.report.found(upper)[lower]
    return {
        "name": of.model.name,
        "thresholds": {"upper": STEPS[upper], "lower": STEPS[lower], "least_share": Thresholds.least_share},
        "figures": of.report.figures(upper),
        "uncertain_share": found.uncertain_share,
        "iou_where_sure": found.iou_where_sure,
        "text_lost": found.text_lost,
        "by_upper": [_of_upper(of.report, at) for at in range(len(STEPS))],
        "by_lower": [
            {"lower": STEPS[at], "text_lost": one.text_lost, "uncertain_share": one.uncertain_share}
            for at, one in enumerate(of.report.found(upper))
        ],
    }


def _of_upper(tally, at):
    figures = tally.figures(at)
    return {"upper": STEPS[at], "precision": figures["pooled_precision"], "recall": figures["pooled_recall"]}


# --- For the eye ---------------------------------------------------------------------------------------------------


def _report(report, left):
    images = report["images"]
    yield (
        f"{report['split']}: figures of {mlt_s.counted(images['report'], 'image')}, by thresholds that were chosen on "
        f"{mlt_s.counted(images['choice'], 'other')}"
    )
    for line in _left_lines(left):
        yield f"Left out {line}."
    yield ""
    width = max(len("the authors"), *(len(of["name"]) for of in report["models"]))
    yield f"{'':<{width}}  upper  lower  fgIoU %  F-score  precision  recall  uncertain %  IoU % where sure"
    for of in report["models"]:
        yield f"{of['name']:<{width}}  {_row(of)}"
    yield f"{'the authors':<{width}}  {100 * report['uncertain_share_of_authors']:>56.2f}"
    yield ""
    yield "Uncertain counts as not text, but in the last column. What is uncertain of the authors counts nowhere."
    yield "Figures of a part of a split are not to be compared with published ones."


def _words(of):
    return " ".join(f"--{name} {of['thresholds'][name]:.2f}" for name in ("upper", "lower"))


def _row(of):
    thresholds, figures = of["thresholds"], of["figures"]
    is_fixed = of["name"] == FilledBox.name  # its probability is 1 whatever the threshold
    shown = ["-", "-"] if is_fixed else [f"{thresholds[name]:.2f}" for name in ("upper", "lower")]
    return (
        f"{shown[0]:>5}  {shown[1]:>5}  {100 * figures['fgiou']:7.2f}  {figures['f_score']:7.4f}  "
        f"{figures['pooled_precision']:9.4f}  {figures['pooled_recall']:6.4f}  {100 * of['uncertain_share']:11.2f}  "
        f"{100 * of['iou_where_sure']:16.2f}"
    )
