"""The plot of `mlt-s evaluate`: figures with their intervals, and every image as a dot.

A PNG file is a picture. An HTML file is a self-contained page without JavaScript: the dots of the worst images, or of
those that differ most, link to these images below.
"""

from __future__ import annotations

import base64
import html
import io
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mlt_s
from mlt_s_tools import output
from mlt_s_tools.evaluation.against import Comparison
from mlt_s_tools.evaluation.report import interval_of
from mlt_s_tools.extras import needed
from mlt_s_tools.groups import limits
from mlt_s_tools.metrics import TextMetrics
from mlt_s_tools.writing import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

    from mlt_s_tools.evaluation.evaluate import Evaluation, Result

    Results = tuple[Result, ...]  # the result of an image and, with a comparison, that of the other predictions

KINDS = (".png", ".html")
_DPI = 120
_MANY = 200  # images; from here on, dots are smaller
_NAME_SIZE = (0.12, 0.025)  # of an image's name next to its dot, as fractions of the axes
_OTHER_MAPS = "not by the authors' label maps"
_NEAR_BORDER = 0.8  # of the width; beyond it, a name is to the left of its dot
_ONE, _OTHER, _MARKED = "#0050a0", "#c05000", "#d00060"
_STYLE = """\
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1c1e22;
  background: #fff; }
svg, img { max-width: 100%; height: auto; }
figure { margin: 2rem 0; }
figure:target { outline: 3px solid #d00060; outline-offset: .5rem; }
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
{generator}
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<h1>{title}</h1>
{plot}
<h2>{heading}</h2>
"""
_LONGEST_NAME = 48  # characters of a folder's name; a longer one would shrink the plot
_IMAGE = (
    '<figure id="image-{number}"><img src="data:image/png;base64,{picture}" alt="{name}: label map and errors">'
    '<figcaption>{name} <a href="#">back</a></figcaption></figure>\n'
)


def check(path: str | os.PathLike[str]) -> None:
    """Checks that a plot can be written to a file of this name.

    Raises:
        mlt_s.MltSError: matplotlib is not installed, or the name does not end in one of `KINDS`.
    """
    if Path(path).suffix.lower() not in KINDS:
        raise mlt_s.MltSError(f"The file of a plot must end in {' or '.join(KINDS)}, not {path}.")
    with needed("A plot", "plot"):
        import matplotlib.figure  # noqa: F401


def linked(evaluation: Evaluation, comparison: Comparison | None, count: int) -> list[Results]:
    """The images to name and show: the worst ones or, with a comparison, those that differ most.

    Returns:
        For each image its result and, with a comparison, that of the other predictions.
    """
    if comparison:
        return list(comparison.most_different_first[:count])
    return [(result,) for result in evaluation.worst_first[:count]]


def draw(
    path: str | os.PathLike[str],
    evaluation: Evaluation,
    kinds: Sequence[str],
    comparison: Comparison | None,
    shown: Sequence[Results],
    sheets: Iterable[Image.Image],
    predictions: Sequence[str | os.PathLike[str]],
) -> None:
    """Writes the plot: a picture or a page, according to the file extension.

    Args:
        path: path of the file.
        evaluation, kinds, comparison: as for `report.lines`.
        shown: the images to name, as `linked` returns them.
        sheets: one picture per image, for the page.
        predictions: the folder of the predictions and, with a comparison, that of the others. Their names are shown.

    Raises:
        OSError: it cannot be written.
    """
    names = _names(predictions)
    title = _title(evaluation, names)
    figure = _figure(evaluation, kinds, comparison, shown, names, title)
    if Path(path).suffix.lower() == ".png":
        with whole(path) as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # the font lacks letters of a name
            figure.savefig(file, format="png", metadata=output.SIGNATURE)
        return
    heading = "The worst images"
    if comparison:
        heading = "The images that differ most: on the left {}, on the right {}".format(*names)
    title, heading = html.escape(title, quote=False), html.escape(heading, quote=False)
    head = _PAGE.format(
        generator=output.GENERATOR.decode(), title=title, style=_STYLE, plot=_svg(figure), heading=heading
    )
    with whole(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(head)
        for number, (results, sheet) in enumerate(zip(shown, sheets)):
            name = html.escape(results[0].image_id)
            file.write(_IMAGE.format(number=number, name=name, picture=_base64(sheet)))
        file.write("</body>\n</html>\n")


def _names(predictions: Sequence[str | os.PathLike[str]]) -> list[str]:
    """The last parts of the paths, as many as needed to tell the paths apart, shortened if they are long."""
    parts = [Path(path).resolve().parts for path in predictions]
    count = next((count for count in range(1, 99) if len({of[-count:] for of in parts}) == len(parts)), 1)
    names = ["/".join(of[-count:]) for of in parts]
    half = _LONGEST_NAME // 2
    return [name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[1 - half :]}" for name in names]


def _title(evaluation: Evaluation, names: Sequence[str]) -> str:
    """The title: the predictions, the split, the number of images, and whether the label maps are the authors'."""
    published = mlt_s.PUBLISHED_COUNTS[evaluation.split]
    counted = f"{len(evaluation.counted):,} of the {published:,} images of MLT_S"
    by = "" if evaluation.is_by_authors else f", {_OTHER_MAPS}"
    return f"{' against '.join(names)}: {evaluation.split}, {counted}{by}"


def _svg(figure: Figure) -> str:
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mlt-s"}):  # text that a browser can search
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :].replace(' target="_blank"', "")  # the links stay in the page


