"""`mlt-s evaluate`: the published figures for a folder of predicted masks.

Only figures over the whole split can stand beside published ones. So nothing is made up for an image without a
prediction, or with one that does not fit: it is named, the figures are those of the others and say so, and the exit
status is 1.
"""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import mlt_s
from mlt_s_tools import output, workers
from mlt_s_tools.choose import Choice, Source
from mlt_s_tools.evaluation.predictions import Predictions, read_prediction
from mlt_s_tools.evaluation.worst import error_sheet
from mlt_s_tools.metrics import Counts, TextMetrics, count
from mlt_s_tools.training.transforms import MULTIPLE
from mlt_s_tools.writing import whole, write_json, write_picture

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that spreadsheets compute
_SHOWN = 5  # names of a kind; JSON has all of them


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of an image: its counts, or why its prediction was refused, or neither where there is none."""

    choice: Choice
    counts: Optional[Counts] = None
    refused: Optional[str] = None

    @property
    def image_id(self) -> str:
        return self.choice.pair.image_id

    @property
    def state(self) -> str:
        return "missing" if self.counts is None and self.refused is None else "refused" if self.refused else "counted"


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What came of a split.

    Attributes:
        split: its name.
        results: of each of its images that is in the folder, in the order of their numbers.
        extra: predictions for none of them, a list of `mlt_s.Member`.
    """

    split: str
    results: list[Result]
    extra: list[mlt_s.Member]

    @property
    def counted(self) -> list[Result]:
        return [result for result in self.results if result.state == "counted"]

    @property
    def missing(self) -> list[str]:
        return [result.image_id for result in self.results if result.state == "missing"]

    @property
    def refused(self) -> list[Result]:
        return [result for result in self.results if result.state == "refused"]

    @property
    def is_whole(self) -> bool:
        """Whether the figures are over all images that MLT_S has in the split."""
        return len(self.counted) == len(self.results) == mlt_s.PUBLISHED_COUNTS[self.split]

    @property
    def worst_first(self) -> list[Result]:
        """The counted results, by IoU of text, and by wrong pixels among equals; those without a wrong pixel last."""
        return sorted(self.counted, key=_badness, reverse=True)

    def figures(self) -> dict[str, float]:
        """What `TextMetrics.compute` returns."""
        metrics = TextMetrics()
        metrics.add_counts([result.counts for result in self.results if result.counts])
        return metrics.compute()


def run(
    predictions: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    split: str = "validation",
    label_maps: str | list[str] | None = None,
    per_image: bool = False,
    csv: str | os.PathLike[str] | None = None,
    worst: int | None = None,
    out: str | os.PathLike[str] = "worst.png",
    json: str | os.PathLike[str] | None = None,
    text_value: int = 1,
) -> int:
    """Evaluates the predictions of a split and prints the figures and what is wrong with the predictions.

    Args:
        predictions: folder or zip of PNG files named like the images; see `predictions.read_prediction`.
        data_dir: the folder of the archives, as for `load_dataset`.
        split: "train" or "validation".
        label_maps: the label archive, where it is not in `data_dir`.
        per_image: whether to print a line an image, too.
        csv: path of a table to write, a line an image.
        worst: how many of the worst images to draw; by default none.
        out: path of the PNG file to draw them on.
        json: path of the report to write for a program.
        text_value: what text is in the label maps, as for the loader: 1, or 255.

    Returns:
        The exit status: 0 where the figures are over the whole split, else 1.

    Raises:
        mlt_s.MltSError: no prediction is of any use, or the data cannot be read.
        OSError: a file cannot be written, or one is there that is not known to be from mlt-s.
    """
    output.check_free(csv, json, out if worst else None)
    replaces = Path(out).exists()
    source = Source(data_dir, label_maps, split, text_value)
    predicted = Predictions(predictions)
    evaluation = evaluate(source, predicted, split)
    if not evaluation.counted:
        raise mlt_s.MltSError(_nothing_counted(evaluation, predictions))
    if per_image:
        print("\n".join(_image_lines(evaluation)), end="\n\n")
    print("\n".join(_report(evaluation)))
    if csv:
        _write_csv(evaluation, csv)
    if json:
        _write_json(evaluation, json)
    if worst:
        shown = evaluation.worst_first[:worst]
        write_picture(out, error_sheet(_sheet_rows(source, predicted, shown)))
        place = output.written(out, replaces)
        print(f"\nThe worst {len(shown):,} of {len(evaluation.counted):,} images: {place}")
    return 0 if evaluation.is_whole else 1


