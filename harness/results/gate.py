"""The verdict: pure decisions over measured figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.results.shares import spelled

ACCEPT, REGRESSION, ANOMALOUS = "ACCEPT", "REGRESSION", "ANOMALOUS"
# Below this share of multiply-accumulates at the requested precision, a target is not what its name says.
MIN_REALIZED = 0.9
# MLPerf Inference's accuracy target for image classification: 99 % of the reference.
MIN_RECOVERY = 0.99
ABOVE_CHANCE = "above chance"
BUILT = "built and run"
REALIZED = "realized"
ALIKE = "answers alike"


@dataclasses.dataclass(frozen=True)
class Check:
    """One limit: what was measured on which target, and whether it passed."""

    name: str
    target: str
    passed: bool
    measured: float | None
    limit: float
    says: str
    # Its failure fails the command, too.
    binding: bool = False
    # A fallback below the limit that --allow-fallback let pass.
    accepted: bool = False
    # Of the check of realized precision: which layers fell back, and why (`harness.results.fallback`).
    fallback: Mapping[str, Any] | None = None


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


def built_check(failure: Mapping[str, Any]) -> Check:
    """Fails: the target came to no end. failure: as in failures.json."""
    return Check(BUILT, failure["target"], False, None, 1.0, f"{failure['outcome']}: {failure['says']}")


def alike_check(target: str, found: Mapping[str, Any], model: Mapping[str, Any] | None = None) -> Check:
    """Passes where the engine gave the same answers when it was asked again, beside other images and alone.

    found: of the target; model: of the file as it is written, for the reference. Both as in audit.json.
    """
    if model is not None and model["anomalous"] and found["passed"]:
        who = ", ".join([*model["random"], *model["mixing"]]) or "no operator is known to do it"
        says = f"the graph as it is written does not ({who}), even though this engine did"
        return Check(ALIKE, target, False, found["share"], found["limit"], says)
    return Check(ALIKE, target, found["passed"], found["share"], found["limit"], found["says"])


def realized_check(
    target: str,
    share: float | None,
    *,
    limit: float | None = None,
    allowed: bool = False,
    fallback: Mapping[str, Any] | None = None,
) -> Check:
    """Passes where `limit` of the multiply-accumulates run at the requested precision, or a fallback is allowed.

    share: 0 to 1, None for an engine without such layers, which passes. limit: 0 to 1, and the check is binding then;
    None for MIN_REALIZED, and it is advisory. fallback: the layers behind the missing share.
    """
    least = MIN_REALIZED if limit is None else limit
    reached = share is None or share >= least
    says = (
        "no layers to audit" if share is None else f"{spelled(share)} of the arithmetic runs at the requested precision"
    )
    if share is not None and not reached:
        says += f"; at least {least:.1%} should"
        says += f". A fallback of {spelled(1 - share)} is accepted (--allow-fallback)" if allowed else ""
    return Check(
        REALIZED,
        target,
        reached or allowed,
        share,
        least,
        says,
        binding=limit is not None,
        accepted=allowed and not reached,
        fallback=fallback,
    )


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

    ANOMALOUS if the reference itself is not to be trusted, or a target does not answer alike; REGRESSION if any other
    check failed, else ACCEPT. enforced: one of the checks is binding. failed: a binding check failed, and with it the
    command.
    """
    failed = {check.name for check in checks if not check.passed}
    verdict = ANOMALOUS if failed & {ABOVE_CHANCE, ALIKE} else REGRESSION if failed else ACCEPT
    return {
        "verdict": verdict,
        "enforced": any(check.binding for check in checks),
        "failed": any(check.binding and not check.passed for check in checks),
        "checks": [dataclasses.asdict(check) for check in checks],
    }
