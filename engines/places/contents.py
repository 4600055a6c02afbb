"""Files that were brought to a place before a message names them, each by its hash."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any

from seatrial.errors import DeviceError

# The folder where they lie, each under its SHA-256.
BLOBS_VARIABLE = "SEATRIAL_BLOBS"
_DIGEST = re.compile("[0-9a-f]{64}")


def named_content(name: Any) -> bytes:
    """What `{"blob": SHA-256}` names; DeviceError where it is not there, or is something else."""
    digest = str(name["blob"])
    folder = os.environ.get(BLOBS_VARIABLE)
    if folder is None or not _DIGEST.fullmatch(digest):
        raise DeviceError(f"No file can be named {digest[:80]!r} here.")
    try:
        handle = os.open(Path(folder) / digest, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            content = stream.read() if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError as error:
        raise DeviceError(f"The file {digest[:12]} that was brought here cannot be read: {error.strerror}.") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise DeviceError(
            f"The file {digest[:12]} that was brought here is another one now. Begin again: it is sent anew."
        )
    return content
