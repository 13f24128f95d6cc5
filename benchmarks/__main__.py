"""Measures how fast this project is, compared with what people do without it, in one run.

    python -m benchmarks [SHARE] [--rounds N] [--full] [--data-dir DIR] [--only NAME ...] [--against results.json]
                         [--other-python PATH]

Makes archives like MLT's in a temporary folder, runs all contenders in turns, prints tables, and writes results.json,
the tables in README.md and the plots. Groups that are not measured keep their figures from results.json. If it is
interrupted, all files stay as they were, and the temporary folder is removed.
"""

import argparse
import compileall
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import datasets
from tqdm import tqdm

import mlt_s
from benchmarks import (
    aims,
    groups,
    interpreters,
    machine,
    mlt_like,
    plots,
    processes,
    regression,
    report,
    server,
    stage,
)
from benchmarks.group import Figures, Measured
from benchmarks.paths import Stage
from benchmarks.plain import BareLoop

HERE = Path(__file__).parent
EPOCH_SHARE = 0.054  # of the counts of MLT: 299 training pairs; with fewer, starting workers would take a notable share


def run(
    out: Path,
    share: float,
    rounds: int,
    data_dir: Optional[str] = None,
    epoch_share: Optional[float] = None,
    only: Sequence[str] = groups.NAMES,
    counts: float = 1.0,
    size: tuple[int, int] = mlt_like.SIZE,
    delay: float = server.DELAY,
    other_python: str = "",
    copies: tuple[str, ...] = (),
    command: str = "",
) -> Figures:
    """Measures, and writes results.json, README.md and the plots.

    Args:
        out: folder to write to.
        share: share of the counts of MLT, for archives of full size.
        rounds: number of runs of each contender.
        data_dir: the user's own archives, instead of those of full size.
        epoch_share: share of the counts of MLT, for full epochs; None to use all pairs of `share`.
        only: names of groups.
        counts: share of the counts of MLT, for archives of small files.
        size: (width, height) of images of full size.
        delay: delay of the servers in seconds per round trip.
        other_python: path of an interpreter with packages of contenders that are not installed here.
        copies: names of groups that start no fresh process, though they measure imports.
        command: the command line, for the page.

    Returns:
        The content of results.json: results of this run, and of earlier runs for groups that this run did not measure.
    """
    uses = _uses(only)
    with tempfile.TemporaryDirectory(prefix="mlt_s_benchmarks_") as folder:
        set_up = stage.set_up(
            Path(folder), share, epoch_share, counts, size, data_dir, uses, delay, other_python, copies
        )
        measured = _measure(set_up, Path(folder), rounds, only)
        this = {
            "command": command,
            "machine": machine.described(),
            "data": _data(None if data_dir else _share(uses, share, epoch_share), set_up),
            "share": None if data_dir else share,
            "pairs": len(BareLoop(*stage.sources(set_up.few)["train"])),
            "entries": _entries(set_up),
            "rounds": rounds,
            "groups": list(only),
            "left_out": {name: _left_out(name, measured[name]) for name in only if _left_out(name, measured[name])},
        }
    results = _merged(_earlier(out / "results.json"), this, measured)
    results["plots"] = plots.draw(results["measured"], out)
    _write(out / "results.json", json.dumps(results, indent=1) + "\n")
    report.write(out / "README.md", results)
    return results


def _uses(only: Sequence[str]) -> Optional[set[str]]:
    """Fields of the `Stage` that these groups use; None for all."""
    fields: set[str] = set()
    for uses in (groups.named(name).uses for name in only):
        if uses is None:
            return None
        fields.update(uses)
    return fields


def _share(uses: Optional[set[str]], share: float, epoch_share: Optional[float]) -> float:
    return share if uses is None or not epoch_share or uses & {"archives", "unpacked"} else epoch_share


def _earlier(path: Path) -> Figures:
    return json.loads(path.read_text()) if path.exists() else {"runs": [], "measured": {}}


def _merged(earlier: Figures, this: Figures, measured: Measured) -> Figures:
    """Keeps the groups of earlier runs that were not measured again, with the description of those runs."""
    kept = [{**run, "groups": [name for name in run["groups"] if name not in measured]} for run in earlier["runs"]]
    found = {**earlier["measured"], **measured}
    found = {name: found[name] for name in groups.NAMES if name in found}
    return {"runs": [*filter(lambda run: run["groups"], kept), this], "ratios": aims.reached(found), "measured": found}


def _contenders(name: str, other_python: str) -> list[str]:
    """The contenders of a group whose packages are installed."""
    return [
        contender
        for contender, described in groups.named(name).contenders.items()
        if interpreters.having(described.needs, other_python) and interpreters.having(described.here)
    ]


