"""The input pipeline in the terminal: a table of its factors, and one of the worst options on top of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from seatrial.harness.conditions.kinds.pipeline import words
from seatrial.harness.typeset.tables import Grid


def print_pipeline(block: Mapping[str, Any], console: Console) -> None:
    """Both tables for the block `pipeline` of summary.json."""
    console.print(_factors(block))
    if block["stack"]:
        console.print(_stack(block))


def _factors(block: Mapping[str, Any]) -> Grid:
    title = "input pipeline: points of top-1 lost, mean (max) over the options; most flips; the worst one [95 %]"
    grid = Grid(title, block["targets"])
    for name in words.factors(block):
        grid.add(name, *(_factor_cell(target, name) for target in block["targets"].values()))
    spreads = [words.settings(target) for target in block["targets"].values()]
    if set(spreads) != {"-"}:
        cells = (tuple(text.replace(" (", "\n(").split("\n")) for text in spreads)
        grid.add(("decode and", "resize: top-1 ± sd"), *cells, style="bold")
    return grid


def _factor_cell(target: Mapping[str, Any], name: str) -> tuple[str, ...]:
    factor = target["factors"].get(name)
    first = "; ".join(text for text in (words.mean_and_max(factor), words.flips(factor)) if text)
    return (first, *(text for text in (words.worst(factor), words.doubt(factor)) if text))


def _stack(block: Mapping[str, Any]) -> Grid:
    title = "the worst options on top of each other: points lost; what quantization adds [95 %]"
    grid = Grid(title, block["targets"])
    for count, ids in enumerate(block["stack"], start=1):
        cells: list[tuple[str, ...]] = []
        for target in block["targets"].values():
            values = target["conditions"].get(words.combined(count))
            if values is None:
                cells.append(("-",))
            else:
                extra = () if values["interaction"] is None else (words.added(values["interaction"]),)
                cells.append((words.lost(values["loss"]), *extra))
        grid.add(words.step(ids), *cells)
    return grid
