"""The cost of the configuration "words": prepares with and without words, in turns, in one run.

    python -m benchmarks.words [SHARE] [ROUNDS]

SHARE is the share of MLT's 9,000 images (default 0.1, 0.7 GB), ROUNDS the number of runs of each (default 5). All files
are temporary.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Union

import datasets

import mlt_s
from benchmarks import mlt_like


def prepare(data_dir: Path, config: str) -> tuple[float, float]:
    """CPU seconds of this process, and seconds on the clock, to prepare."""
    with tempfile.TemporaryDirectory(dir=data_dir.parent) as cache:
        clock, cpu = time.perf_counter(), time.process_time()
        mlt_s.MltS(config_name=config, data_dir=str(data_dir), cache_dir=cache).download_and_prepare()
        return time.process_time() - cpu, time.perf_counter() - clock


def main(share: Union[float, str] = 0.1, rounds: Union[int, str] = 5) -> None:
    datasets.disable_progress_bars()
    mlt_s.logger.setLevel("ERROR")
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "mlt"
        pairs = mlt_like.make(data_dir, float(share))
        print(f"{platform.machine()}, {os.cpu_count()} cores; datasets {datasets.__version__}; {pairs:,} pairs")
        seconds: dict[str, list[tuple[float, float]]] = {"segmentation": [], "words": []}
        for _ in range(int(rounds)):
            for config, measured in seconds.items():
                measured.append(prepare(data_dir, config))
    for what, at in (("CPU", 0), ("clock", 1)):
        ratios = [words[at] / plain[at] for plain, words in zip(*seconds.values())]
        medians = [statistics.median(one[at] for one in measured) for measured in seconds.values()]
        print(
            f"{what}: segmentation {medians[0]:.2f} s, words {medians[1]:.2f} s, "
            f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
