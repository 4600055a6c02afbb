"""The input pipeline in the terminal: a table of its factors, and one of the worst options on top of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seatrial.harness.report import pipeline_words as words


def print_pipeline(block: Mapping[str, Any], console: Console) -> None:
    """Both tables for the block `pipeline` of summary.json."""
    console.print(_factors_table(block))
    if block["stack"]:
        console.print(_stack_table(block))


def _factors_table(block: Mapping[str, Any]) -> Table:
    table = _table(
        "input pipeline: points of top-1 lost, mean (max) over the options; most flips; the worst one [95 %]",
        block,
    )
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
    table = _table("the worst options on top of each other: points lost; what quantization adds [95 %]", block)
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


def _table(title: str, block: Mapping[str, Any]) -> Table:
    table = Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    table.add_column("")
    for name in block["targets"]:
        table.add_column(escape(name), justify="right")
    return table
