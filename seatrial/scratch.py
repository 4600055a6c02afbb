"""A folder of one's own for files of a moment, and the truth where it has no room."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.files import TEMPORARY_PREFIX, disk_errors, is_leftover, temporary_beside

# A runtime that fails here with less than this left failed for want of it.
_ROOM_BYTES = 64 << 10
_NAME = "seatrial"


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes away with what is in it. UsageError where what happens in it fails as the disk is full: a
    runtime that cannot write says so in words of its own ("Protobuf serialization failed"), so the disk is asked.
    """
    where = Path(tempfile.gettempdir())
    folder = temporary_beside(where / _NAME)
    with disk_errors(where):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        except Exception as error:
            if shutil.disk_usage(folder).free >= _ROOM_BYTES:
                raise
            text = f"Cannot write {where}: the disk is full; free some space or set TMPDIR."
            raise UsageError(f"{text} ({error})") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep_scratch() -> None:
    """Removes the folders of processes that were killed in one: it may hold a whole model."""
    for folder in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*-{_NAME}"):
        if is_leftover(folder):
            shutil.rmtree(folder, ignore_errors=True)
