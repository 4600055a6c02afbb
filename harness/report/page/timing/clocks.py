"""Three clocks side by side: the device's own, the engine call on the host, and the way from the encoded image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from seatrial.harness.conditions.kinds.registry import title_of
from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Shown, Values, together
from seatrial.harness.report.places import is_served
from seatrial.harness.typeset.drawings import COLOURS, INK, panel
from seatrial.harness.typeset.numbers import milliseconds
from seatrial.harness.typeset.page import Cell, Drawing, Heading, Table, figure, note

# What stands in a bar, with its key and its hatch for those who do not tell colours apart.
_PARTS: tuple[tuple[str, str, str], ...] = (
    ("decode", "decode_ms", "////"),
    ("resize", "resize_ms", "\\\\\\\\"),
    ("colour", "color_ms", "xxxx"),
    ("normalise", "normalise_ms", "||||"),
    ("host latency", "host_ms", ""),
    ("in the queue", "queue_ms", "..."),
    ("to the device", "h2d_ms", "++++"),
    ("at work", "compute_ms", "----"),
    ("back", "d2h_ms", "/|"),
)
_CONTRACT = "contract"
# Key -> heading.
_OF_THE_DEVICE = {
    "queue_ms": "in the queue, ms",
    "h2d_ms": "to the device, ms",
    "compute_ms": "at work, ms",
    "d2h_ms": "back, ms",
}


@dataclasses.dataclass(frozen=True)
class _Bar:
    name: str
    parts: Values

    @property
    def total(self) -> float:
        return sum(self.parts.get(key) or 0.0 for _, key, _ in _PARTS)


def clocks(shown: Shown) -> Markup | None:
    """None where the host's clock is the only one."""
    bars = {target["id"]: _bars(target) for target in shown.targets}
    if all(len(found) < 2 for found in bars.values()):
        return None
    says = " ".join(
        f"{target}, {bar.name}: {milliseconds(bar.total)} ms." for target, found in bars.items() for bar in found
    )
    return together(
        figure(
            [Drawing(_drawn(bars), "Where the time goes", says)],
            "Of single queries, stacked: the device's clock, the engine call on the host (copies included), "
            "and the whole way of an image.",
        ),
        _device(shown),
        _whole_way(shown),
    )


def _bars(target: Values) -> list[_Bar]:
    latency, found = target["latency"], []
    if latency.get("device"):
        found.append(_Bar("server" if is_served(target) else "device", latency["device"]))
    half = (latency.get("single_stream") or {}).get("p50_ms")
    if half is not None:
        found.append(_Bar("host", {"host_ms": half}))
    found += [_Bar(_fed(one["feed"]), one) for one in latency.get("end_to_end") or ()]
    return found


def _fed(feed: str) -> str:
    return "end to end" if feed == _CONTRACT else f"end to end, {title_of(feed)}"


def _drawn(bars: Mapping[str, Sequence[_Bar]]) -> Markup:
    """A line for each target's name, and below it one for each of its bars."""
    lines = [line for target, found in bars.items() if found for line in (target, *found)]
    told = [(row, line) for row, line in enumerate(lines) if isinstance(line, _Bar)]
    used = [part for part in _PARTS if any(bar.parts.get(part[1]) for _, bar in told)]
    with panel(7.2, 0.75 + 0.22 * len(lines)) as drawn:
        axis = drawn.axis
        for place, (label, key, hatch) in enumerate(used):
            with_it = [(row, bar) for row, bar in told if bar.parts.get(key)]
            axis.barh(
                [row for row, _ in with_it],
                [bar.parts[key] for _, bar in with_it],
                left=[sum(bar.parts.get(other) or 0.0 for _, other, _ in used[:place]) for _, bar in with_it],
                height=0.72,
                color=COLOURS[place % 6],
                hatch=hatch,
                edgecolor=INK,
                linewidth=0.3,
                label=label,
            )
        for row, line in enumerate(lines):
            if isinstance(line, str):
                axis.text(0.004, row + 0.1, line, transform=axis.get_yaxis_transform(), va="center", fontsize=8)
        axis.set_yticks([row for row, _ in told], [bar.name for _, bar in told])
        axis.set_ylim(len(lines) - 0.5, -0.5)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("milliseconds")
        axis.figure.legend(loc="outside upper right", ncols=4, fontsize=8, frameon=False)
    return drawn.svg


def _device(shown: Shown) -> Table:
    told = [found for target in shown.targets if (found := target["latency"].get("device"))]
    columns = [(key, label) for key, label in _OF_THE_DEVICE.items() if any(key in found for found in told)]
    rows = [
        [target["id"], *(_ms(found.get(key)) for key, _ in columns)]
        for target in shown.targets
        if (found := target["latency"].get("device"))
    ]
    headings = [Heading("target"), *(Heading(label) for _, label in columns)]
    who = "device's or server's" if any(map(is_served, shown.targets)) else "device's"
    return Table(f"By the {who} own clock, medians", headings, rows, folded=False)


def _whole_way(shown: Shown) -> Markup | None:
    found = [(target["id"], one) for target in shown.targets for one in target["latency"].get("end_to_end") or ()]
    if not found:
        return None
    rows = [
        [
            name,
            "the contract's" if one["feed"] == _CONTRACT else title_of(one["feed"]),
            one.get("input") or "-",
            *(_ms(one.get(key)) for _, key, _ in _PARTS[:5]),
            _ms(one.get("p50_ms")),
            _ms(one.get("p90_ms")),
            Cell(str(one["samples"]), one["samples"]),
            _count(one.get("wrong")),
            _count(one.get("differ")),
        ]
        for name, one in found
    ]
    headings = [
        Heading("target"),
        Heading("pipeline", figures=False),
        Heading("input", figures=False),
        *(Heading(label, group="parts, ms") for label, _, _ in _PARTS[:5]),
        Heading("p50 ms", group="whole"),
        Heading("p90 ms", group="whole"),
        Heading("images"),
        Heading("other answers than untimed"),
        Heading("other answers than the run's"),
    ]
    return together(
        Table("From the encoded image to the answer", headings, rows, folded=False),
        note(
            "Real images, from the bytes in memory on, one after the other, in the engine's own process; parts are "
            "means over the middle half of the queries, so that they add up to about p50."
        ),
    )


def _ms(value: float | None) -> Cell:
    return Cell(timed.told_ms(value), value)


def _count(value: int | None) -> Cell:
    return Cell(str(value) if value else "-", value)
