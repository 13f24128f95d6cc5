"""From archives to a set that is ready to train on, on disk."""

import contextlib
import functools
import io
import os
import subprocess
from typing import Optional

from benchmarks.group import Action, Contender, Group
from benchmarks.paths import Stage


def _load(folder: str, processes: Optional[int], stage: Stage, scratch: str) -> Action:
    import datasets

    import mlt_s  # noqa: F401, makes the name known to `datasets`

    def action() -> None:
        datasets.load_dataset("mlt_s", data_dir=getattr(stage, folder), cache_dir=scratch, num_proc=processes)

    return action


def _unzip(stage: Stage, scratch: str) -> Action:
    from benchmarks.stage import sources
    from benchmarks.unpacking import unpack

    return lambda: unpack(sources(stage.archives), scratch)


def _imagefolder(stage: Stage, scratch: str) -> Action:
    import datasets

    from benchmarks.stage import sources
    from benchmarks.unpacking import unpack, write_metadata

    def action() -> None:
        tree = os.path.join(scratch, "tree")
        unpack(sources(stage.archives), tree)
        write_metadata(tree)
        datasets.load_dataset("imagefolder", data_dir=tree, cache_dir=os.path.join(scratch, "cache"))

    return action


def _build(verify: bool, processes: Optional[int], stage: Stage, scratch: str) -> Action:
    import mlt_s_tools

    def action() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            out = os.path.join(scratch, "built")
            mlt_s_tools.build(stage.archives, out, verify=verify, jobs=processes)

    return action


def _cat(stage: Stage, scratch: str) -> Action:
    from benchmarks.stage import all_archives

    def action() -> None:
        subprocess.run(["cat", *archives], stdout=subprocess.DEVNULL, check=True)

    archives = all_archives(stage.archives)
    return action


GROUP = Group(
    "Preparing",
    "From archives on disk to a prepared set, without imports. `imagefolder` keeps the unpacked files and only points "
    "to them; a prepared set of this project and a build hold the bytes and need nothing else. `cat` reads the "
    "archives and drops them: no way is faster.",
    {
        "zips_1": Contender("this project: zips, 1 process", functools.partial(_load, "archives", None), ours=True),
        "zips_2": Contender("this project: zips, 2 processes", functools.partial(_load, "archives", 2), ours=True),
        "unpacked_1": Contender(
            "this project: unpacked, 1 process", functools.partial(_load, "unpacked", None), ours=True
        ),
        "unpacked_2": Contender(
            "this project: unpacked, 2 processes", functools.partial(_load, "unpacked", 2), ours=True
        ),
        "build_1": Contender("mlt-s build: not verified, 1 process", functools.partial(_build, False, 1), ours=True),
        "build_2": Contender("mlt-s build: verified, 2 processes", functools.partial(_build, True, 2), ours=True),
        "unzip": Contender("unzip alone", _unzip),
        "imagefolder": Contender("unzip, metadata, imagefolder", _imagefolder),
        "cat": Contender("cat", _cat),
    },
    against="unzip",
    uses=("archives", "unpacked"),
)
