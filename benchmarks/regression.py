"""Compares a run with an earlier one, by ratios, which are similar on all machines, and not by seconds."""

from benchmarks.aims import AIMS
from benchmarks.group import Figures

MARGIN = 1.3  # how much worse a ratio may be: the spread of a run on a machine that is also used otherwise


def worsened(results: Figures, earlier: Figures) -> list[str]:
    """A line for each ratio that is worse than in the earlier results by more than the margin.

    Raises:
        SystemExit: the two runs have different sizes, and cannot be compared.
    """
    ratios = results["ratios"].keys() & earlier["ratios"].keys()
    for group in sorted({AIMS[name].over[0] for name in ratios}):
        (was,), (now,) = ([run for run in runs["runs"] if group in run["groups"]] for runs in (earlier, results))
        for what in ("share", "entries"):
            if now[what] != was[what]:
                raise SystemExit(f"{group}: the earlier run has another {what}: {was[what]}, this one {now[what]}.")
    lines = []
    for name in ratios:
        aim = AIMS[name]
        was, now = (run["ratios"][name]["median"] for run in (earlier, results))
        if not aim.unit and (now * MARGIN < was if aim.high else now > was * MARGIN):
            lines.append(f"{name}: {aim.title} was {was:.3f} and is {now:.3f}.")
    return sorted(lines)
