"""One run at a time in a run directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.files import disk_errors

LOCK = ".lock"
_HOLDER = re.compile(r"process \d+ on [\w.-]+")


@contextlib.contextmanager
def locked(root: Path) -> Iterator[bool]:
    """Holds the folder for this process, making it where it is missing; yields False where its file system has no
    locks. A lock ends with its process, however that ends. Leaves no folder behind that is empty and was not there.

    UsageError that names the holder where another run has it.
    """
    made = [path for path in (root, *root.parents) if not path.exists()]
    with disk_errors(root):
        handle = _acquired(root)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            _remove(root / LOCK, handle)
            os.close(handle)
        with contextlib.suppress(OSError):  # it holds something now
            for path in made:
                path.rmdir()


def _acquired(root: Path) -> int | None:
    """A descriptor of the lock's file, None where there are no locks."""
    path = root / LOCK
    while True:
        root.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # who had the folder removed it meanwhile
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            if not _lock(handle, root):
                os.close(handle)
                path.unlink(missing_ok=True)
                return None
            if os.path.samestat(os.fstat(handle), path.stat()):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {platform.node()}\n".encode(), 0)
                return handle
            os.close(handle)  # who had the lock removed its file


def _remove(path: Path, handle: int) -> None:
    """Unless another run's lies there: the folder was moved, and made again."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(handle), path.stat()):
            path.unlink()


def _lock(handle: int, root: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _HOLDER.match(os.pread(handle, 300, 0).decode("utf-8", "replace"))
        os.close(handle)
        raise UsageError(
            f"{root} is in use by {found.group() if found else 'another run'}. Wait for it, or choose another --out."
        ) from None
    except OSError:
        return False
    return True
