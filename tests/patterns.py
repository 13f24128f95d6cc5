"""Finds the files in a folder by the patterns of `datasets` in less time than `datasets` takes, and finds the same.

For a registered name, `load_dataset` tries some 70 patterns on the folder. Each one lists the folder anew and compiles
an expression that holds the folder's path: 20 ms, half of what it takes to load a handful of pairs. Here a folder is
listed once for each call, and only the patterns that match something in it are tried.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable

import datasets.data_files
import datasets.load
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

_call = threading.local()  # with `listed`, the paths by folder, while this thread makes a call


def listing_once(find: Callable) -> Callable:
    """`dataset_module_factory`, in which no folder changes: so that each is listed once."""

    @functools.wraps(find)
    def found(*args, **options):
        _call.listed = {}
        try:
            return find(*args, **options)
        finally:
            del _call.listed

    return found


def trying_what_matches(resolve: Callable) -> Callable:
    """`resolve_pattern`, which says FileNotFoundError, as it does itself, for what matches nothing."""

    @functools.wraps(resolve)
    def resolved(pattern, base_path, *args, **options):
        # Of any other pattern the library lists a folder within this one, or a place that is not on this disk.
        is_in_folder = has_magic(pattern.split("/")[0]) and "://" not in pattern and "::" not in pattern
        is_folder = not has_magic(base_path) and "://" not in base_path and "::" not in base_path
        if hasattr(_call, "listed") and is_in_folder and is_folder and not _matches(pattern, base_path):
            raise FileNotFoundError(f"Unable to find '{pattern}'")
        return resolve(pattern, base_path, *args, **options)

    return resolved


def _matches(pattern: str, folder: str) -> bool:
    matches = _compiled(pattern).match
    return any(matches(path) or matches(path + "/") for path in _paths_within(folder))


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(glob_translate("/" + pattern))


def _paths_within(folder: str) -> list[str]:
    if folder not in _call.listed:
        files = LocalFileSystem()
        start = len(files._strip_protocol(folder).rstrip("/"))
        _call.listed[folder] = [path[start:] for path in files.find(folder, withdirs=True)]
    return _call.listed[folder]


def use() -> None:
    """From now on, in this process."""
    datasets.load.dataset_module_factory = listing_once(datasets.load.dataset_module_factory)
    datasets.data_files.resolve_pattern = trying_what_matches(datasets.data_files.resolve_pattern)
