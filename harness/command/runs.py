"""`bench.py runs`: the runs of a folder."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_PASSED
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.plan.out import DEFAULT
from seatrial.harness.progress import Progress
from seatrial.harness.records.listing import ListedRun, runs_in
from seatrial.harness.typeset.numbers import age
from seatrial.harness.typeset.tables import Listing, figures, long_name, words
from seatrial.harness.typeset.terminal import put, say

_DESCRIPTION = """The runs of a folder, the newest first: verdict, age, model and targets. A run that is under way, was
cut off or cannot be read is listed as that."""

_EXAMPLES = """examples:
  bench.py runs
  bench.py runs nightly/ --json | jq -r '.[] | select(.verdict == "REGRESSION") | .path'

Exit status: 0 listed, whatever the verdicts; 2 the folder cannot be read."""


def make_parser() -> Parser:
    """The parser of `runs`."""
    parser = Parser("runs", _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=DEFAULT,
        metavar="DIR",
        help=f"that holds the runs, or is one (default: {DEFAULT})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else on standard output")
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Lists them; the command's exit status."""
    folder = flags["folder"]
    runs, now = runs_in(folder), datetime.datetime.now(datetime.timezone.utc)
    if flags.get("json", False):
        put(console, json.dumps([{**run.to_dict(), "age_s": _age_s(run, now)} for run in runs], indent=2) + "\n")
    elif not runs:
        say(console, f"No run in {folder}.")
    else:
        table = Listing("", long_name("run"), words("verdict"), *figures("age"), words("model"), words("targets"))
        for run in runs:
            passed = _age_s(run, now)
            table.add(
                str(run.path),
                run.verdict or run.state,
                "-" if passed is None else age(passed),
                run.model or "-",
                run.targets,
            )
        console.print(table)
        for run in runs:
            if run.problem is not None:
                say(console, f"{run.path}: {run.problem}", style="yellow")
    return EXIT_PASSED


def _age_s(run: ListedRun, now: datetime.datetime) -> int | None:
    """Seconds; 0 for a clock that was ahead."""
    return None if run.started is None else max(0, round((now - run.started).total_seconds()))
