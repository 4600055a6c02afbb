"""A place behind a command, whose standard input and output carry the wire: nothing is shared with it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from seatrial import child
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.asked import AskedPlace
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.place import Link, ProcessLink


class PipedPlace(AskedPlace):
    """Each engine is served by a process of its own, which `command` starts: one that ends in running
    `python -m seatrial.engines.places.server`, wherever that is. Its standard error is told where it fails.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        """name: for people."""
        super().__init__()
        self.name, self._command = name, list(command)

    def connect(self, lanes: int, arena: Arena | None, memory_bytes: int | None = None) -> Link:
        """One lane; arrays travel."""
        pipe = subprocess.PIPE
        process = child.start(self._command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        return ProcessLink(process, [Channel(process.stdout.fileno(), process.stdin.fileno())], process.stderr)
