"""How those who convert first shuffle, and how they go on in the middle of an epoch."""

import functools

from benchmarks.formats import FORMATS, Format
from benchmarks.group import Action, Contender, Group
from benchmarks.paths import Stage


def _begin(name: str, stage: Stage, scratch: str) -> Action:
    from benchmarks import interpreters, steps
    from benchmarks.stage import sources

    python = interpreters.having(_needs(FORMATS[name]), stage.other_python)
    assert python  # otherwise it is left out
    steps.run(python, "convert", name, scratch, sources(stage.third))
    return lambda: steps.run(python, "order", name, scratch, sources(stage.third)["train"])


def _needs(form: Format) -> tuple[str, ...]:
    return form.needs or ("torchdata",)


GROUP = Group(
    "Order",
    "A shuffled epoch, as each library's documentation shuffles, over 0.3 of MLT_S's counts, in shards of as many "
    "pairs as are 64 MB of full size. Neighbours is the share of pairs that follow a neighbour in the archive: a true "
    "shuffle of n pairs has 2/n, no shuffle 1. Then going on after half of it, in a process that has the data set "
    "open: seconds to the next pair, and bytes read for it, in parts of all files (half of them and more where what "
    "was seen is read again). By the library's own state: that of the stream, of StreamingDataLoader (litdata, "
    "mosaicml-streaming), or of torchdata's StatefulDataLoader, with WebDataset too, which has none. The stream of "
    "Parquet is resumed unshuffled: shuffled, it hangs with datasets 5.2.",
    {
        name: Contender(form.title, functools.partial(_begin, name), form.ours, _needs(form))
        for name, form in FORMATS.items()
    },
    figure="resume",
    unit="s to go on",
    rounds=False,
    uses=("third", "few"),
    columns=(("read, of all", "resume_share"), ("neighbours", "neighbours")),
)
