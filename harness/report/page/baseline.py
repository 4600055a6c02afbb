"""What changed since the baseline."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report.page.accuracy import beyond_chance
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.numbers import percent, points, probability
from seatrial.harness.typeset.page import Cell, Heading, Table, listed, note


def baseline(shown: Shown) -> Part | None:
    """Target by target, on the images that both runs have; None without a baseline."""
    found = shown.summary.get("baseline")
    if not found:
        return None
    rows = [_row(target, what, one) for target, change in found["targets"].items() for what, one in _changes(change)]
    headings = [
        Heading("target"),
        Heading("on", figures=False),
        Heading("images"),
        Heading("before"),
        Heading("now"),
        Heading("points [95 %]"),
        Heading("p"),
        Heading("same class"),
        Heading("negative flips"),
        Heading("positive flips"),
    ]
    otherwise = [[path, _short(before), _short(now)] for path, (before, now) in found["changed"].items()]
    told = [*found["alone"], *(f"{title_of(name)} is left out: {why}" for name, why in found["left_out"].items())]
    return Part(
        f"Since {found['first']}",
        together(
            Table(f"{found['second']} against {found['first']}, on the images that both have", headings, rows),
            note("A negative flip is an image that was right and is wrong now."),
            listed(told),
            Table(
                "What is otherwise than it was",
                [Heading("what"), Heading("before", figures=False), Heading("now", figures=False)],
                otherwise,
            ),
        ),
    )


def _changes(change: Values) -> Iterator[tuple[str, Values]]:
    for name, one in change["conditions"].items():
        yield title_of(name), one
    if change["corrupted"] is not None:
        yield "Corrupted, mean", change["corrupted"]
    for name, one in change["classes"].items():
        yield f"Class {name}", one


def _row(target: str, what: str, one: Values) -> list[Cell | str]:
    return [
        target,
        what,
        Cell(str(one["images"]), one["images"]),
        Cell(percent(one["before"]), one["before"]),
        Cell(percent(one["after"]), one["after"]),
        Cell(points(one["delta"], one["ci95"]), one["delta"], beyond_chance(one)),
        Cell(probability(one["p"]), one["p"]),
        *(Cell(percent(one.get(key)), one.get(key)) for key in ("agreement", "negative_flips", "positive_flips")),
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
