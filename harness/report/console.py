"""A run's result in the terminal: tables, sentences, and the verdict at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from seatrial.harness.conditions.kinds.protocol import Column
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.report import places, words
from seatrial.harness.report.compare import print_baseline
from seatrial.harness.report.scenarios import print_marks, print_scenarios
from seatrial.harness.report.studies.console import print_study
from seatrial.harness.report.timed import SINGLE_STREAM, percentile_cells, percentile_columns
from seatrial.harness.report.unlabelled import print_unlabelled, same_class
from seatrial.harness.typeset.numbers import percent, points
from seatrial.harness.typeset.tables import Grid, Listing, figures, name
from seatrial.harness.typeset.tables import words as text
from seatrial.harness.typeset.terminal import say, say_whole

# The likeliest: more than a screenful helps nobody.
_MOST_FINDINGS = 5


def print_summary(summary: Mapping[str, Any], directory: Path, console: Console) -> None:
    """The table of targets, the verdict with its reasons, and where the report lies."""
    for sentence in (summary.get("alike") or {}).get("says", ()):
        say(console, sentence, style="bold yellow")
    console.print(_targets(summary))
    print_unlabelled(summary, console)
    for kind in KINDS.values():
        kind.show(summary, console)
    print_study(summary, console)
    print_scenarios(summary, console)
    for target in summary["targets"]:
        if target["id"] != summary["reference"]:
            say(console, words.headline(summary, target))
    print_marks(summary, console)
    disagreements = words.disagreements(summary)
    if disagreements:
        console.print(_disagreements(summary, disagreements))
    for sentence in places.sentences(summary):
        say(console, sentence)
    for target in summary["targets"]:
        if target["rebuilds"] is not None:
            say(console, f"{target['id']}: {words.rebuilds(target['rebuilds'])}")
    for note in summary["notes"]:
        say(console, note)
    if summary.get("baseline") is not None:
        print_baseline(summary["baseline"], console)
    for failure in summary["failed"]:
        what = f"{failure['target']} {words.OUTCOMES[failure['outcome']]} ({failure['stage']})"
        say(console, f"{what}: {failure['says']}", style="red")
    for check in summary["gate"]["checks"]:
        _print_fallback(check, console)
    print_verdict(summary, directory, console, findings=summary.get("findings", ()))


def print_verdict(
    summary: Mapping[str, Any], directory: Path, console: Console, findings: Sequence[Mapping[str, Any]] = ()
) -> None:
    """The verdict with its reasons, what to do, and where the report lies."""
    print_gate(summary["gate"], console)
    if findings:
        say(console, "What to do:", style="bold")
    for one in findings[:_MOST_FINDINGS]:
        about = "" if one["target"] is None else f"{one['target']}: "
        say(console, f"{about}{words.finding(one)}", indent=2)
        if one["command"] is not None:
            say_whole(console, f"    {one['command']}")
    if len(findings) > _MOST_FINDINGS:
        say(console, f"and {len(findings) - _MOST_FINDINGS} more, in the report", indent=2)
    say_whole(console, f"Report: {directory / 'report.html'}")


def print_gate(gate: Mapping[str, Any], console: Console) -> None:
    """The verdict with its reasons."""
    colour = {"ACCEPT": "green", "INCONCLUSIVE": "yellow"}.get(gate["verdict"], "red")
    say(console, "Verdict: ", (gate["verdict"], f"bold {colour}"), f" ({words.enforcement(gate)})")
    passed = [check for check in gate["checks"] if check["binding"] == "yes"]
    if gate["verdict"] == "ACCEPT":
        say(console, f"  all {len(passed)} checks that must pass do; none of the others fails")
    for reason in gate["reasons"]:
        say(console, reason, indent=2)


def _print_fallback(check: Mapping[str, Any], console: Console) -> None:
    for index, line in enumerate(words.fallback_lines(check)):
        style = "bold yellow" if check["answer"] == "pass" else "bold red"
        say(console, line, style=style if index == 0 else "", indent=0 if index == 0 else 2)


def _targets(summary: Mapping[str, Any]) -> Listing:
    title = f"{summary['model']['name']} on {summary['data']['images']} images of {summary['data']['name']}"
    columns = [column for kind in KINDS.values() for column in kind.columns()]
    labelled = summary["data"]["labelled"]
    right = ("top-1", "vs fp32", *(column.heading for column in columns)) if labelled else ("same class",)
    percentiles = percentile_columns(summary["targets"], SINGLE_STREAM)
    headings = (*right, *(f"{one} ms" for one in percentiles))
    table = Listing(title, name("target"), text("realized"), *figures(*headings))
    for target in summary["targets"]:
        table.add(
            target["id"],
            words.realized(target["realized"], target["simulated"]),
            *(_right(target, columns) if labelled else [same_class(target)]),
            *percentile_cells(target, SINGLE_STREAM, percentiles),
        )
    return table


def _right(target: Mapping[str, Any], columns: Sequence[Column]) -> list[str]:
    clean = target["conditions"].get("clean")
    return [
        words.with_spread(percent(clean and clean["top1"]), target["rebuilds"]),
        points(clean["vs_reference"]["delta"]) if clean and clean["vs_reference"] else "-",
        *(column.cell(target) for column in columns),
    ]


def _disagreements(summary: Mapping[str, Any], rows: list[tuple[str, list[str]]]) -> Grid:
    title = f"images to which two targets give different classes ({summary['agreement']['condition']}); =: same file"
    grid = Grid(title, (target for target, _ in rows), numbered=True)
    for number, (_, cells) in enumerate(rows, start=1):
        grid.add(str(number), *cells)
    return grid
