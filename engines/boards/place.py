"""A board as a place: engines run there, in processes that the board's agent starts."""

from __future__ import annotations

from seatrial.engines.boards.connection import Connection
from seatrial.engines.boards.link import BoardLink
from seatrial.engines.places.arena import Arena
from seatrial.engines.places.asked import AskedPlace
from seatrial.engines.places.place import Link


class BoardPlace(AskedPlace):
    """connection: the one that carries all; closed with this."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection, self.board, self.hello = connection, connection.board, connection.hello
        self.name = f"board {self.board.name}"

    def connect(self, lanes: int, arena: Arena | None, memory_bytes: int | None = None) -> Link:
        """Arrays travel; DeviceError where the board is lost."""
        return BoardLink(self.connection, self.connection.start(max(1, lanes), memory_bytes))

    def close(self) -> None:
        """Ends what runs there, and lets the board go."""
        self.connection.close()
