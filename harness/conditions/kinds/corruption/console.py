"""Corruptions in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from seatrial.harness.conditions.kinds.corruption import words
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.tables import Grid
from seatrial.harness.typeset.terminal import say


def print_corruptions(summary: Mapping[str, Any], console: Console) -> None:
    """A table of them, and the corruption errors that are known; nothing without corruptions."""
    if not words.corruption_names(summary["targets"][0]["conditions"]):
        return
    console.print(_grid(summary))
    for target in summary["targets"]:
        if target["metrics"]["mean_corruption_error"] is not None:
            say(console, f"{target['id']}: {words.corruption_error(target['metrics'])}")


def _grid(summary: Mapping[str, Any]) -> Grid:
    targets = summary["targets"]
    grid = Grid("mean top-1 over the severities, and points against fp32", (target["id"] for target in targets))
    for name in words.corruption_names(targets[0]["conditions"]):
        cells = (words.mean_over_severities(target["conditions"], name) for target in targets)
        grid.add(name, *(_cell(top1, delta) for top1, delta in cells))
    for family in targets[0]["metrics"]["families"]:
        means = [target["metrics"]["families"][family] for target in targets]
        grid.add(f"mean of {family}", *(_cell(mean["top1"], mean["delta"]) for mean in means), style="bold")
    return grid


def _cell(top1: float, delta: float | None) -> str:
    return percent(top1) if delta is None else f"{percent(top1)} ({points(delta)})"
