"""A process of a few lines that outlives the agent by a moment, however that ends, and ends what it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

_STATE = b"%+d\n"


class Guardian:
    """Knows the process groups that the agent has started. keep: descriptors that it holds, too, so that a lock on
    them lasts until those groups are gone.

    `handle` turns readable where the guardian has died: then nothing would end them with the agent.
    """

    def __init__(self, keep: tuple[int, ...] = ()) -> None:
        mine, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            try:
                _guard(theirs.fileno(), keep)
            finally:
                os._exit(0)
        theirs.close()
        self._socket, self.handle = mine, mine.fileno()
        self._groups: set[int] = set()

    def add(self, group: int) -> None:
        """A group that was started."""
        self._groups.add(group)
        self._say(group)

    def remove(self, group: int) -> None:
        """A group that is gone."""
        self._groups.discard(group)
        self._say(-group)

    def kill_all(self) -> None:
        """Ends all of them now."""
        for group in list(self._groups):
            kill_group(group)

    def _say(self, number: int) -> None:
        with contextlib.suppress(OSError):  # dead: `handle` tells
            self._socket.sendall(_STATE % number)


def kill_group(group: int) -> None:
    """Ends a process group, if it is there."""
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)


def _guard(handle: int, keep: tuple[int, ...]) -> None:
    os.setsid()
    for ending in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)
    os.chdir("/")
    _close_all_but({handle, *keep})
    groups: set[int] = set()
    rest = b""
    while found := os.read(handle, 4096):
        *lines, rest = (rest + found).split(b"\n")
        for line in lines:
            number = int(line)
            if number > 0:
                groups.add(number)
            else:
                groups.discard(-number)
    for group in groups:
        kill_group(group)


def _close_all_but(kept: set[int]) -> None:
    # The host waits for the end of what the agent writes: nobody else may hold that open.
    for handle in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208  (numbers, not paths)
        if handle not in kept:
            with contextlib.suppress(OSError):  # the one that listed them
                os.close(handle)
