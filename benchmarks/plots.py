"""Plots of the figures."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from benchmarks import groups  # noqa: E402
from benchmarks.aims import spread  # noqa: E402
from benchmarks.group import Figures, Group, Measured  # noqa: E402
from benchmarks.groups.resume import PLACES  # noqa: E402

_OURS, _OTHERS, _INK = "#c2410c", "#94a3b8", "#1f2937"
_STYLE = {
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#cbd5e1",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "figure.dpi": 110,
    "savefig.facecolor": "white",
}
_LABELS = {"s": "seconds (less is better)", "pairs/s": "pairs a second (more is better)"}


def draw(measured: Measured, folder: Path) -> dict[str, str]:
    """Writes a picture of each group that has one, and returns group -> file name.

    Args:
        measured: group -> contender -> what was measured, one a round.
        folder: a `Path`.
    """
    ways = {"first": _bars, "prepare": _bars, "decode": _bars, "train": _bars, "resume": _places, "converted": _panels}
    drawn = {}
    with plt.rc_context(_STYLE):
        for name in measured.keys() & ways.keys():
            figure = ways[name](groups.named(name), measured[name])
            figure.savefig(folder / f"{name}.png", bbox_inches="tight")
            plt.close(figure)
            drawn[name] = f"{name}.png"
    return drawn


def _bars(group: Group, measured: dict[str, list[Figures]]) -> Figure:
    """A bar for each contender, as long as the median, with the spread on it."""
    figure, axes = plt.subplots(figsize=(8, 0.6 + 0.34 * len(measured)))
    for at, (name, rounds) in enumerate(measured.items()):
        value, ours = spread([one[group.figure] for one in rounds]), group.contenders[name].ours
        axes.barh(at, value["median"], color=_OURS if ours else _OTHERS, height=0.68)
        axes.plot([value["least"], value["most"]], [at, at], color=_INK, linewidth=1.2)
        axes.annotate(f" {value['median']:.3g}", (value["most"], at), va="center", fontsize=9)
    axes.set_yticks(range(len(measured)), [group.contenders[name].title for name in measured])
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlim(left=0)
    axes.set_xlabel(_LABELS[group.unit])
    axes.tick_params(axis="y", length=0)
    axes.set_title(group.title, loc="left", fontweight="bold")
    return figure


def _panels(group: Group, measured: dict[str, list[Figures]]) -> Figure:
    """Bars of a few figures of each contender, side by side."""
    panels = {
        "convert": "seconds to convert",
        "kept": "MB on disk",
        group.figure: "pairs a second",
        "with_2": "with 2 workers",
    }
    figure, every = plt.subplots(1, len(panels), figsize=(10, 0.6 + 0.34 * len(measured)), sharey=True)
    for axes, (key, label) in zip(every, panels.items()):
        for at, (name, rounds) in enumerate(measured.items()):
            value = spread([one[key] / (1e6 if key == "kept" else 1) for one in rounds])
            axes.barh(at, value["median"], color=_OURS if group.contenders[name].ours else _OTHERS, height=0.68)
            axes.plot([value["least"], value["most"]], [at, at], color=_INK, linewidth=1.2)
            axes.annotate(f" {value['median']:.3g}", (value["most"], at), va="center", fontsize=9)
        axes.margins(x=0.3)
        axes.set_xlim(left=0)
        axes.set_xlabel(label)
        axes.tick_params(axis="y", length=0)
    every[0].set_yticks(range(len(measured)), [group.contenders[name].title for name in measured])
    every[0].invert_yaxis()
    every[0].set_title(group.title, loc="left", fontweight="bold")
    return figure


def _places(group: Group, measured: dict[str, list[Figures]]) -> Figure:
    """A line for each contender, over the places of the epoch."""
    figure, axes = plt.subplots(figsize=(8, 3.4))
    ends = {}
    for name, rounds in measured.items():
        contender = group.contenders[name]
        values = [spread([one[f"at_{percent}"] for one in rounds])["median"] for percent in PLACES]
        axes.plot(
            PLACES,
            values,
            color=_OURS if contender.ours else _OTHERS,
            linestyle={"skip": ":", "archive_dataset": "--"}.get(name, "-"),
            marker="o",
            label=contender.title,
        )
        ends[name] = values[-1]
    axes.set_yscale("log")
    axes.set_ylabel("seconds, on a logarithmic axis")
    axes.set_xticks(PLACES, [f"{percent}%" for percent in PLACES])
    axes.set_xlabel("of the epoch")
    axes.set_title(f"{group.title}: to the next pair, decoded", loc="left", fontweight="bold")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
