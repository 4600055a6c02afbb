"""The limits of an engine's process: Limits."""

from __future__ import annotations

import argparse

from seatrial.bounds import above_zero
from seatrial.engines.places import Limits
from seatrial.harness.command.flags.parser import Given, replaced


def add(parser: argparse.ArgumentParser) -> None:
    """How long and how large an engine's process may be."""
    group = parser.add_argument_group(
        "limits", "of each engine's own process; a target beyond them ends, the run goes on"
    )
    group.add_argument("--build-timeout", type=float, metavar="S", help="seconds for a build (default: 3600)")
    group.add_argument("--timeout", type=float, metavar="S", help="seconds for one batch (default: 300)")
    group.add_argument(
        "--memory-limit", type=float, metavar="GIB", help="resident memory (default: 80 %% of the machine's)"
    )


def take(given: Given, base: Limits) -> Limits:
    """The part; UsageError for what is not above zero."""
    if "memory_limit" in given:
        gibibytes = given.pop("memory_limit")
        above_zero(memory_limit=gibibytes)
        given["memory_bytes"] = int(gibibytes * (1 << 30))
    return replaced(base, given, {"build_timeout": "build_s", "timeout": "call_s", "memory_bytes": "memory_bytes"})
