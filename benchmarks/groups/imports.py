"""What `import mlt_s` costs, beside `import datasets`, which any data set needs."""

import importlib

from benchmarks.group import Contender, Group


def _import(*names):
    def begin(stage, scratch):
        return lambda: [importlib.import_module(name) for name in names] and None

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
