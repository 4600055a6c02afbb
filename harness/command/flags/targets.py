"""Flags that name targets, engines x precisions x boards and devices: Targets."""

from __future__ import annotations

import argparse
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from seatrial.engines import ENGINES
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.engines.precision import BITS, precision_of_bits
from seatrial.engines.registry import default_device
from seatrial.errors import UsageError
from seatrial.harness.command.flags import boards
from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.studies import MERKEL, MERKEL_BITS
from seatrial.harness.spec.targets import OPTIMIZATIONS, REFERENCE, Targets, TargetSpec
from seatrial.harness.spec.variants import check_variant_name

_Value = TypeVar("_Value")
_TARGET = re.compile(
    r"((?P<variant>[^/@:]+):)?(?P<engine>[^/@]+)(/(?P<precision>[^/@]+))?(@((?P<board>[^/@]+)/)?(?P<device>[^/@]+))?"
)


def add(parser: argparse.ArgumentParser, description: str | None = None) -> argparse._ArgumentGroup:
    """--engine, --bits, --precision, --board, --device, --target, --threads, --optimization, and what is of boards."""
    group = parser.add_argument_group("targets", description)
    group.add_argument("--engine", action="append", metavar="NAME", help=f"repeatable: {', '.join(ENGINES)}")
    group.add_argument("--bits", action="append", type=_integer, metavar="N", help=f"repeatable: {_spell_bits()}")
    group.add_argument("--precision", action="append", metavar="NAME", help="repeatable; in place of --bits, by name")
    group.add_argument("--board", action="append", metavar="NAME", help="repeatable (default: this machine)")
    group.add_argument("--device", action="append", metavar="NAME", help="repeatable (default: the engine's first)")
    group.add_argument(
        "--target",
        action="append",
        metavar="TARGET",
        help="repeatable; one by name, beside or in place of the grid: ENGINE[/PRECISION][@[BOARD/]DEVICE]",
    )
    boards.add(group)
    add_building(group)
    return group


def add_one(group: argparse._ArgumentGroup) -> None:
    """--engine, --bits, --precision and --board of commands that look at a single target (default: that of --from), and
    what is of boards.
    """
    group.add_argument("--engine", metavar="NAME", help=f"{', '.join(ENGINES)} (default: onnxruntime)")
    group.add_argument("--bits", type=_integer, metavar="N", help=f"{_spell_bits()} (default: 8)")
    group.add_argument("--precision", metavar="NAME", help="in place of --bits, by name")
    group.add_argument("--board", metavar="NAME", help="where it runs (default: this machine)")
    boards.add(group)


def add_building(group: argparse._ArgumentGroup) -> None:
    """--threads, --optimization."""
    group.add_argument("--threads", type=int, metavar="N", help="threads of one inference call (default: 1)")
    group.add_argument(
        "--optimization",
        choices=OPTIMIZATIONS,
        help="graph optimisation level (default: all; disable for simulated precisions)",
    )


def add_rebuilds(group: argparse._ArgumentGroup) -> None:
    """--rebuilds."""
    group.add_argument(
        "--rebuilds", type=int, metavar="N", help="independent builds of each target, for their spread (default: 1)"
    )


def add_compute_capability(group: argparse._ArgumentGroup) -> None:
    """--compute-capability."""
    group.add_argument(
        "--compute-capability", metavar="X.Y", help="the GPU to build for, as in 8.9 (default: this one's)"
    )


def take_swept(given: Given) -> None:
    """`--suite merkel` asks about every bit-width where nothing says about which: what is given is as if it did."""
    if given.get("suite") == MERKEL and not {"bits", "precision", "target", "variant"} & given.keys():
        given["precision"] = [f"sim-w{bits}" for bits in MERKEL_BITS]


def take(
    given: Given, base: Targets, *, extends: bool = False, endpoints: Mapping[str, Endpoint] = MappingProxyType({})
) -> Targets:
    """The part. extends: what is named goes beside what is asked for already. endpoints: those of `--place`."""
    if endpoints and not extends and not {"engine", "target"} & given.keys():
        given["engine"] = ["kserve"]
    named = _named(given, endpoints)
    if named:
        given["asked"] = tuple(dict.fromkeys((*base.asked, *named))) if extends else named
    return replaced(base, given, {name: name for name in ("asked", "threads", "optimization", "rebuilds")})


