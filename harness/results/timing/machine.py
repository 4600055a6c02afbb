"""The machines that targets were timed on, as they stand in summary.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.engines.machine import changes
from seatrial.engines.places import LOCAL
from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.harness.metrics.steady import ranking
from seatrial.harness.records.timing import HERE, at_place, board_of
from seatrial.harness.results.timing.record import TimedRun, Values


def machine_of(run: TimedRun, board: str | None, minutes: Mapping[str, Sequence[Values]]) -> dict[str, Any] | None:
    """`place`, the readings `before` and `after`, and `marks`: sentences on what happened to it, and to rounds that
    were left out. None where nothing was read. board: None for this machine. minutes: target id -> of the scenario
    sustained, of all places.
    """
    told = at_place(run.values, board)
    place, machine = told.get("place"), told.get("machine")
    if place is None and machine is None:
        return None
    machine = machine or {}
    before, after, during = machine.get("before"), machine.get("after"), machine.get("during") or []
    said = changes(before or {}, during, after or {}) if before else []
    there = {name: one for name, one in minutes.items() if board_of(name) == board}
    return {
        "place": place,
        "before": before,
        "after": after,
        "readings": len(during),
        "marks": [*said, *_left_out(run, board), *_changed_places(there)],
    }


def boards_of(run: TimedRun, minutes: Mapping[str, Sequence[Values]]) -> dict[str, dict[str, Any]]:
    """Name of a board -> as of `machine_of`, of those where something was timed."""
    found = {name: machine_of(run, name, minutes) for name in run.values["places"] if name != HERE}
    return {name: one for name, one in found.items() if one is not None}


def names_of_place(machine: Values | None, board: str | None = None) -> list[str]:
    """What the place is called, for limits that hold there alone: the board, the processor, its GPUs. machine: as of
    `machine_of`.
    """
    place, before = ((machine or {}).get(part) or {} for part in ("place", "before"))
    name = place.get("name")
    names = [
        board,
        None if board is not None or name == LOCAL.name else name,
        place.get("model"),
        place.get("processor"),
        *(one.get("name") for one in before.get("gpus") or ()),
    ]
    return [str(name) for name in dict.fromkeys(names) if name]


def _left_out(run: TimedRun, board: str | None) -> Iterator[str]:
    for scenario in SCENARIOS.values():
        rounds = run.rounds(board, scenario.key)
        gone = [one for one in rounds if not one["kept"]]
        if gone:
            reasons = list(dict.fromkeys(reason for one in gone for reason in one.get("reasons", ())))
            why = f": {'; '.join(reasons[:2])}" if reasons else ""
            yield f"{scenario.name}: {len(gone)} of {len(rounds)} starts were disturbed and left out{why}."


def _changed_places(minutes: Mapping[str, Sequence[Values]]) -> Iterator[str]:
    for first, last in ranking(minutes):
        yield f"{first} is faster than {last} in the first minute, and slower in the last."
