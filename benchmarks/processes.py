"""A separate process per contender: nothing that one imports, caches or keeps open helps the next."""

import contextlib
import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.group import Figures
from benchmarks.paths import Stage

ROOT = Path(__file__).parents[1]
# No network, no bytecode files, and one core per process, so that the comparison is between workers.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
PATIENCE = 3  # seconds for an interrupted contender to clean up


def run(group: str, name: str, stage: Stage, folder: Path, fresh: bool) -> Figures:
    """Measures a contender: the figures of `meters.measured` and two more.

    These are `since_start`, seconds since its process was started, and `kept`, bytes of the files that it left.

    Args:
        group: name of the group.
        name: name of the contender.
        stage: a `paths.Stage`.
        folder: folder for its files, which are removed when it is done.
        fresh: as in `group.Group`.
    """
    with tempfile.TemporaryDirectory(dir=folder) as own:
        (_start_fresh if fresh else _start_copy)(group, name, stage, own)
        return json.loads(Path(own, "result.json").read_text())


def _start_fresh(group: str, name: str, stage: Stage, own: str) -> None:
    scratch = os.path.join(own, "scratch")
    places = {"PYTHONPATH": str(ROOT), "HF_HOME": scratch, "TMPDIR": scratch}
    task = json.dumps([group, name, dataclasses.asdict(stage), own, time.time()])
    os.mkdir(scratch)
    command = [sys.executable, "-m", "benchmarks.child", task]
    environment = {**os.environ, **ENVIRONMENT, **places}
    done = subprocess.run(command, env=environment, cwd=scratch, stderr=subprocess.PIPE, text=True)
    if done.returncode:  # otherwise, stderr has only progress bars, and the warning about counts that are not MLT's
        raise RuntimeError(f"{group} {name}:\n{done.stderr}")


def _start_copy(group: str, name: str, stage: Stage, own: str) -> None:
    os.mkdir(os.path.join(own, "scratch"))
    from benchmarks import child

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.preloaded"])
    arguments = (group, name, dataclasses.asdict(stage), own, time.time())
    process = context.Process(target=child.measure_apart, args=arguments)
    process.start()
    try:
        process.join()
    finally:
        _end(process)
    if process.exitcode:
        raise RuntimeError(f"{group} {name} ended with exit status {process.exitcode}.")


def _end(process: multiprocessing.context.ForkServerProcess) -> None:
    """Ends a process and all that it started: first like Ctrl-C, so that it can clean up, and then with SIGKILL."""
    assert process.pid  # it was started
    for number, patience in ((signal.SIGINT, PATIENCE), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):  # usually it has already ended
            os.killpg(process.pid, number)
        process.join(patience)
