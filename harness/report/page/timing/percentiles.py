"""Percentiles of latencies: the table of a scenario, and the distribution with the end of what its samples carry."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.report.tracks import Track
from seatrial.harness.typeset.drawings import line_style, logarithmic, panel
from seatrial.harness.typeset.numbers import milliseconds
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, note


def percentiles(shown: Shown, scenario: str) -> Markup | None:
    """Of a scenario whose queries follow each other; None where it was not asked."""
    told = [target for target in shown.targets if scenario in target["latency"]]
    if not told:
        return None
    tracks = {name: one for name, one in shown.tracks.get(scenario, {}).items() if name in shown.names}
    return together(
        _distribution(shown, scenario, tracks),
        _table(told, scenario),
        _explained(shown.summary, told, scenario),
        _bounds(told, scenario),
    )


def _explained(summary: Values, told: list[Values], scenario: str) -> Markup:
    sentences = " ".join(timed.uncarried(told, scenario))
    always = "A percentile is told where the samples carry it: as many queries as bound it with 99 % confidence."
    beside = timed.yardsticks(summary) or "Times as fast as the reference."
    return note(f"{sentences} {always} {beside} Intervals are over rounds, each of fresh processes.".strip())


def _table(told: list[Values], scenario: str) -> Table:
    headings = [
        Heading("target"),
        Heading("marks", figures=False),
        Heading("times as fast"),
        *map(Heading, timed.PERCENTILES),
        Heading("samples"),
    ]
    rows = []
    for target in told:
        found, speedup = target["latency"][scenario], timed.speedup_of(target, scenario)
        spans = found.get("ci95") or {}
        rows.append(
            [
                target["id"],
                timed.marked(target, scenario) or "-",
                Cell(timed.ratio(speedup), (speedup or {}).get("ratio")),
                *(_ms(found.get(f"{name}_ms"), spans.get(f"{name}_ms")) for name in timed.PERCENTILES),
                Cell(_counted(found), found["samples"]),
            ]
        )
    caption = f"Latency in milliseconds, {timed.scenario_name(scenario)}; in brackets 95 % intervals"
    return Table(caption, headings, rows, folded=False)


def _counted(found: Values) -> str:
    if not found.get("rounds"):
        return str(found["samples"])
    return f"{found['samples']:,} in {found['kept_rounds']} of {found['rounds']} rounds"


def _bounds(told: list[Values], scenario: str) -> Table:
    """What the percentiles are at most, beside the means that hide them."""
    headings = [
        Heading("target"),
        Heading("mean"),
        *(Heading(name, group="at most, with 99 % confidence") for name in timed.PERCENTILES[1:]),
    ]
    rows = []
    for target in told:
        found = target["latency"][scenario]
        bounds = found.get("bounds") or {}
        rows.append(
            [
                target["id"],
                _ms(found.get("mean_ms")),
                *(_ms(bounds.get(f"{name}_ms")) for name in timed.PERCENTILES[1:]),
            ]
        )
    caption = f"Means, and bounds by MLPerf's early stopping, in milliseconds, {timed.scenario_name(scenario)}"
    return Table(caption, headings, rows, folded=True)


def _ms(value: float | None, interval: list[float] | None = None) -> Cell:
    return Cell(timed.told_ms(value, interval), value)


def _distribution(shown: Shown, scenario: str, tracks: Mapping[str, Track]) -> Markup | None:
    if not tracks:
        return None
    largest = {target["id"]: (target["latency"].get(scenario) or {}).get("largest") for target in shown.targets}
    says = " ".join(f"{name}: {_told(one, largest[name])}." for name, one in tracks.items())
    title = f"Time within which a share of queries is answered, {timed.scenario_name(scenario)}"
    return figure(
        [Drawing(_curves(shown.names, tracks, largest), title, says)],
        "Each line ends in a ring at the largest percentile that its samples carry; dotted beyond it: single queries, "
        "which another run would place elsewhere. Both axes are logarithmic.",
        shown.names,
    )


def _told(one: Track, largest: float | None) -> str:
    half = float(one.taken_ms[np.searchsorted(one.shares, 0.5)])
    carried = "no percentile is carried" if largest is None else f"carried up to p{largest:g}"
    slowest = milliseconds(one.taken_ms[-1])
    return f"half of the queries within {milliseconds(half)} ms, the slowest {slowest} ms; {carried}"


def _curves(names: list[str], tracks: Mapping[str, Track], largest: Mapping[str, float | None]) -> Markup:
    with panel(6.4, 3.2) as drawn:
        axis = drawn.axis
        for name, one in tracks.items():
            style = line_style(names.index(name))
            # The slowest query stands where the next slower one would leave half of a query behind it.
            places = -np.log10(np.maximum(1 - one.shares, 0.5 / max(one.queries, len(one.shares), 1)))
            most = largest[name]
            end = -1.0 if most is None else _place(most)
            carried = places <= end + 1e-9
            line = {"color": style["color"], "linewidth": 1.5}
            axis.plot(places[carried], one.taken_ms[carried], linestyle=style["linestyle"], **line)
            beyond = ~carried
            beyond[: max(int(carried.sum()) - 1, 0)] = False
            axis.plot(places[beyond], one.taken_ms[beyond], linestyle=":", **{**line, "linewidth": 1})
            if carried.any():
                axis.plot(
                    places[carried][-1:],
                    one.taken_ms[carried][-1:],
                    marker=style["marker"],
                    markersize=7,
                    markerfacecolor="none",
                    markeredgewidth=1.5,
                    color=style["color"],
                )
        furthest = max(float(line.get_xdata()[-1]) for line in axis.get_lines() if len(line.get_xdata()))
        ticks = [percent for percent in (0, 50, 90, 95, 99, 99.9, 99.99, 99.999) if _place(percent) <= furthest + 0.1]
        axis.set_xticks([_place(percent) for percent in ticks], [f"p{percent:g}" for percent in ticks])
        axis.set_xlim(-0.03, furthest + 0.08)
        logarithmic(axis, "y")
        axis.set_xlabel("percentile of the queries")
        axis.set_ylabel("milliseconds")
    return drawn.svg


def _place(percent: float) -> float:
    return -math.log10(1 - percent / 100)
