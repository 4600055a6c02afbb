"""The terminal: progress bars while it runs, the answer in a table at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.progress import Update
from seatrial.harness.report import words
from seatrial.harness.typeset.numbers import milliseconds, percent, points
from seatrial.harness.typeset.tables import titled


class RichProgress:
    """Shows each stage as a bar with its rate, the time left and what is being done; on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextlib.contextmanager
    def stage(self, name: str, total: int, unit: str = "images") -> Iterator[Update]:
        """A bar of `total` units; 0 for an unknown total."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Bars(*columns, console=self._console) as bars:
            task = bars.add_task(name, total=total or None, note="")

            def update(done: int, note: str = "") -> None:
                bars.update(task, completed=done, note=escape(note))

            yield update

    def tell(self, sentence: str) -> None:
        """A line on standard error, above what comes."""
        self._console.print(Text(sentence, "bold yellow"), soft_wrap=True)


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """`1234 images/s`."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f} {self._unit}/s")


def print_summary(summary: Mapping[str, Any], directory: Path, console: Console) -> None:
    """The table of targets, the verdict with its reasons, and where the report lies."""
    for sentence in (summary.get("alike") or {}).get("says", ()):
        console.print(Text(sentence, "bold yellow"), soft_wrap=True)
    console.print(_targets_table(summary))
    for kind in KINDS.values():
        kind.show(summary, console)
    for target in summary["targets"]:
        if target["id"] != summary["reference"]:
            console.print(words.headline(summary, target), highlight=False, markup=False)
    disagreements = words.disagreements(summary)
    if disagreements:
        console.print(_disagreements_table(summary, disagreements))
    for target in summary["targets"]:
        if target["rebuilds"] is not None:
            console.print(f"{target['id']}: {words.rebuilds(target['rebuilds'])}", markup=False, highlight=False)
    for note in summary["notes"]:
        console.print(note, markup=False, highlight=False)
    for failure in summary["failed"]:
        console.print(
            Text(
                f"{failure['target']} {words.OUTCOMES[failure['outcome']]} ({failure['stage']}): {failure['says']}",
                "red",
            )
        )
    gate = summary["gate"]
    for check in gate["checks"]:
        _print_fallback(check, console)
    colour = "green" if gate["verdict"] == "ACCEPT" else "red"
    console.print(f"Verdict: [bold {colour}]{escape(gate['verdict'])}[/] ({words.enforcement(gate)})")
    for check in gate["checks"]:
        if not check["passed"]:
            console.print(
                f"  failed: {check['target']}, {check['name']}: {check['says']}", markup=False, highlight=False
            )
    console.print(f"Report: {directory / 'report.html'}", markup=False, highlight=False, soft_wrap=True)


def _print_fallback(check: Mapping[str, Any], console: Console) -> None:
    for index, line in enumerate(words.fallback_lines(check)):
        style = "bold yellow" if check["passed"] else "bold red"
        console.print(Text(line, style) if index == 0 else Text(f"  {line}"))


def _targets_table(summary: Mapping[str, Any]) -> Table:
    table = titled(f"{summary['model']['name']} on {summary['data']['images']} images of {summary['data']['name']}")
    columns = [column for kind in KINDS.values() for column in kind.columns()]
    further = (column.heading for column in columns)
    for heading in ("target", "realized", "top-1", "vs fp32", *further, "p50 ms", "p99 ms"):
        table.add_column(
            heading, justify="left" if heading in ("target", "realized") else "right", no_wrap=heading == "target"
        )
    for target in summary["targets"]:
        clean, latency = target["conditions"].get("clean"), target["latency"]["single_stream"]
        table.add_row(
            escape(target["id"]),
            words.realized(target["realized"], target["simulated"]),
            words.with_spread(percent(clean and clean["top1"]), target["rebuilds"]),
            points(clean["vs_reference"]["delta"]) if clean and clean["vs_reference"] else "-",
            *(column.cell(target) for column in columns),
            milliseconds(latency["p50_ms"]),
            milliseconds(latency["p99_ms"]),
        )
    return table


def _disagreements_table(summary: Mapping[str, Any], rows: list[tuple[str, list[str]]]) -> Table:
    table = titled(
        f"images to which two targets give different classes ({summary['agreement']['condition']}); =: same file"
    )
    table.add_column("target", no_wrap=True)
    for number in range(1, len(rows) + 1):
        table.add_column(str(number), justify="right")
    for number, (name, cells) in enumerate(rows, start=1):
        table.add_row(f"{number} {escape(name)}", *cells)
    return table
