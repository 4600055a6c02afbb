"""`bench.py merge`: the shards of a run put together, and judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import UsageError
from seatrial.harness.command.flags import calibration, gate, images, model, output
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.progress import Progress
from seatrial.harness.spec.run import RunSpec

_DESCRIPTION = """Puts the directories of all shards of a run (`--shard K/N`) together: what comes of it is the
directory of a whole run, with its summary, verdict and reports. Shards that are missing, given twice, unfinished or not
of one run are named. What hangs on the answers of all of them is run here. The model and the images must be where the
first shard had them, or be given."""

_EXAMPLES = """examples:
  bench.py merge runs/part-* --out runs/m
  bench.py merge part-1 part-2 part-3 --out runs/m --gate strict.yaml
  bench.py merge part-* --out runs/m --data /mnt/val --calib /mnt/calib    that lie elsewhere here

Exit status: as of the run itself; 2 where the shards do not belong together, or something is left that only another
machine can run: the message names the command."""


def make_parser() -> Parser:
    """The parser of `merge`."""
    parser = Parser("merge", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="the directory of each shard, in any order")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the whole run's directory, new or empty")
    group = parser.add_argument_group("model and images, where they lie elsewhere than the first shard had them")
    model.add_model(group)
    images.add_data(group)
    calibration.add_calib(group)
    gate.add(parser)
    output.add(parser)
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Merges, judges and prints; the command's exit status."""
    from seatrial.harness.command.printed import print_result
    from seatrial.harness.results.gate import exit_status
    from seatrial.harness.run.merging import merge

    given = dict(flags)
    asked, roots, out = output.take(given), given.pop("runs", []), given.pop("out", None)
    if out is None:
        raise UsageError("Where to? Give --out DIR.")

    def change(spec: RunSpec) -> RunSpec:
        return dataclasses.replace(
            spec,
            source=model.take(given, spec.source),
            images=images.take(given, spec.images),
            calibration=calibration.take(given, spec.calibration),
            gate=gate.take(given, spec.gate),
            baseline=given.pop("baseline", None),
        )

    found, directory = merge(roots, out, progress, change)
    summary = found.to_dict()
    print_result(summary, directory, asked, console)
    return exit_status(summary)