def take_one(given: Given, base: Targets) -> TargetSpec:
    """The single target of a command that looks at one: what is given of it, the rest as `base` has it.

    The engine stands as it is named, and need not be there. UsageError for an unknown precision, or two, and where
    `base` leaves several.
    """
    if "bits" in given and "precision" in given:
        raise UsageError("--bits and --precision say the same thing; give one.")
    if "bits" in given:
        given["precision"] = precision_of_bits(given.pop("bits"))
    chosen = {name: given.pop(name) for name in ("engine", "precision", "device", "board") if name in given}
    variant = _chosen_variant(given)
    asked = {name: _canonical(value) if name == "engine" else value for name, value in chosen.items()}
    own = [target for target in base.asked if target.variant == variant] or [
        target for target in base.asked if target.variant is None
    ]
    others = [target for target in own if target != REFERENCE] or own
    fitting = [one for one in others if all(getattr(one, name) == value for name, value in asked.items())]
    for name in ("engine", "precision"):
        if name not in chosen:
            chosen[name] = _only({getattr(one, name) for one in fitting or others}, others)
    same = [one for one in fitting if (one.engine, one.precision) == (chosen["engine"], chosen["precision"])]
    if "board" not in chosen:
        boards_of_it = {one.board for one in same}
        chosen["board"] = None if None in boards_of_it or not same else _only(boards_of_it, others)
    devices = {one.device for one in same if one.board == chosen["board"]}
    if "device" not in chosen:
        chosen["device"] = _only(devices, others) if devices else _first_device(chosen["engine"])
    return TargetSpec(**chosen, variant=variant)


def _chosen_variant(given: Given) -> str | None:
    """The name in `--variant NAME[=FILE]`; where the file is named, it stays among what is given."""
    if "variant" not in given:
        return None
    text = given["variant"]
    if "=" not in text:
        check_variant_name(given.pop("variant"))
    return str(text.partition("=")[0])


def _only(values: set[_Value], targets: Sequence[TargetSpec]) -> _Value:
    if len(values) > 1:
        known = ", ".join(target.id for target in targets)
        raise UsageError(f"Which of {known}? Give --engine and --bits, or --board and --device.")
    return next(iter(values))


def _canonical(engine: str) -> str:
    return ENGINES.canonical(engine) if engine in ENGINES else engine


def _first_device(engine: str) -> str:
    return default_device(ENGINES.canonical(engine)) if engine in ENGINES else "cpu"


def _named(given: Given, endpoints: Mapping[str, Endpoint]) -> tuple[TargetSpec, ...]:
    """The grid of engines, precisions, boards and devices, and targets by name; empty where none is given. An engine
    that asks a server has the endpoints in place of boards and devices.
    """
    grid_flags = {"engine", "bits", "precision", "board", "device"} & given.keys()
    named = tuple(parse_target(text, "int8") for text in given.pop("target", ()))
    if not grid_flags:
        return named
    engines = given.pop("engine", ["onnxruntime"])
    precisions = [*map(precision_of_bits, given.pop("bits", ())), *given.pop("precision", ())]
    devices, names = given.pop("device", ()), given.pop("board", [None])

    def places(engine: str) -> Iterable[tuple[str | None, str]]:
        if ENGINES[engine].served:
            return [(name, one.address.protocol) for name, one in endpoints.items()] or [(None, default_device(engine))]
        return itertools.product(names, devices or [default_device(engine)])

    grid = tuple(
        TargetSpec(engine, precision, device, board)
        for engine in map(ENGINES.canonical, engines)
        for precision in precisions or ["int8"]
        for board, device in places(engine)
    )
    return grid + named


def parse_target(text: str, precision: str) -> TargetSpec:
    """ENGINE[/PRECISION][@[BOARD/]DEVICE] -> the target, at `precision` where none is named; UsageError for anything
    else.
    """
    found = _TARGET.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no target: give ENGINE, ENGINE/PRECISION, ENGINE/PRECISION@DEVICE or @BOARD/DEVICE."
        )
    engine = ENGINES.canonical(found["engine"])
    device = found["device"] or default_device(engine)
    return TargetSpec(engine, found["precision"] or precision, device, found["board"], found["variant"])


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; known: {_spell_bits()}") from None


def _spell_bits() -> str:
    return ", ".join(f"{bits} ({name})" for bits, name in BITS.items())
