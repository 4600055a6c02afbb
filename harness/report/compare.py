"""Two runs side by side, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from seatrial.harness.results.versus import Difference
from seatrial.harness.typeset import numbers, tables


def print_comparison(found: Sequence[Difference], console: Console) -> None:
    """A row for each target and condition."""
    table = tables.Listing(
        "",
        tables.name("target"),
        tables.name("condition"),
        *tables.figures("images", "first", "second", "points", "95 % interval", "p"),
    )
    for one in found:
        low, high = one.change.ci95
        table.add(
            one.target,
            one.condition,
            str(one.images),
            numbers.percent(one.first),
            numbers.percent(one.second),
            numbers.points(one.change.delta),
            f"{numbers.points(low)} to {numbers.points(high)}",
            f"{one.change.p:.2g}",
        )
    console.print(table)
