"""How long single queries take: their distribution, and percentiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from seatrial.harness.report.page.part import Part, Shown, Values, together
from seatrial.harness.typeset.drawings import line_style, panel
from seatrial.harness.typeset.numbers import milliseconds, percent, size
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, note

# Points of a curve: enough that nobody sees the corners.
_POINTS = 160


def latency(shown: Shown) -> Part:
    """The share of queries that are answered within a time, and the table."""
    known = {name: shown.latencies[name] for name in shown.names if len(shown.latencies.get(name, ()))}
    drawing = None
    if known:
        says = " ".join(f"{name}: {_told(samples)}." for name, samples in known.items())
        drawing = figure(
            [Drawing(_curves(known, shown.names), "Share of queries answered within a time", says)],
            "Cumulative distribution of all samples; the axis of times is logarithmic.",
            shown.names,
        )
    return Part(
        "Single-stream latency",
        together(
            drawing,
            _table(shown),
            note(
                "One image a query, real images, the targets in turn; wall time of the engine call, decoding and "
                "normalising left out."
            ),
            _builds(shown),
        ),
    )


def _told(samples: npt.NDArray[np.int64]) -> str:
    half, most = (milliseconds(float(np.percentile(samples, at)) / 1e6) for at in (50, 99))
    return f"half of the queries within {half} ms, 99 % within {most} ms"


def _curves(known: Mapping[str, npt.NDArray[np.int64]], names: list[str]) -> Markup:
    # The slowest queries are what is looked for, so the points lie closer there.
    shares = 1 - np.logspace(0, -3, _POINTS)
    with panel(5.6, 3.0) as drawn:
        axis = drawn.axis
        for name, samples in known.items():
            times = np.quantile(samples / 1e6, shares, method="inverted_cdf")
            style = {**line_style(names.index(name)), "marker": "none"}
            axis.step(times, shares * 100, where="post", linewidth=1.5, **style)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(_plain)
        axis.xaxis.set_minor_formatter(_plain_where_few(axis))
        axis.set_ylim(0, 101)
        axis.set_xlabel("milliseconds")
        axis.set_ylabel("% of queries")
    return drawn.svg


def _plain(value: float, place: Any = None) -> str:
    return f"{value:g}"


def _plain_where_few(axis: Any) -> Any:
    """Ticks between the powers of ten have words where there are hardly any powers."""
    low, high = axis.get_xlim()
    wide = high / low > 30
    return lambda value, place: "" if wide or f"{value:e}"[0] not in "25" else f"{value:g}"


def _table(shown: Shown) -> Table:
    rows = []
    for target in shown.targets:
        found = target["latency"]["single_stream"]
        device = target["latency"].get("device") or {}
        rows.append(
            [
                target["id"],
                *(Cell(milliseconds(found[key]), found[key]) for key in ("p50_ms", "p90_ms", "p99_ms")),
                _speedup(target),
                *(
                    Cell(milliseconds(device[key]) if key in device else "-")
                    for key in ("h2d_ms", "compute_ms", "d2h_ms")
                ),
                Cell(str(found["samples"]), found["samples"]),
                Cell(size(target["engine_bytes"]), target["engine_bytes"]),
                Cell(f"{target['build_s']:.3f}", target["build_s"]),
            ]
        )
    headings = [
        Heading("target"),
        *(Heading(f"{one} ms") for one in ("p50", "p90", "p99")),
        Heading("times as fast as the reference [95 %]"),
        *(Heading(f"{one}, ms", group="by the device's clock, median") for one in ("to the device", "at work", "back")),
        Heading("samples"),
        Heading("engine size"),
        Heading("build s"),
    ]
    return Table("Latency, size and build time", headings, rows, folded=False)


def _speedup(target: Values) -> Cell:
    found = (target.get("metrics") or {}).get("speedup") or target.get("speedup")
    if not found:
        return Cell("-")
    span = found.get("ci95")
    told = f" [{span[0]:.2f}, {span[1]:.2f}]" if span else ""
    return Cell(f"{found['ratio']:.2f}{told}", found["ratio"])


def _builds(shown: Shown) -> Any:
    rows = []
    for target in shown.targets:
        found = target["rebuilds"]
        if found is None:
            continue
        top1, p50 = found["top1"], found["p50_ms"]
        rows.append(
            [
                target["id"],
                str(found["builds"]),
                f"{percent(top1['mean'])} ± {top1['std'] * 100:.2f}" if top1 else "-",
                f"{percent(top1['min'])} to {percent(top1['max'])}" if top1 else "-",
                f"{milliseconds(p50['mean'])} ± {p50['std']:.3f}",
                f"{milliseconds(p50['min'])} to {milliseconds(p50['max'])}",
                percent(found["agreement"]),
            ]
        )
    if not rows:
        return None
    headings = [
        Heading("target"),
        Heading("builds"),
        Heading("top-1, mean ± sd"),
        Heading("top-1, range"),
        Heading("p50 ms, mean ± sd"),
        Heading("p50 ms, range"),
        Heading("same class from all"),
    ]
    return together(
        Table("Independent builds", headings, rows, folded=False),
        note("The same file, built anew each time; sd is the sample standard deviation."),
    )
