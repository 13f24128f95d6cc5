"""The report of `mlt-s evaluate`: lines to read, a table, and JSON."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlt_s
from mlt_s_tools import output, writing
from mlt_s_tools.bootstrap import Difference, counting, too_few
from mlt_s_tools.groups import with_limits
from mlt_s_tools.metrics import Counts

if TYPE_CHECKING:
    from mlt_s_tools.evaluation.against import Comparison
    from mlt_s_tools.evaluation.evaluate import Evaluation

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets compute cells that begin with these
_SHOWN = 5  # names listed on a line; the JSON report has all of them
BRACKETS = "In brackets: 95 % intervals, from 2,000 bootstrap resamples of the images (seed 0)."


# --- For the eye ---------------------------------------------------------------------------------------------------


def lines(evaluation: Evaluation, kinds: Sequence[str], comparison: Comparison | None) -> Iterator[str]:
    """The lines of the report.

    Args:
        evaluation: an evaluation with at least one counted image.
        kinds: what words are grouped by: "script", "height", both or neither.
        comparison: the comparison with other predictions, or None.
    """
    figures, published = evaluation.figures, mlt_s.PUBLISHED_COUNTS[evaluation.split]
    counted = figures["images"]
    faults = [
        fault
        for fault, is_so in (
            ("NOT THE WHOLE SPLIT", not evaluation.is_whole),
            ("NOT BY THE AUTHORS' LABEL MAPS", not evaluation.is_by_authors),
        )
        if is_so
    ]
    yield f"{evaluation.split}: {counted:,} of the {published:,} images of MLT_S" + (
        f". {', '.join(faults)}: do not compare these figures with published ones" if faults else ""
    )
    yield from _label_map_lines(evaluation)
    for line in _not_counted(evaluation):
        yield ""
        yield line
    for line in _not_counted(comparison.other) if comparison else ():
        yield ""
        yield f"Of the predictions compared with: {line}"
    yield ""
    yield "As published" if evaluation.is_by_authors else "By these label maps"
    yield from _figure_lines(figures)
    for kind in kinds:
        yield ""
        yield from _group_lines(evaluation, kind)
    if kinds:
        yield from _outside_lines(evaluation)
    if comparison:
        yield ""
        yield from _comparison_lines(comparison, kinds)
    yield ""
    yield from _interval_lines(evaluation, comparison)
    for line in _remarks_on_split(evaluation):
        yield ""
        yield line


def _label_map_lines(evaluation: Evaluation) -> Iterator[str]:
    """Names the label maps, if they were given as an argument or are not the authors'."""
    if not evaluation.label_maps and evaluation.is_by_authors:
        return
    places = evaluation.label_maps or evaluation.not_authors
    where = mlt_s.without_secrets(", ".join(places)) if places else "in DATA_DIR"
    counted = mlt_s.counted(evaluation.counted, "label map")
    yield f"Label maps: {where}; of the {counted} counted, mlt-s weak signed {len(evaluation.weak):,}"
    if evaluation.not_authors:
        others = mlt_s.without_secrets(", ".join(evaluation.not_authors))
        yield (
            f"Not counted as the authors', because they are not named like {mlt_s.LABEL_ARCHIVE} or its folders, or "
            f"text is 255: {others}"
        )


def _figure_lines(figures: dict[str, float]) -> Iterator[str]:
    fgiou, f_score = interval_of(figures, "fgiou"), interval_of(figures, "f_score")
    brackets = in_brackets(fgiou, 100, 2)
    yield f"  fgIoU      {100 * figures['fgiou']:6.2f} %  {brackets}of text, pixels of all images pooled"
    yield (
        f"  F-score    {figures['f_score']:6.4f}    {in_brackets(f_score, 1, 4)}of mean precision "
        f"{figures['mean_precision']:.4f} and mean recall {figures['mean_recall']:.4f}, averaged over images"
    )
    yield "Also, with the pixels of all images pooled"
    for name, key in (("precision", "pooled_precision"), ("recall", "pooled_recall"), ("F-score", "pooled_f_score")):
        yield f"  {name:<11}{figures[key]:6.4f}"
    background = 100 * figures["background_iou"]
    yield f"  mean IoU   {100 * figures['mean_iou']:6.2f} %  of text and background ({background:.2f} %)"
    yield f"  accuracy   {100 * figures['pixel_accuracy']:6.2f} %  of pixels"


