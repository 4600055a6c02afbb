"""Which step on the way to the engine costs how much accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.harness.report.page.accuracy import beyond_chance
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.dots import Dots, difference_dots
from seatrial.harness.typeset.numbers import points
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, note

_STEPS = {
    "export": "Export: the file against its source",
    "pipeline": "Input pipeline: the device's against the contract's",
    "quantization": "Quantization: simulated in float, against the float model",
    "engine": "Engine: the built engine against the same bits, simulated",
    "quantization and engine": "Quantization and engine: the built engine against the float model",
}


def decomposition(shown: Shown) -> Part | None:
    """Where the points are lost, for each target; None where the summary does not tell."""
    found = {target["id"]: target["decomposition"] for target in shown.targets if target.get("decomposition")}
    if not found:
        return None
    steps = list(dict.fromkeys(one["step"] for parts in found.values() for one in parts))
    by_step = {name: {one["step"]: one for one in parts} for name, parts in found.items()}
    dots = [
        Dots(shown.names.index(name), [_value(parts.get(step)) for step in steps]) for name, parts in by_step.items()
    ]
    svg = difference_dots([step.capitalize() for step in steps], dots, "points of top-1")
    says = " ".join(f"{name}: {_told(parts)}." for name, parts in found.items())
    drawing = figure(
        [Drawing(svg, "Points of top-1 gained or lost at each step", says)],
        "What each step adds to the difference. Bars are 95 % intervals.",
        shown.names,
    )
    rows = []
    for step in steps:
        row: list[Cell | str] = [_STEPS.get(step, step)]
        row += [_cell(parts.get(step)) for parts in by_step.values()]
        rows.append(row)
    headings = [Heading("step"), *(Heading(f"{name}, points [95 %]") for name in found)]
    return Part(
        "Where accuracy is lost",
        together(
            drawing,
            Table("What each step adds", headings, rows, sortable=False, folded=False),
            note("Paired differences of top-1, in percentage points; the steps add up to the whole."),
        ),
    )


def _value(one: Values | None) -> tuple[float, float, float] | None:
    if one is None or one.get("delta") is None:
        return None
    low, high = one.get("ci95") or (one["delta"], one["delta"])
    return one["delta"], low, high


def _cell(one: Values | None) -> Cell | str:
    if one is None or one.get("delta") is None:
        return "-"
    span = one.get("ci95")
    return Cell(points(one["delta"], span), one["delta"], beyond_chance(one) if span else "")


def _told(parts: Sequence[Values]) -> str:
    return ", ".join(f"{one['step']} {points(one['delta'])}" for one in parts if one.get("delta") is not None)
