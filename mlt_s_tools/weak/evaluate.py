"""`mlt-s weak evaluate`: measures how well a model agrees with label maps of the same words, with intervals.

With enough images, thresholds are chosen on every second image, and the figures are over the others. Otherwise the
threshold is 0.5, and the figures are over all images. Intervals come from bootstrap resamples of the images. One model
is called better than another only if the interval of their difference excludes 0.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm  # comes with datasets

import mlt_s
from mlt_s_tools import output, writing
from mlt_s_tools.bootstrap import counting, iou_difference, iou_interval, too_few
from mlt_s_tools.evaluation.report import BRACKETS
from mlt_s_tools.groups import HEIGHTS, script_of, with_limits
from mlt_s_tools.looking.choose import Choice, Source
from mlt_s_tools.metrics import Counts, TextMetrics
from mlt_s_tools.origin import made_by
from mlt_s_tools.weak import open_model, plot
from mlt_s_tools.weak.baseline import Baseline, FilledBox, Sauvola
from mlt_s_tools.weak.patches import of_readable
from mlt_s_tools.weak.rule import UNCERTAIN
from mlt_s_tools.weak.tally import ALL, INNER, STEPS, WORDS, Tally, iou

if TYPE_CHECKING:
    from PIL import Image

    from mlt_s_tools.weak.patches import Model, Words
    from mlt_s_tools.weak.tally import Group

    # The image, RGB; its words, with names of scripts; and its label map, uint8 (height, width).
    Example = tuple[Image.Image, Words, np.ndarray]

FIXED = STEPS.index(0.5)  # the threshold if there are too few images to choose one
LEAST_TO_CHOOSE = 20  # images needed to choose a threshold
BATCH = 8  # images in memory at a time


class Compared(NamedTuple):
    """A model and its counts."""

    model: Model
    tally: Tally


class LeftOut(NamedTuple):
    """The ids of the images left out, by reason."""

    trained_on: list[str]
    without_words: list[str]
    not_authors: list[str]


def run(
    data_dir: str | os.PathLike[str],
    model: str | os.PathLike[str] | None = None,
    split: str = "validation",
    label_maps: str | list[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    json: str | os.PathLike[str] | None = None,
    text_value: int = 1,
) -> None:
    """Compares a model with the baseline, filled boxes and, if scikit-image is installed, Sauvola's threshold.

    Args:
        data_dir: folder of the archives, with ground truth, as for `load_dataset`.
        model: None for the network that ships, "baseline", or the folder of a trained one.
        split: "train" or "validation". Images that the model was trained on are left out.
        label_maps: the label archive, or a list of several, if it is not in `data_dir`.
        out: path of a PNG file to draw.
        json: path of a JSON report to write.
        text_value: the value of text in the label maps, as for the loader: 1 or 255.

    Raises:
        mlt_s.MltSError: there is no image to evaluate, a file cannot be read, or a picture is asked for and matplotlib
            is not installed.
        OSError: a file cannot be written, or would replace one that is not known to be from mlt-s.
    """
    if out:
        plot.check()
    writing.check(out, json)
    replaces = bool(out and Path(out).exists())
    models = models_beside(open_model(model))
    compared, left, uncertain = compare(Source(data_dir, label_maps, split, text_value), split, models)
    if not compared[0].tally.images:
        raise mlt_s.MltSError(_nothing_left(left, split, data_dir))
    report = as_json(split, compared, left, uncertain)
    print("\n".join(_report(report, left)))
    if json:
        writing.write_json(json, report)
    if out:
        plot.draw(report, out)
        print(f"\nPrecision, recall and calibration in a picture: {output.written(out, replaces)}")


def models_beside(model: Model) -> list[Model]:
    """A model and the models to compare it with."""
    models: list[Model] = [model, *([] if isinstance(model, Baseline) else [Baseline()]), FilledBox()]
    try:
        return [*models, Sauvola()]
    except ImportError:
        return models


def compare(source: Source, split: str, models: Sequence[Model]) -> tuple[list[Compared], LeftOut, float]:
    """Counts the pixels of every labelled image that has words and that the first model was not trained on.

    Args:
        source: the pairs of one split.
        split: its name.
        models: the models to evaluate.

    Returns:
        The counts of each model, the images left out, and the share of uncertain pixels in the label maps.

    Raises:
        mlt_s.MltSError: a file cannot be read.
    """
    trained = {mlt_s.name_key(image_id) for image_id in models[0].trained_on.get(split, ())}
    left, shares = LeftOut([], [], []), []

    def examples() -> Iterator[Example]:
        for choice in tqdm(source.choices, desc="evaluating", unit=" images", disable=None, leave=False):
            if example := _example(source, choice, trained, left):
                shares.append((np.count_nonzero(example[2] == UNCERTAIN), example[2].size))
                yield example

    compared = count(models, examples())
    uncertain, pixels = map(sum, zip((0, 0), *shares))
    return compared, left, uncertain / max(1, pixels)


def count(models: Sequence[Model], examples: Iterable[Example]) -> list[Compared]:
    """Counts the pixels of examples for each model, with a few images in memory at a time.

    Args:
        models: the models to evaluate.
        examples: images (`PIL.Image` of mode "RGB"), each with its words, as for `Tally.add`, and its label map, uint8
            (height, width).
    """
    compared, examples = [Compared(model, Tally()) for model in models], iter(examples)
    while batch := list(itertools.islice(examples, BATCH)):
        for model, tally in compared:
            patches_of_images = of_readable(model, [(image, words) for image, words, _ in batch])
            for (_, words, label), patches in zip(batch, patches_of_images):
                tally.add(words, patches, label)
    return compared


def _example(source: Source, choice: Choice, trained: set[str], left: LeftOut) -> Example | None:
    """The example of a choice. If it is left out, None, and its id is added to `left`."""
    image_id = choice.pair.image_id
    if mlt_s.name_key(image_id) in trained:
        left.trained_on.append(image_id)
        return None
    words = source.read_words(choice)
    if words is None:
        left.without_words.append(image_id)
        return None
    example = source.read(choice)
    if made_by(example["label"]):
        left.not_authors.append(image_id)
        return None
    named = [{**word, "script": script_of(word["script"])} for word in words]
    return example["image"], named, np.asarray(example["label"])


def _nothing_left(left: LeftOut, split: str, data_dir: str | os.PathLike[str]) -> str:
    reasons, advice = " and ".join(_left_lines(left)), []
    if left.trained_on:
        other = "give --split validation, or " if split == "train" else ""
        advice.append(f"To evaluate images that the model was not trained on, {other}give another DATA_DIR or --model.")
    if left.without_words:
        advice.append(f"Ground truth is in {' and '.join(mlt_s.WORDS_ARCHIVES)}, from {mlt_s.IMAGES_URL}.")
    if left.not_authors:
        advice.append(f"Give the authors' label maps, {mlt_s.LABEL_ARCHIVE}, or corrected ones by --label-maps.")
    return f"There is no image to evaluate in the {split} split of {data_dir}. Left out: {reasons}. {' '.join(advice)}"


def _left_lines(left: LeftOut) -> Iterator[str]:
    for ids, why in (
        (left.trained_on, "that the model was trained on"),
        (left.without_words, "without ground truth"),
        (left.not_authors, "with a label map by mlt-s weak, not by the authors"),
    ):
        if ids:
            yield f"{mlt_s.counted(ids, 'image')} {why}: {mlt_s.first_few(ids)}"


# --- For a program -------------------------------------------------------------------------------------------------


def as_json(split: str, compared: Sequence[Compared], left: LeftOut, uncertain: float) -> dict[str, Any]:
    """The figures of all models, as JSON values."""
    images = compared[0].tally.images
    chosen = (images + 1) // 2 >= LEAST_TO_CHOOSE
    reported = slice(1, None, 2) if chosen else slice(None)
    thresholds = [
        of.tally.best_threshold(slice(0, None, 2)) if chosen and _is_graded(of.model) else FIXED for of in compared
    ]
    return {
        "split": split,
        "images": {"choice": (images + 1) // 2 if chosen else 0, "report": images // 2 if chosen else images},
        "left_out": left._asdict(),
        "uncertain_share_of_authors": uncertain,
        "models": [_of_model(of, at, reported) for of, at in zip(compared, thresholds)],
        "differences": [
            difference(compared[0], one, (thresholds[0], at), reported) for one, at in zip(compared[1:], thresholds[1:])
        ],
    }


def _of_model(of: Compared, threshold: int, reported: slice) -> dict[str, Any]:
    tally, metrics = of.tally, TextMetrics()
    metrics.add_counts(tally.pixels(ALL, threshold, reported))
    is_graded = _is_graded(of.model)
    kinds = {kind: [group for group in tally.groups if group[0] == kind] for kind in ("script", "height")}
    return {
        "name": of.model.name,
        "threshold": STEPS[threshold] if is_graded else None,
        "figures": metrics.compute(),
        **_group(tally, ALL, threshold, reported),
        "without_outlines": _group(tally, INNER, threshold, reported),
        "within_words": _group(tally, WORDS, threshold, reported),
        **{
            f"by_{kind}": {group[1]: _group(tally, group, threshold, reported) for group in sorted(groups)}
            for kind, groups in kinds.items()
        },
        "text_unsure": _or_none(tally.unsure_share(reported)) if is_graded else None,
        "calibration_error": _or_none(tally.calibration_error(reported)) if is_graded else None,
        "calibration": [list(map(float, row)) for row in zip(*tally.calibration(reported))] if is_graded else [],
        "by_threshold": [_of_threshold(tally, at, reported) for at in range(len(STEPS))],
    }


def _is_graded(model: Model) -> bool:
    """Whether probabilities between 0 and 1 occur. If not, a threshold changes nothing."""
    return not isinstance(model, (FilledBox, Sauvola))


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def _group(tally: Tally, group: Group, threshold: int, reported: slice) -> dict[str, Any]:
    """The figures of a group; `fgiou` is None if no pixel that counts is text, labelled or found."""
    pixels = tally.pixels(group, threshold, reported)
    images = counting(pixels)
    figures = {"fgiou": iou(pixels.sum(0)) if images else None, "interval": iou_interval(pixels), "counting": images}
    return {**figures, "words": tally.words(group, reported)} if isinstance(group, tuple) else figures


def _of_threshold(tally: Tally, at: int, reported: slice) -> dict[str, Any]:
    counts = Counts(*map(int, tally.pixels(ALL, at, reported).sum(0)))
    precision = counts.precision if counts.tp + counts.fp else None
    recall = counts.recall if counts.tp + counts.fn else None
    return {"threshold": STEPS[at], "precision": precision, "recall": recall}


def difference(
    one: Compared, other: Compared, thresholds: tuple[int, int] = (FIXED, FIXED), reported: slice = slice(None)
) -> dict[str, Any]:
    """The difference between two models, on the same resamples of the images.

    Returns:
        `of` and `from` (their names), `value` (in fgIoU), `interval` and `verdict`. If nothing was measured of one of
        the models, value and interval are None.
    """
    names = {"of": one.model.name, "from": other.model.name}
    pixels = [of.tally.pixels(ALL, at, reported) for of, at in zip((one, other), thresholds)]
    if not all(map(counting, pixels)):
        return {**names, "value": None, "interval": None, "verdict": "nothing to compare"}
    measured = iou_difference(*pixels)
    return {**names, **measured._asdict(), "verdict": measured.verdict}


# --- For the eye ---------------------------------------------------------------------------------------------------


def _report(report: dict[str, Any], left: LeftOut) -> Iterator[str]:
    images = report["images"]
    reported = mlt_s.counted(images["report"], "image")
    if images["choice"]:
        chosen = f"thresholds chosen on {mlt_s.counted(images['choice'], 'other')}"
    else:
        chosen = f"the threshold {STEPS[FIXED]} (choosing one needs at least {2 * LEAST_TO_CHOOSE - 1} images)"
    yield f"{report['split']}: figures of {reported}, with {chosen}"
    for line in _left_lines(left):
        yield f"Left out {line}."
    yield ""
    yield from _table(report["models"])
    yield ""
    for pair in report["differences"]:
        value = "" if pair["value"] is None else f"{100 * pair['value']:+.1f}{_in_brackets(pair['interval'], '+')}, "
        yield f"{pair['of']} less {pair['from']}: {value}{pair['verdict']}"
    yield ""
    yield from _groups(report["models"][0])
    yield ""
    if any(of["interval"] for of in report["models"]):
        yield BRACKETS
    for of in report["models"]:
        if of["fgiou"] is None:
            yield f"{of['name']} has no fgIoU: no pixel that counts is text in the label maps or in its output."
        elif not of["interval"]:
            yield f"{of['name']} has {too_few(of['counting'])}."
    yield (
        "Pixels that are uncertain in the label maps, or lie in unreadable words, are not counted. Figures over part "
        "of a split cannot be compared with published ones."
    )


def _groups(of: dict[str, Any]) -> Iterator[str]:
    """The figures of a model by script and height."""
    by_height = {with_limits("height", name): of["by_height"].get(name) for name in HEIGHTS}
    yield f"{of['name']}, fgIoU % within words"
    for name, group in {**of["by_script"], **by_height}.items():
        if group:
            fgiou = f"{_percent(group['fgiou'])}{_in_brackets(group['interval'])}"
            yield f"{name:<24}  {fgiou}  {_basis(group)}"


def _basis(group: dict[str, Any]) -> str:
    """What the figures of a script or a height are based on."""
    words = mlt_s.counted(group["words"], "word")
    if group["interval"]:
        return words
    if not group["words"]:
        return "nothing measured: none of its pixels in these images counts"
    if not group["counting"]:
        return f"{words}; nothing measured: no pixel that counts is text, labelled or found"
    return f"{words}; {too_few(group['counting'])}"


def _table(models: list[dict[str, Any]]) -> Iterator[str]:
    width = max(len(model["name"]) for model in models)
    yield f"{'':<{width}}  threshold  fgIoU %{'':15}no outlines %  precision  recall  unsure text %  calibration"
    for model in models:
        figures = model["figures"]
        fgiou = f"{_percent(model['fgiou'])}{_in_brackets(model['interval'])}"
        pooled = (figures[f"pooled_{name}"] if model["counting"] else None for name in ("precision", "recall"))
        precision, recall = (_number(value, 4) for value in pooled)
        yield (
            f"{model['name']:<{width}}  {_number(model['threshold'], 2):>9}  {fgiou:<20}"
            f"  {_percent(model['without_outlines']['fgiou']):>13}  {precision:>9}  {recall:>6}"
            f"  {_percent(model['text_unsure']):>13}  {_number(model['calibration_error'], 3):>11}"
        )


def _percent(value: float | None) -> str:
    return f"{_number(None if value is None else 100 * value, 1):>5}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _in_brackets(found: list[float] | None, sign: str = "") -> str:
    return f" [{100 * found[0]:{sign}.1f}, {100 * found[1]:{sign}.1f}]" if found else ""
