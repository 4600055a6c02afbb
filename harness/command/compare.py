"""`bench.py compare`: what changed from one run to another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.harness.command.flags import gate
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.progress import Progress
from seatrial.harness.report.compare import print_baseline
from seatrial.harness.report.console import print_gate
from seatrial.harness.results.baseline.judge import compare_runs
from seatrial.harness.results.gate import exit_status
from seatrial.harness.spec.gate import GateOptions
from seatrial.harness.typeset.terminal import put

_DESCRIPTION = """What changed from the first run to the second: accuracy by target, condition and class, on the images
that both have, and what shaped or surrounded the runs otherwise. Nothing is run. `--baseline RUN` of a run
asks the same."""

_EXAMPLES = """examples:
  bench.py compare runs/last-week runs/today
  bench.py compare runs/x86 runs/pi5 --gate ours.yaml --strict

Exit status: 0 ACCEPT or INCONCLUSIVE (--strict: 1), 1 REGRESSION or ANOMALOUS (--advisory: 0), 2 the runs cannot be
compared."""


def make_parser() -> Parser:
    """The parser of `compare`."""
    parser = Parser("compare", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("first", type=Path, metavar="A", help="run directory: the baseline")
    parser.add_argument("second", type=Path, metavar="B", help="run directory that is compared with it")
    group = gate.add_verdict(parser)
    group.add_argument("--json", action="store_true", help="print the comparison as JSON, and nothing else")
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Compares and prints; the command's exit status."""
    given = dict(flags)
    found = compare_runs(given.pop("first"), given.pop("second"), gate.take(given, GateOptions())).to_dict()
    if given.get("json"):
        put(console, json.dumps(found, indent=2, allow_nan=False) + "\n")
    else:
        print_baseline(found, console)
        print_gate(found["gate"], console)
    return exit_status(found)
