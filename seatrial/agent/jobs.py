"""Asks that may take minutes: each in a thread of its own, while engines are served."""

from __future__ import annotations

import importlib
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seatrial import child
from seatrial.agent.fields import Fields
from seatrial.agent.refusals import REFUSED, RefusedError, answer_of
from seatrial.agent.uploads import Sayer
from seatrial.errors import UnsupportedError

_MOST_OUTPUT = 1 << 16


class Ran(NamedTuple):
    """status: the exit status of a command, or minus a signal's number. output: the last 64 KiB of what it wrote."""

    status: int
    output: str


class Job:
    """fields: the host's ask. cache: the folder that the agent keeps things in. environment: of engines."""

    def __init__(self, number: int, fields: Fields, cache: Path, environment: Mapping[str, str], sayer: Sayer) -> None:
        self.fields, self.cache, self.environment = fields, cache, environment
        self._number, self._sayer = number, sayer
        self.done = False

    def blob(self, sha256: str) -> Path:
        """Where a file lies that the host has sent."""
        return self.cache / "blobs" / sha256

    def note(self, says: str, **more: Any) -> None:
        """Tells the host how far this is."""
        self._say({"more": True, "note": says, **more})

    def run(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_s: float | None = None
    ) -> Ran:
        """Runs a command without a shell, and waits for it. It ends with the agent, and with all that it started.

        environment: as `subprocess.Popen.env`. RefusedError where it cannot be started or takes too long.
        """
        try:
            process = child.start(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                bufsize=0,
            )
        except UnsupportedError as error:
            raise RefusedError(REFUSED, str(error)) from error
        try:
            return _finished(process, timeout_s)
        except subprocess.TimeoutExpired:
            raise RefusedError(REFUSED, f"{' '.join(command)} took longer than {timeout_s:g} s.") from None
        finally:
            child.kill(process)
            process.wait()

    def start(self, where: str) -> None:
        """Runs `MODULE:FUNCTION`, which takes this job and returns what is answered, or raises a RefusedError."""
        threading.Thread(target=self._work, args=(where,), daemon=True).start()

    def _work(self, where: str) -> None:
        module, _, name = where.partition(":")
        answer = answer_of(lambda: dict(getattr(importlib.import_module(module), name)(self)))
        self.done = True
        self._say(answer)

    def _say(self, fields: dict[str, Any]) -> None:
        self._sayer.post(lambda: self._sayer.answer(self._number, fields))


def _finished(process: subprocess.Popen[bytes], timeout_s: float | None) -> Ran:
    gathered = bytearray()
    assert process.stdout is not None
    handle = process.stdout.fileno()

    def gather() -> None:
        while piece := os.read(handle, 1 << 14):
            gathered.extend(piece)
            del gathered[:-_MOST_OUTPUT]

    reader = threading.Thread(target=gather, daemon=True)
    reader.start()
    try:
        status = process.wait(timeout_s)
    finally:
        child.kill(process)
        reader.join(1)
        if not reader.is_alive():  # else something that escaped its group holds it open
            process.stdout.close()
    return Ran(status, bytes(gathered).decode("utf-8", "replace"))
