"""The input pipeline in the terminal: a table of its factors, and one of the worst options on top of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.harness.conditions.kinds.pipeline import words
from seatrial.harness.typeset.tables import titled


def print_pipeline(block: Mapping[str, Any], console: Console) -> None:
    """Both tables for the block `pipeline` of summary.json."""
    console.print(_factors_table(block))
    if block["stack"]:
        console.print(_stack_table(block))


def _factors_table(block: Mapping[str, Any]) -> Table:
    title = "input pipeline: points of top-1 lost, mean (max) over the options; most flips; the worst one [95 %]"
    table = titled(title, block["targets"])
    for name in words.factors(block):
        table.add_row(escape(name), *(_factor_cell(target, name) for target in block["targets"].values()))
    spreads = [words.settings(target) for target in block["targets"].values()]
    if set(spreads) != {"-"}:
        table.add_row("decode and\nresize: top-1 ± sd", *(text.replace(" (", "\n(") for text in spreads), style="bold")
    return table


def _factor_cell(target: Mapping[str, Any], name: str) -> str:
    factor = target["factors"].get(name)
    first = "; ".join(text for text in (words.mean_and_max(factor), words.flips(factor)) if text)
    return escape(f"{first}\n{words.worst(target, factor)}".strip())


def _stack_table(block: Mapping[str, Any]) -> Table:
    title = "the worst options on top of each other: points lost; what quantization adds [95 %]"
    table = titled(title, block["targets"])
    for count, ids in enumerate(block["stack"], start=1):
        cells = []
        for target in block["targets"].values():
            values = target["conditions"].get(words.combined(count))
            if values is None:
                cells.append("-")
            else:
                extra = "" if values["interaction"] is None else f"\n{words.added(values['interaction'])}"
                cells.append(escape(f"{words.lost(values['loss'])}{extra}"))
        table.add_row(escape(words.step(ids)), *cells)
    return table
