"""Beside those who convert first: the same pairs in each library's own format."""

import functools

from benchmarks.formats import FORMATS
from benchmarks.group import Action, Contender, Figures, Group
from benchmarks.paths import Stage


def _begin(name: str, stage: Stage, scratch: str) -> Action:
    from benchmarks import interpreters, meters, steps
    from benchmarks.stage import sources

    python = interpreters.having(FORMATS[name].needs, stage.other_python)
    assert python  # otherwise it is left out

    def action() -> Figures:
        converted = steps.run(python, "convert", name, scratch, sources(stage.few))
        seconds = converted["seconds"] if meters.size_of(scratch) else 0  # of zips, nothing is converted
        first = steps.run(python, "first", name, scratch, fresh="converted" not in stage.copies)
        taken = steps.run(python, "read", name, scratch)
        return {**taken, **first, "convert": seconds}

    return action


GROUP = Group(
    "Converted",
    "The pairs of decoding in the formats of other libraries, which one process writes from the zips and which take "
    "disk; zips are read as they are. A first pair is decoded in a fresh process, imports and all. Speed is that of an "
    "epoch with image and label map decoded by Pillow and their sizes handed over in batches of 4, without shuffling; "
    "two workers go over 4 epochs. CPU seconds and memory are those of an epoch without workers.",
    {
        name: Contender(form.title, functools.partial(_begin, name), form.ours, form.needs)
        for name, form in FORMATS.items()
    },
    figure="pairs_per_second",
    unit="pairs/s",
    against="stream",
    uses=("few",),
    columns=(("1 worker", "with_1"), ("2 workers", "with_2"), ("to convert s", "convert"), ("first pair s", "first")),
)
