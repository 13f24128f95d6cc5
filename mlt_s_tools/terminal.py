"""What the command line writes: printable whatever it is made of, and to streams that may be closed, full or ASCII.

Names come from archives and folders, reasons from servers, names of models from records, and a terminal obeys what
stands in them. So all that a command writes goes through here. What is not printable is spelled out, such as `\\x1b`.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

# What a progress bar begins and ends with: back to the start of its line, or up to another one. And the same reversed.
_MOVES = re.compile(r"(?:[\r\n]|\x1b\[A)*")
_MOVES_REVERSED = re.compile(r"(?:[\r\n]|A\[\x1b)*")


def printable(text: str) -> str:
    """A text in which all that moves the cursor, turns the direction of writing or is invisible is spelled out.

    As `mlt_s` has it for its warnings: that is one file, complete in itself, and its import takes seconds.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


class PrintableStream:
    """A text stream of which another one gets only what is printable, in its own encoding.

    Args:
        stream: the other one.
        name: what errors call it; None where what cannot be written is of no weight, and is dropped.
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
        """Writes a text that may hold control sequences, as it is."""
        encoding = self._stream.encoding or "utf-8"
        self._do(self._stream.write, text.encode(encoding, "backslashreplace").decode(encoding))

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._do(self._stream.flush)

    def _do(self, call: Callable[..., object], *arguments: str) -> None:
        try:
            call(*arguments)
        except OSError as error:
            self._silence()
            if self._name:
                error.filename = self._name
                raise

    def _silence(self) -> None:
        """Sends what was not written yet nowhere, as Python tries again on its way out."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _moves(text: str) -> tuple[int, int]:
    """How many characters at its start and at its end only move the cursor, as those of a progress bar do."""
    head, tail = _MOVES.match(text), _MOVES_REVERSED.match(text[::-1])
    assert head and tail, "both match nothing as well"
    return head.end(), min(tail.end(), len(text) - head.end())


STDOUT = "stdout"


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Stdout and stderr as `PrintableStream`, while a command runs. A closed one leads nowhere."""
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
    """Otherwise the next file that is opened would get this number, and what is printed would end up there."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
