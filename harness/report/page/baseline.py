"""What changed since the baseline."""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report.page.accuracy import beyond_chance
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.report.words import change_of_speed
from seatrial.harness.typeset.numbers import percent, points, probability
from seatrial.harness.typeset.page import Cell, Heading, Table, listed, note


def baseline(shown: Shown) -> Part | None:
    """Target by target, on the images that both runs have; None without a baseline."""
    found = shown.summary.get("baseline")
    if not found:
        return None
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
    speeds = [
        f"{target}: {change_of_speed(change['speed'])}."
        for target, change in found["targets"].items()
        if change.get("speed")
    ]
    return Part(
        f"Since {found['first']}",
        together(
            *(
                Table(f"{found['second']} against {found['first']}{what}", headings, rows, folded=folded)
                for what, rows, folded in _tables(found)
            ),
            note("A negative flip is an image that was right and is wrong now."),
            listed(speeds),
            listed([shown.readable(one) for one in told]),
            Table(
                "What is otherwise than it was",
                [Heading("what"), Heading("before", figures=False), Heading("now", figures=False)],
                otherwise,
            ),
        ),
    )


def _tables(found: Values) -> Iterator[tuple[str, list[list[Cell | str]], bool]]:
    """What a table is about, its rows, whether it is folded away."""
    overall: list[list[Cell | str]] = []
    conditions: list[list[Cell | str]] = []
    classes: list[list[Cell | str]] = []
    for target, change in found["targets"].items():
        for name, one in change["conditions"].items():
            (overall if name == CLEAN else conditions).append(_row(target, title_of(name), one))
        if change["corrupted"] is not None:
            overall.append(_row(target, "Corrupted, mean", change["corrupted"]))
        classes += [_row(target, f"Class {name}", one) for name, one in change["classes"].items()]
    yield ", on the images that both have", overall, False
    yield ", condition by condition", conditions, True
    yield ", class by class", classes, True


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
