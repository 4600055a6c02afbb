"""What a board says, as it may be shown."""

from __future__ import annotations

from seatrial.text import printable

_MOST = 2000


def plain(text: str, *, last: bool = False) -> str:
    """Bounded, and without what a terminal would take for a command. last: the end of it counts, not the beginning."""
    return printable(text[-_MOST:] if last else text[:_MOST]).strip()
