"""Which conditions are asked for: ConditionsAsked."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.conditions import suites
from seatrial.harness.spec.conditions import ConditionsAsked
from seatrial.harness.spec.studies import STUDIES


def add(parser: argparse.ArgumentParser) -> None:
    """A group of them."""
    group = parser.add_argument_group("conditions")
    group.add_argument("--suite", metavar="NAME", help=f"{', '.join(suites())} (default: standard)")
    group.add_argument(
        "--conditions",
        action="append",
        metavar="GLOB",
        help=f"repeatable; instead (of {', '.join(STUDIES)} a part): 'corruption/*@3'",
    )
    group.add_argument("--severity", action="append", type=int, metavar="N", help="repeatable; only these, 1 to 5")
    group.add_argument(
        "--corruption-scale", type=int, metavar="PX", help="severity constants for 224, 64 or 32 px images"
    )
    group.add_argument(
        "--frost-textures", type=Path, metavar="DIR", help="ImageNet-C's frost photographs (frost1.png, ...)"
    )


def take(given: Given, base: ConditionsAsked) -> ConditionsAsked:
    """The part. Globs go beside those that are there; a suite takes their place."""
    if "suite" in given:
        base = dataclasses.replace(base, globs=(), severities=(), own=())
    if "conditions" in given:
        more = given.pop("conditions")
        given["globs"] = tuple(dict.fromkeys((*base.globs, *more)))
        base = dataclasses.replace(base, own=tuple(name for name in base.own if name not in more))
    if "severity" in given:
        given["severities"] = tuple(given.pop("severity"))
    names = ("suite", "globs", "severities", "corruption_scale", "frost_textures")
    return replaced(base, given, {name: name for name in names})
