"""One tree of errors. Every class knows the exit code with which the command ends.

A message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

EXIT_PASSED = 0
EXIT_GATE_FAILED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 3
EXIT_INTERNAL = 4
EXIT_INTERRUPTED = 130


class SeatrialError(Exception):
    """Base of everything that seatrial raises on purpose; `exit_code` is the command's exit status."""

    exit_code = EXIT_USAGE


class UsageError(SeatrialError):
    """A flag or a spec that cannot be meant: unknown name, contradiction, unusable output folder."""


class BadInputError(SeatrialError):
    """A model, image, archive or run directory that is not what it should be."""


class DamagedError(BadInputError):
    """A file that seatrial wrote, and that is not any more what was written."""


class UnreadableError(BadInputError):
    """A file that the system does not let be read just now: what it holds may be whole."""


class UnsupportedError(SeatrialError):
    """An engine that is not installed, or cannot do the precision on the device."""

    exit_code = EXIT_UNAVAILABLE


class BuildError(SeatrialError):
    """The runtime refused to build the engine."""

    exit_code = EXIT_UNAVAILABLE


class DeviceError(SeatrialError):
    """The built engine failed while it ran."""

    exit_code = EXIT_UNAVAILABLE


class EngineDiedError(DeviceError):
    """An engine's process ended before it answered; `outcome` is `crashed`, `hung`, `out of memory` or `cut off`."""

    def __init__(self, says: str, outcome: str = "crashed") -> None:
        super().__init__(says)
        self.outcome = outcome


@contextlib.contextmanager
def of_which(flag: str) -> Iterator[None]:
    """Puts a flag before what is wrong with the one of several files that it names."""
    try:
        yield
    except (UsageError, BadInputError, UnsupportedError) as error:
        raise type(error)(f"{flag}: {error}") from error
