"""Bytes in and out of a process, over a socket or over two pipes, with deadlines."""

from __future__ import annotations

import os
import select
import time

from seatrial.bounds import LONGEST_POLL_S


class Channel:
    """incoming, outgoing: file descriptors, of one socket or of two pipes; whoever opened them closes them.

    deadline: of `time.monotonic`, after which TimeoutError is raised, however the bytes come; None for none.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        for handle in (incoming, outgoing):
            os.set_blocking(handle, False)

    def fill(self, view: memoryview, deadline: float | None = None) -> None:
        """Reads as many bytes as `view` has; EOFError where the other side is gone."""
        while view:
            try:
                got = os.readv(self._incoming, [view])
            except BlockingIOError:
                _wait(self._incoming, select.POLLIN, deadline)
                continue
            if not got:
                raise EOFError
            view = view[got:]

    def write(self, content: bytes | memoryview, deadline: float | None = None) -> None:
        """Writes all of it; OSError where the other side is gone."""
        view = memoryview(content)
        while view:
            try:
                view = view[os.write(self._outgoing, view) :]
            except BlockingIOError:
                _wait(self._outgoing, select.POLLOUT, deadline)


def wait_for_the_end(handle: int) -> None:
    """Returns when whoever holds the other end of a pipe has closed it, also where bytes lie in it unread."""
    waiting = select.poll()
    waiting.register(handle, 0)
    while not any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in waiting.poll()):
        pass


def _wait(handle: int, event: int, deadline: float | None) -> None:
    waiting = select.poll()
    waiting.register(handle, event)
    left = None if deadline is None else max(0.0, min(deadline - time.monotonic(), LONGEST_POLL_S)) * 1e3
    if not waiting.poll(left):
        raise TimeoutError
