"""Flags that name targets: engines x precisions x devices."""

from __future__ import annotations

import argparse
import itertools
import re
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.precision import BITS, precision_of_bits
from seatrial.engines.registry import default_device
from seatrial.errors import UsageError
from seatrial.harness.spec.run import TargetSpec

_TARGET = re.compile(r"(?P<engine>[^/@]+)(/(?P<precision>[^/@]+))?(@(?P<device>.+))?")


def add_target_flags(parser: argparse.ArgumentParser, description: str | None = None) -> argparse._ArgumentGroup:
    """--engine, --bits, --precision, --device, --target, --threads, --optimization."""
    group = parser.add_argument_group("targets", description)
    group.add_argument("--engine", action="append", metavar="NAME", help=f"repeatable: {', '.join(ENGINES)}")
    group.add_argument("--bits", action="append", type=_integer, metavar="N", help=f"repeatable: {_spell_bits()}")
    group.add_argument("--precision", action="append", metavar="NAME", help="repeatable; in place of --bits, by name")
    group.add_argument("--device", action="append", metavar="NAME", help="repeatable (default: the engine's first)")
    group.add_argument(
        "--target",
        action="append",
        metavar="TARGET",
        help="repeatable; one by name, beside or in place of the grid: ENGINE[/PRECISION][@DEVICE]",
    )
    group.add_argument("--threads", type=int, metavar="N", help="threads of one inference call (default: 1)")
    group.add_argument(
        "--optimization",
        choices=("disable", "basic", "extended", "all"),
        help="graph optimisation level (default: all)",
    )
    return group


def take_targets(given: dict[str, Any]) -> tuple[TargetSpec, ...]:
    """Takes engines, precisions and devices out of `given`: their grid, and targets by name; UsageError for unknown
    names.
    """
    named = tuple(parse_target(text, "int8") for text in given.pop("target", ()))
    if named and not {"engine", "bits", "precision", "device"} & given.keys():
        return named
    engines = given.pop("engine", ["onnxruntime"])
    precisions = [*map(precision_of_bits, given.pop("bits", ())), *given.pop("precision", ())]
    devices = given.pop("device", ())
    grid = tuple(
        TargetSpec(engine, precision, device)
        for engine in map(ENGINES.canonical, engines)
        for precision, device in itertools.product(precisions or ["int8"], devices or [default_device(engine)])
    )
    return grid + named


def parse_target(text: str, precision: str) -> TargetSpec:
    """ENGINE[/PRECISION][@DEVICE] -> the target, at `precision` where none is named; UsageError for anything else."""
    found = _TARGET.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no target: give ENGINE, ENGINE/PRECISION or ENGINE/PRECISION@DEVICE.")
    engine = ENGINES.canonical(found["engine"])
    return TargetSpec(engine, found["precision"] or precision, found["device"] or default_device(engine))


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; known: {_spell_bits()}") from None


def _spell_bits() -> str:
    return ", ".join(f"{bits} ({name})" for bits, name in BITS.items())
