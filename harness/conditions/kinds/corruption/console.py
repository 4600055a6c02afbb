"""Corruptions in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.harness.conditions.kinds.corruption import words
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.tables import titled


def print_corruptions(summary: Mapping[str, Any], console: Console) -> None:
    """A table of them, and the corruption errors that are known; nothing without corruptions."""
    if not words.corruption_names(summary["targets"][0]["conditions"]):
        return
    console.print(_table(summary))
    for target in summary["targets"]:
        if target["metrics"]["mean_corruption_error"] is not None:
            console.print(f"{target['id']}: {words.corruption_error(target['metrics'])}", markup=False, highlight=False)


def _table(summary: Mapping[str, Any]) -> Table:
    targets = summary["targets"]
    table = titled("mean top-1 over the severities, and points against fp32")
    table.add_column("corruption")
    for target in targets:
        table.add_column(escape(target["id"]), justify="right")
    for name in words.corruption_names(targets[0]["conditions"]):
        cells = (words.mean_over_severities(target["conditions"], name) for target in targets)
        table.add_row(escape(name), *(_cell(top1, delta) for top1, delta in cells))
    for family in targets[0]["metrics"]["families"]:
        means = [target["metrics"]["families"][family] for target in targets]
        table.add_row(f"mean of {family}", *(_cell(mean["top1"], mean["delta"]) for mean in means), style="bold")
    return table


def _cell(top1: float, delta: float | None) -> str:
    return percent(top1) if delta is None else f"{percent(top1)} ({points(delta)})"
