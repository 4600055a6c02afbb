"""A place behind a command, whose standard input and output carry the wire: nothing is shared with it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence

from seatrial import child
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.facts import EngineFacts, Facts
from seatrial.engines.places.place import Link, Place, ProcessLink
from seatrial.engines.places.process import EngineProcess
from seatrial.engines.registry import ENGINES


class PipedPlace(Place):
    """Each engine is served by a process of its own, which `command` starts: one that ends in running
    `python -m seatrial.engines.places.server`, wherever that is. Its standard error is told where it fails.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        """name: for people."""
        self.name, self._command = name, list(command)
        self._facts: Facts | None = None
        self._engines: dict[str, EngineFacts] = {}
        self._lock = threading.Lock()

    def facts(self) -> Facts:
        """As it says them itself; starts a process the first time."""
        self.engine("null")
        assert self._facts is not None
        return self._facts

    def engine(self, name: str) -> EngineFacts:
        """As it says itself; starts a process the first time."""
        name = ENGINES.canonical(name)
        with self._lock:
            if name not in self._engines:
                with EngineProcess(name, place=self) as process:
                    self._engines[name] = process.about()
                    self._facts = process.there()
            return self._engines[name]

    def connect(self, lanes: int, arena: Arena | None) -> Link:
        """One lane; arrays travel."""
        pipe = subprocess.PIPE
        process = child.start(self._command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        return ProcessLink(process, [Channel(process.stdout.fileno(), process.stdin.fileno())], process.stderr)
