"""What a target must reach: GateOptions."""

from __future__ import annotations

import argparse

from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.gate import GateOptions


def add(group: argparse._ArgumentGroup) -> None:
    """Beside the targets."""
    group.add_argument(
        "--min-realized",
        type=float,
        metavar="SHARE",
        help="of the arithmetic at the requested precision, 0 to 1; less fails the run (default: 0.9, which warns)",
    )
    group.add_argument("--allow-fallback", action="store_true", help="let less than that pass, and say so")


def take(given: Given, base: GateOptions) -> GateOptions:
    """The part."""
    return replaced(base, given, {name: name for name in ("min_realized", "allow_fallback")})
