"""Frames on their way to the host, written whenever it reads: nothing here waits for it."""

from __future__ import annotations

import collections
import json
import os
from typing import Any

from seatrial.agent.frames import BEAT, head
from seatrial.agent.refusals import LeaveError

# Of what engines say; where so much waits, they are not read.
_ROOM = 1 << 19
# Of what the agent itself says: a host that asks so much and reads nothing is none of ours.
_MOST_URGENT = 64 << 20


class Outbox:
    """handle: a descriptor that does not block. What the agent itself says goes ahead of what engines say."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._urgent: collections.deque[bytes] = collections.deque()
        self._urgent_bytes = 0
        self._rest: collections.deque[bytes] = collections.deque()
        self._rest_bytes = 0
        self._begun = memoryview(b"")

    @property
    def has_room(self) -> bool:
        """Whether engines may say more."""
        return self._rest_bytes < _ROOM

    @property
    def is_empty(self) -> bool:
        """Whether the host has taken all of it."""
        return not (self._begun or self._urgent or self._rest)

    def urgent(self, kind: int, content: bytes = b"", engine: int = 0, lane: int = 0) -> None:
        """A frame that goes next, behind others of the kind."""
        frame = head(kind, len(content), engine, lane) + content
        self._urgent.append(frame)
        self._urgent_bytes += len(frame)
        if self._urgent_bytes > _MOST_URGENT:
            raise LeaveError

    def in_turn(self, kind: int, content: bytes, engine: int, lane: int = 0) -> None:
        """A frame that keeps the order of what its engine says."""
        frame = head(kind, len(content), engine, lane) + content
        self._rest.append(frame)
        self._rest_bytes += len(frame)

    def beat(self) -> None:
        """Says that this side lives, unless that is on its way."""
        if self.is_empty:
            self.urgent(BEAT)

    def write(self) -> None:
        """Writes what the host takes now; LeaveError where it is gone."""
        while not self.is_empty:
            if not self._begun:
                self._begun = memoryview(self._next())
            try:
                self._begun = self._begun[os.write(self.handle, self._begun) :]
            except BlockingIOError:
                return
            except OSError as error:
                raise LeaveError from error

    def _next(self) -> bytes:
        if self._urgent:
            frame = self._urgent.popleft()
            self._urgent_bytes -= len(frame)
            return frame
        frame = self._rest.popleft()
        self._rest_bytes -= len(frame)
        return frame


def as_json(value: dict[str, Any]) -> bytes:
    """What a frame of JSON carries."""
    return json.dumps(value).encode()
