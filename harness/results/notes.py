"""What a reader must know to judge the figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.precision import is_simulated
from seatrial.harness.conditions import CLEAN
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.plan.calibration import ONE_CLASS, of_one_class
from seatrial.harness.plan.plan import Plan
from seatrial.harness.plan.variants import said_of_variants
from seatrial.harness.results.shares import named
from seatrial.harness.spec.targets import AS_WRITTEN, TargetSpec


def notes_of(plan: Plan, audit: Mapping[str, Any], blocks: Mapping[str, Any]) -> list[str]:
    """Sentences on model, images, files and conditions. blocks: what the kinds of conditions say."""
    notes = list(plan.notes)
    if plan.calib is not None and of_one_class(plan.calib.labels):
        notes.append(ONE_CLASS)
    if plan.calib is not None and plan.calib_condition.id != CLEAN:
        notes.append(f"Calibrated on images under {plan.calib_condition.id}.")
    notes.extend(said_of_variants({name: one["alike"]["says"] for name, one in audit.get("variants", {}).items()}))
    for target in plan.targets:
        if target.id not in audit["targets"]:
            continue
        calibration = audit["targets"][target.id].get("calibration", {})
        notes.extend(f"{target.id}: {warning}" for warning in calibration.get("warnings", ()))
        notes.extend(_rest(target.id, calibration))
        processors = audit["targets"][target.id].get("processors")
        notes.extend([] if processors is None else [f"{target.id}: {processors['says']}."])
        notes.extend(audit["targets"][target.id].get("cautions", ()))
        unknown = audit["targets"][target.id].get("unknown")
        if unknown and not ENGINES[target.engine].served:
            notes.append(f"{target.id}: unknown in the shares of the arithmetic: {named(unknown)}.")
        if ENGINES[target.engine].served:
            notes.append(_served(target))
    literal = [one.id for one in plan.targets if _as_written(one, audit["targets"])]
    if literal:
        notes.append(
            f"Simulated, so run as written with graph optimisation off: {', '.join(literal)}. No engine computes in so "
            "few bits; --optimization all asks for what an optimiser makes of the file."
        )
    for kind in KINDS.values():
        notes.extend(kind.notes(blocks.get(kind.block or "")))
    if plan.released is not None:
        notes.append("The images came corrupted; whether calibration images are among them cannot be told.")
    return notes


def _served(target: TargetSpec) -> str:
    return (
        f"{target.id} is a served model: {target.precision} is what was said of it, and nothing tells what the server "
        f"executes. Its times have the network and this machine's client in them."
    )


def _as_written(target: TargetSpec, audits: Mapping[str, Any]) -> bool:
    options = audits.get(target.id, {}).get("options", {})
    return is_simulated(target.precision) and options.get("optimization") == AS_WRITTEN


def _rest(target: str, calibration: Mapping[str, Any]) -> list[str]:
    """What the values that are not quantized are written in, where that is not float32."""
    if calibration.get("rest", "fp32") == "fp32":
        return []
    float32 = calibration["kept_float32"]
    but = f", but for {len(float32)} nodes in fp32, whose values leave its range" if float32 else ""
    return [f"{target}: what is not quantized is {calibration['rest']}{but} (--rest fp32 writes all of it in fp32)."]
