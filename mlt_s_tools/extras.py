"""Reports packages of an extra that are needed but not installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import mlt_s


@contextlib.contextmanager
def needed(what: str, extra: str) -> Iterator[None]:
    """Turns an `ImportError` into an error that says what to install.

    Args:
        what: what needs the package.
        extra: the extra of mlt-s that installs it.

    Raises:
        mlt_s.MltSError: for an `ImportError`.
    """
    try:
        yield
    except ImportError as error:
        raise mlt_s.MltSError(
            f'{what} needs a package that is not installed ({str(error).strip()}): pip install "mlt-s[{extra}]".'
        ) from error
