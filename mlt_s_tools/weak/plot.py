"""The picture of `mlt-s weak evaluate`: precision and recall by threshold, and calibration."""

from __future__ import annotations

import os
from typing import Any

from mlt_s_tools import output
from mlt_s_tools.extras import needed
from mlt_s_tools.writing import whole

_SIZE = (11, 5.2)  # inches
_DPI = 120
_LEAST_PIXELS = 100  # in a bin of probability; bins with fewer are not drawn


def check() -> None:
    """Checks that a picture can be drawn.

    Raises:
        mlt_s.MltSError: matplotlib is not installed.
    """
    with needed("A picture", "weak"):
        import matplotlib.figure  # noqa: F401


def draw(report: dict[str, Any], out: str | os.PathLike[str]) -> None:
    """Draws precision and recall by threshold, and the share of text by probability.

    Args:
        report: what `evaluate.as_json` returns.
        out: path of the PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    text, calibration = figure.subplots(1, 2)
    for at, model in enumerate(report["models"]):
        for name, style in ("precision", "-"), ("recall", "--"):
            points = [(of["threshold"], of[name]) for of in model["by_threshold"] if of[name] is not None]
            label = f"{model['name']}: {name}" + ("" if points else ", nothing measured")
            text.plot(*(zip(*points) if points else ([], [])), style, color=f"C{at}", label=label)
        bins = [(predicted, actual) for pixels, predicted, actual in model["calibration"] if pixels >= _LEAST_PIXELS]
        if bins:
            calibration.plot(*zip(*bins), color=f"C{at}", label=model["name"])
    calibration.plot([0, 1], [0, 1], ":", color="grey")
    text.set(title="Text from the threshold on", xlabel="threshold", xlim=(0, 1), ylim=(0, 1.02))
    calibration.set(title="Pixels of words", xlabel="probability of text", ylabel="share that is text")
    for axes in (text, calibration):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
        else:
            axes.text(0.05, 0.9, "too few pixels", transform=axes.transAxes)
    with whole(out) as file:
        figure.savefig(file, format="png", metadata=output.SIGNATURE)
