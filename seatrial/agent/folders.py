"""What is kept on the board's disk: room for more, and of unpacked archives the last ones alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

_KEPT = 3


def free_bytes(folder: Path) -> int:
    """What this user may still write on the disk of a folder."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def sweep(folder: Path, digest: str) -> None:
    """Removes all but the last used, this one, and those that an agent runs from (`agent.boot.hold`)."""
    with contextlib.suppress(OSError):
        found = sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime, reverse=True)
        for path in found[_KEPT:]:
            if path.name != digest:
                _remove_unused(path)


def _remove_unused(path: Path) -> None:
    import shutil  # with its compressors; seldom needed, and slow to import on a board

    handle = None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    except OSError:
        pass
    finally:
        if handle is not None:
            os.close(handle)
