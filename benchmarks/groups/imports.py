"""What `import mlt_s` costs, beside `import datasets`, which any data set needs."""

import importlib
from collections.abc import Callable

from benchmarks.group import Action, Contender, Group
from benchmarks.paths import Stage


def _import(*names: str) -> Callable[[Stage, str], Action]:
    def begin(stage: Stage, scratch: str) -> Action:
        def action() -> None:
            for name in names:
                importlib.import_module(name)

        return action

    return begin


GROUP = Group(
    "Importing",
    "In a fresh process.",
    {
        "datasets": Contender("import datasets", _import("datasets")),
        "mlt_s": Contender("import datasets, import mlt_s", _import("datasets", "mlt_s"), ours=True),
    },
    against="datasets",
    fresh=True,
    uses=("few",),
)
