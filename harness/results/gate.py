"""The verdict: a pure decision over the answers of the checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.errors import EXIT_GATE_FAILED, EXIT_PASSED, EXIT_UNAVAILABLE
from seatrial.harness.results.check import Check
from seatrial.harness.spec.gate import LIMITS, GateOptions

ACCEPT, REGRESSION, INCONCLUSIVE, ANOMALOUS = "ACCEPT", "REGRESSION", "INCONCLUSIVE", "ANOMALOUS"


def decide(checks: Sequence[Check], options: GateOptions | None = None) -> dict[str, Any]:
    """The `gate` part of the summary.

    ANOMALOUS if what targets are compared with cannot be trusted, or a gain is implausible; else REGRESSION if a check
    fails; else INCONCLUSIVE if the images are too few for one that must pass, or if there is none that could; else
    ACCEPT. Checks that advise do not count.
    """
    options = options or GateOptions()
    counting = [check for check in checks if check.counts]
    suspect = [check for check in counting if check.answer == "fail" and check.suspect]
    failed = [check for check in counting if check.answer == "fail" and not check.suspect]
    open_ = [check for check in counting if check.answer == "inconclusive"]
    if suspect:
        verdict = ANOMALOUS
    elif failed:
        verdict = REGRESSION
    elif open_ or not counting:
        verdict = INCONCLUSIVE
    else:
        verdict = ACCEPT
    nothing = [] if counting else ["Nothing was judged: no check of the gate applies to this run."]
    return {
        "verdict": verdict,
        "gate": options.name,
        "limits": _limits(options),
        "strict": options.strict,
        "advisory": options.advisory,
        "reasons": [*nothing, *(f"{check.target}: {check.says}" for check in [*suspect, *failed, *open_])],
        "checks": [check.to_dict() for check in checks],
    }


def exit_status(summary: Mapping[str, Any]) -> int:
    """Of the command, for the content of a summary: 3 where a target came to no end, 1 where the verdict fails it."""
    gate = summary["gate"]
    if summary["failed"]:
        return EXIT_UNAVAILABLE
    fatal = {REGRESSION, ANOMALOUS, *([INCONCLUSIVE] if gate["strict"] else [])}
    return EXIT_GATE_FAILED if gate["verdict"] in fatal and not gate["advisory"] else EXIT_PASSED


def _limits(options: GateOptions) -> dict[str, Any]:
    """Name -> value, unit and binding, of all that is asked of the targets in general."""
    found = {name: options.limit(name) for name in LIMITS}
    return {
        name: {"value": limit.value, "unit": LIMITS[name].unit, "binding": limit.binding}
        for name, limit in found.items()
        if limit.value is not None
    }
