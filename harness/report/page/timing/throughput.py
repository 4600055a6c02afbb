"""Throughput, and what it costs in latency: offline, server, and sweeps of batch size and threads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from markupsafe import Markup

from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.typeset.drawings import INK, line_style, logarithmic, panel
from seatrial.harness.typeset.numbers import milliseconds, rate
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, note


def offline(shown: Shown) -> Markup | None:
    """Images in a second; None where it was not asked."""
    told = [target for target in shown.targets if "offline" in target["latency"]]
    if not told:
        return None
    rows = []
    for target in told:
        found, speedup = target["latency"]["offline"], timed.speedup_of(target, "offline")
        rows.append(
            [
                target["id"],
                timed.marked(target, "offline") or "-",
                _rate(found["images_per_s"], found.get("ci95")),
                Cell(timed.ratio(speedup), (speedup or {}).get("ratio")),
                _whole(found.get("batch")),
                _whole(found.get("workers")),
                _whole(found.get("images")),
            ]
        )
    headings = [
        Heading("target"),
        Heading("marks", figures=False),
        Heading("images a second"),
        Heading("times as fast"),
        Heading("batch"),
        Heading("workers"),
        Heading("images"),
    ]
    return together(Table("Throughput, offline; in brackets 95 % intervals", headings, rows, folded=False))


def _rate(value: float | None, interval: Sequence[float] | None = None) -> Cell:
    if value is None:
        return Cell("-")
    return Cell(rate(value) + (f" [{rate(interval[0])}, {rate(interval[1])}]" if interval else ""), value)


def _whole(value: int | None) -> Cell:
    return Cell("-" if value is None else str(value), value)


def server(shown: Shown) -> Markup | None:
    """The largest rate that keeps the bound, and what was tried; None where it was not asked."""
    told = [target for target in shown.targets if "server" in target["latency"]]
    if not told:
        return None
    headings = [
        Heading("target"),
        Heading("marks", figures=False),
        Heading("times as fast"),
        Heading("queries a second that keep the bound"),
        Heading("bound, ms"),
        Heading("p99 ms at that rate"),
        Heading("workers"),
    ]
    rows = []
    for target in told:
        found = target["latency"]["server"]
        kept = found["queries_per_s"]
        rows.append(
            [
                target["id"],
                timed.marked(target, "server") or "-",
                Cell(timed.ratio(timed.speedup_of(target, "server"))),
                Cell("no rate keeps it", 0) if kept is None else Cell(timed.kept_rate(found), kept),
                f"{found['bound_ms']:g}",
                Cell(timed.told_ms(found.get("p99_ms"), found.get("p99_ci95")), found.get("p99_ms")),
                _whole(found.get("workers")),
            ]
        )
    return together(
        _rates(shown, told),
        Table("Queries that arrive at random, and a bound on p99", headings, rows, folded=False),
        note(
            "The largest rate whose p99, by its bound at 99 % confidence, keeps the bound; in brackets up to the least "
            "rate that was tried and does not. p99 at that rate with its 95 % interval."
        ),
        _tried(told),
    )


def _tries(target: Values) -> Sequence[Values]:
    found = target["latency"]["server"].get("tried")
    return found if isinstance(found, Sequence) else ()


def _rates(shown: Shown, told: list[Values]) -> Markup | None:
    tried = {target["id"]: sorted(_tries(target), key=lambda one: one["rate"]) for target in told if _tries(target)}
    if not tried:
        return None
    bounds = sorted({target["latency"]["server"]["bound_ms"] for target in told})
    with panel(5.6, 3.0) as drawn:
        axis = drawn.axis
        for bound in bounds:
            axis.axhline(bound, color=INK, linewidth=1, linestyle="--")
            axis.annotate(
                f"bound {bound:g} ms",
                (0, bound),
                xycoords=axis.get_yaxis_transform(),
                xytext=(3, 2),
                textcoords="offset points",
                fontsize=7,
            )
        for name, tries in tried.items():
            style = line_style(shown.names.index(name))
            found = [one for one in tries if one["p99_ms"] is not None]
            rates, late = [one["rate"] for one in found], [one["p99_ms"] for one in found]
            axis.plot(rates, late, color=style["color"], linestyle=style["linestyle"], linewidth=1.2)
            for keeps, confirmed in itertools.product((True, False), repeat=2):
                these = [one for one in found if (bool(one["keeps"]), bool(one.get("confirmed"))) == (keeps, confirmed)]
                axis.plot(
                    [one["rate"] for one in these],
                    [one["p99_ms"] for one in these],
                    **{**style, "linestyle": "none"},
                    markerfacecolor=style["color"] if keeps else "none",
                    markersize=8 if confirmed else 4,
                )
        logarithmic(axis, "y")
        axis.set_xlim(left=0)
        axis.set_xlabel("queries a second that arrive")
        axis.set_ylabel("p99, milliseconds")
    says = " ".join(f"{target['id']}: {_told(target)}." for target in told if target["id"] in tried)
    caption = (
        "Each mark is a rate that was tried: full where the bound is kept, hollow where it is not; large where it was "
        "asked with as many queries as p99 takes."
    )
    return figure([Drawing(drawn.svg, "Latency against the rate of arrivals", says)], caption, shown.names)


def _told(target: Values) -> str:
    most = target["latency"]["server"]["queries_per_s"]
    kept = "keeps the bound at no rate" if most is None else f"keeps the bound up to {rate(most)} queries a second"
    return f"{kept}; {len(_tries(target))} tries"


def _tried(told: list[Values]) -> Table:
    rows = [
        [
            target["id"],
            _rate(one["rate"]),
            Cell(timed.told_ms(one["p99_ms"]), one["p99_ms"]),
            Cell(timed.told_ms(one.get("bound_p99_ms")), one.get("bound_p99_ms")),
            "yes" if one["keeps"] else "no",
            "yes" if one.get("confirmed") else "-",
            _whole(one.get("queries")),
        ]
        for target in told
        for one in _tries(target)
    ]
    headings = [
        Heading("target"),
        Heading("queries a second"),
        Heading("p99 ms"),
        Heading("p99 ms at most, with 99 % confidence"),
        Heading("keeps the bound", figures=False),
        Heading("confirmed", figures=False),
        Heading("queries"),
    ]
    return Table("Rates that were tried", headings, rows, folded=True)


def sweep(shown: Shown) -> Markup | None:
    """Throughput against latency over batch sizes and threads; None where nothing was swept."""
    found = {target["id"]: swept for target in shown.targets if (swept := (target.get("timed") or {}).get("sweep"))}
    if not found:
        return None
    measured = {name: [one for one in swept if one.get("images_per_s")] for name, swept in found.items()}
    threads = sorted({one["threads"] for swept in measured.values() for one in swept})
    drawings = [
        Drawing(_swept(name, swept, threads), f"Throughput against latency, {name}", _best(swept))
        for name, swept in measured.items()
        if swept
    ]
    rows = [
        [
            name,
            _whole(one["threads"]),
            _whole(one["batch"]),
            _rate(one.get("images_per_s")),
            Cell(timed.told_ms(one.get("p50_ms")), one.get("p50_ms")),
            Cell(timed.told_ms(one.get("p90_ms")), one.get("p90_ms")),
            _whole(one.get("queries")),
            one.get("says") or "-",
        ]
        for name, swept in found.items()
        for one in swept
    ]
    headings = [
        Heading("target"),
        *map(Heading, ("threads", "batch", "images a second", "p50 ms", "p90 ms", "queries")),
        Heading("why not", figures=False),
    ]
    caption = (
        "Further right is more images a second, lower is sooner. The figures at the marks are batch sizes; a line "
        "joins those of one number of threads."
    )
    legend = [f"{count} thread{'' if count == 1 else 's'}" for count in threads]
    return together(
        figure(drawings, caption, legend) if drawings else None,
        Table("Batch sizes and threads", headings, rows, folded=True),
        note("Milliseconds are of a whole batch."),
    )


def _best(swept: Sequence[Values]) -> str:
    best = max(swept, key=lambda one: one["images_per_s"])
    return (
        f"Most images a second: {rate(best['images_per_s'])} at batch {best['batch']}, {best['threads']} threads, "
        f"{milliseconds(best['p50_ms'])} ms a batch."
    )


def _swept(name: str, swept: Sequence[Values], threads: list[int]) -> Markup:
    with panel(2.9, 2.4) as drawn:
        axis = drawn.axis
        for count in sorted({one["threads"] for one in swept}):
            line = sorted((one for one in swept if one["threads"] == count), key=lambda one: one["batch"])
            style = line_style(threads.index(count))
            rates, late = [one["images_per_s"] for one in line], [one["p50_ms"] for one in line]
            axis.plot(rates, late, markersize=4, linewidth=1.2, **style)
            for one in line:
                axis.annotate(
                    str(one["batch"]),
                    (one["images_per_s"], one["p50_ms"]),
                    xytext=(4, -8),
                    textcoords="offset points",
                    fontsize=7,
                )
        logarithmic(axis, "y")
        axis.margins(x=0.15, y=0.15)
        axis.set_title(name)
        axis.set_xlabel("images a second")
        axis.set_ylabel("p50 ms of a batch")
    return drawn.svg
