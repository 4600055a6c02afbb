"""What the agent does not do: for a reason that the host is told, or since the host is none of ours."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BAD_ASK = "bad ask"
BUSY = "busy"
NO_LEASE = "no lease"
DISK_FULL = "disk full"
DAMAGED = "damaged"
REFUSED = "refused"  # by the operating system
UNSUPPORTED = "unsupported"
INTERNAL = "internal"


class RefusedError(Exception):
    """An ask that is answered by an error. kind: one of the above."""

    def __init__(self, kind: str, says: str) -> None:
        super().__init__(says)
        self.kind = kind


class ViolationError(Exception):
    """Bytes from the host that no host of ours sends: the agent ends."""


class LeaveError(Exception):
    """The agent is to end; its text is told to the host, if there is one."""


def whole_story() -> str:
    """The traceback of the exception that is handled: a fault of ours."""
    import traceback  # seldom needed, and slow to import on a board

    return traceback.format_exc()


def answer_of(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` answers; the error that the host is told where it refuses, or fails."""
    try:
        return work()
    except RefusedError as refusal:
        return {"error": refusal.kind, "says": str(refusal)}
    except Exception:
        return {"error": INTERNAL, "says": whole_story()}


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns the operating system's refusal to read or write at `path` into a RefusedError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        where = error.filename or path
        raise RefusedError(DISK_FULL if full else REFUSED, f"Cannot use {where}: {error.strerror or error}.") from error
