"""The standard streams of a command, whatever its caller closed, filled or left."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any, TextIO


def open_streams() -> Output:
    """Makes standard input, output and errors safe for a command; what is told of its output.

    Of descriptors 0, 1 and 2 none stays closed: the next file that is opened would become it. A stream that refuses
    what is written (a full disk, a reader that has gone, closed by the caller) raises nothing from here on: the work
    goes on, and the exit status tells.
    """
    for number in range(3):
        _fill(number)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    output = Output(1)
    sys.stdout = _text(output, sys.stdout)
    sys.stderr = _text(Output(2), sys.stderr)
    return output


class Output(io.RawIOBase):
    """A descriptor that is written to until it refuses; `refused` says why, None as long as all was written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.name = number
        self.refused: OSError | None = None

    @property
    def lost(self) -> str | None:
        """Why a reader does not get all that was written; None where he does, or did not stay, as behind `| head`."""
        if self.refused is None or self.refused.errno == errno.EPIPE:
            return None
        return self.refused.strerror or str(self.refused)

    def writable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """Its number."""
        return self.name

    def isatty(self) -> bool:
        """True where somebody watches."""
        return os.isatty(self.name)

    def write(self, data: Any) -> int:
        """Writes some or all of it; once refused, all of it is dropped."""
        while self.refused is None:
            try:
                return os.write(self.name, data)
            except BlockingIOError:  # its other end was made one that never waits
                select.select([], [self.name], [])
            except OSError as error:
                self.refused = error
        return len(data)


def _fill(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # The lowest free number is taken. Opened for reading: there is no input, and what is written is refused.
        os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)


def _text(raw: Output, before: TextIO | None) -> TextIO:
    if before is not None:
        before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors="backslashreplace",  # a name that the locale cannot spell ends nothing
        line_buffering=raw.name == 2 or getattr(before, "line_buffering", False),
        write_through=getattr(before, "write_through", False),
    )