def _left_out(name: str, measured: dict[str, list[Figures]]) -> list[str]:
    """Titles of the contenders of a group that were not measured because packages are missing."""
    return [described.title for key, described in groups.named(name).contenders.items() if key not in measured]


def _measure(set_up: Stage, folder: Path, rounds: int, only: Sequence[str]) -> Measured:
    """group -> contender -> the measurements of each round."""
    measured: Measured = {
        name: {contender: [] for contender in _contenders(name, set_up.other_python)} for name in only
    }
    turns = [
        (name, contender)
        for number in range(rounds)
        for name in only
        if number == 0 or groups.named(name).rounds
        # Every second round runs in reverse order, because the first contender finds less in memory.
        for contender in list(measured[name])[:: -1 if number % 2 else 1]
    ]
    with tqdm(turns, disable=None, dynamic_ncols=True) as bar:
        last = None
        for name, contender in bar:
            bar.set_description(f"{name} {contender}")
            if name != last:
                stage.read_once(set_up)
            last = name
            stage.touch_memory(set_up)
            fresh = groups.named(name).fresh and name not in set_up.copies
            taken = processes.run(name, contender, set_up, folder, fresh)
            measured[name][contender].append(taken)
    return measured


def _data(share: Optional[float], set_up: Stage) -> str:
    size = sum(map(os.path.getsize, stage.all_archives(set_up.archives))) / 1e9
    if share is None:
        return f"Archives of MLT and MLT_S, {size:.1f} GB."
    return f"Archives like MLT's and MLT_S's, {share:g} of their counts, {size:.1f} GB."


def _entries(set_up: Stage) -> int:
    """Number of images in the largest archives of small files; 0 if none were made."""
    folder = next(filter(os.path.isdir, (set_up.many, set_up.third)), None)
    return len(stage.images(folder)) if folder else 0


def _write(path: Path, text: str) -> None:
    """Writes a file that is complete or absent."""
    partial = path.with_suffix(".incomplete")
    partial.write_text(text)
    os.replace(partial, path)


def main(
    words: Optional[Sequence[str]] = None, out: Path = HERE, epoch_share: float = EPOCH_SHARE, **sizes: Any
) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.split("\n\n")[0])
    parser.add_argument("share", nargs="?", type=float, default=0.1, help="share of MLT's 9,000 images (default 0.1)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--full", action="store_true", help="as many images as MLT has; takes 40 GB and hours")
    parser.add_argument("--data-dir", help="your own archives, instead of generated ones")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=groups.NAMES,
        default=groups.NAMES,
        metavar="NAME",
        help=f"what to measure, of {', '.join(groups.NAMES)}",
    )
    parser.add_argument(
        "--other-python",
        default="",
        metavar="PATH",
        help="an interpreter for contenders whose packages are not installed here: mosaicml-streaming and litdata",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="results.json",
        help="results of an earlier run: lists ratios that are worse now; exit status 1 if there are any",
    )
    given = parser.parse_args(words)
    earlier = json.loads(given.against.read_text()) if given.against else None  # before it is overwritten
    results = run(
        out,
        1.0 if given.full else given.share,
        given.rounds,
        given.data_dir,
        None if given.full else min(epoch_share, given.share),
        given.only,
        other_python=given.other_python,
        command=_command(given),
        **sizes,
    )
    print(report.tables(results))
    problems = [f"Other pixels than the plain PyTorch Dataset: {name}." for name in aims.differing(results["measured"])]
    problems += [f"Not the next pair after resuming: {name}." for name in aims.resumed_elsewhere(results["measured"])]
    problems += regression.worsened(results, earlier) if earlier else []
    for line in problems:
        print(line)
    return 1 if problems else 0


def _command(given: argparse.Namespace) -> str:
    """The command line for such a run, without paths of this machine."""
    words = ["--full" if given.full else f"{given.share:g}", f"--rounds {given.rounds}"]
    words += ["--data-dir ..."] if given.data_dir else []
    words += ["--only", *given.only] if given.only != groups.NAMES else []
    return " ".join(["python -m benchmarks", *words, *(["--other-python ..."] if given.other_python else [])])


if __name__ == "__main__":
    # Settings of the whole process, which callers of `main` should not get.
    datasets.disable_progress_bars()
    mlt_s.logger.setLevel("ERROR")  # the counts are not those of MLT
    os.environ.update(processes.ENVIRONMENT)  # before the first call starts the process that is copied
    # Compiled once, as pip does on installation. The processes write no bytecode, so each would compile again.
    compileall.compile_file(processes.ROOT / "mlt_s.py", quiet=1)
    compileall.compile_dir(processes.ROOT / "mlt_s_tools", quiet=1)
    raise SystemExit(main())