def evaluate(source: Source, predictions: Predictions, split: str) -> Evaluation:
    """Counts the pixels of every image of a split that has a prediction.

    Args:
        source: a `choose.Source` of that split alone.
        predictions: `Predictions`.
        split: its name.

    Returns:
        An `Evaluation`.

    Raises:
        mlt_s.MltSError: a label map, or the image that it belongs to, cannot be read.
    """
    # Threads, as most of the time goes into unpacking PNG files, during which Python lets others run.
    with ThreadPoolExecutor(workers.cores()) as pool:
        results = list(pool.map(lambda choice: _result(source, predictions, choice), source.choices))
    return Evaluation(split, results, predictions.extra(result.image_id for result in results))


def _result(source: Source, predictions: Predictions, choice: Choice) -> Result:
    member = predictions.find(choice.pair.image_id)
    if member is None:
        return Result(choice)
    label = source.read_label(choice)
    try:
        prediction = read_prediction(member)
    except mlt_s.MltSError as error:
        return Result(choice, refused=str(error))
    if prediction.shape != label.shape:
        return Result(choice, refused=_misfit(member, prediction.shape, label.shape))
    try:
        return Result(choice, count(prediction, label))
    except ValueError as error:
        raise mlt_s.MltSError(f"{choice.pair.label[0]}: {error} Fetch its archive again.") from None


