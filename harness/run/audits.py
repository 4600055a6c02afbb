"""What was asked and what was built, as it stands in audit.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seatrial.calib.overflow import Overflow, find_overflow
from seatrial.calib.processors import caution, multiplies_on_processor, right_on, says
from seatrial.calib.warn import calibration_of
from seatrial.engines import ENGINES
from seatrial.engines.device import device_kind
from seatrial.errors import BadInputError
from seatrial.exporters.folding import fold_constants
from seatrial.exporters.layer_bits import layers_of
from seatrial.harness.results.fallback import Explanation, Where, explain
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.session import Session


def describe_audits(
    session: Session, findings: Mapping[str, Any], asked: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """JSON values: per target the requested precision, the realized shares, size, build time and every layer; those
    that fail meanwhile are missing.

    findings, asked: whether the model and the built engines answer alike (`harness.alike`).
    """
    described: dict[str, Any] = {}
    for target in session.alive():
        with session.noting(target.id, "build"):
            described[target.id] = {**_describe(target), "alike": asked[target.id]}
    return {"schema": 1, "alike": findings, "targets": described}


def _describe(target: BuiltTarget) -> dict[str, Any]:
    audit = target.engine.audit()
    bits = _bits(target)
    return {
        "requested": target.build.target.precision,
        "realized": audit.realized(),
        "simulated": ENGINES[target.build.target.engine].simulated(target.build.target.precision),
        "unknown": list(audit.unknown()),
        "share_as_requested": audit.share_as_requested(),
        "engine_bytes": target.engine.engine_bytes,
        "memory_bytes": target.engine.memory_bytes(),
        "model_bytes": len(target.model.onnx_bytes),
        "model_digest": target.model.digest,
        "build_s": target.engine.build_s,
        "from_cache": target.engine.from_cache,
        "options": target.engine.describe(),
        "cautions": [*target.engine.cautions(), *_departures(target)],
        "guard": None if target.verdict is None else target.verdict.to_dict(),
        "processors": _processors(target),
        "calibration": calibration_of(target.model),
        "layers": [
            {
                **dataclasses.asdict(layer),
                "node": why and why.node,
                "reason": why and why.reason,
                "bits": bits.get(layer.name) or bits.get((why and why.node) or ""),
            }
            for layer, why in zip(audit.layers, _explanations(target), strict=True)
        ],
        "other_ops": audit.other_ops,
    }


def _bits(target: BuiltTarget) -> dict[str, list[int | None]]:
    """Node of the target's file -> bits of its weights and of what it multiplies them by, None for floats."""
    try:
        layers = layers_of(fold_constants(target.model.proto))
    except BadInputError:  # scales that are computed while it runs
        return {}
    return {layer.node: [layer.weights, layer.activations] for layer in layers}


def _departures(target: BuiltTarget) -> list[str]:
    """That the engine does not compute what its file says, or may not on this processor: one caution for both."""
    verdict, name = target.verdict, target.build.target.engine
    if verdict is None or verdict.not_looked is not None:
        return _overflow_cautions(target)
    engine = " ".join(filter(None, (name, target.engine.version)))
    return list(verdict.cautions(f"{target.id}: {engine}"))


def _processors(target: BuiltTarget) -> dict[str, Any] | None:
    """Which processors an int8 file is right for; None for what no processor multiplies in integers."""
    found = _overflow(target)
    if found is None:
        return None
    return {"right_on": right_on(found), "overflowing": list(found.layers), "layers": found.of, "says": says(found)}


def _overflow_cautions(target: BuiltTarget) -> list[str]:
    found = _overflow(target)
    if found is None or not found.layers or not target.engine.there.processor.saturates:
        return []
    return [f"{target.id}: {caution(found)}."]


def _overflow(target: BuiltTarget) -> Overflow | None:
    spec = target.build.target
    if spec.precision != "int8" or device_kind(spec.device) != "cpu" or not multiplies_on_processor(spec.engine):
        return None
    fallen_back = {why.node for why in _explanations(target) if why is not None and why.node is not None}
    found = find_overflow(target.model.proto, fallen_back)
    return found if found.of else None


def _explanations(target: BuiltTarget) -> list[Explanation | None]:
    spec, engine = target.build.target, target.engine
    where = Where(spec.engine, spec.device, engine.there.processor.is_x86)
    return explain(engine.audit(), target.model, where, engine.describe())
