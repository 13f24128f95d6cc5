"""Reads JSON files beside the data (manifests, records, reports), and checks their types.

A file may be wrong, damaged or malicious. So types are checked once, on reading, and `ValueError` is the only error to
handle. A shape describes a value:

    str, bool, object    that type; `object` is anything
    int                  a count: from 0 to 2**63 - 1
    float                a finite number, integer or not
    None                 null
    [shape]              a list of such values
    {str: shape}         an object with any names
    {"name": shape}      an object with at least these names; "name?" may be missing
    (shape, shape)       either
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import Any, Union

Shape = Union[type, None, list["Shape"], tuple["Shape", ...], dict[Any, "Shape"]]

# Bytes of a file, or of a line in a file of JSON lines. The largest file that this project writes is the report of a
# check in which each of 18,000 files has a problem: 9 MB. Python needs up to 20 times as much memory as the text.
LARGEST = 1 << 26
_LONGEST_NUMBER = 40  # digits: parsing takes time quadratic in their number, and Python has no limit before 3.11
_NAMES: dict[type | None, str] = {str: "text", bool: "true or false", int: "a count", float: "a number", None: "null"}


def read(path: str | os.PathLike[str], shape: Shape) -> Any:
    """Reads the value in a JSON file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large, not JSON, or of another shape; the message says where, such as "files[2] lacks
            'rows'".
    """
    with open(path, "rb") as file:
        return parsed(file.read(LARGEST + 1), shape)


def parsed(text: bytes, shape: Shape) -> Any:
    """Parses a JSON text (bytes, UTF-8).

    Raises:
        ValueError: as for `read`.
    """
    if len(text) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    try:
        value = json.loads(text.decode("utf-8"), parse_int=_whole_number)
    except RecursionError:
        raise ValueError("its values are nested too deep") from None
    check(value, shape)
    return value


def lines(path: str | os.PathLike[str]) -> Iterator[bytes]:
    """Yields the lines of a file, as bytes without line ends. An incomplete last line is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is too long.
    """
    with open(path, "rb") as file:
        while line := file.readline(LARGEST + 1):
            if line.endswith(b"\n"):
                yield line[:-1]
            elif len(line) > LARGEST:
                raise ValueError(f"a line has more than {LARGEST:,} bytes")


def check(value: Any, shape: Shape, place: str = "") -> None:
    """Checks that a value has a shape.

    Raises:
        ValueError: it has another shape; the message says where.
    """
    if isinstance(shape, tuple):
        if not any(_has_shape(value, one) for one in shape):
            check(value, shape[-1], place)
    elif isinstance(shape, list):
        _check_type(value, list, "a list", place)
        for at, item in enumerate(value):
            check(item, shape[0], f"{place}[{at}]")
    elif isinstance(shape, dict):
        _check_type(value, dict, "an object", place)
        for name, of_name in shape.items():
            _check_items(value, name, of_name, place)
    elif not _is_of(value, shape):
        raise ValueError(f"{place or 'it'} is not {_NAMES[shape]}")


def _check_items(value: dict[str, Any], name: str | type[str], shape: Shape, place: str) -> None:
    if name is str:
        for key, item in value.items():
            check(item, shape, f"{place}.{key[:40]}" if place else key[:40])
        return
    key = name.rstrip("?")
    if key in value:
        check(value[key], shape, f"{place}.{key}" if place else key)
    elif key == name:
        raise ValueError(f"{place or 'it'} lacks {key!r}")


def _check_type(value: Any, kind: type, called: str, place: str) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{place or 'it'} is not {called}")


def _has_shape(value: Any, shape: Shape) -> bool:
    try:
        check(value, shape)
    except ValueError:
        return False
    return True


def _is_of(value: Any, shape: type | None) -> bool:
    if shape is None:
        return value is None
    if shape is float:
        return type(value) is int and abs(value) < 1 << 63 or type(value) is float and math.isfinite(value)
    if shape is int:
        return type(value) is int and 0 <= value < 1 << 63
    return isinstance(value, shape)


def _whole_number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"it holds a number of {len(digits):,} digits")
    return int(digits)
