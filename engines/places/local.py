"""The place that is this machine: engines run in processes of this Python, and see the run's memory."""

from __future__ import annotations

import contextlib
import functools
import socket
import subprocess
from collections.abc import Mapping

from seatrial import child
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.environment import without_credentials
from seatrial.engines.places.facts import EngineFacts, Facts, facts_here
from seatrial.engines.places.place import Link, Place, ProcessLink
from seatrial.engines.registry import ENGINES


class LocalPlace(Place):
    """Its engines are those of this Python, and what can be told without importing a runtime is told at once."""

    name = "this machine"

    def facts(self) -> Facts:
        """Those of this process."""
        return facts_here()

    def engine(self, name: str) -> EngineFacts:
        """What packages tell; where they tell no version, a process of its own imports the runtime."""
        kind = ENGINES[name]
        if not kind.is_installed() or kind.module is None or kind.packaged_version() is not None:
            return EngineFacts(kind.is_installed(), kind.packaged_version())
        return _asked(kind.name)

    def connect(self, lanes: int, arena: Arena | None, memory_bytes: int | None = None) -> Link:
        """A process with a socket for each lane, which reads `arena`."""
        return linked(lanes, arena, without_credentials())


def linked(lanes: int, arena: Arena | None, environment: Mapping[str, str]) -> Link:
    """A process of this machine, with a socket for each lane. environment: its variables."""
    pairs = [socket.socketpair() for _ in range(max(1, lanes))]
    theirs = [pair[1].fileno() for pair in pairs]
    shared = [] if arena is None else [arena.fileno, arena.slot_bytes, arena.slots]
    try:
        process = child.start(
            child.python("seatrial.engines.places.server", [theirs, shared]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[*theirs, *shared[:1]],
            env=dict(environment),
        )
    finally:
        for _, their in pairs:
            their.close()
    return _LocalLink(process, [mine for mine, _ in pairs], arena)


class _LocalLink(ProcessLink):
    def __init__(self, process: subprocess.Popen[bytes], sockets: list[socket.socket], arena: Arena | None) -> None:
        assert process.stdout is not None
        super().__init__(process, [Channel(one.fileno(), one.fileno()) for one in sockets], process.stdout)
        self._sockets, self.arena, self.pid = sockets, arena, process.pid

    def hang_up(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        super().close()
        for one in self._sockets:
            one.close()


LOCAL = LocalPlace()


@functools.cache
def _asked(engine: str) -> EngineFacts:
    from seatrial.engines.places.process import EngineProcess  # which starts processes at places, here by default

    with EngineProcess(engine, place=LOCAL) as process:
        return process.about()
