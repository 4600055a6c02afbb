"""Whether a target answered while it was timed as it does when nobody counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.results.check import Check
from seatrial.harness.results.timing.marks import UNTRUE

TIMED = "timed answers"


def timed_answers(target: str, timed: Mapping[str, Any]) -> Check | None:
    """Fails for answers that are wrong, stale or kept from before: how fast they come says nothing of the model. None
    where nothing was compared. timed: of the target, as in summary.json.
    """
    found = [mark for mark in timed.get("marks", ()) if mark["kind"] in UNTRUE]
    if not found and not timed.get("checked"):
        return None
    says = f"all {timed['checked']:,} answers that were compared while it was timed are those that it gives untimed"
    return Check(
        name=TIMED,
        target=target,
        answer="fail" if found else "pass",
        says="; ".join(mark["says"] for mark in found[:2]) if found else says,
        measured=float(len(found)),
        limit=0.0,
        unit="",
    )
