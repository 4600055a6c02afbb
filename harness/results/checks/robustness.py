"""Checks that the kinds of conditions have for themselves: other pipelines, and attacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.metrics.paired import Differences
from seatrial.harness.results.check import Check
from seatrial.harness.results.checks.families import Family
from seatrial.harness.spec.gate import Limit

# What another device does without anybody's mistake: its decoder, and its resize.
_STEPS = ("pipeline/decode=", "pipeline/resize=")


def pipeline_family(target: str, block: Mapping[str, Any] | None, images: int, limit: Limit) -> Family | None:
    """Another decoder or resize against the target's own clean images. block: `pipeline` of the summary."""
    if block is None or target not in block["targets"]:
        return None
    members = {
        name: _counted(found["negative_flips"], found["positive_flips"], images)
        for name, found in block["targets"][target]["conditions"].items()
        if name.startswith(_STEPS)
    }
    suffix = "against its own clean images"
    return Family("pipeline", target, members, limit, "other decoder or resize", "other decoders and resizes", suffix)


def attack_family(target: str, block: Mapping[str, Any] | None, limit: Limit) -> Family | None:
    """Attacks with the target's own gradients against the same attacks on the reference with the reference's: what each
    of the two would lose to somebody who has its file. block: `attacks` of the summary.
    """
    if block is None or target not in block["targets"]:
        return None
    members = {
        found["attack"]: Differences.counted(found["worse"], found["better"], found["images"])
        for found in block["targets"][target].get("own", ())
    }
    suffix = "against the reference under the same attack on its own gradients"
    return Family("attack", target, members, limit, "attack", "attacks", suffix)


def masking(target: str, block: Mapping[str, Any] | None, limit: Limit) -> Check | None:
    """Whether a robustness that the run found is more than gradients that lead nowhere."""
    found = None if block is None else block["targets"].get(target, {}).get("masking")
    if not found or limit.value is None:
        return None
    checks = found["checks"]
    failed = [one for one in checks if one["status"] == "fail"]
    open_ = [one for one in checks if one["status"] not in ("pass", "fail")]
    needed = [one.get("needed") for one in open_]
    if len(failed) > limit.value:
        says = f"gradients are masked: {failed[0]['name']}: {failed[0]['says']}"
    elif not open_:
        says = "no sign of masked gradients"
    else:
        says = "masked gradients cannot be ruled out: some checks of them were not decided"
    return Check(
        name="masking",
        target=target,
        answer="fail" if len(failed) > limit.value else "inconclusive" if open_ else "pass",
        says=says,
        measured=float(len(failed)),
        limit=limit.value,
        needed=None if None in needed else max(needed, default=None),
        binding=limit.binding,
    )


def _counted(negative: float, positive: float, images: int) -> Differences:
    return Differences.counted(round(negative * images), round(positive * images), images)
