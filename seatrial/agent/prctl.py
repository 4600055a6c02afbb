"""What Linux knows of parents and orphans (prctl(2)); nothing happens on other systems."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36


def end_with_the_parent() -> None:
    """The system ends this process when the thread that started it ends."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def adopt_orphans() -> None:
    """Whatever this process's children start becomes its own child when they are gone, in whichever group it is."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
