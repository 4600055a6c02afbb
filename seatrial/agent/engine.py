"""The process of one engine on the board: started, heard, watched, ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seatrial import child
from seatrial.agent.lane import Lane
from seatrial.agent.refusals import REFUSED, RefusedError
from seatrial.errors import UnsupportedError
from seatrial.memory import default_memory, took_too_much

SERVER = "seatrial.engines.places.server"
# How long an engine that is told to end may take, and how long what it leaves open is listened to.
_LEAVE_S = 2.0
_REST_S = 1.0
_PIECE = 1 << 16
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Engine:
    """number: the host's. A process group of its own, whose standard input ends with the agent.

    `ended` tells how it ended, as the host is told, once it has and all it said was read.
    """

    def __init__(self, number: int, lanes: int, memory_bytes: int | None, environment: Mapping[str, str]) -> None:
        """memory_bytes: as `Limits.memory_bytes`. RefusedError where it cannot be started."""
        self.number = number
        self.lanes: list[Lane] = []
        self._limit = default_memory() if memory_bytes is None else memory_bytes
        try:
            for index in range(lanes):
                self.lanes.append(Lane(index))
            theirs = [lane.theirs.fileno() for lane in self.lanes]
            self._process = child.start(
                child.python("seatrial.agent.served", [os.getpid(), SERVER, [theirs, []]], _path(environment)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=theirs,
                env=environment,
                bufsize=0,
            )
        except (OSError, UnsupportedError, ValueError) as error:
            for lane in self.lanes:
                lane.close()
            raise RefusedError(REFUSED, f"The engine's process cannot be started: {error}") from error
        finally:
            for lane in self.lanes:
                lane.theirs.close()
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.output: int | None = self._process.stdout.fileno()
        os.set_blocking(self._process.stdout.fileno(), False)
        self._statm = Path(f"/proc/{self.pid}/statm")
        self._kill_at: float | None = None
        self._rest_until: float | None = None
        self._outcome: str | None = None
        self._says: str | None = None
        self.ended: dict[str, Any] | None = None

    def read_output(self) -> bytes:
        """What it has written beside its lanes."""
        assert self.output is not None
        try:
            found = os.read(self.output, _PIECE)
        except BlockingIOError:
            return b""
        if not found:
            self._close_output()
        return found

    def close(self, now: bool) -> None:
        """Tells it to end, and sees to it; `now` without time to do so itself."""
        for lane in self.lanes:
            lane.hang_up()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._kill_at = time.monotonic() + (0 if now else _LEAVE_S)

    def watch(self, heard: bool) -> None:
        """Sees whether it still runs, may still run, and has said all. heard: a lane said something just now, or cannot
        be heard now.
        """
        now = time.monotonic()
        if self._rest_until is None:
            if self._has_ended():
                self._kill()  # what it started, while the number is surely its own
                self._rest_until = now + _REST_S
            elif self._kill_at is not None and now >= self._kill_at:
                self._kill()
            else:
                self._watch_memory()
            return
        if heard:
            self._rest_until = now + _REST_S
        if now >= self._rest_until or (self.output is None and not any(lane.is_open for lane in self.lanes)):
            self._end()

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _kill(self) -> None:
        child.kill(self._process)

    def _watch_memory(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # a system without it sets no limit
            resident, shared = map(int, self._statm.read_bytes().split()[1:3])
            if self._outcome is None and (resident - shared) * _PAGE > self._limit:
                self._outcome, self._says = "out of memory", took_too_much(self._limit)
                self._kill()

    def _end(self) -> None:
        status = self._process.wait()
        self._close_output()
        for lane in self.lanes:
            lane.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.ended = {"outcome": self._outcome, "says": self._says, "status": status}

    def _close_output(self) -> None:
        if self.output is not None:
            self.output = None
            assert self._process.stdout is not None
            self._process.stdout.close()


def _path(environment: Mapping[str, str]) -> list[str]:
    """Its PYTHONPATH stands where Python would put it, but behind what is ours."""
    asked = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return [*sys.path[:1], *asked, *sys.path[1:]]
