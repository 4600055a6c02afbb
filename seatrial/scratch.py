"""A folder of one's own for files of a moment, and the truth where it has no room."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.files import disk_errors

# A runtime that fails here with less than this left failed for want of it.
_ROOM_BYTES = 64 << 10


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes away with what is in it. UsageError where what happens in it fails as the disk is full: a
    runtime that cannot write says so in words of its own ("Protobuf serialization failed"), so the disk is asked.
    """
    where = Path(tempfile.gettempdir())
    with disk_errors(where), tempfile.TemporaryDirectory(prefix="seatrial-") as name:
        try:
            yield Path(name)
        except Exception as error:
            if shutil.disk_usage(name).free >= _ROOM_BYTES:
                raise
            raise UsageError(
                f"Cannot write {where}: the disk is full; free some space or set TMPDIR. ({error})"
            ) from error
