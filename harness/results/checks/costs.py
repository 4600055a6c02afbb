"""Checks of what a target costs: memory, bytes, and how its speed compares with that of fp32 at its place."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.results.check import Check, at_least
from seatrial.harness.results.checks.absolute import absolute
from seatrial.harness.results.slower import measured_against
from seatrial.harness.spec.gate import LIMITS, Limit

_MB, _MIB = 1e6, 2**20
# All that `costs` judges, in the order in which it is told.
COSTS = (*(name for name, kind in LIMITS.items() if kind.absolute), "speed_up", "size", "memory")


def costs(
    target: str, figures: Mapping[str, Any], limits: Mapping[str, Limit], here: Sequence[str] = ()
) -> list[Check]:
    """A check for each limit that is set. figures: `latency` (by scenario, as in summary.json), `energy` (by meter),
    `speedup` (against, ratio and ci95) and `pace`, as there, `engine_bytes`, `memory_bytes`; None where it is not
    known. here: names of the place where it was timed: the board's, its processor, its GPUs.
    """
    found = []
    for name, limit in limits.items():
        if limit.value is None:
            continue
        if LIMITS[name].absolute:
            found.append(absolute(name, target, figures, limit, here))
        elif name == "speed_up":
            found.extend(_speed_up(target, figures["speedup"], figures.get("pace") or {}, limit))
        elif name == "size":
            found.append(_at_most("size", target, _scaled(figures["engine_bytes"], _MB), "MB", limit))
        else:
            found.append(_at_most("memory", target, _scaled(figures["memory_bytes"], _MIB), "MiB", limit))
    return found


def _scaled(value: float | None, by: float) -> float | None:
    return None if not value else value / by


def _at_most(title: str, target: str, value: float | None, unit: str, limit: Limit) -> Check:
    assert limit.value is not None
    if value is None:
        answer, says = "inconclusive", f"{title} is not known of this engine"
    else:
        answer = "pass" if value <= limit.value else "fail"
        says = f"{title} is {value:.4g} {unit}; at most {limit.value:g} may be"
    return Check(
        name=title,
        target=target,
        answer=answer,  # type: ignore[arg-type]
        says=says,
        measured=value,
        limit=limit.value,
        unit=unit,
        binding=limit.binding,
    )


def _speed_up(target: str, found: Mapping[str, Any] | None, pace: Mapping[str, Any], limit: Limit) -> list[Check]:
    """None of what the others at its place are compared with. Inconclusive where there is nothing to compare with."""
    assert limit.value is not None
    check = functools.partial(
        Check, name="speed-up", target=target, limit=limit.value, unit="ratio", binding=limit.binding
    )
    if found is None:
        why = pace.get("unknown")
        return [check(answer="inconclusive", says=f"speed-up is not known: {why}")] if why else []
    interval = (found["ci95"][0], found["ci95"][1])
    answer = at_least(limit.value, interval)
    says = (
        f"it answers {found['ratio']:.2f} times as fast as {measured_against(found)} ({interval[0]:.2f} to "
        f"{interval[1]:.2f}); at least {limit.value:g} is asked for"
    )
    if answer == "inconclusive":
        says += f": {found.get('wide') or 'it lies at the limit, as far as can be told'}"
    return [check(answer=answer, says=says, measured=found["ratio"], interval=interval)]
