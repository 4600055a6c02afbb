"""What a target costs beside time: energy, memory, bytes, and seconds to build."""

from __future__ import annotations

from markupsafe import Markup

from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.typeset.numbers import milliseconds, percent, size
from seatrial.harness.typeset.page import Cell, Heading, Table, note

# Below this, in the units of the table, is what a meter's rounding leaves.
_LEAST = 1e-3


def costs(shown: Shown) -> Markup:
    """Tables; the energy's is missing where nothing measures it."""
    return together(_energy(shown), _sizes(shown), _builds(shown))


def _energy(shown: Shown) -> Markup | None:
    rows = [
        [
            target["id"],
            meter,
            _cell(_scaled(found.get("joules_per_image"), 1e3)),
            _cell(_scaled(found.get("net_joules_per_image"), 1e3)),
            _cell(found.get("watts")),
            _cell(found.get("idle_watts")),
            Cell(str(found["images"]), found["images"]) if found.get("images") else "-",
        ]
        for target in shown.targets
        for meter, found in ((target.get("timed") or {}).get("energy") or {}).items()
    ]
    if not rows:
        return None
    headings = [
        Heading("target"),
        Heading("meter", figures=False),
        Heading("mJ an image"),
        Heading("less idle power, mJ"),
        Heading("W at work"),
        Heading("W idle"),
        Heading("images"),
    ]
    return together(
        Table("Energy", headings, rows, folded=False),
        note(
            "What the meter counted while the target answered, over its images: all that hangs on the meter. "
            "This is not MLPerf Power, which takes a calibrated analyser of the whole system."
        ),
    )


def _scaled(value: float | None, by: float) -> float | None:
    return None if value is None else value * by


def _cell(value: float | None) -> Cell:
    return Cell("-") if value is None else Cell(f"{value:.3g}" if abs(value) >= _LEAST else "0", value)


def _sizes(shown: Shown) -> Table:
    rows = []
    for target in shown.targets:
        memory = (target.get("timed") or {}).get("memory") or {}
        rows.append(
            [
                target["id"],
                Cell(size(target["engine_bytes"]), target["engine_bytes"]),
                _bytes(target.get("memory_bytes")),
                _bytes(memory.get("host_bytes")),
                _bytes(memory.get("device_bytes")),
                Cell(f"{target['build_s']:.3f}", target["build_s"]),
            ]
        )
    headings = [
        Heading("target"),
        Heading("engine size"),
        Heading("while built", group="peak of memory"),
        Heading("host, while timed", group="peak of memory"),
        Heading("device, while timed", group="peak of memory"),
        Heading("build s"),
    ]
    return Table("Size, memory and build time", headings, rows, folded=False)


def _bytes(value: int | None) -> Cell:
    return Cell("-") if value is None else Cell(size(value), value)


def _builds(shown: Shown) -> Markup | None:
    rows = [_rebuilt(target) for target in shown.targets if target["rebuilds"] is not None]
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


def _rebuilt(target: Values) -> list[str]:
    found = target["rebuilds"]
    top1, p50 = found["top1"], found["p50_ms"]
    return [
        target["id"],
        str(found["builds"]),
        f"{percent(top1['mean'])} ± {top1['std'] * 100:.2f}" if top1 else "-",
        f"{percent(top1['min'])} to {percent(top1['max'])}" if top1 else "-",
        f"{milliseconds(p50['mean'])} ± {p50['std']:.3f}",
        f"{milliseconds(p50['min'])} to {milliseconds(p50['max'])}",
        percent(found["agreement"]),
    ]
