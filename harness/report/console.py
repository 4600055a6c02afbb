"""The terminal: progress bars while it runs, the answer in a table at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich import box
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

from seatrial.harness.progress import Update
from seatrial.harness.report import words
from seatrial.harness.report.attack import print_attacks
from seatrial.harness.report.pipeline import print_pipeline


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
    if words.corruption_names(summary["targets"][0]["conditions"]):
        console.print(_corruptions_table(summary))
        for target in summary["targets"]:
            if target["metrics"]["mean_corruption_error"] is not None:
                console.print(
                    f"{target['id']}: {words.corruption_error(target['metrics'])}", markup=False, highlight=False
                )
    if summary.get("pipeline"):
        print_pipeline(summary["pipeline"], console)
    if summary.get("attacks"):
        print_attacks(summary["attacks"], summary["reference"], console)
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
    table = _table(f"{summary['model']['name']} on {summary['data']['images']} images of {summary['data']['name']}")
    for heading in ("target", "realized", "top-1", "vs fp32", "corrupted", "p50 ms", "p99 ms"):
        table.add_column(
            heading, justify="left" if heading in ("target", "realized") else "right", no_wrap=heading == "target"
        )
    for target in summary["targets"]:
        clean, latency = target["conditions"].get("clean"), target["latency"]["single_stream"]
        table.add_row(
            escape(target["id"]),
            words.realized(target["realized"], target["simulated"]),
            words.with_spread(words.percent(clean and clean["top1"]), target["rebuilds"]),
            words.points(clean["vs_reference"]["delta"]) if clean and clean["vs_reference"] else "-",
            words.percent(target["metrics"]["corruption_top1"]),
            words.milliseconds(latency["p50_ms"]),
            words.milliseconds(latency["p99_ms"]),
        )
    return table


def _disagreements_table(summary: Mapping[str, Any], rows: list[tuple[str, list[str]]]) -> Table:
    table = _table(
        f"images to which two targets give different classes ({summary['agreement']['condition']}); =: same file"
    )
    table.add_column("target", no_wrap=True)
    for number in range(1, len(rows) + 1):
        table.add_column(str(number), justify="right")
    for number, (name, cells) in enumerate(rows, start=1):
        table.add_row(f"{number} {escape(name)}", *cells)
    return table


def _corruptions_table(summary: Mapping[str, Any]) -> Table:
    table = _table("mean top-1 over the severities, and points against fp32")
    table.add_column("corruption")
    for target in summary["targets"]:
        table.add_column(escape(target["id"]), justify="right")
    for name in words.corruption_names(summary["targets"][0]["conditions"]):
        cells = (words.mean_over_severities(target["conditions"], name) for target in summary["targets"])
        table.add_row(escape(name), *(_cell(top1, delta) for top1, delta in cells))
    for family in summary["targets"][0]["metrics"]["families"]:
        means = [target["metrics"]["families"][family] for target in summary["targets"]]
        table.add_row(f"mean of {family}", *(_cell(mean["top1"], mean["delta"]) for mean in means), style="bold")
    return table


def _table(title: str) -> Table:
    return Table(
        title=escape(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )


def _cell(top1: float, delta: float | None) -> str:
    return words.percent(top1) if delta is None else f"{words.percent(top1)} ({words.points(delta)})"
