"""`python -m gpukit gpu|cpu [--minutes N] [--install] [--out FILE]` runs steps; `hardware ARCHIVE...` fills tables."""

from __future__ import annotations

import argparse
import datetime
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gpukit import archive, environment, hardware
from gpukit.machine import look
from gpukit.paths import ROOT
from gpukit.results import Done, exit_status
from gpukit.run import Budget, run_steps
from gpukit.steps import cpu_steps, gpu_steps
from gpukit.table import table
from seatrial import __version__
from seatrial.errors import EXIT_INTERRUPTED, SeatrialError

_STEPS = {"gpu": gpu_steps, "cpu": cpu_steps}
_WRITING_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 something ran and nothing failed, 1 something failed, 2 usage, 3 nothing could run."""
    parser = argparse.ArgumentParser(prog="gpukit", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    for what in _STEPS:
        command = commands.add_parser(what)
        command.add_argument("--minutes", type=float, help="of all steps together; without it, as long as they take")
        command.add_argument("--install", action="store_true", help="let pip bring what fits the driver")
        command.add_argument("--out", type=Path, help="the archive (default: runs/WHAT-TIME.zip)")
    commands.add_parser("hardware").add_argument("archives", type=Path, nargs="+")
    flags = parser.parse_args(arguments)
    if flags.what == "hardware":
        read, known = hardware.fill(flags.archives)
        _say(f"{read} runs read; {hardware.FILE.name} and {hardware.PAGE.name} now tell of {known}.")
        return 0
    if flags.minutes is not None and not 0 < flags.minutes < float("inf"):
        parser.error(f"--minutes is {flags.minutes:g}; it must be above 0")
    now = datetime.datetime.now(datetime.timezone.utc)
    return _run(
        flags.what, flags.minutes, flags.install, flags.out or ROOT / f"runs/{flags.what}-{now:%Y%m%d-%H%M%S}.zip"
    )


def _run(what: str, minutes: float | None, installing: bool, path: Path) -> int:
    budget = Budget(None if minutes is None else minutes * 60 - _WRITING_S)
    started = datetime.datetime.now(datetime.timezone.utc)
    machine = look(installing=installing)
    with tempfile.TemporaryDirectory(prefix="gpukit-", ignore_cleanup_errors=True) as folder:
        work = Path(folder) / "work"
        work.mkdir()
        done: list[Done] = []
        interrupted = False
        try:
            done.extend(run_steps(_STEPS[what](), machine, work, budget, _say))
        except KeyboardInterrupt:
            interrupted = True
        environment.collect(work / "environment", thorough=False)  # after the steps, which install
        shown = table(done)
        (work / "table.txt").write_text(shown + "\n", encoding="utf-8")
        about = {
            "kit": what,
            "seatrial": __version__,
            "commit": _commit(),
            "python": platform.python_version(),
            "started": started.isoformat(timespec="seconds"),
            "minutes": minutes,
            "gpus": list(machine.gpus),
            "driver_cuda": machine.driver,
        }
        left_out = archive.write(work, path, done, about)
    _say("")
    _say(shown)
    for name in left_out:
        _say(f"too large for the archive: {name}")
    _say(f"archive: {path} ({path.stat().st_size / 1024:.0f} KiB)")
    return EXIT_INTERRUPTED if interrupted else exit_status(done)


def _commit() -> str | None:
    """Of the checkout; None where there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SeatrialError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
