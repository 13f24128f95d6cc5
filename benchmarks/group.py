"""Groups of contenders that do the same job on the same files, and are measured together."""

from collections.abc import Callable
from typing import Any, NamedTuple, Optional

from benchmarks.paths import Stage

Figures = dict[str, Any]  # what was measured, by name
Measured = dict[str, dict[str, list[Figures]]]  # group -> contender -> figures of each round
Action = Callable[[], Optional[Figures]]
Transform = Callable[[dict[str, Any]], Any]
Sources = dict[str, tuple[list[str], str, str]]  # split -> the first arguments of `BareLoop`


class Contender(NamedTuple):
    """One way to do the job of its group.

    Attributes:
        title: name in tables and plots.
        begin: takes the `Stage` and an empty folder, does what is not measured, and returns the function that is
            measured. It has no arguments, and may return a dict of further figures.
        ours: whether it is this project.
        needs: packages that it needs, in this Python or in the other one; without them it is left out.
        here: packages that it needs in this Python; without them it is left out.
    """

    title: str
    begin: Callable[[Stage, str], Action]
    ours: bool = False
    needs: tuple[str, ...] = ()
    here: tuple[str, ...] = ()


class Group(NamedTuple):
    """A job and its contenders.

    Attributes:
        title: the job.
        about: what is measured, and on what data, in a few sentences.
        contenders: name -> `Contender`.
        figure: the figure in tables and plots: "seconds", "since_start", "pairs_per_second", ...
        unit: unit of that figure.
        against: name of the contender that the table's ratios refer to.
        fresh: whether each contender starts in a new Python process. Otherwise it starts in a copy of a process that
            has imported everything, so that imports are measured only where they matter.
        rounds: whether it is repeated. Counts need no repetition, times do.
        uses: names of the fields of the `Stage` that contenders use; None for all.
        columns: further columns of the table, (heading, figure) each.
    """

    title: str
    about: str
    contenders: dict[str, Contender]
    figure: str = "seconds"
    unit: str = "s"
    against: Optional[str] = None
    fresh: bool = False
    rounds: bool = True
    uses: Optional[tuple[str, ...]] = None
    columns: tuple[tuple[str, str], ...] = ()
