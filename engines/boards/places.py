"""The places of one run: this machine, and the boards and endpoints that it names."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from types import TracebackType

from seatrial.engines.boards import lease, power
from seatrial.engines.boards.board import Board
from seatrial.engines.boards.connection import Connection
from seatrial.engines.boards.place import BoardPlace
from seatrial.engines.boards.ssh import UnreachableError
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.kserve.place import EndpointPlace
from seatrial.engines.places import LOCAL, Place
from seatrial.errors import SeatrialError

# Between two tries to reach a board that starts.
_PAUSE_S = 2.0


class Places:
    """Boards are reached when they are first asked for, and let go together: close it, or use it as a context manager.

    A board that nothing describes is its ssh alias.
    """

    def __init__(
        self,
        boards: Mapping[str, Board] | None = None,
        wait_s: float | None = 0,
        endpoints: Mapping[str, Endpoint] | None = None,
    ) -> None:
        """boards, endpoints: by name. wait_s: how long a board is waited for that another run holds; None for ever."""
        self._boards, self._wait_s = dict(boards or {}), wait_s
        known = dict(endpoints or {})
        self._endpoints = {
            name: EndpointPlace(one, [other for other in known.values() if other != one]) for name, one in known.items()
        }
        self._reached: dict[str, _Reached] = {}
        self._lock = threading.Lock()

    def board(self, name: str) -> Board:
        """As it is described."""
        return self._boards.get(name) or Board(name)

    def serves(self, board: str | None) -> bool:
        """True for the name of an endpoint."""
        return board in self._endpoints

    def of(self, board: str | None) -> Place:
        """Where a target's engine runs. UnsupportedError or DeviceError where the board cannot be had: each time the
        same, without another try.
        """
        if board is None:
            return LOCAL
        if board in self._endpoints:
            return self._endpoints[board]
        with self._lock:
            reached = self._reached.setdefault(board, _Reached(self.board(board), self._wait_s))
        return reached.place()

    def close(self) -> None:
        """Lets the boards go, and ends what runs there."""
        with self._lock:
            reached, self._reached = list(self._reached.values()), {}
        for one in reached:
            one.close()

    def __enter__(self) -> Places:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Reached:
    """A board, and what came of reaching it."""

    def __init__(self, board: Board, wait_s: float | None) -> None:
        self._board, self._wait_s = board, wait_s
        self._switches = board.power_cycles if board.power_cycle else 0
        self._found: BoardPlace | SeatrialError | None = None
        self._lock = threading.Lock()

    def place(self) -> BoardPlace:
        with self._lock:
            if self._found is None:
                try:
                    self._found = self._reach()
                except SeatrialError as error:
                    self._found = error
        if isinstance(self._found, SeatrialError):
            raise self._found
        return self._found

    def close(self) -> None:
        with self._lock:
            if isinstance(self._found, BoardPlace):
                self._found.close()

    def _reach(self) -> BoardPlace:
        connection = self._connect()
        try:
            lease.hold(connection, self._wait_s)
        except BaseException:
            connection.close()
            raise
        return BoardPlace(connection)

    def _connect(self) -> Connection:
        while True:
            try:
                return Connection(self._board)
            except UnreachableError:
                if not self._switches:
                    raise
            self._switches -= 1
            power.switch(self._board)
            with contextlib.suppress(UnreachableError):
                return self._booted()

    def _booted(self) -> Connection:
        end = time.monotonic() + self._board.boot_s
        while True:
            try:
                return Connection(self._board)
            except UnreachableError:
                if time.monotonic() > end:
                    raise
            time.sleep(min(_PAUSE_S, self._board.boot_s))
