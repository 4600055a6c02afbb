"""What a target must reach: GateOptions."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from seatrial.harness.command.flags.gate_file import read_gate
from seatrial.harness.command.flags.parser import Given, Parser, replaced
from seatrial.harness.spec.gate import GateOptions


def add_verdict(parser: Parser) -> argparse._ArgumentGroup:
    """A group of its own."""
    group = parser.add_argument_group("the verdict")
    group.add_argument(
        "--gate", metavar="NAME", help="`default`, or a YAML file with the limits of the checks (docs/gate.md)"
    )
    group.add_argument("--strict", action="store_true", help="an INCONCLUSIVE verdict fails the command, too")
    group.add_argument("--advisory", action="store_true", help="no verdict fails the command")
    return group


def add(parser: Parser) -> None:
    """The same, with what a built engine is judged by."""
    group = add_verdict(parser)
    group.add_argument(
        "--baseline", type=Path, metavar="RUN", help="the run to compare with, paired by image: worse than that fails"
    )
    group.add_argument(
        "--min-realized",
        type=float,
        metavar="SHARE",
        help="of the arithmetic at the requested precision, 0 to 1, in place of the gate's",
    )
    group.add_argument("--allow-fallback", action="store_true", help="let less than that pass, and say so")


def take(given: Given, base: GateOptions) -> GateOptions:
    """The part. A flag that says the opposite of what `base` has replaces it."""
    for flag, other in (("strict", "advisory"), ("advisory", "strict")):
        if given.get(flag) and other not in given:
            base = replaced(base, {other: False}, {other: other})
    name = given.pop("gate", None)
    if name == "default":
        base = dataclasses.replace(base, name=name, limits=())
    elif name is not None:
        base = dataclasses.replace(base, name=Path(name).name, limits=read_gate(Path(name)))
    return replaced(base, given, {name: name for name in ("strict", "advisory", "min_realized", "allow_fallback")})
