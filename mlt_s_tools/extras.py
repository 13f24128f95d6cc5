"""What an extra of the package installs, where it is asked for and missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import mlt_s


@contextlib.contextmanager
def needed(what: str, extra: str) -> Iterator[None]:
    """Turns the error of something that is not installed into one that says what to do.

    Args:
        what: needs it.
        extra: of the package, which installs it.

    Raises:
        mlt_s.MltSError: of an `ImportError`.
    """
    try:
        yield
    except ImportError as error:
        raise mlt_s.MltSError(
            f'{what} needs what is not installed here ({str(error).strip()}): pip install "mlt-s[{extra}]".'
        ) from error
