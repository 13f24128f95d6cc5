"""What is measured, a module a group. Contenders import what they use when they begin: imports are measured too."""

import importlib

from benchmarks.group import Group

NAMES = (
    "imports",
    "first",
    "finding",
    "prepare",
    "decode",
    "converted",
    "order",
    "train",
    "resume",
    "nodes",
    "memory",
    "remote",
)


def named(name: str) -> Group:
    """The `Group` of that name."""
    return importlib.import_module(f"{__name__}.{name}").GROUP
