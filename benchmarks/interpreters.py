"""Finds a Python that has the packages of a contender: not all libraries fit into one environment."""

import functools
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Optional


def having(packages: Iterable[str], other: Optional[str] = None) -> Optional[str]:
    """Path of the interpreter that has all of these packages: this one, or the other one; None if neither has them."""
    if all(importlib.util.find_spec(name) for name in packages):
        return sys.executable
    return other if other and _has(other, tuple(packages)) else None


@functools.lru_cache(None)
def _has(python: str, packages: tuple[str, ...]) -> bool:
    code = "import importlib.util, json, sys; print(all(map(importlib.util.find_spec, json.loads(sys.argv[1]))))"
    command = [python, "-c", code, json.dumps(packages)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "True"
