"""Minutes on end: what stays of the speed when the device is warm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.typeset.drawings import line_style, stack
from seatrial.harness.typeset.numbers import milliseconds
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, paragraph

# What is drawn of each minute: height in inches, what stands beside the axis, and the key.
_PANES = ((1.2, "p50 ms", "p50_ms"), (0.9, "p90 ms", "p90_ms"), (0.6, "°C", "celsius"), (0.6, "MHz", "mhz"))


def sustained(shown: Shown) -> Markup | None:
    """None where it was not asked."""
    told = [target for target in shown.targets if (target["latency"].get("sustained") or {}).get("minutes")]
    if not told:
        return None
    return together(
        *map(paragraph, timed.rankings(shown.summary)),
        _drawn(shown, told),
        _ends(told),
        _minutes(told),
    )


def _drawn(shown: Shown, told: list[Values]) -> Markup:
    unit_s = timed.MINUTE_S if all(timed.part_s(target) >= timed.MINUTE_S for target in told) else 1.0
    panes = [pane for pane in _PANES if any(_values(target, pane[2], 1)[1] for target in told)]
    with stack([height for height, _, _ in panes], 6.4) as drawn:
        for axis, (_, label, key) in zip(drawn.axes, panes, strict=True):
            for target in told:
                places, values = _values(target, key, unit_s)
                style = line_style(shown.names.index(target["id"]))
                axis.plot(places, values, markersize=3.5, linewidth=1.3, **style)
            axis.set_ylabel(label)
            axis.margins(y=0.15)
        drawn.axes[-1].set_xlabel("minutes" if unit_s == timed.MINUTE_S else "seconds")
    says = " ".join(
        f"{target['id']}: p50 {milliseconds(minutes[0]['p50_ms'])} ms in the first minute, "
        f"{milliseconds(minutes[-1]['p50_ms'])} ms in the last."
        for target in told
        if (minutes := target["latency"]["sustained"]["minutes"])
    )
    return figure(
        [Drawing(drawn.svg, "Minutes of the scenario sustained", says)],
        f"Percentiles of the queries of each {timed.part_name(told)}; medians of the hottest sensor and the clocks.",
        shown.names,
    )


def _values(target: Values, key: str, unit_s: float) -> tuple[list[float], list[float]]:
    """The middle of each part that tells it, and what it tells."""
    found, half = target["latency"]["sustained"]["minutes"], timed.part_s(target) / 2
    told = [((one["from_s"] + half) / unit_s, one[key]) for one in found if one.get(key) is not None]
    return [place for place, _ in told], [value for _, value in told]


def _ends(told: list[Values]) -> Table:
    rows = []
    for target in told:
        found = target["latency"]["sustained"]
        minutes: Sequence[Values] = found["minutes"]
        first, last = minutes[0], minutes[-1]
        speedup = timed.speedup_of(target, "sustained")
        rows.append(
            [
                target["id"],
                timed.marked(target, "sustained") or "-",
                _ms(first["p50_ms"]),
                _ms(last["p50_ms"]),
                Cell(timed.drift(found.get("drift")), found.get("drift")),
                Cell(timed.steady(found), found.get("steady_from_s")),
                _ms(found.get("p50_ms")),
                Cell(timed.ratio(speedup), (speedup or {}).get("ratio")),
                _plain(last.get("celsius")),
                _plain(last.get("mhz")),
            ]
        )
    headings = [
        Heading("target"),
        Heading("marks", figures=False),
        Heading("first", group="p50 ms"),
        Heading("last", group="p50 ms"),
        Heading("drift"),
        Heading("steady from", figures=False),
        Heading("p50 ms, steady"),
        Heading("times as fast"),
        Heading("°C at the end"),
        Heading("MHz at the end"),
    ]
    return Table(
        f"Sustained: first and last {timed.part_name(told)}; in brackets 95 % intervals", headings, rows, folded=False
    )


def _minutes(told: list[Values]) -> Table:
    rows = [
        [
            target["id"],
            Cell(f"{one['from_s']:.4g}", one["from_s"]),
            *(_ms(one.get(key)) for key in ("p50_ms", "p90_ms", "p99_ms")),
            _plain(one.get("celsius")),
            _plain(one.get("mhz")),
        ]
        for target in told
        for one in target["latency"]["sustained"]["minutes"]
    ]
    headings = [Heading("target"), *map(Heading, ("from, s", "p50 ms", "p90 ms", "p99 ms", "°C", "MHz"))]
    return Table(f"Every {timed.part_name(told)}", headings, rows, folded=True)


def _ms(value: float | None) -> Cell:
    return Cell(timed.told_ms(value), value)


def _plain(value: Any) -> Cell:
    return Cell("-") if value is None else Cell(f"{value:.4g}", value)
