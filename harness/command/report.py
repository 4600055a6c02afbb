"""`bench.py report`: a run's reports written again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.harness.command.flags import gate, output
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.progress import Progress
from seatrial.harness.records.spec import spec_of_run

_DESCRIPTION = """Judges a run again, by the answers that its directory holds, and writes summary.json, report.html and
all that other programs read; nothing is built, asked or timed. The run's model and images must be where they were."""

_EXAMPLES = """examples:
  bench.py report runs/m
  bench.py report runs/m --gate strict.yaml         by other limits
  bench.py report runs/m --baseline runs/last-week  against another run
  bench.py report runs/m --json | jq .gate.verdict

Exit status: as of the run itself."""


def make_parser() -> Parser:
    """The parser of `report`."""
    parser = Parser("report", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("run", type=Path, metavar="RUN", help="the run directory")
    gate.add(parser)
    output.add(parser)
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Judges, writes and prints; the command's exit status."""
    from seatrial.harness.command.printed import print_result
    from seatrial.harness.results.gate import exit_status
    from seatrial.harness.run.run import reported

    given = dict(flags)
    asked, root = output.take(given), given.pop("run")
    spec = spec_of_run(root, "report")
    spec = dataclasses.replace(
        spec, out=root, gate=gate.take(given, spec.gate), baseline=given.pop("baseline", spec.baseline)
    )
    found, directory = reported(spec, progress)
    summary = found.to_dict()
    print_result(summary, directory, asked, console)
    return exit_status(summary)
