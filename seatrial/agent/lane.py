"""One channel of an engine: bytes from the host wait here until the engine reads them."""

from __future__ import annotations

import collections
import contextlib
import socket

from seatrial.agent.frames import WINDOW
from seatrial.agent.refusals import ViolationError

# At once: another lane, and what the agent itself says, wait no longer.
_PIECE = 1 << 16


class Lane:
    """number: of the engine's lanes, from 0. theirs: the engine's side, closed here once it has it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._socket, self.theirs = socket.socketpair()
        self._socket.setblocking(False)
        self.handle = self._socket.fileno()
        self.is_open = True
        self._waiting: collections.deque[memoryview] = collections.deque()
        self._waiting_bytes = 0
        self._taken = 0  # by the engine, and the host does not know yet
        self._allowed = WINDOW  # to the host

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits for the engine."""
        return self.is_open and bool(self._waiting)

    @property
    def may_read(self) -> bool:
        """Whether the host takes more of what the engine says here."""
        return self.is_open and self._allowed > 0

    def put(self, content: bytes) -> None:
        """Bytes for the engine; ViolationError where the host had no room for them."""
        if self._waiting_bytes + self._taken + len(content) > WINDOW:
            raise ViolationError("The host sent more of a lane than there was room for.")
        if self.is_open and content:
            self._waiting.append(memoryview(content))
            self._waiting_bytes += len(content)
            self.write()
        else:
            self._taken += len(content)

    def write(self) -> None:
        """Hands on what the engine takes now."""
        try:
            while self._waiting:
                sent = self._socket.send(self._waiting[0])
                self._waiting_bytes -= sent
                self._taken += sent
                self._waiting[0] = self._waiting[0][sent:]
                if not self._waiting[0]:
                    self._waiting.popleft()
        except BlockingIOError:
            pass
        except OSError:  # the engine has hung up; what it said before can still be read
            self._taken += self._waiting_bytes
            self._waiting_bytes = 0
            self._waiting.clear()

    def read(self) -> bytes:
        """What the engine has said, as much as the host takes; closes where that was all."""
        try:
            found = self._socket.recv(min(_PIECE, self._allowed))
        except BlockingIOError:
            return b""
        except OSError:
            found = b""
        self._allowed -= len(found)
        if not found:
            self.close()
        return found

    def allow(self, count: int) -> None:
        """The host takes so many more bytes; ViolationError for more than it was sent."""
        self._allowed += count
        if self._allowed > WINDOW:
            raise ViolationError("The host took more of a lane than it was sent.")

    def taken(self) -> int:
        """Bytes that the engine took, once the host is to know; 0 until then."""
        if self._taken < WINDOW // 4 and self._waiting:
            return 0
        taken, self._taken = self._taken, 0
        return taken

    def hang_up(self) -> None:
        """Tells the engine to end; what it says from now on is not read."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        """Lets go of it."""
        if self.is_open:
            self.is_open = False
            self._taken += self._waiting_bytes
            self._waiting_bytes = 0
            self._waiting.clear()
            self._socket.close()
