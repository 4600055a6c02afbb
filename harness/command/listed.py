"""`--list KIND`: the names that flags take, each with what it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from rich.console import Console

from seatrial.engines import ENGINES
from seatrial.engines.precision import BITS, PRECISIONS, SIMULATED, SIMULATED_WEIGHTS
from seatrial.errors import EXIT_PASSED
from seatrial.exporters.contract import InputContract
from seatrial.exporters.presets import PRESETS
from seatrial.harness.attacks.ids import ATTACK, ATTACKS, BLACKBOX, STRENGTHS
from seatrial.harness.conditions import choose, known_ids, suites
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE
from seatrial.harness.typeset.terminal import put
from seatrial.text import shown

# A name, and what it is.
Names = Iterable[tuple[str, str]]


def list_names(kind: str, spec: RunSpec, narrowed: bool, as_json: bool, console: Console) -> int:
    """Prints them, one a line, the name first; the exit status. kind: of KINDS. narrowed: whether conditions are
    those that the spec asks for, not all that there are.
    """
    found = list(_KINDS[kind](spec, narrowed))
    if as_json:
        put(console, json.dumps([{"name": name, "is": what} for name, what in found], indent=2) + "\n")
        return EXIT_PASSED
    width = max((len(name) for name, _ in found), default=0)
    put(console, "".join(f"{shown(f'{name:<{width}}  {what}').rstrip()}\n" for name, what in found))
    return EXIT_PASSED


def _conditions(spec: RunSpec, narrowed: bool) -> Names:
    world, asked = _world(spec), spec.conditions
    found = choose(asked.suite, world, asked.globs, asked.severities) if narrowed else known_ids(world)
    return [(name, title_of(name)) for name in found]


def _engines(spec: RunSpec, narrowed: bool) -> Names:
    for name in ENGINES:
        on: dict[tuple[str, ...], list[str]] = {}
        for device, precisions in ENGINES[name].manifest.items():
            on.setdefault(tuple(precisions), []).append(device)
        yield name, "; ".join(f"{', '.join(devices)}: {', '.join(names)}" for names, devices in on.items())


def _attacks(spec: RunSpec, narrowed: bool) -> Names:
    for name, kind in ATTACKS.items():
        made = "found by asking the engine" if kind.blackbox else "made on gradients"
        strengths = ", ".join(f"{one:g}" for one in STRENGTHS[kind.norm])
        yield f"{BLACKBOX if kind.blackbox else ATTACK}{name}", f"{made}; eps of the papers: {strengths}"


def _presets(spec: RunSpec, narrowed: bool) -> Names:
    return [(name, _fed(contract)) for name, contract in PRESETS.items()]


def _fed(contract: InputContract) -> str:
    size, how = "x".join(map(str, contract.size)), contract.resize
    resize = "" if how == "none" else f", resized {how}{'' if contract.resize_to is None else f' {contract.resize_to}'}"
    mean, std = (", ".join(f"{one:g}" for one in part) for part in (contract.mean, contract.std))
    return f"{size} {contract.color}{resize}; mean {mean}; std {std}"


def _suites(spec: RunSpec, narrowed: bool) -> Names:
    world = _world(spec)
    return [(name, f"{len(choose(name, world))} conditions, clean among them") for name in suites()]


def _precisions(spec: RunSpec, narrowed: bool) -> Names:
    bits = {name: f", --bits {number}" for number, name in BITS.items()}
    yield from ((name, f"{says}{bits.get(name, '')}") for name, says in PRECISIONS.items())
    yield SIMULATED, "simulated: X bits for weights, Y for activations, 2 to 8 each; no engine runs faster"
    yield SIMULATED_WEIGHTS, "simulated: X bits for weights, 1 to 10, activations in float"


def _world(spec: RunSpec) -> World:
    return World(spec, tuple(dict.fromkeys((REFERENCE, *spec.targets.asked))))


_KINDS: Mapping[str, Callable[[RunSpec, bool], Names]] = {
    "conditions": _conditions,
    "engines": _engines,
    "attacks": _attacks,
    "presets": _presets,
    "suites": _suites,
    "precisions": _precisions,
}
KINDS = tuple(_KINDS)
