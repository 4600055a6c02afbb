"""The places of one run: this machine, and the boards that it names."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from seatrial.engines.boards.board import Board
from seatrial.engines.places import LOCAL, Place
from seatrial.errors import UnsupportedError


class Places:
    """Boards are reached when they are first asked for, and let go together: close it, or use it as a context manager.

    A board that nothing describes is its ssh alias.
    """

    def __init__(self, boards: Mapping[str, Board] | None = None, wait_s: float | None = 0) -> None:
        """boards: by name. wait_s: how long a board is waited for that another run holds; None for ever."""
        self._boards, self._wait_s = dict(boards or {}), wait_s

    def board(self, name: str) -> Board:
        """As it is described."""
        return self._boards.get(name) or Board(name)

    def of(self, board: str | None) -> Place:
        """Where a target's engine runs. UnsupportedError or DeviceError where the board cannot be had: each time the
        same, without another try.
        """
        if board is None:
            return LOCAL
        raise UnsupportedError(f"Board {board} cannot be reached.")

    def close(self) -> None:
        """Lets the boards go, and ends what runs there."""

    def __enter__(self) -> Places:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
