"""Whether the float model itself is damaged: single channels put back to the size that is usual in their layer."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines import places
from seatrial.engines.places import PlacedEngine
from seatrial.errors import SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.harness.findings.weights import put_back, scan
from seatrial.harness.metrics import mcnemar_exact
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.plan.plan import Plan
from seatrial.harness.spec.targets import REFERENCE

IMAGES = 200
_FIRST_LOOK = 64
_CHANNELS = 3
_BATCH = 16
# Chance that a sound channel is called damaged.
ALPHA = 0.01


def damage_evidence(plan: Plan, model: DeployableModel, engine: PlacedEngine, reader: ImageReader) -> dict[str, Any]:
    """JSON values: what stands out of the weights, and how many images more the model gets right without it.

    model: the float model. engine: the reference, which runs it.
    """
    found = scan(model.proto)
    labels = plan.data.labels[: min(IMAGES, len(reader))]
    channels = [{**one.to_dict(), "repaired": None} for one in found.outlying]
    if len(labels) and labels.min() >= 0:
        tried = found.outlying[:_CHANNELS]
        for channel, described in zip(tried, channels, strict=False):
            repaired = dataclasses.replace(model, proto=put_back(model.proto, channel))
            try:
                with places.build(REFERENCE.engine, plan.request(REFERENCE, repaired), plan.spec.limits) as other:
                    described["repaired"] = _compared(engine, other, model, reader, labels, len(tried))
            except SeatrialError as error:
                described["repaired"] = {"failed": str(error)}
    return {"channels": channels, "dead": list(found.dead)}


def _compared(
    engine: PlacedEngine,
    other: PlacedEngine,
    model: DeployableModel,
    reader: ImageReader,
    labels: npt.NDArray[np.int64],
    tests: int,
) -> dict[str, Any]:
    before, after = np.empty(0, np.bool_), np.empty(0, np.bool_)
    while len(before) < len(labels):
        start, stop = len(before), min(len(before) + _BATCH, len(labels))
        tensor = model.contract.normalise(reader.read(start, stop))
        asked = labels[start:stop]
        before = np.concatenate([before, engine.infer(tensor).argmax(axis=1) == asked])
        after = np.concatenate([after, other.infer(tensor).argmax(axis=1) == asked])
        if len(before) >= _FIRST_LOOK and after.sum() <= before.sum():
            break
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    p = min(1.0, tests * mcnemar_exact(worse, better) / 2) if better > worse else 1.0
    return {"images": len(before), "better": better, "worse": worse, "p": p, "damaged": p < ALPHA}
