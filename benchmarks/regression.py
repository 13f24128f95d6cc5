"""Whether a run is worse than an earlier one: by ratios, which hold from machine to machine, and not by seconds."""

from benchmarks.aims import AIMS

MARGIN = 1.3  # how much worse a ratio may be: the spread of a run on a machine that does other things as well


def worsened(results, earlier):
    """A line for each ratio that is worse than in the earlier results by more than the margin.

    Raises:
        SystemExit: the two are of other sizes, and no comparison.
    """
    for what in ("share", "entries"):
        if results[what] != earlier[what]:
            raise SystemExit(f"The earlier run has another {what}: {earlier[what]}, this one {results[what]}.")
    lines = []
    for name in results["ratios"].keys() & earlier["ratios"].keys():
        aim = AIMS[name]
        was, now = (run["ratios"][name]["median"] for run in (earlier, results))
        if not aim.unit and (now * MARGIN < was if aim.high else now > was * MARGIN):
            lines.append(f"{name}: {aim.title} was {was:.3f} and is {now:.3f}.")
    return sorted(lines)
