"""The files that commands write. Commands replace only files that a command of this project wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

SIGNATURE = {"Software": "mlt-s"}  # the text chunk of PNG for the program that made a picture
GENERATOR = b'<meta name="generator" content="mlt-s">'
TABLE = ("image_id", "state")  # the first columns of the table of mlt-s evaluate
# Keys by which JSON files are recognised: check, a check that could not run, evaluate, weak evaluate, compare.
_REPORTS = (
    {"status", "problems", "notes"},
    {"status", "error"},
    {"whole_split", "figures"},
    {"left_out", "models"},
    {"maps_a", "maps_b", "splits"},
)


def check_free(*paths: str | os.PathLike[str] | None) -> None:
    """Checks, before any work is done, that files at these paths may be replaced. None stands for no file.

    Raises:
        FileExistsError: a file exists that no command of this project is known to have written.
    """
    for path in paths:
        if path and os.path.isfile(path) and os.path.getsize(path) and not _is_ours(Path(path)):
            raise FileExistsError(f"{path} exists, and is not known to be from mlt-s: move it, or give another name.")


def signed() -> PngInfo:
    """The `pnginfo` argument with which Pillow signs a PNG file."""
    text = PngInfo()
    for keyword, value in SIGNATURE.items():
        text.add_text(keyword, value)
    return text


def written(path: str | os.PathLike[str], was_there: bool) -> str:
    """The path of a written file, as commands print it."""
    return f"{Path(path).resolve()}{' (replaced)' if was_there else ''}"


def size(number: float) -> str:
    """A number of bytes as commands print it, in the units of MLT's download page.

    >>> size(0), size(3324), size(102_000_000), size(7_010_000_000)
    ('0 B', '3.3 kB', '102 MB', '7.01 GB')
    """
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:,.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.2f} GB"


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as file:
        start = file.read(4096)
    (signature,) = (f"{keyword}\0{value}".encode() for keyword, value in SIGNATURE.items())
    if start.startswith(b"\x89PNG") and signature in start:
        return True
    if GENERATOR in start or start.startswith(",".join(TABLE).encode()):
        return True
    if not start.startswith(b"{"):
        return False
    try:
        report = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(report, dict) and any(keys <= report.keys() for keys in _REPORTS)