def _base64(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _figure(
    evaluation: Evaluation,
    kinds: Sequence[str],
    comparison: Comparison | None,
    shown: Sequence[Results],
    names: Sequence[str],
    title: str,
) -> Figure:
    from matplotlib.figure import Figure

    metrics = comparison.metrics if comparison else (evaluation.metrics,)
    rows = 2 + sum(len(evaluation.metrics.by(kind)) for kind in kinds)
    figure = Figure(figsize=(12, max(5.5, 1.5 + 0.45 * rows)), dpi=_DPI, layout="constrained")
    figures, images = figure.subplots(1, 2)
    figure.suptitle(title, parse_math=False)  # a $ in a name does not begin a formula
    _draw_figures(figures, metrics, kinds)
    if comparison:
        legend = figure.legend(loc="outside lower center", ncols=2)  # inside it would hide figures
        for text, name in zip(legend.get_texts(), names):
            text.set(text=name, parse_math=False)  # set here, because matplotlib ignores labels that begin with _
        _draw_pairs(images, comparison, shown, names)
    else:
        _draw_images(images, evaluation, shown)
    return figure


def _draw_figures(axes: Axes, metrics: Sequence[TextMetrics], kinds: Sequence[str]) -> None:
    """One row per figure, from top to bottom: the value as a dot and its interval as a bar."""
    names: list[str] = []
    for of, (metrics_of_one, color) in enumerate(zip(metrics, (_ONE, _OTHER))):
        rows = list(_rows(metrics_of_one, kinds))
        names = [name for name, _, _ in rows]
        for at, (_, value, interval) in enumerate(rows):
            place = at + 0.16 * (2 * of - len(metrics) + 1)
            if interval:
                axes.plot([100 * end for end in interval], [place] * 2, color=color, linewidth=2, alpha=0.6)
            label = str(of) if at == 0 and len(metrics) > 1 else None
            axes.plot(100 * value, place, "o", color=color, markersize=5, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set(title="Figures, with 95 % intervals", xlabel="%", ylim=(len(names) - 0.5, -0.5))
    axes.grid(axis="x", alpha=0.3)


def _rows(metrics: TextMetrics, kinds: Sequence[str]) -> Iterable[tuple[str, float, list[float] | None]]:
    figures = metrics.compute()
    yield "fgIoU", figures["fgiou"], interval_of(figures, "fgiou")
    yield "F-score", figures["f_score"], interval_of(figures, "f_score")
    for kind in kinds:
        for name, group in metrics.by(kind).items():
            title = f"{name}, {limits()[name]}" if kind == "height" else name
            yield f"fgIoU, {title}\n{mlt_s.counted(group['words'], 'word')}", group["fgiou"], group["interval"]


def _draw_pairs(axes: Axes, comparison: Comparison, shown: Sequence[Results], folders: Sequence[str]) -> None:
    dots = [(100 * _iou(other), 100 * _iou(one)) for one, other in comparison.pairs]
    axes.plot([0, 100], [0, 100], ":", color="grey")
    shares = ", ".join(f"{number:,} {verdict}" for verdict, number in comparison.images.items())
    axes.set_title(f"IoU of each image: {shares}")
    axes.set_xlabel(f"{folders[1]}, %", parse_math=False)
    axes.set_ylabel(f"{folders[0]}, %", parse_math=False)
    limits_of_both = _around([value for dot in dots for value in dot])
    axes.set(xlim=limits_of_both, ylim=limits_of_both, aspect="equal", anchor="N")
    _draw_dots(axes, dots, [(results, 100 * _iou(results[1]), 100 * _iou(results[0])) for results in shown])


def _draw_images(axes: Axes, evaluation: Evaluation, shown: Sequence[Results]) -> None:
    dots = [(_text(result), 100 * _iou(result)) for result in evaluation.counted]
    axes.set_xscale("symlog", linthresh=100)
    least, most = (limit(text for text, _ in dots) for limit in (min, max))
    axes.set(
        title="IoU of each image",
        xlabel="labelled text, pixels",
        ylabel="%",
        ylim=_around([value for _, value in dots]),
        xlim=(least / 2 - 5, 2 * most + 5),
    )
    _draw_dots(axes, dots, [(results, _text(results[0]), 100 * _iou(results[0])) for results in shown])


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis in percent that include these values."""
    return max(-2, min(values) - 4), min(102, max(values) + 4)


def _draw_dots(axes: Axes, dots: Sequence[tuple[float, float]], marked: Sequence[tuple[Results, float, float]]) -> None:
    """Draws dots, and marks some with a ring, a name and a link. The axes must have their limits already."""
    axes.grid(alpha=0.3)
    xs, ys = zip(*dots)
    axes.scatter(xs, ys, s=12 if len(dots) < _MANY else 5, color=_ONE, alpha=0.5, linewidths=0)
    if marked:
        _, xs, ys = zip(*marked)
        ring = axes.scatter(xs, ys, s=40, facecolors=_MARKED + "30", edgecolors=_MARKED)
        ring.set_urls([f"#image-{number}" for number in range(len(marked))])
    named: list[tuple[float, float]] = []  # places of names, as fractions of the axes
    for number, (results, x, y) in enumerate(marked):
        left, low = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
        if any(abs(left - other) < _NAME_SIZE[0] and abs(low - beside) < _NAME_SIZE[1] for other, beside in named):
            continue  # overlapping names cannot be read
        named.append((left, low))
        is_right = left > _NEAR_BORDER
        axes.annotate(
            results[0].image_id,
            (x, y),
            (-5 if is_right else 5, 4),
            ha="right" if is_right else "left",
            textcoords="offset points",
            fontsize=7,
            color=_MARKED,
            url=f"#image-{number}",
            parse_math=False,
        )


def _iou(result: Result) -> float:
    assert result.counts, "only counted results are drawn"
    return result.counts.iou


def _text(result: Result) -> int:
    assert result.counts, "only counted results are drawn"
    return result.counts.tp + result.counts.fn
