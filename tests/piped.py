"""A place behind a command, on this machine: nothing of it is shared but the disk."""

from __future__ import annotations

import sys
from pathlib import Path

from seatrial.engines.places import PipedPlace

_ROOT = Path(__file__).resolve().parent.parent


def piped(before: str = "", after: str = "") -> PipedPlace:
    """before, after: what its Python does before and after it imports the server."""
    path = [str(_ROOT), str(_ROOT / "tests")]
    lines = [
        f"import sys; sys.path[:0] = {path!r}",
        before,
        "from seatrial.engines.places import server",
        after,
        "server.over_pipes()",
    ]
    return PipedPlace("the other side", [sys.executable, "-c", "\n".join(lines)])
