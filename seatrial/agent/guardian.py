"""The process that the agent is a child of: it outlives the agent by a moment, and ends all that the agent started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

from seatrial.agent.prctl import adopt_orphans

_ENDINGS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
# For a process that the system does not let go of: a board's driver hangs.
_LONGEST_S = 30.0


class Guardian:
    """The agent's view of it. `handle` turns readable where it has died: nothing would end the engines then."""

    def __init__(self, handle: int) -> None:
        self.pid, self.handle = os.getppid(), handle

    def keep(self, handle: int) -> None:
        """Has it hold a file, too: a lock on that lasts until all that was started is gone."""
        with socket.socket(fileno=os.dup(self.handle)) as ours:
            socket.send_fds(ours, [b"!"], [handle])


def guarded() -> Guardian:
    """Returns in a child, the agent, which leads a session of its own. This process stays as its guardian, and exits
    with its status.
    """
    ours, theirs = socket.socketpair()
    agent = os.fork()
    if not agent:
        ours.close()
        os.setsid()
        return Guardian(theirs.detach())
    try:
        theirs.close()
        os._exit(_guard(agent, ours))
    finally:
        os._exit(1)


def _guard(agent: int, ours: socket.socket) -> int:
    adopt_orphans()
    for ending in _ENDINGS:
        signal.signal(ending, lambda number, frame: _kill(agent, number))
    # The host hears the agent's end at once: nobody else holds that open.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    while socket.recv_fds(ours, 1, 1)[0]:  # what it is sent, it keeps
        pass
    _kill(agent, signal.SIGKILL)
    return _end_all(agent)


def _end_all(agent: int) -> int:
    """Ends every child, and what these leave behind; the agent's exit status."""
    found = 1
    end = time.monotonic() + _LONGEST_S
    while time.monotonic() < end:
        for child in _children():
            _kill(child, signal.SIGKILL)
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == agent:
                    found = os.waitstatus_to_exitcode(ended[1])
        except ChildProcessError:
            break
        time.sleep(0.005)
    return found if found >= 0 else 128 - found


def _children() -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if int((path / "stat").read_bytes().rpartition(b")")[2].split()[1]) == os.getpid():
                    found.append(int(path.name))
    return found


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)
