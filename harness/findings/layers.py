"""At which layer a target parts from the reference: `bench.py diff` on a few images, boiled down."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping
from typing import Any

from seatrial.errors import SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.exporters.layer_bits import layers_of as bits_of_layers
from seatrial.harness.alike import Findings
from seatrial.harness.diff.comparison import Comparison
from seatrial.harness.diff.prepare import Prepared, Side, open_engine
from seatrial.harness.diff.result import DiffResult, Step
from seatrial.harness.diff.summary import summarise
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Silent
from seatrial.harness.spec.diff import DiffSpec
from seatrial.harness.spec.targets import REFERENCE, TargetSpec

IMAGES = 8
_KEPT = 5
# Each bit halves the step between two levels: 20 log10(2) dB of signal to noise.
_DB_OF_A_BIT, _USUAL_BITS = 6.02, 8
# What is left between kernels that compute the same in float32 is no step: 1e-6 of the signal's power, and less.
_FLOAT_DB = 60.0
# Stands for what leaves nothing at all: JSON has no infinity.
_LEAST_DB = -999.0


def layer_evidence(
    plan: Plan, target: TargetSpec, model: DeployableModel, original: DeployableModel, reader: ImageReader
) -> dict[str, Any]:
    """JSON values: the steps that add most error by themselves, and what is usual in this network.

    model: the file that the target runs. original: the float model it is compared with. Where the engine does not show
    its insides, `failed` says why.
    """
    targets = dataclasses.replace(plan.spec.targets, asked=(target,))
    spec = DiffSpec(run=dataclasses.replace(plan.spec, targets=targets))
    sides = (
        Side(REFERENCE.id, REFERENCE.engine, plan.request(REFERENCE, original), original, plan.place(REFERENCE)),
        Side(target.id, target.engine, plan.request(target, model), model, plan.place(target)),
    )
    count = min(IMAGES, len(reader))
    made = Prepared(
        plan=plan,
        original=original,
        reference=sides[0],
        target=sides[1],
        images=reader,
        ids=plan.data.ids,
        labels=plan.data.labels,
        findings=Findings(()),
        compared=count,
        calibration=None,
    )
    try:
        with open_engine(sides[0], plan.spec.limits) as first, open_engine(sides[1], plan.spec.limits) as second:
            comparison = Comparison(spec, made, first, second)
            comparison.run(Silent())
        weights = {layer.node: layer.weights for layer in bits_of_layers(model.proto)}
        rounded = {name: point.bits for name, point in comparison.points[1].items() if point.bits is not None}
        return {**described(summarise(comparison), weights, rounded), "unused": _unused(comparison)}
    except SeatrialError as error:
        return {"images": count, "failed": str(error)}


def described(result: DiffResult, weights: Mapping[str, int], rounded: Mapping[str, int]) -> dict[str, Any]:
    """JSON values of a comparison: what adds more error than float kernels do. That step is first which lies furthest
    below what is usual of its kind, as it is and as it would be with 8 bits.

    weights: node -> bits. rounded: value -> bits.
    """
    steps = [step for step in result.all_steps if step.own_db < _FLOAT_DB]
    steps = [dataclasses.replace(step, own_db=max(_LEAST_DB, step.own_db)) for step in steps]
    eased = {id(step): step.own_db + _fewer_db(step, weights, rounded) for step in steps}
    kinds = {step.kind for step in steps}
    alike = {kind: [step for step in steps if step.kind == kind] for kind in kinds}
    usual = {kind: statistics.median(step.own_db for step in found) for kind, found in alike.items()}
    usual_eased = {kind: statistics.median(eased[id(step)] for step in found) for kind, found in alike.items()}

    def apart(step: Step) -> float:
        return min(usual[step.kind] - step.own_db, usual_eased[step.kind] - eased[id(step)])

    saturated = [layer for layer in result.layers if layer.saturated]
    parts = result.parts_at
    return {
        "images": result.images,
        "failed": None,
        "logits_db": _finite(result.answers.snr_db),
        "parts_at": None if parts is None else parts.node,
        "steps": [
            {
                "kind": step.kind,
                "node": step.layer.node,
                "op": step.layer.op,
                "value": step.layer.value,
                "position": step.layer.position,
                "own_db": _finite(step.own_db),
                "at_8_bits_db": _finite(eased[id(step)]),
                "usual_db": _finite(usual[step.kind]),
                "apart_db": _finite(apart(step)),
                "saturated": step.layer.saturated,
                "keep_float": list(step.keep_float),
            }
            for step in sorted(steps, key=lambda step: (-apart(step), step.own_db, step.layer.position))[:_KEPT]
        ],
        "saturated": [
            {"node": layer.node, "value": layer.value, "share": layer.saturated}
            for layer in sorted(saturated, key=lambda layer: -(layer.saturated or 0))[:_KEPT]
        ],
    }


def _fewer_db(step: Step, weights: Mapping[str, int], rounded: Mapping[str, int]) -> float:
    """What fewer than 8 bits take of the ratio by themselves: of a layer its weights', of a rounding its grid's."""
    found = weights.get(step.layer.node) if step.kind == "layer" else rounded.get(step.layer.value)
    return _DB_OF_A_BIT * max(0, _USUAL_BITS - (found or _USUAL_BITS))


def _unused(comparison: Comparison) -> list[dict[str, Any]]:
    """Rounded values by the share of their integers' range that the images need, the smallest first."""
    makers = {layer.value: layer.node for layer in comparison.layers}
    found: list[tuple[float, str]] = []
    for name, point in comparison.points[1].items():
        tally = comparison.tallies.get(name)
        if tally is not None and tally.largest > 0 and point.limits is not None:
            share = tally.largest / max(abs(limit) for limit in point.limits)
            found.append((share, name))
    return [{"node": makers.get(name, name), "value": name, "share": share} for share, name in sorted(found)[:_KEPT]]


def _finite(value: float | None) -> float | None:
    # JSON has no infinity: beyond what any signal to noise of floats can be.
    return None if value is None else max(-999.0, min(999.0, value)) if not math.isnan(value) else None
