"""Pipes that hold more than the system gives them at first."""

from __future__ import annotations

import contextlib
import fcntl

_BYTES = 1 << 20


def widen(pipe: int) -> None:
    """As far as the system lets it, and where it is a pipe: what is written at once is then read at once."""
    with contextlib.suppress(AttributeError, OSError):  # it is Linux that can
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _BYTES)
