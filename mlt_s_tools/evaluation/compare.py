"""`mlt-s compare`: compares two sets of label maps, such as the authors' and corrected ones.

Agreement is over the pixels that are 0 or 1 in both sets. Uncertain pixels of one set are reported by their class in
the other.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
from PIL import Image

import mlt_s
from mlt_s_tools import output, workers, writing
from mlt_s_tools.bootstrap import counting, iou_interval, too_few
from mlt_s_tools.evaluation.report import in_brackets, no_words
from mlt_s_tools.groups import GROUPS, count_by_group, with_limits, word_rows
from mlt_s_tools.looking import preview
from mlt_s_tools.looking.choose import Choice, Source
from mlt_s_tools.metrics import Counts

if TYPE_CHECKING:
    import numpy.typing as npt

    Labels = npt.NDArray[np.uint8]

CLASSES = ("background", "text", "uncertain")
_VALUES = {mlt_s.LABEL_MAP.label2id["background"]: 0, mlt_s.LABEL_MAP.label2id["text"]: 1}
_UNCERTAIN = CLASSES.index("uncertain")
_SHOWN = 5  # names listed on a line; the JSON report has all of them
# The colour of each kind of pixel in the panel of differences.
DIFFERENCES = {"text in both": (150, 150, 150), "text only in A": (255, 40, 160), "text only in B": (0, 190, 255)}


@dataclasses.dataclass(frozen=True)
class Result:
    """An image that both sets have: its pixels by class in A and in B, or why its label maps could not be compared.

    Attributes:
        a, b: its label map in each set.
        pixels: int64 (3, 3), by class in A and class in B, in the order of `CLASSES`.
        of_groups: int64 (groups, 10), the same by groups of words, as `groups.count_by_group` returns it; or None.
        refused: why the label maps could not be compared; "" if they were.
    """

    a: Choice
    b: Choice
    pixels: Optional[npt.NDArray[np.int64]] = None
    of_groups: Optional[npt.NDArray[np.int64]] = None
    refused: str = ""

    @property
    def image_id(self) -> str:
        return self.a.pair.image_id

    @property
    def agreement(self) -> Counts:
        """Counts of the pixels that are sure in both, with A as the prediction and B as the label map."""
        assert self.pixels is not None, "only label maps of the same size are compared"
        return sure_in_both(self.pixels)


@dataclasses.dataclass(frozen=True)
class SplitComparison:
    """A split: the results of the images in both sets, and the ids of those in only one."""

    results: list[Result]
    only_in_a: list[str]
    only_in_b: list[str]

    @functools.cached_property
    def compared(self) -> list[Result]:
        return [result for result in self.results if result.pixels is not None]

    @property
    def refused(self) -> list[Result]:
        return [result for result in self.results if result.refused]

    @property
    def without_words(self) -> list[str]:
        """Ids of the compared images without words, if words were asked for."""
        return [result.image_id for result in self.compared if result.of_groups is None]

    @property
    def is_whole(self) -> bool:
        """Whether both sets have the same images in the same sizes."""
        return not self.only_in_a and not self.only_in_b and not self.refused

    @property
    def most_different_first(self) -> list[Result]:
        """Results with differing pixels that are sure in both: lowest IoU first, then most differing pixels."""
        differing = [result for result in self.compared if result.agreement.fp + result.agreement.fn]
        return sorted(differing, key=lambda of: (of.agreement.iou, -of.agreement.fp - of.agreement.fn))


def run(
    a: str,
    b: str,
    data_dir: str | os.PathLike[str] | None = None,
    split: str | None = None,
    text_values: Sequence[int] = (1, 1),
    by: Sequence[str] | None = None,
    worst: int | None = None,
    out: str | os.PathLike[str] = "differ.png",
    json: str | os.PathLike[str] | None = None,
) -> int:
    """Compares two sets of label maps, and prints where they agree and what is uncertain in one of them.

    Args:
        a, b: as for `label_maps`: an archive, its folder, an address, or a built set.
        data_dir: folder of MLT's archives, which gives the images, their frame, and words.
        split: "train" or "validation"; by default both.
        text_values: the values of text in A and in B: 1, or 255 in label maps of 0 and 255.
        by: what to group words by: "script", "height" or both.
        worst: number of the images that differ most to draw; by default none.
        out: path of the PNG file to draw them in.
        json: path of a JSON report to write.

    Returns:
        The exit status: 0 if both sets have the same images in the same sizes, otherwise 1.

    Raises:
        mlt_s.MltSError: a set cannot be read, no image is in both, or there are no words to group by.
        OSError: a file cannot be written, or would replace one that is not known to be from mlt-s.
    """
    writing.check(json, out if worst else None)
    replaces, kinds = Path(out).exists(), tuple(dict.fromkeys(by or ()))
    of_a, of_b = sources = [
        Source(data_dir, None if _is_one_place(maps, data_dir) else maps, split, value)
        for maps, value in zip((a, b), text_values)
    ]
    comparisons = compare(of_a, of_b, bool(kinds))
    results = [result for comparison in comparisons.values() for result in comparison.compared]
    if not results:
        reasons = [result.refused for comparison in comparisons.values() for result in comparison.refused]
        raise mlt_s.MltSError(f"No image has a label map in both {a} and {b}. {' '.join(reasons[:1])}".rstrip())
    if kinds and not any(result.of_groups is not None for result in results):
        raise no_words(data_dir)
    splits = {name: _as_json(comparison, kinds) for name, comparison in comparisons.items()}
    report = {"maps_a": str(a), "maps_b": str(b), "splits": splits}
    print("\n".join(_lines(report)))
    if json:
        writing.write_json(json, report)
    if worst:
        differing = (result for comparison in comparisons.values() for result in comparison.most_different_first)
        most_different = sorted(differing, key=lambda result: result.agreement.iou)
        _write_sheet(out, sources, most_different[:worst], data_dir is not None, replaces)
    return 0 if all(comparison.is_whole for comparison in comparisons.values()) else 1


def _is_one_place(maps: str, data_dir: str | os.PathLike[str] | None) -> bool:
    """Whether the label maps are in the folder of the images, where the loader finds them by itself."""
    return data_dir is not None and mlt_s.absolute_address(maps) == mlt_s.absolute_address(data_dir)


def compare(a: Source, b: Source, with_words: bool = False) -> dict[str, SplitComparison]:
    """Compares the label maps of two sources, split by split.

    Args:
        a, b: the two sets.
        with_words: also count by words, if the first source has ground truth.

    Returns:
        Name -> comparison of each split that at least one of them has.

    Raises:
        mlt_s.MltSError: a label map, or its image, cannot be read.
    """
    keyed = [{(of.split, mlt_s.name_key(of.pair.image_id)): of for of in source.choices} for source in (a, b)]
    both = [(choice, keyed[1][key]) for key, choice in keyed[0].items() if key in keyed[1]]
    with ThreadPoolExecutor(workers.cores()) as pool:
        results = list(pool.map(lambda pair: _result(a, b, pair[0], pair[1], with_words), both))
    alone = [[of for key, of in one.items() if key not in other] for one, other in (keyed, keyed[::-1])]
    names = [name for name in mlt_s.PUBLISHED_COUNTS if any(name == of.split for one in keyed for of in one.values())]
    return {
        name: SplitComparison(
            [result for result in results if result.a.split == name],
            *([choice.pair.image_id for choice in of if choice.split == name] for of in alone),
        )
        for name in names
    }


def _result(a: Source, b: Source, of_a: Choice, of_b: Choice, with_words: bool) -> Result:
    try:
        labels = a.read_label(of_a), b.read_label(of_b)
    except mlt_s.MltSError as error:
        if all(source.fits_image(choice) for source, choice in ((a, of_a), (b, of_b)) if choice.pair.image):
            raise
        return Result(of_a, of_b, refused=str(error))
    if labels[0].shape != labels[1].shape:
        sizes = " and ".join(f"{label.shape[1]} x {label.shape[0]}" for label in labels)
        return Result(of_a, of_b, refused=f"{of_a.pair.image_id}: the label maps are {sizes} (width x height).")
    values = _classes(labels[0], of_a) * len(CLASSES) + _classes(labels[1], of_b)
    pixels = np.bincount(values.ravel(), minlength=len(CLASSES) ** 2).reshape(len(CLASSES), -1)
    words = a.read_words(of_a) if with_words else None
    of_groups = None if words is None else count_by_group(values, len(CLASSES) ** 2, word_rows(words))
    return Result(of_a, of_b, pixels, of_groups)


def _classes(label: Labels, choice: Choice) -> Labels:
    """The class of each pixel, as an index into `CLASSES`."""
    classes = np.full(256, 255, np.uint8)
    classes[[*_VALUES, mlt_s.LABEL_MAP.ignore_index]] = [*_VALUES.values(), _UNCERTAIN]
    indices = classes[label]
    if indices.max(initial=0) > _UNCERTAIN:
        value = int(label[indices > _UNCERTAIN][0])
        raise mlt_s.MltSError(f"{choice.pair.label[0]}: a label map holds 0, 1 and 255; this one holds {value}.")
    return indices


def sure_in_both(pixels: npt.NDArray[np.int64]) -> Counts:
    """Counts of the pixels that are sure in both, with A as the prediction of B; pixels (3, 3) as in `Result`."""
    (tn, fn), (fp, tp) = pixels[:_UNCERTAIN, :_UNCERTAIN].tolist()
    return Counts(tp, fp, fn, tn)


# --- For a program -------------------------------------------------------------------------------------------------


def _as_json(of: SplitComparison, kinds: Sequence[str]) -> dict[str, Any]:
    pixels = np.array([result.pixels for result in of.compared]).reshape(-1, len(CLASSES), len(CLASSES))
    return {
        "images": len(of.compared),
        **_figures(pixels),
        **{f"by_{kind}": _by(of, kind) for kind in kinds},
        **({"without_words": of.without_words} if kinds else {}),
        "only_in_a": of.only_in_a,
        "only_in_b": of.only_in_b,
        "refused": {result.image_id: result.refused for result in of.refused},
    }


def _figures(pixels: npt.NDArray[np.int64]) -> dict[str, Any]:
    """The figures of pixels (images, 3, 3); None for a ratio without pixels."""
    total = pixels.sum(0)
    sure, rows = sure_in_both(total), np.array([sure_in_both(of) for of in pixels]).reshape(-1, 4)
    return {
        "fgiou": sure.iou if sure.tp + sure.fp + sure.fn else None,
        "interval": iou_interval(rows),
        "counting": counting(rows),
        "alike": (sure.tp + sure.tn) / sum(sure) if sum(sure) else None,
        "pixels": {name: dict(zip(CLASSES, row)) for name, row in zip(CLASSES, total.tolist())},
    }


def _by(of: SplitComparison, kind: str) -> dict[str, Any]:
    counted = [result.of_groups for result in of.compared if result.of_groups is not None]
    groups = np.array(counted).reshape(len(counted), len(GROUPS), -1)
    figures = {}
    for at, (kind_of_group, name) in enumerate(GROUPS):
        if kind_of_group == kind and counted and groups[:, at, -1].any():
            pixels = groups[:, at, :-1].reshape(-1, len(CLASSES), len(CLASSES))
            figures[name] = {**_figures(pixels), "words": int(groups[:, at, -1].sum())}
    return figures


# --- For the eye ---------------------------------------------------------------------------------------------------


def _lines(report: dict[str, Any]) -> Iterator[str]:
    yield f"A: {report['maps_a']}"
    yield f"B: {report['maps_b']}"
    for name, comparison in report["splits"].items():
        yield ""
        yield f"{name}: {mlt_s.counted(comparison['images'], 'image')} with a label map in both"
        yield from _not_compared(comparison)
        if comparison["images"]:
            yield from _figure_lines(comparison)
        for kind in ("script", "height"):
            for group, figures in comparison.get(f"by_{kind}", {}).items():
                yield f"  {with_limits(kind, group)}, {mlt_s.counted(figures['words'], 'word')}: {_agreement(figures)}"
                yield from (f"    {line}" for line in _uncertain(figures["pixels"]))
        if without := comparison.get("without_words"):
            yield f"  No ground truth for {mlt_s.counted(without, 'image')}: {mlt_s.first_few(without, _SHOWN)}."


def _not_compared(of: dict[str, Any]) -> Iterator[str]:
    """What the figures of a split leave out; printed above them."""
    for letter, ids in (("A", of["only_in_a"]), ("B", of["only_in_b"])):
        if ids:
            yield f"  Only in {letter}, {mlt_s.counted(ids, 'label map')}: {mlt_s.first_few(ids, _SHOWN)}."
    reasons = list(of["refused"].values())
    yield from (f"  Not compared: {reason}" for reason in reasons[:_SHOWN])
    if len(reasons) > _SHOWN:
        yield f"  Not compared either: {mlt_s.counted(len(reasons) - _SHOWN, 'more image')}."


def _figure_lines(of: dict[str, Any]) -> Iterator[str]:
    yield f"  Where both are sure: {_agreement(of)}"
    yield f"  {'pixels':<18}{''.join(f'{name:>18}' for name in ('B background', 'B text', 'B uncertain'))}"
    for name, row in of["pixels"].items():
        yield f"  {f'A {name}':<18}{''.join(f'{number:18,}' for number in row.values())}"
    yield from (f"  {line}" for line in _uncertain(of["pixels"]))


def _agreement(of: dict[str, Any]) -> str:
    if of["alike"] is None:
        return "no pixel is sure in both"
    alike = f"{100 * of['alike']:.2f} % of pixels alike"
    if of["fgiou"] is None:
        return f"no text in either, {alike}"
    interval = in_brackets(of["interval"], 100, 2) or f"({too_few(of['counting'])})  "
    return f"fgIoU {100 * of['fgiou']:.2f} %  {interval}{alike}"


def _uncertain(pixels: dict[str, dict[str, int]]) -> Iterator[str]:
    """The uncertain pixels of each set, by their class in the other."""
    in_b = {name: row["uncertain"] for name, row in pixels.items()}
    for letter, other, row in (("A", "B", pixels["uncertain"]), ("B", "A", in_b)):
        if total := sum(row.values()):
            shares = ", ".join(f"{100 * number / total:.1f} % {name}" for name, number in row.items())
            yield f"Uncertain in {letter}, {total:,} pixels: in {other} {shares}"


def _write_sheet(
    path: str | os.PathLike[str], sources: Sequence[Source], results: list[Result], with_images: bool, replaces: bool
) -> None:
    if not results:
        print("\nNo image differs where both are sure, so there is no sheet.")
        return
    names = {mlt_s.LABEL_MAP.int2str(value): color for value, color in mlt_s.LABEL_MAP.colors.items()}
    legends = [("label maps", _swatches(names)), ("differences", _swatches(DIFFERENCES))]
    rows = [_row(sources, result, with_images) for result in results]
    panels = (*["image"] * with_images, "differences", "A", "B")
    writing.write_picture(path, preview.sheet_of(rows, panels, legends))
    print(f"\nThe {len(results):,} images that differ most: {output.written(path, replaces)}")


def _swatches(colors: dict[str, tuple[int, int, int]]) -> list[tuple[str, str, Image.Image]]:
    return [(name, "", preview.swatch_of(color)) for name, color in colors.items()]


def _row(sources: Sequence[Source], result: Result, with_images: bool) -> tuple[str, list[Image.Image], str]:
    """Title, panels and size, as `preview.sheet_of` takes them."""
    a, b = (source.read_label(choice) for source, choice in zip(sources, (result.a, result.b)))
    size = preview.fitting(Image.fromarray(a))
    differences = preview.shrunk(Image.fromarray(_differences(a, b)), (a == 1) | (b == 1), size)[0]
    panels = list(map(preview.as_picture, (differences, *(preview.colored(label, size)[0] for label in (a, b)))))
    if with_images:
        panels.insert(0, sources[0].read(result.a)["image"].resize(size, Image.Resampling.LANCZOS))
    counts = result.agreement
    title = f"{result.a.title}   IoU {100 * counts.iou:.1f} %, text only in A {counts.fp:,}, only in B {counts.fn:,}"
    return title, panels, preview.size_in_words(Image.fromarray(a))


def _differences(a: Labels, b: Labels) -> Labels:
    """Paints the pixels that are sure in both in the colours of `DIFFERENCES`, on black: uint8 (height, width, 3)."""
    places = ((a == 1) & (b == 1), (a == 1) & (b == 0), (a == 0) & (b == 1))
    colors = np.zeros((*a.shape, 3), np.uint8)
    for place, color in zip(places, DIFFERENCES.values()):
        colors[place] = color
    return colors
