"""Two runs side by side, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.harness.results.versus import Difference
from seatrial.harness.typeset import numbers


def print_comparison(found: Sequence[Difference], console: Console) -> None:
    """A row for each target and condition."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("target", "condition", "images", "first", "second", "points", "95 % interval", "p"):
        table.add_column(heading, justify="left" if heading in ("target", "condition") else "right")
    for one in found:
        low, high = one.change.ci95
        table.add_row(
            escape(one.target),
            escape(one.condition),
            str(one.images),
            numbers.percent(one.first),
            numbers.percent(one.second),
            numbers.points(one.change.delta),
            f"{numbers.points(low)} to {numbers.points(high)}",
            f"{one.change.p:.2g}",
        )
    console.print(table)
