"""Checks of what all targets share: how the model is fed, what its classes are called, what files were made on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.harness.findings.order import Order
from seatrial.harness.metrics.paired import Differences
from seatrial.harness.results.causes import calibration, files, reference
from seatrial.harness.results.check import Check
from seatrial.harness.spec.gate import Limit

CONTRACT, LABELS, CALIBRATION, LAYERS = "contract", "label order", "calibration images", "layers"
WEIGHTS = "weights"


def contract(target: str, found: Mapping[str, Any], limit: Limit) -> Check | None:
    """Fails where another reading of the images is better beyond doubt, by more than the limit. found: `contract` of
    findings.json.
    """
    if "failed" in found or limit.value is None:
        return None
    gain = Differences.counted(found["worse"], found["better"], found["images"])
    wrong = found["wrong"] and gain.mean > limit.value / 100
    others = found["differing"]
    what = ", ".join(f"{one['other']} in place of {one['declared']}" for one in others.values())
    says = (
        f"of {found['readings']} other readings, {what} does best: top-1 {found['declared_top1']:.2%} -> "
        f"{found['other_top1']:.2%} on {found['images']} images"
    )
    return Check(
        name=CONTRACT,
        target=target,
        answer="fail" if wrong else "pass",
        says=says if wrong else f"{says}: no case for another",
        measured=gain.mean,
        interval=gain.interval(),
        limit=limit.value / 100,
        unit="points",
        images=found["images"],
        binding=limit.binding if found["trusted"] else "no",
        suspect=True,
    )


def label_order(target: str, order: Order | None, images: int, says: str, limit: Limit) -> Check | None:
    """Fails where answers are right under other names beyond doubt. says: which ones."""
    if limit.value is None:
        return None
    gain = 0.0 if order is None else order.after - order.before
    return Check(
        name=LABELS,
        target=target,
        answer="fail" if gain > limit.value / 100 else "pass",
        says="no classes are answered under each other's names"
        if order is None
        else f"{says}: top-1 {order.before:.2%} -> {order.after:.2%}",
        measured=gain,
        limit=limit.value / 100,
        unit="points",
        images=images,
        binding=limit.binding,
        suspect=True,
    )


def weights(target: str, found: Mapping[str, Any], limit: Limit) -> Check | None:
    """Fails where weights of the float model are broken in more places than the limit. found: `damage` of
    findings.json.
    """
    if limit.value is None:
        return None
    broken = reference.damages(found)
    tried = sum(one["repaired"] is not None for one in found["channels"])
    sound = (
        f"of {tried} channels that stand out of their layers, none is better put back" if tried else "none stands out"
    )
    return Check(
        name=WEIGHTS,
        target=target,
        answer="fail" if len(broken) > limit.value else "pass",
        says="; ".join(broken) or sound,
        measured=float(len(broken)),
        limit=limit.value,
        binding=limit.binding,
        suspect=True,
    )


def calibration_images(target: str, found: Mapping[str, Any], limit: Limit) -> Check | None:
    """Fails where calibration images differ from the tested ones by more than the limit, beyond doubt. found:
    `calibration` of findings.json.
    """
    if not found["differences"] or limit.value is None:
        return None
    first = found["differences"][0]
    sure, size = calibration.least(first), abs(first["difference"])
    answer = "fail" if sure > limit.value else "pass" if size <= limit.value else "inconclusive"
    return Check(
        name=CALIBRATION,
        target=target,
        answer=answer,  # type: ignore[arg-type]
        says=f"{calibration.says(first)}; {limit.value:g} may be",
        measured=first["difference"],
        interval=(first["interval"][0], first["interval"][1]),
        limit=limit.value,
        unit="",
        subject=first["statistic"],
        images=found["images"],
        binding=limit.binding if found["trusted"] else "no",
    )


def layers(target: str, found: Mapping[str, Any], limit: Limit) -> Check | None:
    """Fails where one step of the file leaves no more of its signal than the limit while the others do: it is broken,
    however few images there are to show what that costs. found: `layers` of the target in findings.json.
    """
    if found["failed"] is not None or not found["steps"] or limit.value is None:
        return None
    first, wide = files.first_step(found), files.unused(found)
    broken = wide is not None or files.stands_out(first, limit.value)
    says = f"the worst step, {first['node']}, leaves {first['own_db']:.1f} dB; usual are {first['usual_db']:.1f} dB"
    if wide is not None:
        says = f"{says}; the values of {wide['node']} need {wide['share']:.1%} of the range of their integers"
    return Check(
        name=LAYERS,
        target=target,
        answer="fail" if broken else "pass",
        says=says,
        measured=first["own_db"],
        limit=limit.value,
        unit="dB",
        subject=first["node"],
        images=found["images"],
        binding=limit.binding,
    )
