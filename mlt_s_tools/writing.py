"""Writes the files of commands. A file gets its name, and replaces an older file, only when it is complete."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import mlt_s
from mlt_s_tools import output

if TYPE_CHECKING:
    from PIL import Image

_ENDLESS = ("/dev/", "/proc/")  # written in place, such as /dev/stdout, which may be a link to a file


@contextlib.contextmanager
def whole(path: str | os.PathLike[str], mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """Opens a file for writing. It gets its name at the end, if there was no error; otherwise it is removed.

    Anything but a regular file, such as a pipe, is written directly.

    Args:
        path: path of the file. If it is a link, the file that it points to is replaced.
        mode, options: as for `open`.

    Raises:
        OSError: it cannot be written; `filename` is the path.
    """
    path = os.fspath(path)
    is_new = not os.path.exists(path) or _is_file(path)
    target = os.path.realpath(path) if is_new else path
    # Each process uses its own name, so that two that write the same file at a time do not interfere.
    folder, part = os.path.dirname(target), f".mlt-s-{os.getpid()}-{secrets.token_hex(4)}.part"
    part = os.path.join(folder, part) if is_new else path
    try:
        try:
            with open(part, mode, **options) as file:
                yield file
            if is_new:
                with contextlib.suppress(OSError):  # a file system without modes, or no older file
                    shutil.copymode(target, part)
                os.replace(part, target)
        except BaseException:
            if is_new:
                with contextlib.suppress(OSError):
                    os.remove(part)
            raise
    except OSError as error:
        if error.errno is None or error.filename not in (None, part):
            raise  # an error of another kind, such as a picture that the format cannot store
        raise OSError(error.errno, error.strerror, path) from error


def check(*paths: str | os.PathLike[str] | None) -> None:
    """Checks that files may be replaced and can be written, before the work begins. None stands for no file.

    Raises:
        FileExistsError: a file exists that no command of this project is known to have written.
        OSError: a file cannot be written.
    """
    output.check_free(*paths)
    for path in paths:
        if path and (not os.path.exists(path) or _is_file(path) or os.path.isdir(path)):
            with contextlib.suppress(_Unused), whole(path):
                raise _Unused


class _Unused(Exception):
    """Aborts writing a file that was opened only to check that it can be written."""


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Writes a value as JSON in UTF-8. Invalid Unicode in names is escaped so that reading gives the same name.

    Passwords and keys in addresses are left out.
    """
    text = mlt_s.without_secrets(json.dumps(value, indent=2, ensure_ascii=False)) + "\n"
    with whole(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def write_picture(path: str | os.PathLike[str], picture: Image.Image) -> None:
    """Writes a `PIL.Image` as a PNG file that says which program made it."""
    with whole(path) as file:
        picture.save(file, "PNG", pnginfo=output.signed())


def _is_file(path: str | os.PathLike[str]) -> bool:
    return os.path.isfile(path) and not os.path.abspath(path).startswith(_ENDLESS)
