"""The command, as `seatrial` and `python -m seatrial`: parses, calls the harness, prints the answer."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from seatrial.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, SeatrialError
from seatrial.harness.command import parse
from seatrial.harness.progress import telling
from seatrial.harness.report.files.github import error_lines
from seatrial.harness.report.progress import progress_here
from seatrial.harness.typeset.terminal import Terminal, say_whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0 passed, 1 gate failed, 2 usage or bad input, 3 target unavailable
    or build failed, 4 a fault of seatrial's own, 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the locale cannot spell ends nothing
    errors = Terminal(stderr=True)
    try:
        job = parse(sys.argv[1:] if arguments is None else arguments)
        progress = progress_here()
        with telling(progress):
            return job(progress, Terminal())
    except SeatrialError as error:
        for line in f"seatrial: {error}".splitlines():  # what a process said has several
            say_whole(errors, line)
        for line in error_lines(str(error)):  # beside what may be JSON, GitHub's runner reads this stream, too
            say_whole(errors, line)
        return error.exit_code
    except KeyboardInterrupt:
        say_whole(errors, "seatrial: interrupted. Finished trials are kept; the same command continues the run.")
        return EXIT_INTERRUPTED
    except Exception:  # a fault of ours must not look like a failed gate, which Python's own status 1 would
        errors.print_exception()
        say_whole(errors, "seatrial: this is a fault of seatrial's own. Please report it with the lines above.")
        return EXIT_INTERNAL


if __name__ == "__main__":
    sys.exit(main())
