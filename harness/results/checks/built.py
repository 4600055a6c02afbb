"""Checks of how a target was built, and of whether it gives the same answers twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.results.check import Check
from seatrial.harness.results.shares import spelled
from seatrial.harness.spec.gate import Limit

BUILT, ALIKE, REPEATED, REALIZED = "built and run", "answers alike", "answers repeat", "realized"


def built(failure: Mapping[str, Any]) -> Check:
    """Fails: the target came to no end. failure: as in failures.json."""
    says = f"{failure['outcome']}: {failure['says']}"
    return Check(name=BUILT, target=failure["target"], answer="fail", says=says)


def alike(target: str, found: Mapping[str, Any], model: Mapping[str, Any] | None = None) -> Check:
    """Passes where the engine gave the same answers when it was asked again, beside other images and alone.

    found: of the target; model: of the file as it is written, for the reference. Both as in audit.json.
    """
    passed, says = found["passed"], found["says"]
    if model is not None and model["anomalous"] and passed:
        who = ", ".join([*model["random"], *model["mixing"]]) or "no operator is known to do it"
        passed, says = False, f"the graph as it is written does not ({who}), even though this engine did"
    return Check(
        name=ALIKE,
        target=target,
        answer="pass" if passed else "fail",
        says=says,
        measured=found["share"],
        limit=found["limit"],
        unit="share",
        suspect=True,
    )


def repeated(target: str, found: Mapping[str, Any]) -> Check:
    """Passes where a sample of the answers, asked again on another node, came with the same bits. found: of the target,
    as in nodes.json.
    """
    images, differing = found["images"], found["differing"]
    says = "; ".join(found["says"])
    return Check(
        name=REPEATED,
        target=target,
        answer="fail" if differing else "pass",
        says=f"{says}: ask all on nodes that agree, in another --out"
        if differing
        else f"{images} answers were asked again elsewhere: the same bits",
        measured=differing / max(images, 1),
        limit=0.0,
        unit="share",
        images=images,
        suspect=True,
    )


def realized(
    target: str,
    share: float | None,
    limit: Limit,
    *,
    allowed: bool = False,
    fallback: Mapping[str, Any] | None = None,
    unknown: str | None = None,
) -> Check:
    """Passes where the limit's per cent of the multiply-accumulates run at the requested precision, or a fallback is
    allowed.

    share: 0 to 1, None for an engine without such layers, which passes. fallback: the layers behind what is missing.
    unknown: why nothing is known of any layer, which proves neither.
    """
    assert limit.value is not None
    least = limit.value / 100
    if unknown is not None:
        return Check(
            name=REALIZED,
            target=target,
            answer="inconclusive",
            says=f"unknown: {unknown}",
            limit=least,
            unit="share",
            binding=limit.binding,
        )
    reached = share is None or share >= least
    says = (
        "no layers to audit" if share is None else f"{spelled(share)} of the arithmetic runs at the requested precision"
    )
    if share is not None and not reached:
        says += f"; at least {least:.1%} should"
        says += f". A fallback of {spelled(1 - share)} is accepted (--allow-fallback)" if allowed else ""
    return Check(
        name=REALIZED,
        target=target,
        answer="pass" if reached or allowed else "fail",
        says=says,
        measured=share,
        limit=least,
        unit="share",
        binding=limit.binding,
        accepted=allowed and not reached,
        fallback=fallback,
    )
