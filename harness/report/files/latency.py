"""Of report.md: how fast the targets answer, and what stood in the way of the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.harness.report import timed
from seatrial.harness.typeset.markdown import code, items, table, text

# The rest stands in report.html.
_MOST_ROWS, _MOST_SIGNS = 30, 300


def latency(summary: Mapping[str, Any]) -> Iterator[str]:
    """Marks first, then every target in every scenario; nothing where nothing but single queries was timed, and nothing
    is marked.
    """
    marks, scenarios = timed.marks(summary), timed.scenarios(summary)
    sentences = [sentence for key in timed.STREAMS for sentence in timed.uncarried(summary["targets"], key)]
    beside = timed.yardsticks(summary)
    if not marks and not sentences and beside is None and scenarios in ([], [timed.SINGLE_STREAM]):
        return
    yield "## Latency"
    lines = [text(_short(f"{mark.title}: {mark.sentence}")) for mark in marks]
    lines += [text(_short(sentence)) for sentence in sentences]
    if lines:
        yield _and_more(items(lines[:_MOST_ROWS]), len(lines) - _MOST_ROWS)
    rows = [
        [
            code(_short(target["id"])),
            text(timed.scenario_name(scenario)),
            text(timed.figures(target, scenario)),
            text(timed.ratio(timed.speedup_of(target, scenario))),
        ]
        for scenario in scenarios
        for target in summary["targets"]
        if scenario in target["latency"]
    ]
    if beside is not None:
        yield text(beside)
    if rows:
        shown = table(["target", "scenario", "figures", "times as fast [95 %]"], rows[:_MOST_ROWS], left=3)
        yield _and_more(shown, len(rows) - _MOST_ROWS)


def _and_more(shown: str, rest: int) -> str:
    return shown if rest <= 0 else f"{shown}\n\nand {rest} more, in report.html"


def _short(words: str) -> str:
    return words if len(words) <= _MOST_SIGNS else f"{words[:_MOST_SIGNS]} ..."
