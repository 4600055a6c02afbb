"""The verdict: pure decisions over measured figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

ACCEPT, REGRESSION, ANOMALOUS = "ACCEPT", "REGRESSION", "ANOMALOUS"
# Below this share of multiply-accumulates at the requested precision, a target is not what its name says.
MIN_REALIZED = 0.9
# MLPerf Inference's accuracy target for image classification: 99 % of the reference.
MIN_RECOVERY = 0.99
ABOVE_CHANCE = "above chance"


@dataclasses.dataclass(frozen=True)
class Check:
    """One limit: what was measured on which target, and whether it passed."""

    name: str
    target: str
    passed: bool
    measured: float | None
    limit: float
    says: str


def above_chance_check(target: str, lower: float, classes: int) -> Check:
    """Passes where the reference is better than guessing beyond doubt: if not, every comparison with it is empty.

    lower: lower bound of the reference's 95 % interval of clean top-1, in 0..1.
    """
    chance = 1 / classes
    passed = lower > chance
    says = f"clean top-1 is at least {lower:.2%}; guessing gives {chance:.2%}"
    if not passed:
        says += ". Check the labels and the input contract (colour order, mean, std, resize), or take more images"
    return Check(ABOVE_CHANCE, target, passed, lower, chance, says)


def realized_check(target: str, share: float | None) -> Check:
    """Passes where at least MIN_REALIZED of the multiply-accumulates run at the requested precision.

    share: 0 to 1, None for an engine without such layers, which passes.
    """
    passed = share is None or share >= MIN_REALIZED
    says = "no layers to audit" if share is None else f"{share:.1%} of the arithmetic runs at the requested precision"
    return Check("realized", target, passed, share, MIN_REALIZED, says)


def recovery_check(target: str, condition: str, reference_top1: float, delta: float, upper: float) -> Check:
    """Passes unless accuracy is below MIN_RECOVERY of the reference's beyond doubt.

    delta: top-1 difference to the reference; upper: its 95 % interval's upper bound. All in 0..1.
    """
    lost_allowed = (1 - MIN_RECOVERY) * reference_top1
    recovery = (reference_top1 + delta) / reference_top1 if reference_top1 else None
    passed = upper >= -lost_allowed
    says = (
        f"{condition}: {delta * 100:+.2f} points against fp32 (at best {upper * 100:+.2f}); "
        f"{lost_allowed * 100:.2f} may be lost"
    )
    return Check(f"recovery {condition}", target, passed, recovery, MIN_RECOVERY, says)


def decide(checks: Sequence[Check]) -> dict[str, Any]:
    """The `gate` part of the summary.

    ANOMALOUS if the reference itself is not to be trusted, REGRESSION if any other check failed, else ACCEPT.
    """
    failed = {check.name for check in checks if not check.passed}
    verdict = ANOMALOUS if ABOVE_CHANCE in failed else REGRESSION if failed else ACCEPT
    return {"verdict": verdict, "enforced": False, "checks": [dataclasses.asdict(check) for check in checks]}
