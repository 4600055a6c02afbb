"""The machine that targets were timed on, as it stands in summary.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.engines.machine import changes
from seatrial.engines.places import LOCAL
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.metrics.steady import ranking
from seatrial.harness.results.timing.record import TimedRun, Values


def machine_of(run: TimedRun, minutes: Mapping[str, Sequence[Values]]) -> dict[str, Any] | None:
    """`place`, the readings `before` and `after`, and `marks`: sentences on what happened to it, and to rounds that
    were left out. None where nothing was read. minutes: target id -> of the scenario sustained.
    """
    place, machine = run.values.get("place"), run.values.get("machine")
    if place is None and machine is None:
        return None
    machine = machine or {}
    before, after, during = machine.get("before"), machine.get("after"), machine.get("during") or []
    said = changes(before or {}, during, after or {}) if before else []
    return {
        "place": place,
        "before": before,
        "after": after,
        "readings": len(during),
        "marks": [*said, *_left_out(run), *_changed_places(minutes)],
    }


def names_of_place(machine: Values | None) -> list[str]:
    """What the place is called, for limits that hold there alone: the processor, its GPUs, the board. machine: as of
    `machine_of`.
    """
    if machine is None:
        return []
    place, before = machine["place"] or {}, machine["before"] or {}
    board = place.get("name")
    names = [
        place.get("processor"),
        *(one.get("name") for one in before.get("gpus") or ()),
        None if board == LOCAL.name else board,
    ]
    return [str(name) for name in dict.fromkeys(names) if name]


def _left_out(run: TimedRun) -> Iterator[str]:
    for scenario in SCENARIOS.values():
        rounds = run.rounds(scenario.key)
        gone = [one for one in rounds if not one["kept"]]
        if gone:
            reasons = list(dict.fromkeys(reason for one in gone for reason in one.get("reasons", ())))
            why = f": {'; '.join(reasons[:2])}" if reasons else ""
            yield f"{scenario.name}: {len(gone)} of {len(rounds)} starts were disturbed and left out{why}."


def _changed_places(minutes: Mapping[str, Sequence[Values]]) -> Iterator[str]:
    for first, last in ranking(minutes):
        yield f"{first} is faster than {last} in the first minute, and slower in the last."
