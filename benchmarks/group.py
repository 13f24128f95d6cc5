"""What is measured together: contenders for one job, on the same files, in turns."""

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
        title: as tables and plots call it.
        begin: takes the `Stage` and an empty folder, does what is not measured, and returns what is: a function without
            arguments. That may return a dict of more figures.
        ours: whether it is this project.
        needs: packages without which it is left out, in this Python or in the other one.
        here: packages without which it is left out, in this Python.
    """

    title: str
    begin: Callable[[Stage, str], Action]
    ours: bool = False
    needs: tuple[str, ...] = ()
    here: tuple[str, ...] = ()


class Group(NamedTuple):
    """A job and those who do it.

    Attributes:
        title: what the job is.
        about: what is measured, and on what, in a few sentences.
        contenders: name -> `Contender`.
        figure: what of it tables and plots show: "seconds", "since_start", "pairs_per_second", ...
        unit: of that figure.
        against: name of the contender that the table's ratios refer to.
        fresh: whether each contender starts in a new Python process. Otherwise in a copy of one that has imported
            everything already: imports are measured where they matter, and nowhere else.
        rounds: whether it is repeated. What is counted and not timed is not.
        uses: names of those fields of the `Stage` that contenders use; None for all.
        columns: further figures of the table, (heading, figure) each.
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
