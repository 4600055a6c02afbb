"""A command in a process of its own, with a time limit and a log of bounded size."""

from __future__ import annotations

import collections
import dataclasses
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from seatrial.child import kill, signal_words

_FIRST, _LAST = 1 << 20, 1 << 20
_PIECE = 1 << 14


@dataclasses.dataclass(frozen=True)
class Ended:
    """status: its exit status, negative for a signal; None where it was ended because its time was over."""

    status: int | None
    seconds: float

    @property
    def words(self) -> str:
        """How it ended."""
        if self.status is None:
            return f"hangs (no end within {self.seconds:.0f} s)"
        return f"crashed ({signal_words(self.status)})" if self.status < 0 else f"exit status {self.status}"


def run(command: Sequence[str], log: Path, limit_s: float, *, cwd: Path, environment: Mapping[str, str]) -> Ended:
    """Runs it to its end, or until `limit_s`, when it and what it started are killed; what it writes goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd,
            env=dict(environment),
        )
        assert process.stdout is not None
        keeping = threading.Thread(target=_keep, args=(process.stdout, file), daemon=True)
        keeping.start()
        status: int | None
        try:
            status = process.wait(timeout=max(0.1, limit_s))
        except subprocess.TimeoutExpired:
            status = None
        finally:
            kill(process)
            process.wait()
        keeping.join(timeout=5)
        if not keeping.is_alive():  # else a child that left the group holds the pipe
            process.stdout.close()
        return Ended(status, time.monotonic() - begin)


def _keep(source: IO[bytes], file: IO[bytes]) -> None:
    """The beginning as it comes, then the end: of a runtime that floods its log, both tell most."""
    left = _FIRST
    last: collections.deque[bytes] = collections.deque(maxlen=_LAST // _PIECE)
    dropped = False
    while piece := source.read1(_PIECE):  # type: ignore[attr-defined]
        if left > 0:
            file.write(piece)
            file.flush()
            left -= len(piece)
        else:
            dropped = dropped or len(last) == last.maxlen
            last.append(piece)
    if not file.closed:
        if dropped:
            file.write(b"\n... left out ...\n")
        file.writelines(last)
