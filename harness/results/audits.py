"""What was asked and what was built, as it stands in audit.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from calib.warn import calibration_of
from harness.results.fallback import Explanation, explain
from harness.targets import BuiltTarget


def describe_audits(
    targets: Sequence[BuiltTarget], findings: Mapping[str, Any], asked: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """JSON values: per target the requested precision, the realized shares, size, build time and every layer.

    findings, asked: whether the model and the built engines answer alike (`harness.alike`).
    """
    described = {target.id: {**_describe(target), "alike": asked[target.id]} for target in targets}
    return {"schema": 1, "alike": findings, "targets": described}


def _describe(target: BuiltTarget) -> dict[str, Any]:
    audit = target.engine.audit()
    return {
        "requested": target.build.target.precision,
        "realized": audit.realized(),
        "unknown": list(audit.unknown()),
        "share_as_requested": audit.share_as_requested(),
        "engine_bytes": target.engine.engine_bytes,
        "model_bytes": len(target.model.onnx_bytes),
        "model_digest": target.model.digest,
        "build_s": target.engine.build_s,
        "from_cache": target.engine.from_cache,
        "options": target.engine.describe(),
        "cautions": list(target.engine.cautions()),
        "calibration": calibration_of(target.model),
        "layers": [
            {**dataclasses.asdict(layer), "node": why and why.node, "reason": why and why.reason}
            for layer, why in zip(audit.layers, _explanations(target), strict=True)
        ],
        "other_ops": audit.other_ops,
    }


def _explanations(target: BuiltTarget) -> list[Explanation | None]:
    spec, engine = target.build.target, target.engine
    return explain(engine.audit(), target.model, engine=spec.engine, device=spec.device, options=engine.describe())