def _interval_lines(evaluation: Evaluation, comparison: Comparison | None) -> Iterator[str]:
    """Explains the brackets, if there are any, and why the figures of all images have none."""
    has_interval = "fgiou_lower" in evaluation.figures
    if has_interval or (comparison and comparison.differences["fgiou"].interval):
        yield BRACKETS
    if not has_interval:
        yield f"The figures of all images have {too_few(counting(evaluation.metrics.counts()))}."


def interval_of(figures: dict[str, float], name: str) -> list[float] | None:
    """The interval of a figure, from what `TextMetrics.compute` returns; None for too few images."""
    return [figures[f"{name}_lower"], figures[f"{name}_upper"]] if f"{name}_lower" in figures else None


def in_brackets(interval: Sequence[float] | None, factor: float, digits: int, sign: str = "") -> str:
    """An interval as text, followed by two spaces; "" if there is none."""
    return f"[{', '.join(f'{factor * value:{sign}.{digits}f}' for value in interval)}]  " if interval else ""


def _group_lines(evaluation: Evaluation, kind: str) -> Iterator[str]:
    groups = evaluation.metrics.by(kind)
    yield f"Within words, by {kind}"
    for name, group in groups.items():
        words, images = (mlt_s.counted(group[f"{unit}s"], unit) for unit in ("word", "image"))
        basis = f"{words}, {images}, {group['pixels']:,} pixels"
        if not group["interval"]:
            basis += f"; {too_few(counting(evaluation.metrics.group_counts(kind, name)))}"
        brackets = in_brackets(group["interval"], 100, 2)
        yield f"  {with_limits(kind, name):<24}  fgIoU {100 * group['fgiou']:6.2f} %  {brackets:<18}{basis}"


def _outside_lines(evaluation: Evaluation) -> Iterator[str]:
    outside = evaluation.metrics.outside_words()
    yield (
        f"Outside all words: {sum(outside):,} pixels, which these figures do not count. {outside.fp:,} of them are "
        f"wrongly predicted as text, and {outside.tp + outside.fn:,} are labelled as text."
    )
    if without := evaluation.without_words:
        yield f"No ground truth for {mlt_s.counted(without, 'image')}: {mlt_s.first_few(without, _SHOWN)}."


def _comparison_lines(comparison: Comparison, kinds: Sequence[str]) -> Iterator[str]:
    (one, other), images = comparison.figures, comparison.images
    yield f"Against the other predictions, on the {len(comparison.pairs):,} images that both have"
    for name, key, factor, digits in (("fgIoU %", "fgiou", 100, 2), ("F-score", "f_score", 1, 4)):
        values = f"{factor * one[key]:.{digits}f} against {factor * other[key]:.{digits}f}"
        yield f"  {name:<11}{values:<20}  {_difference(comparison.differences[key], factor, digits)}"
    shares = ", ".join(f"{number:,} {word}" for word, number in images.items())
    yield f"  images     {shares}, by IoU of text"
    for kind in kinds:
        yield f"  fgIoU % within words, by {kind}"
        for name, difference in comparison.by(kind).items():
            yield f"    {with_limits(kind, name):<24}  {_difference(difference, 100, 2)}"


def _difference(difference: Difference, factor: float, digits: int) -> str:
    brackets = in_brackets(difference.interval, factor, digits, "+")
    return f"{factor * difference.value:+.{digits}f}  {brackets}{difference.verdict}"


def _remarks_on_split(evaluation: Evaluation) -> Iterator[str]:
    if without := evaluation.figures["images_without_text"]:
        yield (
            f"No labelled text in {mlt_s.counted(without, 'image')}: precision and recall count as 0 whatever is "
            "predicted, as in the published protocol."
        )
    if lacking := mlt_s.PUBLISHED_COUNTS[evaluation.split] - len(evaluation.results):
        yield (
            f"This split has {mlt_s.counted(len(evaluation.results), 'label map')} with an image, {abs(lacking):,} "
            f"{'fewer' if lacking > 0 else 'more'} than in MLT_S. mlt-s check says what to do."
        )


