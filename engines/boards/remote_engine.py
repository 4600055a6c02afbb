"""An engine's process on a board, as this side sees it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from typing import Any

from seatrial.engines.boards.lane import Lane
from seatrial.engines.boards.pipes import widen
from seatrial.engines.boards.words import plain
from seatrial.engines.places.place import End

CUT_OFF = "cut off"
_OUTCOMES = ("crashed", "out of memory")


class RemoteEngine:
    """number: of it, among all of the connection. lanes: ways to it. output: file descriptor of what it writes.

    Whoever made it discards it; all but that and `close` is for the thread that carries.
    """

    def __init__(self, number: int, lanes: int) -> None:
        self.number = number
        self.lanes = [Lane(number, lane) for lane in range(lanes)]
        self.output, self._written = os.pipe()
        os.set_blocking(self._written, False)
        widen(self._written)
        self._lock = threading.Lock()
        self.end: End | None = None
        self.over = threading.Event()

    def lane(self, number: int) -> Lane | None:
        """None where there is no such lane."""
        return self.lanes[number] if number < len(self.lanes) else None

    @property
    def gone(self) -> bool:
        """It has ended, and all that it said was handed on."""
        return self.end is not None and all(lane.fileno < 0 for lane in self.lanes)

    def data(self, lane: int, content: memoryview) -> None:
        """Came over a lane; ValueError for one that there is not."""
        if lane >= len(self.lanes):
            raise ValueError(f"lane {lane} of {len(self.lanes)}")
        self.lanes[lane].put(content)

    def wrote(self, content: memoryview) -> None:
        """Its process wrote that. What does not fit into the pipe is lost: its last lines are what counts."""
        with self._lock, contextlib.suppress(OSError):
            if self._written >= 0:
                os.write(self._written, content)

    def ended_with(self, fields: Mapping[str, Any]) -> None:
        """The board says how it ended."""
        status, says, outcome = fields.get("status"), fields.get("says"), fields.get("outcome")
        self._end(
            End(
                status if isinstance(status, int) and abs(status) < 1 << 31 else None,
                plain(says) if isinstance(says, str) else None,
                outcome if outcome in _OUTCOMES else None,
            )
        )
        for lane in self.lanes:
            lane.end()

    def cut(self, why: str) -> None:
        """It is out of reach."""
        self._end(End(says=f"was cut off: {why}", outcome=CUT_OFF))
        for lane in self.lanes:
            lane.close()

    def discard(self) -> None:
        """Closes this side's ends."""
        self.close()
        os.close(self.output)
        for lane in self.lanes:
            lane.near.close()

    def close(self) -> None:
        """What it writes from now on is lost."""
        with self._lock:
            if self._written >= 0:
                os.close(self._written)
                self._written = -1

    def _end(self, end: End) -> None:
        self.end = self.end or end
        self.close()
        self.over.set()