def _misfit(member: mlt_s.Member, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    advice = "bring the logits, not the mask, to the image's own size, and decide then"
    if shape == wanted[::-1]:
        advice = "the image has an EXIF orientation, by which your reader turned it; load images with mlt_s"
    elif all(side % MULTIPLE == 0 and side >= of for side, of in zip(shape, wanted)):
        advice = "the image seems to have been padded; predict(logits, given) cuts it, given what EvalTransform gave"
    return f"{member} is {_size(shape)}, its label map {_size(wanted)} (width x height): {advice}."


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _badness(result: Result) -> tuple[bool, float, int]:
    counts = result.counts
    assert counts, "only counted results are sorted"
    wrong = counts.fp + counts.fn
    return (wrong > 0, 1 - counts.iou, wrong)


def _nothing_counted(evaluation: Evaluation, predictions: str | os.PathLike[str]) -> str:
    if evaluation.refused:
        first = evaluation.refused[0].refused
        return f"No prediction in {predictions} fits its image; the first of {len(evaluation.refused):,}: {first}"
    return (
        f"No prediction in {predictions} is named like an image of the {evaluation.split} split. It holds "
        f"{_name(evaluation.extra[0])}; wanted are names such as {evaluation.missing[0]}.png."
    )


def _name(member: mlt_s.Member) -> str:
    return Path(member.name or member.address).name


# --- For the eye ---------------------------------------------------------------------------------------------------


def _report(evaluation: Evaluation) -> Iterator[str]:
    figures, published = evaluation.figures(), mlt_s.PUBLISHED_COUNTS[evaluation.split]
    counted = figures["images"]
    yield f"{evaluation.split}: {counted:,} of the {published:,} images of MLT_S" + (
        "" if evaluation.is_whole else ". NOT THE WHOLE SPLIT: do not compare these figures with published ones"
    )
    yield ""
    yield from _figure_lines(figures)
    for line in _remarks(evaluation, figures):
        yield ""
        yield line


def _figure_lines(figures: dict[str, float]) -> Iterator[str]:
    yield "As published"
    yield f"  fgIoU      {100 * figures['fgiou']:6.2f} %  of text, pixels of all images pooled"
    yield (
        f"  F-score    {figures['f_score']:6.4f}    of mean precision {figures['mean_precision']:.4f} and mean recall "
        f"{figures['mean_recall']:.4f}, averaged over images"
    )
    yield "Beside it, pixels of all images pooled"
    for name, key in (("precision", "pooled_precision"), ("recall", "pooled_recall"), ("F-score", "pooled_f_score")):
        yield f"  {name:<11}{figures[key]:6.4f}"
    background = 100 * figures["background_iou"]
    yield f"  mean IoU   {100 * figures['mean_iou']:6.2f} %  of text and background ({background:.2f} %)"
    yield f"  accuracy   {100 * figures['pixel_accuracy']:6.2f} %  of pixels"


def _remarks(evaluation: Evaluation, figures: dict[str, float]) -> Iterator[str]:
    if without := figures["images_without_text"]:
        yield (
            f"No labelled text in {mlt_s.counted(without, 'image')}: 0 in precision and recall whatever is predicted, "
            "as the published protocol has it."
        )
    if lacking := mlt_s.PUBLISHED_COUNTS[evaluation.split] - len(evaluation.results):
        yield (
            f"The data has {mlt_s.counted(len(evaluation.results), 'label map')} with image in this split, "
            f"{abs(lacking):,} {'fewer' if lacking > 0 else 'more'} than MLT_S: mlt-s check says what to do."
        )
    if missing := evaluation.missing:
        yield f"No prediction for {mlt_s.counted(missing, 'image')}: {mlt_s.first_few(missing, _SHOWN)}."
    if refused := [result.refused for result in evaluation.results if result.refused]:
        more = [f"and {len(refused) - _SHOWN:,} more"] if len(refused) > _SHOWN else []
        yield "\n  ".join([f"Refused {mlt_s.counted(refused, 'prediction')}:", *refused[:_SHOWN], *more])
    if extra := evaluation.extra:
        names = mlt_s.first_few([_name(member) for member in extra], _SHOWN)
        yield f"Left out {mlt_s.counted(extra, 'prediction')} for no label map of this split: {names}."


def _image_lines(evaluation: Evaluation) -> Iterator[str]:
    width = max(len("image"), *(len(result.image_id) for result in evaluation.results))
    yield f"{'image':<{width}}  {'IoU %':>6}  {'precision':>9}  {'recall':>6}  {'missed':>9}  {'wrong':>9}"
    for result in evaluation.results:
        counts = result.counts
        yield f"{result.image_id:<{width}}  " + (
            f"{100 * counts.iou:6.2f}  {counts.precision:9.4f}  {counts.recall:6.4f}  {counts.fn:9,}  {counts.fp:9,}"
            if counts
            else result.state
        )


def _sheet_rows(
    source: Source, predictions: Predictions, results: list[Result]
) -> Iterator[tuple[str, dict[str, Any], npt.NDArray[np.bool_]]]:
    for result in results:
        counts, member = result.counts, predictions.find(result.image_id)
        assert counts and member, "only counted results are drawn"
        title = f"{result.image_id}   IoU {100 * counts.iou:.1f} %, pixels: {counts.fn:,} missed, {counts.fp:,} wrong"
        yield title, source.read(result.choice), read_prediction(member)


# --- For a program -------------------------------------------------------------------------------------------------


def _write_csv(evaluation: Evaluation, path: str | os.PathLike[str]) -> None:
    with whole(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow([*output.TABLE, *Counts._fields, "iou", "precision", "recall"])
        for result in evaluation.results:
            counts = result.counts
            numbers = (*counts, counts.iou, counts.precision, counts.recall) if counts else ("",) * 7
            writer.writerow([_cell(result.image_id), result.state, *numbers])


def _cell(text: str) -> str:
    """A name as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _write_json(evaluation: Evaluation, path: str | os.PathLike[str]) -> None:
    report = {
        "split": evaluation.split,
        "whole_split": evaluation.is_whole,
        "images_published": mlt_s.PUBLISHED_COUNTS[evaluation.split],
        "figures": evaluation.figures(),
        "missing": evaluation.missing,
        "refused": {result.image_id: result.refused for result in evaluation.refused},
        "extra": list(map(str, evaluation.extra)),
    }
    write_json(path, report)
