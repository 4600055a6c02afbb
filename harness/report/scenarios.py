"""What was timed, for the terminal: a table for each scenario beyond the first, and what stood in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from seatrial.harness.report import timed
from seatrial.harness.typeset.tables import Listing, figures, name
from seatrial.harness.typeset.tables import words as text
from seatrial.harness.typeset.terminal import say

Values = Mapping[str, Any]
# The worst: more than a screenful helps nobody.
_MOST_MARKS = 12
_FAST = "times as fast, 95 %"


def print_scenarios(summary: Values, console: Console) -> None:
    """A table for each scenario that was asked beside single stream, the order in sustained ones, and against what
    speeds are told.
    """
    targets = summary["targets"]
    for scenario in timed.scenarios(summary):
        told = [target for target in targets if scenario in target["latency"]]
        if scenario == timed.SINGLE_STREAM:
            continue
        console.print(_TABLES[scenario](told) if scenario in _TABLES else _stream(told, scenario))
    for sentence in (*timed.rankings(summary), timed.yardsticks(summary)):
        if sentence is not None:
            say(console, sentence)


def print_marks(summary: Values, console: Console) -> None:
    """What was seen while it was timed, the worst first; and which samples carry no p99."""
    found = timed.marks(summary)
    for mark in found[:_MOST_MARKS]:
        style = "bold red" if mark.kind in timed.WORST else "bold yellow"
        say(console, (mark.title, style), f": {mark.sentence}")
    rest = len(found) - _MOST_MARKS
    if rest > 0:
        say(console, f"and {rest} more mark{'' if rest == 1 else 's'}, in the report")
    for scenario in timed.STREAMS:
        for sentence in timed.uncarried(summary["targets"], scenario):
            say(console, sentence)


def _title(scenario: str) -> str:
    return f"{timed.scenario_name(scenario)}: {timed.scenario_says(scenario)}"


def _stream(told: Sequence[Values], scenario: str) -> Listing:
    columns = timed.percentile_columns(told, scenario)
    table = Listing(_title(scenario), name("target"), *figures(*(f"{column} ms" for column in columns), _FAST))
    for target in told:
        cells = timed.percentile_cells(target, scenario, columns)
        table.add(target["id"], *cells, timed.ratio(timed.speedup_of(target, scenario)))
    return table


def _offline(told: Sequence[Values]) -> Listing:
    table = Listing(_title("offline"), name("target"), *figures("images/s, 95 %", _FAST))
    for target in told:
        found = target["latency"]["offline"]
        table.add(target["id"], timed.through(found), timed.ratio(timed.speedup_of(target, "offline")))
    return table


def _server(told: Sequence[Values]) -> Listing:
    table = Listing(_title("server"), name("target"), *figures("queries/s", "p99 ms", "bound ms"))
    for target in told:
        found = target["latency"]["server"]
        most = found["queries_per_s"]
        table.add(
            target["id"],
            "no rate keeps it" if most is None else timed.kept_rate(found),
            timed.told_ms(found.get("p99_ms")),
            f"{found['bound_ms']:g}",
        )
    return table


def _sustained(told: Sequence[Values]) -> Listing:
    title = f"{_title('sustained')}; p50 in ms, of the first {timed.part_name(told)} and of the last"
    headings = figures("first", "last", "drift")
    table = Listing(title, name("target"), *headings, text("steady from"), *figures("times as fast"))
    for target in told:
        found = target["latency"]["sustained"]
        minutes = found.get("minutes") or [{}]
        table.add(
            target["id"],
            timed.told_ms(minutes[0].get("p50_ms")),
            timed.told_ms(minutes[-1].get("p50_ms")),
            timed.drift(found.get("drift")),
            timed.steady(found),
            timed.ratio(timed.speedup_of(target, "sustained")),
        )
    return table


_TABLES = {"offline": _offline, "server": _server, "sustained": _sustained}
