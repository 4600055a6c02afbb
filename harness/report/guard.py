"""What a look at an engine found (`harness.guard`), in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.guard import Verdict


def cautions(verdict: Verdict | None, engine: str, version: str | None) -> tuple[str, ...]:
    """The sentences of a verdict, with the engine's version; none where nothing is wrong or known."""
    if verdict is None:
        return ()
    return verdict.cautions(" ".join(filter(None, (engine, version))))


def meaning(target: str, guard: Mapping[str, Any]) -> str:
    """One line on a target's `guard` in summary.json."""
    if guard["not_looked"] is not None:
        return f"{target} was not compared with what its file says: {guard['not_looked']}"
    computes = "computes" if guard["faithful"] else "does not compute"
    ratio = (
        "the same scores" if guard["snr_db"] is None else f"{guard['snr_db']:.1f} dB of signal to noise at the scores"
    )
    kept = f"; in float for it: {', '.join(guard['kept_float'])}" if guard["kept_float"] else ""
    where = f"; it departs at {', '.join(guard['nodes'])}" if guard["nodes"] else ""
    told = guard.get("optimised")
    share = f"{told['labels_changed']} of {guard['images']}" if told else ""
    shipped = f" It runs as written; --optimization {told['level']} would change {share} labels." if told else ""
    return (
        f"{target} {computes} what its file says: {ratio}, {guard['labels_changed']} of {guard['images']} labels "
        f"changed on {guard['source']} images{where}{kept}.{shipped}"
    )
