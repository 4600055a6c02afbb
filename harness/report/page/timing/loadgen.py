"""MLPerf's load generator beside our own loop."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.typeset.numbers import rate
from seatrial.harness.typeset.page import Cell, Heading, Table, note

# What a scenario's difference is of, where it is not p90.
_JUDGED = {"offline": "images_per_s", "server": "p99_ms"}
_KEYS = ("p50_ms", "p90_ms", "p99_ms")


def loadgen(shown: Shown) -> Markup | None:
    """None where it was not asked."""
    rows = [
        _row(target, scenario, found)
        for target in shown.targets
        for scenario, found in ((target.get("timed") or {}).get("loadgen") or {}).items()
    ]
    if not rows:
        return None
    headings = [
        Heading("target"),
        Heading("scenario", figures=False),
        *(Heading(f"{key.removesuffix('_ms')} ms", group=who) for key in _KEYS for who in ("ours, loadgen's",)),
        Heading("images a second", group="ours, loadgen's"),
        Heading("difference"),
        Heading("its samples"),
        Heading("version", figures=False),
        Heading("logs in", figures=False),
        Heading("remarks", figures=False),
    ]
    return together(
        Table("MLPerf's load generator beside our own loop", headings, rows, folded=False),
        note(
            "mlcommons-loadgen in the engine's own process; both count from the query to its answer. The difference is "
            "of p90, of the server's p99, offline of images a second. A result of MLPerf takes 600 s and "
            "its rules; this is none."
        ),
    )


def _row(target: Values, scenario: str, found: Values) -> list[Cell | str]:
    ours = target["latency"].get(scenario) or {}
    key = _JUDGED.get(scenario, "p90_ms")
    apart = found[key] / ours[key] - 1 if found.get(key) and ours.get(key) else None
    both = [_both(ours.get(name), found.get(name)) for name in _KEYS]
    through = [one.get("images_per_s") if key == "images_per_s" else None for one in (ours, found)]
    return [
        target["id"],
        timed.scenario_name(scenario),
        *both,
        "-" if through[1] is None else ", ".join("-" if one is None else rate(one) for one in through),
        Cell(timed.drift(apart), apart),
        Cell("-" if found.get("samples") is None else str(found["samples"]), found.get("samples")),
        found.get("version") or "-",
        ", ".join(dict.fromkeys(log.rpartition("/")[0] or log for log in found.get("logs") or ())) or "-",
        _remarks(found.get("says")),
    ]


def _remarks(says: Any) -> str:
    return "-" if not says else says if isinstance(says, str) else "; ".join(map(str, says))


def _both(ours: float | None, its: float | None) -> str:
    return "-" if its is None else f"{timed.told_ms(ours)}, {timed.told_ms(its)}"
