"""An engine's process on a board, as a link: what `EngineProcess` talks over."""

from __future__ import annotations

import contextlib
import socket

from seatrial.engines.boards.connection import Connection
from seatrial.engines.boards.remote_engine import RemoteEngine
from seatrial.engines.places.channel import Channel
from seatrial.engines.places.place import End, Link

# Until the board has killed a process and said so.
_KILLED_S = 5.0


class BoardLink(Link):
    """Shares the connection with all others of the board."""

    def __init__(self, connection: Connection, engine: RemoteEngine) -> None:
        ends = [lane.near for lane in engine.lanes]
        super().__init__([Channel(near.fileno(), near.fileno()) for near in ends], engine.output)
        self._connection, self._engine = connection, engine

    def hang_up(self) -> None:
        """As `Link.hang_up`."""
        self._connection.end(self._engine, now=False)
        for lane in self._engine.lanes:
            with contextlib.suppress(OSError):
                lane.near.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        """As `Link.kill`; what has not ended after some seconds ends with the connection."""
        if not self._engine.over.is_set():
            self._connection.end(self._engine, now=True)
            self._engine.over.wait(_KILLED_S)
        self._engine.close()

    def ended(self, timeout_s: float) -> End | None:
        """As `Link.ended`."""
        self._engine.over.wait(timeout_s)
        return self._engine.end

    def close(self) -> None:
        """As `Link.close`."""
        self._engine.discard()

    def give(self, content: bytes) -> dict[str, str]:
        """As `Link.give`."""
        return {"blob": self._connection.give(content)}
