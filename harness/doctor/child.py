"""A question that may crash or hang, asked in a process of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import seatrial

# Nothing is imported before the path is ours: not from the folder that the user happens to stand in.
_START = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(10)); "
    "import importlib, json; "
    "importlib.import_module(sys.argv[2]).main(*json.loads(sys.argv[3]))"
)
_ROOT = str(Path(seatrial.__path__[0]).resolve().parent)
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


def ask(module: str, arguments: Sequence[Any], timeout_s: float) -> Answer:
    """Calls `main(*arguments)` of a module in a new process, with this one's sys.path.

    The module's answers are lines of JSON objects on its standard output, the last of them with "done". Never raises
    for what the process does; after `timeout_s` seconds it is ended, its children, too.
    """
    process = subprocess.Popen(  # noqa: S603  (our own interpreter, our own module)
        [sys.executable, "-c", _START, "\n".join(_path()), module, json.dumps(list(arguments))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    hangs = False
    try:
        said, wrote = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        hangs = True
        _kill(process)
        said, wrote = _what_is_left(process)
    except BaseException:
        _kill(process)
        raise
    lines = tuple(_objects(said))
    if any("done" in line for line in lines):
        return Answer(lines, None, "")
    ended = f"hangs (no answer within {timeout_s:g} s)" if hangs else _end(process.returncode)
    return Answer(lines, ended, _tail(wrote))


def _path() -> list[str]:
    # "" is the current folder, wherever that is: our own packages stand in its place.
    return list(dict.fromkeys(entry or _ROOT for entry in [*sys.path, _ROOT]))


def _end(status: int) -> str:
    if status >= 0:
        return f"ended without an answer (exit status {status})"
    with contextlib.suppress(ValueError):
        return f"crashed (signal {-status}, {signal.Signals(-status).name})"
    return f"crashed (signal {-status})"


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


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
