"""A Python process beside this one, in which a module of ours may crash or hang: started, ended, and how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seatrial.errors import UnsupportedError

# Nothing is imported before the path is ours: not from the folder that the user happens to stand in. Ctrl-C is for the
# process that started it, which then ends it; a SIGINT of its own would be a traceback in whatever is being imported.
_START = (
    "import sys, _signal; sys.path[:] = sys.argv[1].split(chr(10)); "
    "_signal.signal(_signal.SIGINT, _signal.SIG_IGN); "
    "_signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT]); "
    "import importlib, json; "
    "importlib.import_module(sys.argv[2]).main(*json.loads(sys.argv[3]))"
)
_ROOT = str(Path(__file__).resolve().parent.parent)


def python(module: str, arguments: Sequence[Any], path: Sequence[str] | None = None) -> list[str]:
    """The command that calls `main(*arguments)` of a module in a new Python.

    arguments: JSON values. path: its sys.path, None for this one's. UnsupportedError where this Python does not know
    where it lies.
    """
    if not sys.executable:
        raise UnsupportedError(
            "This Python does not tell its own path (sys.executable), so none can be started beside."
        )
    return [
        sys.executable,
        "-c",
        _START,
        "\n".join(_path(sys.path if path is None else path)),
        module,
        json.dumps(list(arguments)),
    ]


def start(command: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
    """Starts a command in a group of its own: Ctrl-C in the terminal is for this process.

    streams: as `subprocess.Popen` takes them. UnsupportedError where there is no such command.
    """
    try:
        with _deaf() if _START in command else contextlib.nullcontext():
            return subprocess.Popen(command, start_new_session=True, **streams)  # noqa: S603  (without a shell)
    except OSError as error:
        raise UnsupportedError(f"{command[0]} cannot be started: {error.strerror or error}.") from error


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """What this thread starts meanwhile has SIGINT blocked, from before its Python begins until it says otherwise."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a process that was started here, and what it started: compilers, for instance."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def signal_words(status: int) -> str:
    """A negative exit status in words: `signal 11, SIGSEGV`."""
    with contextlib.suppress(ValueError):
        return f"signal {-status}, {signal.Signals(-status).name}"
    return f"signal {-status}"


def _path(path: Sequence[str]) -> list[str]:
    # "" is the current folder, wherever that is: our own packages stand in its place.
    return list(dict.fromkeys(entry or _ROOT for entry in [*path, _ROOT]))
