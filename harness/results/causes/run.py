"""All findings of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seatrial.harness.results.causes import calibration, files, reference, running, timing
from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.finding import Finding, ranked

_HINT = 0.1
CAUSES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    reference.contract,
    reference.label_order,
    reference.damaged,
    calibration.calibration_images,
    files.layers,
    files.channels,
    running.departing,
    running.fallback,
    running.rebuilds,
    running.too_few,
    timing.untrue,
    timing.behaviour,
    timing.slow,
    timing.wide,
)


def findings_of(case: Case) -> list[Finding]:
    """The likeliest first; none where nothing is the matter."""
    found = (one for cause in CAUSES for one in cause(case))
    return ranked(one for one in found if one.likelihood >= _HINT)
