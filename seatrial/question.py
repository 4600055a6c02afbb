"""A question that may crash or hang, asked in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial import child
from seatrial.bounds import LONGEST_POLL_S

_LAST_WORDS = 300
_MOST_ANSWERS = 1 << 20


@dataclasses.dataclass(frozen=True)
class Answer:
    """lines: what it said, in order. ended: None for an end as it should be, else how it ended, as in "crashed (signal
    11, SIGSEGV)". output: the last of what it wrote otherwise.
    """

    lines: tuple[dict[str, Any], ...]
    ended: str | None
    output: str


def ask(
    module: str,
    arguments: Sequence[Any],
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """Calls `main(*arguments)` of a module in a new process, with this one's sys.path.

    The module's answers are lines of JSON objects on its standard output, the last of them with "done". Never raises
    for what the process does; after `timeout_s` seconds it is ended, its children, too. environment: as
    `subprocess.Popen.env`.
    """
    process = child.start(
        child.python(module, arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=None if environment is None else dict(environment),
    )
    hangs = False
    try:
        said, wrote = process.communicate(timeout=min(timeout_s, LONGEST_POLL_S))
    except subprocess.TimeoutExpired:
        hangs = True
        child.kill(process)
        said, wrote = _what_is_left(process)
    except BaseException:
        child.kill(process)
        raise
    lines = tuple(_objects(said))
    if any("done" in line for line in lines):
        return Answer(lines, None, "")
    ended = f"hangs (no answer within {timeout_s:g} s)" if hangs else _end(process.returncode)
    return Answer(lines, ended, _tail(wrote))


def _end(status: int) -> str:
    if status >= 0:
        return f"ended without an answer (exit status {status})"
    return f"crashed ({child.signal_words(status)})"


def _what_is_left(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    try:
        return process.communicate(timeout=5)
    except subprocess.TimeoutExpired:  # a child of its own that left the group holds the pipes
        return b"", b""


def _objects(said: bytes) -> list[dict[str, Any]]:
    found = []
    for line in said[:_MOST_ANSWERS].splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                found.append(value)
    return found


def _tail(wrote: bytes) -> str:
    lines = [line.strip() for line in wrote.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][-_LAST_WORDS:] if lines else ""
