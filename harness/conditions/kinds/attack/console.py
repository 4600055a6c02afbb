"""Attacks in the terminal: robust accuracy, worst cases, who passes whom, and whether the gradients can be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.harness.conditions.kinds.attack import words
from seatrial.harness.typeset.tables import titled


def print_attacks(block: Mapping[str, Any], reference: str, console: Console) -> None:
    """Tables and sentences for the block `attacks` of summary.json."""
    console.print(_robust_table(block, reference))
    console.print(_worst_table(block))
    evasions = words.evasions(block)
    if evasions:
        console.print(
            _table(
                f"wrong here, right on {reference} / wrong on both; % of what both get right without attack",
                block,
                evasions,
                lambda values: words.evasion(values, interval=False),
            )
        )
    asked = words.by_queries(block)
    if asked:
        title = "queries for each image that is right without attack: median / mean / most"
        console.print(_table(title, block, asked, lambda values: "\n".join(words.queries(values))))
    lines = [words.AR_AND_ROBUST_ACCURACY, *([words.FLOAT] if words.has_floats(block) else [])]
    for line in (*lines, *words.crossing_lines(block, reference)):
        console.print(line, markup=False, highlight=False)
    for line in words.masking_lines(block):
        console.print(line, style="yellow", markup=False, highlight=False)


def _robust_table(block: Mapping[str, Any], reference: str) -> Table:
    title = f"under attack: robust accuracy, % (points against {reference}); *: made on the target's own file"
    table = _headed(title, block)
    table.add_row("no attack", *(f"{target['clean_top1'] * 100:.2f}" for target in block["targets"].values()))
    _add_rows(table, block, list(block["conditions"]), words.robust)
    return table


def _worst_table(block: Mapping[str, Any]) -> Table:
    table = _headed("worst case of all attacks (WCAR), %: on the own file / made on fp32 / everything", block)
    for row in words.groups(block):
        cells = (words.worst_cases(words.of_group(target, row)) for target in block["targets"].values())
        table.add_row(words.group(row), *cells)
    return table


def _table(
    title: str, block: Mapping[str, Any], conditions: Sequence[str], cell: Callable[[Mapping[str, Any] | None], str]
) -> Table:
    table = _headed(title, block)
    _add_rows(table, block, conditions, cell)
    return table


def _add_rows(
    table: Table, block: Mapping[str, Any], conditions: Sequence[str], cell: Callable[[Mapping[str, Any] | None], str]
) -> None:
    for name in conditions:
        cells = (cell(target["conditions"].get(name)) for target in block["targets"].values())
        table.add_row(escape(words.label(name, block["conditions"][name])), *cells)


def _headed(title: str, block: Mapping[str, Any]) -> Table:
    headings = [f"{name}\n{words.masking(target)}" for name, target in block["targets"].items()]
    return titled(title, headings)
