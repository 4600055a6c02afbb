"""The command, as `seatrial` and `python -m seatrial`: parses, calls the harness, prints the answer.

What takes time to import is imported where Ctrl-C is heard already.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from seatrial import signals
from seatrial.errors import EXIT_INTERNAL, EXIT_UNAVAILABLE, EXIT_USAGE, SeatrialError
from seatrial.streams import open_streams
from seatrial.text import shown

_REFUSED = (errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EACCES, errno.EPERM)
# Python's words for it, by version.
_NO_THREAD = ("can't start new thread", "can't create new thread at interpreter shutdown")


WINDOWS = (
    "seatrial runs on Linux and macOS. On Windows, install it inside WSL 2: a Linux whose TensorRT and CUDA use the "
    "driver of Windows."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 passed, 1 gate failed, 2 usage or bad input, 3 target unavailable
    or build failed, 4 a fault of seatrial's own, 130 interrupted, 143 ended by SIGTERM.

    arguments: without the program's name. None for those of this process, whose streams and signals are then the
    command's.
    """
    if arguments is not None:
        return _status(arguments)
    if sys.platform == "win32":  # before anything is imported that it does not have
        sys.stderr.write(f"seatrial: {WINDOWS}\n")
        return EXIT_UNAVAILABLE
    output = open_streams()
    signals.listen()
    status = _status(sys.argv[1:])
    signals.stop_listening()
    sys.stdout.flush()
    if output.lost is not None and status < EXIT_USAGE:  # an answer that nobody has
        _say(f"seatrial: Cannot write to standard output: {output.lost}.")
        status = EXIT_USAGE
    return status


def _status(arguments: Sequence[str]) -> int:
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _interrupted(signals.asked() or signal.SIGINT)
    except SeatrialError as error:
        _tell(error)
        return error.exit_code
    except (OSError, MemoryError, RuntimeError) as error:
        refused = refusal(error)
        if refused is None:
            return _fault()
        _say(f"seatrial: {refused}")
        return EXIT_USAGE
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] == "seatrial":
            return _fault()
        _say(f"seatrial: {error.name} does not import: {error}. Install it anew, or give the process more memory.")
        return EXIT_UNAVAILABLE
    except BaseException:  # a fault of ours must not look like a failed gate, which Python's own status 1 would
        asked = signals.asked()
        if asked is not None:  # what is interrupted in its import raises what it likes
            return _interrupted(asked)
        return _fault()


def _fault() -> int:
    _say(traceback.format_exc())
    _say("seatrial: this is a fault of seatrial's own. Please report it with the lines above.")
    return EXIT_INTERNAL


def refusal(error: OSError | MemoryError | RuntimeError) -> str | None:
    """What the system refused, where it is not for us to blame: a path, descriptors, memory, threads, room."""
    if isinstance(error, MemoryError):
        return f"memory ran out ({error}). Give it more, or less to do: --limit, --batch-size, --workers."
    if isinstance(error, RuntimeError):
        if str(error) not in _NO_THREAD:
            return None
        return (
            f"{error}: memory ran out, or the limit of processes (`ulimit -u`) is reached. Give it more, or less to do."
        )
    reason = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{reason}. Raise the limit (`ulimit -n`), or lower --workers."
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {reason}."
    if error.errno == errno.ENOENT and _nowhere():
        return "The folder that this was started in is gone. Change to one that is there."
    return f"{reason}." if error.errno in _REFUSED else None


def _nowhere() -> bool:
    try:
        return not os.getcwd()  # noqa: PTH109  (the path as the system has it)
    except FileNotFoundError:
        return True


def _run(arguments: Sequence[str]) -> int:
    from seatrial.harness.command import parse
    from seatrial.harness.progress import telling
    from seatrial.harness.report.progress import progress_here
    from seatrial.harness.typeset.terminal import Terminal

    try:
        job = parse(arguments)
    except SystemExit as end:  # --help, --version
        return int(end.code or 0)
    progress = progress_here()
    with telling(progress):
        return job(progress, Terminal())


def _tell(error: SeatrialError) -> None:
    from seatrial.harness.report.files.github import error_lines

    _say(f"seatrial: {error}")
    for line in error_lines(str(error)):  # beside what may be JSON, GitHub's runner reads this stream, too
        _say(line)


def _interrupted(number: int) -> int:
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    _say(f"seatrial: {how}. Finished trials are kept; the same command continues the run.")
    return signals.status_of(number)


def _say(text: str) -> None:
    for line in text.splitlines():  # what a process said has several
        sys.stderr.write(f"{shown(line)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
