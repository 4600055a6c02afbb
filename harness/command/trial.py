"""`bench.py trial`: single trials of a run as JSON, and run from it."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.errors import EXIT_PASSED, BadInputError, UsageError
from seatrial.files import open_regular, reason_of
from seatrial.harness.command.flags import base, boards
from seatrial.harness.command.flags.parser import Parser
from seatrial.harness.plan.following import with_following
from seatrial.harness.plan.making import Held, make_plan
from seatrial.harness.progress import Progress
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.trial import describe_trial, run_trial
from seatrial.harness.typeset.terminal import say_whole

_DESCRIPTION = """A trial is one target's answers under one condition. With --from: describes the trials of a run, a
line of JSON for each. With a file of such lines: runs them, each from its description alone, to the same bits as the
run."""

_EXAMPLES = """examples:
  bench.py trial --from runs/m > trials.jsonl
  bench.py trial --from runs/m --target 'openvino/*' --conditions 'corruption/fog@*'
  bench.py trial trials.jsonl --out elsewhere        prints where each one lies; - reads standard input

Where the file, a version or the processor is another than the description says, nothing is run, and the difference is
named. Exit status: 0 described or run, 2 usage or bad input, 3 target unavailable or failed."""
_MOST_BYTES = 1 << 28


def make_parser() -> Parser:
    """The parser of `trial`."""
    parser = Parser("trial", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("file", nargs="?", metavar="FILE", help="lines of JSON, each one trial; - for standard input")
    base.add(parser)
    parser.add_argument("--target", metavar="GLOB", help="with --from: only these targets")
    parser.add_argument("--conditions", metavar="GLOB", help="with --from: only these conditions")
    parser.add_argument("--out", type=Path, metavar="DIR", help="with FILE: the folder whose trials/ they go to")
    boards.add_file(parser)
    boards.add_places(parser)
    return parser


def execute(flags: Mapping[str, Any], progress: Progress, console: Console) -> int:
    """Describes or runs; the command's exit status."""
    given = dict(flags)
    root = given.get("from")
    if (root is None) == ("file" not in given):
        raise UsageError("Give --from RUN to describe its trials, or a FILE of descriptions to run them.")
    if root is not None:
        for description in _described(root, given, progress):
            say_whole(console, json.dumps(description))
        return EXIT_PASSED
    if "out" not in given:
        raise UsageError("Where to? Give --out DIR.")
    endpoints = boards.take_places(given)
    for description in _read(given["file"]):
        path = run_trial(description, given["out"], progress, boards=given.get("boards"), endpoints=endpoints)
        say_whole(console, str(path))
    return EXIT_PASSED


def _described(root: Path, given: dict[str, Any], progress: Progress) -> Iterator[dict[str, Any]]:
    spec = base.take(given)
    assert spec is not None
    directory = RunDirectory(root)
    plan = with_following(make_plan(spec, progress, Held.of(directory.description())), directory.trials)
    plan = dataclasses.replace(plan, spec=dataclasses.replace(plan.spec, out=None))
    for condition in plan.conditions:
        for build in plan.builds:
            asked = fnmatch.fnmatchcase(build.id, given.get("target", "*"))
            if (
                asked
                and fnmatch.fnmatchcase(condition.id, given.get("conditions", "*"))
                and plan.answers(build, condition)
            ):
                yield describe_trial(plan, build, condition)


def _read(name: str) -> list[Any]:
    try:
        if name == "-":
            text = sys.stdin.read(_MOST_BYTES)
        else:
            with open_regular(Path(name)) as stream:
                text = stream.read(_MOST_BYTES).decode()
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise BadInputError(f"{name} is no file of trials, one JSON object a line: {reason_of(error)}.") from error
