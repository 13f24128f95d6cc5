"""How fast this project is, beside what people do without it, in one run.

    python -m benchmarks [SHARE] [--rounds N] [--full] [--data-dir DIR] [--only NAME ...] [--against results.json]

Makes archives like MLT's in a temporary folder, runs all contenders in turns, prints tables, and writes results.json,
the tables in README.md and the plots beside it. Interrupted, it leaves what was there, and no temporary folder.
"""

import argparse
import compileall
import json
import os
import tempfile
from pathlib import Path

import datasets
from tqdm import tqdm

import mlt_s
from benchmarks import aims, groups, machine, mlt_like, plots, processes, regression, report, stage

HERE = Path(__file__).parent
EPOCH_SHARE = 0.054  # of the counts of MLT: 299 training pairs; of fewer, starting workers would be a share that counts


def run(out, share, rounds, data_dir=None, epoch_share=None, only=groups.NAMES, counts=1.0, size=mlt_like.SIZE):
    """Measures, and writes results.json, README.md and the plots.

    Args:
        out: folder to write to, a `Path`.
        share: of the counts of MLT, for archives of full size.
        rounds: how often each contender runs.
        data_dir: the user's own archives, in place of those of full size.
        epoch_share: of the counts of MLT, for full epochs; None to go over all pairs of `share`.
        only: names of groups.
        counts: of the counts of MLT, for archives of small files.
        size: (width, height) of what is of full size.

    Returns:
        What results.json holds.
    """
    with tempfile.TemporaryDirectory(prefix="mlt_s_benchmarks_") as folder:
        set_up = stage.set_up(Path(folder), share, epoch_share, counts, size, data_dir)
        measured = _measure(set_up, Path(folder), rounds, only)
        results = {
            "machine": machine.described(),
            "data": _data(share, data_dir, stage.all_archives(set_up.archives)),
            "share": None if data_dir else share,
            "pairs": len(_labels(set_up.few_unpacked)),
            "entries": len(_images(set_up.many_unpacked)),
            "rounds": rounds,
            "ratios": aims.reached(measured),
            "measured": measured,
        }
    results["plots"] = plots.draw(measured, out)
    _write(out / "results.json", json.dumps(results, indent=1) + "\n")
    report.write(out / "README.md", results)
    return results


def _measure(set_up, folder, rounds, only):
    """group -> contender -> what was measured, one a round."""
    measured = {name: {contender: [] for contender in groups.named(name).contenders} for name in only}
    turns = [
        (name, contender)
        for number in range(rounds)
        for name in only
        if number == 0 or groups.named(name).rounds
        # In every second round the other way round, as what comes first finds less in memory.
        for contender in list(groups.named(name).contenders)[:: -1 if number % 2 else 1]
    ]
    with tqdm(turns, disable=None, dynamic_ncols=True) as bar:
        last = None
        for name, contender in bar:
            bar.set_description(f"{name} {contender}")
            if name != last:
                stage.read_once(set_up)
            last = name
            stage.touch_memory(set_up)
            taken = processes.run(name, contender, set_up, folder, groups.named(name).fresh)
            measured[name][contender].append(taken)
    return measured


def _data(share, data_dir, archives):
    size = sum(map(os.path.getsize, archives)) / 1e9
    if data_dir:
        return f"Archives of MLT and MLT_S, {size:.1f} GB."
    return f"Archives like MLT's and MLT_S's, {share:g} of their counts, {size:.1f} GB."


def _labels(unpacked):
    return os.listdir(os.path.join(unpacked, "train", "labels"))


def _images(unpacked):
    return [name for split in stage.SPLITS for name in os.listdir(os.path.join(unpacked, split, "images"))]


def _write(path, text):
    """Whole or not at all."""
    partial = path.with_suffix(".incomplete")
    partial.write_text(text)
    os.replace(partial, path)


def main(words=None, out=HERE, epoch_share=EPOCH_SHARE, **sizes):
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.split("\n\n")[0])
    parser.add_argument("share", nargs="?", type=float, default=0.1, help="of MLT's 9,000 images (default 0.1)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender runs (default 3)")
    parser.add_argument("--full", action="store_true", help="as many images as MLT has; takes 40 GB and hours")
    parser.add_argument("--data-dir", help="your own archives, in place of those that are made")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=groups.NAMES,
        default=groups.NAMES,
        metavar="NAME",
        help=f"what to measure, of {', '.join(groups.NAMES)}",
    )
    parser.add_argument(
        "--against",
        type=Path,
        metavar="results.json",
        help="of an earlier run: names ratios that are worse now, and ends with exit status 1 then",
    )
    given = parser.parse_args(words)
    earlier = json.loads(given.against.read_text()) if given.against else None  # before it is overwritten
    share, epoch_share = (1.0, None) if given.full else (given.share, min(epoch_share, given.share))
    results = run(out, share, given.rounds, given.data_dir, epoch_share, given.only, **sizes)
    print(report.tables(results))
    problems = [f"Other pixels than the plain PyTorch Dataset: {name}." for name in aims.differing(results["measured"])]
    problems += regression.worsened(results, earlier) if earlier else []
    for line in problems:
        print(line)
    return 1 if problems else 0


if __name__ == "__main__":
    # Settings of the whole process, which whoever calls `main` would be left with.
    datasets.disable_progress_bars()
    mlt_s.logger.setLevel("ERROR")  # the counts are not those of MLT
    os.environ.update(processes.ENVIRONMENT)  # before the first call starts the process that is copied
    # Once, as pip does with what it installs. Each process would do it anew: they write no bytecode.
    compileall.compile_file(processes.ROOT / "mlt_s.py", quiet=1)
    compileall.compile_dir(processes.ROOT / "mlt_s_tools", quiet=1)
    raise SystemExit(main())
