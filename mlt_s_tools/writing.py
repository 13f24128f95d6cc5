"""Files that a command writes: each takes its name when it is whole, and a file that was there stays until then."""

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

_ENDLESS = ("/dev/", "/proc/")  # such as /dev/stdout, which may lead to a file: it is written where it is


@contextlib.contextmanager
def whole(path: str | os.PathLike[str], mode: str = "wb", **options: Any) -> Iterator[IO[Any]]:
    """A file to write. Without an error it has its name at the end; otherwise nothing is left of it.

    What is no file, such as a pipe, is written as it is.

    Args:
        path: of the file. Of a link, the file that it leads to is replaced.
        mode, options: as `open` takes them.

    Raises:
        OSError: it cannot be written; `filename` is the path.
    """
    path = os.fspath(path)
    is_new = not os.path.exists(path) or _is_file(path)
    target = os.path.realpath(path) if is_new else path
    # Another name for each process: two that write the same file at a time do not get at each other's.
    folder, part = os.path.dirname(target), f".mlt-s-{os.getpid()}-{secrets.token_hex(4)}.part"
    part = os.path.join(folder, part) if is_new else path
    try:
        try:
            with open(part, mode, **options) as file:
                yield file
            if is_new:
                with contextlib.suppress(OSError):  # a file system may have no modes, or none there
                    shutil.copymode(target, part)
                os.replace(part, target)
        except BaseException:
            if is_new:
                with contextlib.suppress(OSError):
                    os.remove(part)
            raise
    except OSError as error:
        if error.errno is None or error.filename not in (None, part):
            raise  # of something else, such as a picture that has no such format
        raise OSError(error.errno, error.strerror, path) from error


def check(*paths: str | os.PathLike[str] | None) -> None:
    """Sees that files may be replaced and can be written, before the work that ends in them; None is no path.

    Raises:
        FileExistsError: one is there that no command of this project is known to have written.
        OSError: one cannot be written.
    """
    output.check_free(*paths)
    for path in paths:
        if path and (not os.path.exists(path) or _is_file(path) or os.path.isdir(path)):
            with contextlib.suppress(_Unused), whole(path):
                raise _Unused


class _Unused(Exception):
    """Ends the writing of a file that is not wanted yet."""


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Writes a value as JSON has it, in UTF-8; what is no Unicode in a name as an escape that gives the same back.

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
