"""Output of the command line: always printable, even if a stream is closed, full or ASCII.

Output contains names of files, answers of servers, and names of models from records. A terminal would execute control
sequences in them. So all output passes through this module, which writes characters that are not printable as escapes,
such as `\\x1b`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

# A progress bar begins and ends by moving the cursor to the start of its line, or up to another line. The second
# pattern matches the reversed text.
_MOVES = re.compile(r"(?:[\r\n]|\x1b\[A)*")
_MOVES_REVERSED = re.compile(r"(?:[\r\n]|A\[\x1b)*")


def printable(text: str) -> str:
    """A text with all characters escaped that move the cursor, change the writing direction or are invisible.

    `mlt_s` has the same function for its warnings. It is not used here, because importing `mlt_s` takes seconds.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class PrintableStream:
    """A text stream that passes on only printable text, in the encoding of the underlying stream.

    Args:
        stream: the underlying stream.
        name: its name in errors; None if failures to write do not matter and are ignored.
        with_bars: whether progress bars are written to it.
    """

    def __init__(self, stream: TextIO, name: str | None = None, with_bars: bool = False) -> None:
        self._stream, self._name, self._with_bars = stream, name, with_bars

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        head, tail = _moves(text) if self._with_bars else (0, 0)
        middle = text[head : len(text) - tail]
        lines = map(printable, middle.split("\n"))
        self.write_styled(text[:head] + "\n".join(lines) + text[len(text) - tail :])
        return len(text)

    def write_styled(self, text: str) -> None:
        """Writes a text that may hold control sequences, unchanged."""
        encoding = self._stream.encoding or "utf-8"
        self._attempt(self._stream.write, text.encode(encoding, "backslashreplace").decode(encoding))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, call: Callable[..., object], *arguments: str) -> None:
        try:
            call(*arguments)
        except OSError as error:
            self._silence()
            if self._name:
                error.filename = self._name
                raise

    def _silence(self) -> None:
        """Discards what was not written yet, because Python would try to write it again at exit."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _moves(text: str) -> tuple[int, int]:
    """The number of characters at the start and end of a text that only move the cursor, as in a progress bar."""
    head, tail = _MOVES.match(text), _MOVES_REVERSED.match(text[::-1])
    assert head and tail, "both match nothing as well"
    return head.end(), min(tail.end(), len(text) - head.end())


STDOUT = "stdout"


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Replaces stdout and stderr by `PrintableStream` while a command runs. Output to a closed stream is discarded."""
    before = sys.stdout, sys.stderr
    for descriptor in range(3):
        _open_if_closed(descriptor)
    stdout, stderr = (stream or open(os.devnull, "w", encoding="utf-8") for stream in before)
    sys.stdout, sys.stderr = PrintableStream(stdout, STDOUT), PrintableStream(stderr, with_bars=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _open_if_closed(descriptor: int) -> None:
    """Opens a closed stream. Otherwise the next opened file would get its number, and receive what is printed."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
