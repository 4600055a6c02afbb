"""The checks of a run's targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions import CLEAN
from seatrial.harness.plan.plan import Plan
from seatrial.harness.results.fallback import describe_fallback
from seatrial.harness.results.gate import Check, above_chance_check, alike_check, realized_check, recovery_check
from seatrial.harness.results.typed import TargetResult
from seatrial.harness.spec.targets import REFERENCE


def checks_of(target: TargetResult, reference: TargetResult, plan: Plan, audit: Mapping[str, Any]) -> list[Check]:
    """What is asked of one target. audit: as in audit.json."""
    clean = reference.conditions.get(CLEAN)
    is_reference = target.id == REFERENCE.id
    asked = audit["targets"][target.id].get("alike")
    checks = [] if asked is None else [alike_check(target.id, asked, audit.get("alike") if is_reference else None)]
    if is_reference:
        above = [] if clean is None else [above_chance_check(REFERENCE.id, clean.top1_ci95[0], plan.model.classes)]
        return [*checks, *above]
    # A simulated precision is realized by nothing, by definition.
    if not target.simulated:
        checks.append(
            realized_check(
                target.id,
                target.metrics["share_as_requested"],
                limit=plan.spec.gate.min_realized,
                allowed=plan.spec.gate.allow_fallback,
                fallback=describe_fallback(audit["targets"][target.id]["layers"]),
            )
        )
    if clean is not None:
        against = target.conditions[CLEAN].vs_reference
        assert against is not None
        checks.append(recovery_check(target.id, CLEAN, clean.top1, against.delta, against.ci95[1]))
    return checks
