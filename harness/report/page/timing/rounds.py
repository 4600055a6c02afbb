"""When the rounds of a scenario were, and what was measured beside the queries."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seatrial.harness.records.timing import board_of, scenario_at

Values = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Round:
    """begin_s, end_s: since the scenario began. kept: it counts. reasons: why it does not, in words. blocks: of all
    targets; left_out: those of them that do not count although the round does.
    """

    number: int
    begin_s: float
    end_s: float
    kept: bool
    reasons: Sequence[str]
    blocks: int = 0
    left_out: int = 0


@dataclasses.dataclass(frozen=True)
class Beside:
    """A figure of the machine: at_s, values: of each block that has it, in the order of time."""

    at_s: Sequence[float]
    values: Sequence[float]


def blocks(timing: Values, board: str | None, scenario: str) -> list[Values]:
    """Of all targets of a place, in the order of time."""
    found = [
        block
        for build, parts in timing.get("targets", {}).items()
        if board_of(build) == board
        for block in parts.get(scenario, {}).get("blocks", ())
    ]
    return sorted(found, key=lambda block: block["begin_s"])


def rounds(timing: Values, board: str | None, scenario: str) -> list[Round]:
    """Those at a place that have blocks."""
    told = {one["number"]: one for one in scenario_at(timing, board, scenario).get("rounds", ())}
    ends: dict[int, tuple[float, float]] = {}
    for block in blocks(timing, board, scenario):
        begin, end = ends.get(block["round"], (block["begin_s"], 0.0))
        ends[block["round"]] = min(begin, block["begin_s"]), max(end, block["begin_s"] + _wall(block))
    return [_round(number, span, told.get(number, {})) for number, span in sorted(ends.items())]


def _round(number: int, span: tuple[float, float], told: Values) -> Round:
    return Round(
        number,
        *span,
        kept=told.get("kept", True),
        reasons=told.get("reasons", ()),
        blocks=told.get("blocks", 0),
        left_out=told.get("left_out", 0),
    )


def beside(timing: Values, board: str | None, scenario: str, name: str) -> Beside | None:
    """A counter of the blocks at a place: `mhz`, `others` as they are; `probe_ns`, `memory_ns` as multiples of the
    fastest probe. None where no block has it.
    """
    found = list(_of(blocks(timing, board, scenario), name))
    if not found:
        return None
    at, values = zip(*found, strict=True)
    least = min(values)
    if name.endswith("_ns") and least > 0:
        values = tuple(value / least for value in values)
    return Beside(at, values)


def _of(found: Sequence[Values], name: str) -> Iterator[tuple[float, float]]:
    for block in found:
        value = (block.get("counters") or {}).get(name)
        if isinstance(value, Sequence):  # before and after the block
            yield block["begin_s"], value[0]
            yield block["begin_s"] + _wall(block), value[1]
        elif value is not None:
            yield block["begin_s"] + _wall(block) / 2, value


def _wall(block: Values) -> float:
    return float((block.get("counters") or {}).get("wall_s") or 0.0)
