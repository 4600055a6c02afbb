"""Accuracy by class."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.harness.report.page.accuracy import beyond_chance
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.page import Cell, Heading, Table, note

# More classes than that are not all shown: those that lose or gain most are.
MOST = 400


def by_class(shown: Shown) -> Part | None:
    """A row for each class, those that lose most first; None where the summary does not tell."""
    classes = {target["id"]: target.get("classes") or {} for target in shown.targets}
    names = list(dict.fromkeys(name for found in classes.values() for name in found))
    if not names:
        return None
    chosen = sorted(names, key=lambda name: _worst(name, list(classes.values())))
    left = len(chosen) - MOST
    if left > 0:
        chosen = [*chosen[: MOST // 2], *chosen[-(MOST // 2) :]]
    rows = [_row(name, [found.get(name) for found in classes.values()]) for name in chosen]
    headings = [Heading("class"), Heading("images")]
    for name in classes:
        headings += [
            Heading("top-1", group=name),
            Heading("points [95 %]", group=name),
        ]
    return Part(
        "Accuracy by class",
        together(
            Table("Top-1 of each class, and points against the reference; those that lose most first", headings, rows),
            note(f"{left} classes between them are left out.") if left > 0 else None,
        ),
    )


def _worst(name: str, classes: Sequence[Values]) -> float:
    deltas = [_delta(found.get(name)) for found in classes]
    known = [delta for delta in deltas if delta is not None]
    return min(known, default=0.0)


def _delta(found: Values | None) -> float | None:
    return None if found is None else found["delta"]


def _row(name: str, found: Sequence[Values | None]) -> list[Cell | str]:
    images = next((one["images"] for one in found if one), None)
    row: list[Cell | str] = [name, Cell("-" if images is None else str(images), images)]
    for one in found:
        if one is None:
            row += ["-", "-"]
            continue
        row.append(Cell(percent(one["top1"], 1), one["top1"]))
        look = "" if one["ci95"] is None else beyond_chance(one)
        row.append(Cell(points(one["delta"], one["ci95"]), one["delta"], look))
    return row
