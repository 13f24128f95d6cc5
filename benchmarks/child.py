"""Runs one contender in this process, for `processes`, and writes the measurements to result.json."""

import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def measure(group: str, name: str, stage: dict[str, Any], own: str, started: float) -> None:
    """Runs a contender.

    Args:
        group: name of the group.
        name: of the contender.
        stage: the fields of a `paths.Stage`.
        own: a folder, with an empty one named `scratch` in it.
        started: when the process was, by `time.time`.
    """
    from benchmarks import groups, meters
    from benchmarks.paths import Stage

    multiprocessing.set_start_method(None, force=True)  # workers start as they do for a user, not as we were started
    scratch = os.path.join(own, "scratch")
    os.chdir(scratch)
    action = groups.named(group).contenders[name].begin(Stage(**stage), scratch)
    result = meters.measured(action)
    result["since_start"] = time.time() - started
    result["kept"] = meters.size_of(scratch)
    Path(own, "result.json").write_text(json.dumps(result))


def measure_apart(group: str, name: str, stage: dict[str, Any], own: str, started: float) -> None:
    """`measure` at the head of a process group, so that all that it starts can be ended with it. Takes the same.

    Its temporary files lie in its own folder: a process that is killed leaves them, and the folder is removed.
    """
    os.setpgrp()
    os.environ["TMPDIR"] = tempfile.tempdir = os.path.join(own, "scratch")
    measure(group, name, stage, own, started)


if __name__ == "__main__":
    measure(*json.loads(sys.argv[1]))