def _not_counted(evaluation: Evaluation) -> Iterator[str]:
    """What the figures leave out; printed above them."""
    if missing := evaluation.missing:
        yield f"No prediction for {mlt_s.counted(missing, 'image')}: {mlt_s.first_few(missing, _SHOWN)}."
    if refused := [result.refused for result in evaluation.results if result.refused]:
        more = [f"and {len(refused) - _SHOWN:,} more"] if len(refused) > _SHOWN else []
        yield "\n  ".join([f"Refused {mlt_s.counted(refused, 'prediction')}:", *refused[:_SHOWN], *more])
    if extra := evaluation.extra:
        names = mlt_s.first_few([name_of(member) for member in extra], _SHOWN)
        yield f"Left out {mlt_s.counted(extra, 'prediction')} without a label map in this split: {names}."


def name_of(member: mlt_s.Member) -> str:
    """The file name of a prediction."""
    return Path(member.name or member.address).name


def no_words(data_dir: str | os.PathLike[str] | None) -> mlt_s.MltSError:
    """The error if figures by word are asked for, and there is no ground truth."""
    return mlt_s.MltSError(
        f"There are no words to group by: {data_dir} has no ground truth for any of these images. It is in "
        f"{' and '.join(mlt_s.WORDS_ARCHIVES)}, from {mlt_s.IMAGES_URL}."
    )


def image_lines(evaluation: Evaluation) -> Iterator[str]:
    """One line per image, below a heading."""
    width = max(len("image"), *(len(result.image_id) for result in evaluation.results))
    yield f"{'image':<{width}}  {'IoU %':>6}  {'precision':>9}  {'recall':>6}  {'missed':>9}  {'wrong':>9}"
    for result in evaluation.results:
        counts = result.counts
        yield f"{result.image_id:<{width}}  " + (
            f"{100 * counts.iou:6.2f}  {counts.precision:9.4f}  {counts.recall:6.4f}  {counts.fn:9,}  {counts.fp:9,}"
            if counts
            else result.state
        )


# --- For a program -------------------------------------------------------------------------------------------------


def write_csv(evaluation: Evaluation, path: str | os.PathLike[str], comparison: Comparison | None) -> None:
    """Writes a table with one line per image; with a comparison, its last column has the other predictions' IoU."""
    others = comparison.other.results if comparison else ()
    with writing.whole(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        head = [*output.TABLE, *Counts._fields, "iou", "precision", "recall"]
        writer.writerow([*head, "against_iou"] if comparison else head)
        for at, result in enumerate(evaluation.results):
            counts = result.counts
            numbers = (*counts, counts.iou, counts.precision, counts.recall) if counts else ("",) * 7
            against = [other.iou if (other := others[at].counts) else ""] if others else []
            writer.writerow([_cell(result.image_id), result.state, *numbers, *against])


def _cell(text: str) -> str:
    """A name as a cell that spreadsheets do not interpret as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def write_json(
    evaluation: Evaluation, path: str | os.PathLike[str], kinds: Sequence[str], comparison: Comparison | None
) -> None:
    """Writes the report as JSON; arguments are those of `lines`."""
    report: dict[str, Any] = {
        "split": evaluation.split,
        "whole_split": evaluation.is_whole,
        "as_published": evaluation.is_as_published,
        "images_published": mlt_s.PUBLISHED_COUNTS[evaluation.split],
        "label_maps": list(evaluation.label_maps),
        "not_authors": list(evaluation.not_authors),
        **_of_predictions(evaluation),
        **{f"by_{kind}": evaluation.metrics.by(kind) for kind in kinds},
    }
    if kinds:
        report |= {
            "in_no_word": evaluation.metrics.outside_words()._asdict(),
            "without_words": evaluation.without_words,
        }
    if comparison:
        report["against"] = _of_comparison(comparison, kinds)
    writing.write_json(path, report)


def _of_predictions(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "figures": evaluation.figures,
        "weak": evaluation.weak,
        "missing": evaluation.missing,
        "refused": {result.image_id: result.refused for result in evaluation.refused},
        "extra": list(map(str, evaluation.extra)),
    }


def _of_comparison(comparison: Comparison, kinds: Sequence[str]) -> dict[str, Any]:
    return {
        "whole_split": comparison.other.is_whole,
        "as_published": comparison.other.is_as_published,
        **_of_predictions(comparison.other),
        "images": {"both": len(comparison.pairs), **comparison.images},
        "differences": {name: _as_json(difference) for name, difference in comparison.differences.items()},
        **{
            f"by_{kind}": {name: _as_json(difference) for name, difference in comparison.by(kind).items()}
            for kind in kinds
        },
    }


def _as_json(difference: Difference) -> dict[str, Any]:
    return {**difference._asdict(), "verdict": difference.verdict}
