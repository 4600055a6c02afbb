"""Attacks in the terminal: robust accuracy, worst cases, who passes whom, and whether the gradients can be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.conditions.kinds.attack.rows import Row, crossed, rows_of
from seatrial.harness.typeset.tables import Cell, Grid
from seatrial.harness.typeset.terminal import say


def print_attacks(block: Mapping[str, Any], reference: str, console: Console) -> None:
    """Tables and sentences for the block `attacks` of summary.json."""
    console.print(_robust(block, reference))
    console.print(_worst(block))
    evasions = words.evasions(block)
    if evasions:
        console.print(
            _grid(
                f"wrong here, right on {reference} / wrong on both; % of what both get right without attack",
                block,
                evasions,
                lambda values: words.evasion(values, interval=False),
            )
        )
    passed_on = crossed(block)
    if passed_on:
        console.print(_transfers(passed_on, block))
    asked = words.by_queries(block)
    if asked:
        title = "queries for each image that is right without attack: median / mean / most"
        console.print(_grid(title, block, asked, lambda values: tuple(words.queries(values))))
    lines = [words.AR_AND_ROBUST_ACCURACY, *([words.FLOAT] if words.has_floats(block) else [])]
    for line in (*lines, *words.crossing_lines(block, reference)):
        say(console, line)
    for line in (*words.masked_lines(block), *words.open_lines(block)):
        say(console, line, style="yellow")


def _robust(block: Mapping[str, Any], reference: str) -> Grid:
    against = f"points against {reference} on the same images"
    title = f"under attack: robust accuracy, % ({against}); *: made on the target's own file"
    grid = _headed(title, block)
    grid.add("no attack", *(f"{target['clean_top1'] * 100:.2f}" for target in block["targets"].values()))
    _add_rows(grid, block, None, words.robust)
    return grid


def _worst(block: Mapping[str, Any]) -> Grid:
    grid = _headed("worst case of all attacks (WCAR), %: on the own file / made on fp32 / everything", block)
    for row in words.groups(block):
        cells = (words.worst_cases(words.of_group(target, row)) for target in block["targets"].values())
        grid.add(words.group(row), *cells)
    return grid


def _grid(
    title: str, block: Mapping[str, Any], conditions: Sequence[str], cell: Callable[[Mapping[str, Any] | None], Cell]
) -> Grid:
    grid = _headed(title, block)
    _add_rows(grid, block, conditions, cell)
    return grid


def _add_rows(
    grid: Grid,
    block: Mapping[str, Any],
    conditions: Sequence[str] | None,
    cell: Callable[[Mapping[str, Any] | None], Cell],
) -> None:
    for row in rows_of(block, conditions):
        grid.add(row.label, *map(cell, row.cells.values()))


def _transfers(rows: Sequence[Row], block: Mapping[str, Any]) -> Grid:
    grid = _headed("transfer rate, %: whom else images fool that were made on a target's file", block)
    for row in rows:
        grid.add(row.label, *(words.transfer(values) for values in row.cells.values()))
    return grid


def _headed(title: str, block: Mapping[str, Any]) -> Grid:
    return Grid(title, block["targets"], notes=[words.masking(target) for target in block["targets"].values()])
