"""Every check with its answer, the ones that decided first; and what a reader must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.numbers import milliseconds, percent, points, size
from seatrial.harness.typeset.page import Cell, Heading, Table, note, paragraph

_ORDER = ("fail", "inconclusive", "pass")
_SPELLED: Mapping[str, Callable[[Any], str]] = {
    "share": percent,
    "points": points,
    "ratio": lambda value: f"{value:.2f}",
    "ms": lambda value: f"{milliseconds(value)} ms",
    "bytes": lambda value: size(round(value)),
}
# What a check is for the verdict.
BINDING = {"yes": "must pass", "failures": "must not fail", "no": "advice"}


def checks(shown: Shown) -> Part:
    """Those that failed first, then those that could not be decided."""
    found = sorted(shown.summary["gate"]["checks"], key=lambda check: _ORDER.index(check["answer"]))
    headings = [
        Heading("check"),
        Heading("target", figures=False),
        Heading("answer", figures=False),
        Heading("what was found", figures=False),
        Heading("measured [95 %]"),
        Heading("limit"),
        Heading("where", figures=False),
        Heading("images"),
        Heading("images that would decide"),
        Heading("for the verdict", figures=False),
    ]
    return Part(
        "Checks",
        together(
            Table("Checks of the verdict", headings, [_row(check, shown) for check in found], folded=False),
            note(
                "A check passes where its interval lies within the limit, fails where it lies beyond, and is "
                "inconclusive where the images are too few to tell."
            ),
        ),
    )


def _row(check: Values, shown: Shown) -> list[Cell | str]:
    answer = check["answer"]
    needed, images = check.get("needed"), check.get("images")
    told = f"{answer} (accepted)" if check.get("accepted") else answer
    return [
        check["name"],
        check["target"],
        Cell(told, _ORDER.index(answer), answer),
        Cell(shown.readable(check["says"]), look="wide"),
        Cell(_measured(check), check.get("measured")),
        Cell(_spelled(check, check.get("limit")), check.get("limit")),
        title_of(check["subject"]) if check.get("subject") else "-",
        Cell("-" if images is None else str(images), images),
        Cell("-" if needed is None else str(needed), needed),
        BINDING.get(str(check.get("binding")), "-"),
    ]


def _measured(check: Values) -> str:
    text = _spelled(check, check.get("measured"))
    span = check.get("interval")
    return text if span is None else f"{text} [{', '.join(_spelled(check, end) for end in span)}]"


def _spelled(check: Values, value: float | None) -> str:
    if value is None:
        return "-"
    return _SPELLED.get(check.get("unit", ""), lambda one: f"{one:.4g}")(value)


def notes(shown: Shown) -> Part | None:
    """What must be known to judge the figures; None without any."""
    found = shown.summary["notes"]
    return Part("Notes", together(*map(paragraph, found))) if found else None
