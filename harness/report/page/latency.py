"""How long answers take: who is faster, how well that is known, and on what machine."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from seatrial.harness.report import timed
from seatrial.harness.report.page.part import Part, Shown, together
from seatrial.harness.report.page.timing.answer import answer, marks
from seatrial.harness.report.page.timing.clocks import clocks
from seatrial.harness.report.page.timing.costs import costs
from seatrial.harness.report.page.timing.loadgen import loadgen
from seatrial.harness.report.page.timing.machine import machine
from seatrial.harness.report.page.timing.percentiles import percentiles
from seatrial.harness.report.page.timing.sustained import sustained
from seatrial.harness.report.page.timing.throughput import offline, server, sweep
from seatrial.harness.report.page.timing.timeline import timeline
from seatrial.harness.typeset.page import note

_Make = Callable[[Shown], Markup | None]
# Of a scenario; those that are timed query by query have a timeline, too.
_SCENARIOS: tuple[tuple[str, _Make], ...] = (
    ("single_stream", lambda shown: percentiles(shown, "single_stream")),
    ("multi_stream", lambda shown: percentiles(shown, "multi_stream")),
    ("offline", offline),
    ("server", server),
    ("sustained", sustained),
)
_WITHOUT_TIMELINE = ("server",)
_FURTHER: tuple[tuple[str, _Make], ...] = (
    ("Batch sizes and threads", sweep),
    ("Three clocks", clocks),
    ("Energy, memory, size", costs),
    ("MLPerf's load generator", loadgen),
    ("The machine", machine),
)


def latency(shown: Shown) -> Part:
    """Marks and the answer first, then a piece for each scenario and for all that was measured beside it."""
    return Part(
        "Latency",
        together(
            marks(shown),
            answer(shown),
            *(_scenario(shown, key, make) for key, make in _SCENARIOS),
            *(_under(title, make(shown)) for title, make in _FURTHER),
        ),
    )


def _scenario(shown: Shown, key: str, make: _Make) -> Markup | None:
    body = make(shown)
    if body is None:
        return None
    drawn = None if key in _WITHOUT_TIMELINE else timeline(shown, key, folded=key != _SCENARIOS[0][0])
    says = timed.scenario_says(key)
    said = (
        note(f"{says[:1].upper()}{says[1:]}; real images, wall time of the engine call on the host.") if says else None
    )
    return _under(timed.scenario_name(key).capitalize(), together(said, body, drawn))


def _under(title: str, body: Markup | None) -> Markup | None:
    if body is None or not body.strip():
        return None
    return together(Markup("<h3>{}</h3>").format(title), body)
