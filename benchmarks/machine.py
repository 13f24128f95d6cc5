"""Describes the machine, the versions and the commit that figures were measured with."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Union

_LIBRARIES = ("datasets", "numpy", "pillow", "pyarrow", "torch")


def described() -> dict[str, Union[str, int]]:
    """The machine, the versions and the commit, as a dict of str and numbers."""
    return {
        "processor": _found(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_found(r"MemTotal:\s*(\d+)", "/proc/meminfo")) / 1e6),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        "commit": _commit(),
    }


def _found(pattern: str, path: str) -> str:
    found = re.search(pattern, Path(path).read_text())
    return found[1] if found else ""


def _commit() -> str:
    """The commit, with a "+" if the measured code differs from it."""
    git = ["git", "-C", str(Path(__file__).parents[1])]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout
        code = ["mlt_s.py", "mlt_s_tools", "benchmarks/*.py", "benchmarks/groups"]
        changed = subprocess.run(
            [*git, "status", "--porcelain", *code], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):  # no clone
        return "unknown"
    return commit.strip() + ("+" if changed.strip() else "")
