"""The figures as tables, between markers of a page."""

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks import groups
from benchmarks.aims import AIMS, spread
from benchmarks.group import Figures, Group

_START, _END = "<!-- made by python -m benchmarks: start -->", "<!-- made by python -m benchmarks: end -->"
_PARTS = {"MB": 1e6}  # of a unit, in that of what is measured


def tables(results: Figures) -> str:
    """Markdown: the machine, what was aimed at, and each group."""
    left_out = {name: run["left_out"].get(name) for run in results["runs"] for name in run["groups"]}
    parts = [*map(_conditions, results["runs"]), _aims(results)]
    for name, measured in results["measured"].items():
        parts.append(_group(groups.named(name), measured))
        if left_out[name]:
            parts.append(f"Left out, as what they need is not installed: {'; '.join(left_out[name])}.")
        if name in results["plots"]:
            parts.append(f"![{groups.named(name).title}]({results['plots'][name]})")
    return "\n\n".join(parts)


def write(page: Path, results: Figures) -> None:
    """Puts the tables between the markers of a page (a `Path`), which is made where there is none."""
    text = page.read_text() if page.exists() else f"{_START}\n{_END}\n"
    between = re.compile(f"{re.escape(_START)}.*{re.escape(_END)}", re.DOTALL)
    page.write_text(between.sub(lambda _: f"{_START}\n\n{tables(results)}\n\n{_END}", text))


def _conditions(run: Figures) -> str:
    machine = run["machine"]
    libraries = ", ".join(f"{name} {machine[name]}" for name in ("datasets", "pillow", "pyarrow", "numpy", "torch"))
    rounds = f"{run['rounds']} rounds" if run["rounds"] > 1 else "1 round"
    counts = f", counts over {run['entries']:,} images of small files" if run["entries"] else ""
    return (
        f"**{', '.join(groups.named(name).title for name in run['groups'])}** by `{run['command']}`, commit "
        f"{machine['commit']}: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; Python "
        f"{machine['python']}, {libraries}. {run['data']} Epochs go over {run['pairs']:,} pairs of full size{counts}. "
        f"{rounds}, all contenders in turns, files in memory; the median, and in brackets least and most. CPU seconds "
        "are of all processes, memory is the most that the first one held (with some 250 MB of imports), disk is what "
        "was left when it was done."
    )


def _aims(results: Figures) -> str:
    lines = ["| what | aim | measured | |", "| --- | ---: | ---: | --- |"]
    for name, value in results["ratios"].items():
        aim = AIMS[name]
        sign, unit = "≥" if aim.high else "≤", f" {aim.unit}" if aim.unit else ""
        met = "met" if aim.met(value["median"]) else "missed"
        lines.append(f"| {aim.title} | {sign} {aim.aim:g}{unit} | {_with_spread(value)}{unit} | {met} |")
    return "\n".join(lines)


def _group(group: Group, measured: dict[str, list[Figures]]) -> str:
    more = [heading for heading, _ in group.columns]
    columns = ["", f"{group.unit}", "times" if group.against else "", *more, "CPU s", "memory MB", "disk MB"]
    lines = [f"### {group.title}", "", group.about, ""]
    lines += [_row(columns), _row(["---", *["---:"] * (len(columns) - 1)])]
    for name, rounds in measured.items():
        contender = group.contenders[name]
        title = f"**{contender.title}**" if contender.ours else contender.title
        figure = spread([one[group.figure] / _PARTS.get(group.unit, 1) for one in rounds])
        cpu, memory, kept = (_median(rounds, key) for key in ("cpu", "peak_memory", "kept"))
        times = _times(group, rounds, measured[group.against]) if group.against else ""
        more = [_short(_median(rounds, key)) if key in rounds[0] else "" for _, key in group.columns]
        last = [_short(cpu), _short(memory / 1e6), _short(kept / 1e6)]
        lines.append(_row([title, _with_spread(figure), times, *more, *last]))
    return "\n".join(lines)


def _times(group: Group, rounds: list[Figures], reference: list[Figures]) -> str:
    """The median ratio to the contender that the group refers to, in the same round."""
    return f"{statistics.median(one[group.figure] / other[group.figure] for one, other in zip(rounds, reference)):.2f}"


def _median(rounds: list[Figures], figure: str) -> float:
    return statistics.median(one[figure] for one in rounds)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_spread(value: dict[str, float]) -> str:
    if value["least"] == value["most"]:
        return _short(value["median"])
    return f"{_short(value['median'])} ({_short(value['least'])}–{_short(value['most'])})"


def _short(number: float) -> str:
    """Three digits, whatever its size."""
    return f"{number:,.0f}" if abs(number) >= 100 or number == 0 else f"{number:#.3g}".rstrip(".")
