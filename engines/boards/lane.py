"""One way to an engine's process on a board: a socket on this side, frames on the other."""

from __future__ import annotations

import collections
import contextlib
import socket

from seatrial.agent import frames

_SOCKET_BYTES = 1 << 20
# So much is gathered before the board is told that it was taken.
_TOLD = frames.WINDOW // 4


class Lane:
    """near: the end that an `EngineProcess` talks over. All else is for the thread that carries the connection.

    granted: bytes that may still be sent. queued: whether a frame of it waits to be sent; there is no more than one of
    each lane, so that all have their turn.
    """

    def __init__(self, engine: int, number: int) -> None:
        self.engine, self.number = engine, number
        self.near, self._far = socket.socketpair()
        for end in (self.near, self._far):
            with contextlib.suppress(OSError):  # its bounds are the system's
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        self._far.setblocking(False)
        self.granted, self.queued = frames.WINDOW, False
        self._open, self._taken = frames.WINDOW, 0  # what the board may still send; what it is to be told of
        self._unread: collections.deque[memoryview] = collections.deque()
        self._frame = bytearray(frames.HEAD.size + frames.MOST)
        self._silent = self._last = False

    @property
    def fileno(self) -> int:
        """Of the far end; -1 once it is closed."""
        return self._far.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something has come that nobody has taken yet."""
        return bool(self._unread)

    @property
    def wants_to_read(self) -> bool:
        """Whether what this side says can be taken and sent."""
        return not self._silent and not self.queued and self.granted > 0

    def read(self) -> memoryview | None:
        """A frame of what this side has said; it holds until `queued` is set back. None for nothing."""
        head = frames.HEAD.size
        view = memoryview(self._frame)
        try:
            got = self._far.recv_into(view[head : head + min(frames.MOST, self.granted)])
        except BlockingIOError:
            return None
        except OSError:
            got = 0
        if not got:
            self._silent = True
            return None
        view[:head] = frames.head(frames.DATA, got, self.engine, self.number)
        self.granted -= got
        self.queued = True
        return view[: head + got]

    def put(self, content: memoryview) -> None:
        """For this side's reader; ValueError for more than the board may send."""
        self._open -= len(content)
        if self._open < 0:
            raise ValueError(f"more than {frames.WINDOW} bytes that nobody has taken")
        if self._far.fileno() < 0:
            return
        if not self._unread:
            content = content[self._send(content) :]
        if content:
            self._unread.append(memoryview(bytes(content)))

    def go_on(self) -> None:
        """Hands on what waits, as far as it is taken."""
        while self._unread:
            rest = self._unread[0][self._send(self._unread[0]) :]
            if rest:
                self._unread[0] = rest
                return
            self._unread.popleft()
        if self._last:
            self.close()

    def taken(self) -> int:
        """Bytes of which the board is to be told now that it may send so many more."""
        if self._taken < _TOLD:
            return 0
        count, self._taken = self._taken, 0
        self._open += count
        return count

    def end(self) -> None:
        """No more will come: its reader gets what waits, and then the end."""
        self._last = self._silent = True
        self.go_on()

    def close(self) -> None:
        """Of the far end; what waits is lost."""
        self._far.close()
        self._unread.clear()
        self._silent = True

    def _send(self, content: memoryview) -> int:
        try:
            sent = self._far.send(content)
        except BlockingIOError:
            return 0
        except OSError:  # nobody reads any more
            self._silent, sent = True, len(content)
        self._taken += sent
        return sent
