"""Where a target loses accuracy on the way from the float model's clean images to the built engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from seatrial.harness.conditions import CLEAN
from seatrial.harness.metrics.decomposition import decompose
from seatrial.harness.results.packed import Packed
from seatrial.harness.spec.targets import REFERENCE, TargetSpec

_COMBINED = "pipeline/combined@"
# What stands for the quantization alone: the same bits in a float graph.
_SIMULATED = {"int8": "sim-w8a8", "w4a8": "sim-w4a8"}


def decomposition_of(target: TargetSpec, right: Mapping[str, Packed]) -> list[dict[str, Any]] | None:
    """Steps that sum to the whole difference, as JSON values: the device's input pipeline, where the run has
    `pipeline/combined`; quantization, where it has a target that simulates the same bits on the same engine; the
    engine. None where there is but one.

    right: target id -> condition id -> bool [N], right answers.
    """
    reference = right.get(REFERENCE.id)
    if reference is None or target == REFERENCE or CLEAN not in reference:
        return None
    combined = [name for name in reference if name.startswith(_COMBINED)]
    last = max(combined, key=lambda name: int(name.removeprefix(_COMBINED)), default=CLEAN)
    simulated = _SIMULATED.get(target.precision)
    twin = "" if simulated is None else dataclasses.replace(target, precision=simulated).id
    stages = {}
    if last != CLEAN:
        stages["pipeline"] = reference[last]
    if last in right.get(twin, {}):
        stages["quantization"] = right[twin][last]
    if not stages or last not in right[target.id]:
        return None
    stages["engine" if "quantization" in stages else "quantization and engine"] = right[target.id][last]
    return [{**dataclasses.asdict(one), "ci95": list(one.ci95)} for one in decompose(reference[CLEAN], stages)]
