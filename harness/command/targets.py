"""Flags that name targets: engines x precisions x devices."""

from __future__ import annotations

import argparse
import itertools
from typing import Any

from engines import ENGINES
from engines.precision import BITS, precision_of_bits
from engines.registry import default_device
from harness.spec import TargetSpec


def add_target_flags(parser: argparse.ArgumentParser, description: str | None = None) -> argparse._ArgumentGroup:
    """--engine, --bits, --precision, --device, --threads, --optimization."""
    group = parser.add_argument_group("targets", description)
    group.add_argument("--engine", action="append", metavar="NAME", help=f"repeatable: {', '.join(ENGINES)}")
    group.add_argument("--bits", action="append", type=_integer, metavar="N", help=f"repeatable: {_spell_bits()}")
    group.add_argument("--precision", action="append", metavar="NAME", help="repeatable; in place of --bits, by name")
    group.add_argument("--device", action="append", metavar="NAME", help="repeatable (default: the engine's first)")
    group.add_argument("--threads", type=int, metavar="N", help="threads of one inference call (default: 1)")
    group.add_argument(
        "--optimization",
        choices=("disable", "basic", "extended", "all"),
        help="graph optimisation level (default: all)",
    )
    return group


def take_targets(given: dict[str, Any]) -> tuple[TargetSpec, ...]:
    """Takes engines, precisions and devices out of `given`: their grid; UsageError for unknown names."""
    engines = given.pop("engine", ["onnxruntime"])
    precisions = [*map(precision_of_bits, given.pop("bits", ())), *given.pop("precision", ())]
    devices = given.pop("device", ())
    return tuple(
        TargetSpec(engine, precision, device)
        for engine in map(ENGINES.canonical, engines)
        for precision, device in itertools.product(precisions or ["int8"], devices or [default_device(engine)])
    )


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; known: {_spell_bits()}") from None


def _spell_bits() -> str:
    return ", ".join(f"{bits} ({name})" for bits, name in BITS.items())
