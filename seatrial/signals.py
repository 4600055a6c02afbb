"""Signals that ask the command to end: it closes what it opened, says so, and its exit status tells which."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

_ASKED: list[tuple[int, float]] = []
# What ends a whole group sends twice at once.
_ONE_AND_THE_SAME_S = 1.0
# A finaliser has ended by then, most likely; else this happens again.
_AGAIN_S = 0.01


class EndedError(KeyboardInterrupt):
    """The command was asked to end; raised in the main thread, as Ctrl-C is."""


def listen() -> None:
    """From here on SIGINT, SIGTERM and SIGHUP raise EndedError, unless they were ignored, as under nohup.

    Who asks again, a second later or more, is obeyed at once: nothing is closed any more. What is raised while Python
    runs a finaliser would be lost: it is raised anew behind it.
    """
    for number in _numbers():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    if not isinstance(sys.unraisablehook, _Lost):
        sys.unraisablehook = _Lost(sys.unraisablehook)


def stop_listening() -> None:
    """From here on the system ends the process at once: there is nothing left to close."""
    for number in _numbers():
        if signal.getsignal(number) is _end:
            signal.signal(number, signal.SIG_DFL)


def asked() -> int | None:
    """The number of the signal that asked; None where none did."""
    return _ASKED[0][0] if _ASKED else None


def status_of(number: int) -> int:
    """The exit status of a command that a signal ended, as shells tell it: 130 SIGINT, 143 SIGTERM."""
    return 128 + number


def _numbers() -> list[int]:
    return [int(getattr(signal, name)) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Lost:
    """Hears of exceptions that nobody gets. kept: who heard of them before."""

    def __init__(self, kept: Callable[[Any], object]) -> None:
        self._kept = kept

    def __call__(self, lost: Any) -> None:
        if not issubclass(lost.exc_type, EndedError):
            self._kept(lost)
            return
        again = threading.Timer(_AGAIN_S, _ask_again)
        again.daemon = True
        again.start()


def _ask_again() -> None:
    number = asked()
    if number is not None:
        _ASKED.clear()
        os.kill(os.getpid(), number)


def _end(number: int, frame: FrameType | None) -> None:
    if not _ASKED:
        _ASKED.append((number, time.monotonic()))
        raise EndedError
    if time.monotonic() - _ASKED[0][1] > _ONE_AND_THE_SAME_S:
        os._exit(status_of(number))
