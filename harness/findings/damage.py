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
_FIRST_LOOK = 32
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
        asked = _Asked(engine, model, reader, labels)
        for channel, described in zip(tried, channels, strict=False):
            repaired = dataclasses.replace(model, proto=put_back(model.proto, channel))
            try:
                with places.build(REFERENCE.engine, plan.request(REFERENCE, repaired), plan.spec.limits) as other:
                    described["repaired"] = _compared(asked, _Asked(other, model, reader, labels), len(tried))
            except SeatrialError as error:
                described["repaired"] = {"failed": str(error)}
    return {"channels": channels, "dead": list(found.dead)}


class _Asked:
    """Whether an engine is right about the first images, asked when that is needed, once."""

    def __init__(
        self, engine: PlacedEngine, model: DeployableModel, reader: ImageReader, labels: npt.NDArray[np.int64]
    ) -> None:
        self._engine, self._model, self._reader, self.labels = engine, model, reader, labels
        self._correct = np.empty(0, np.bool_)

    def correct(self, count: int) -> npt.NDArray[np.bool_]:
        """bool [count]."""
        while len(self._correct) < count:
            start, stop = len(self._correct), min(len(self._correct) + _BATCH, len(self.labels))
            tensor = self._model.contract.normalise(self._reader.read(start, stop))
            right = self._engine.infer(tensor).argmax(axis=1) == self.labels[start:stop]
            self._correct = np.concatenate([self._correct, right])
        return self._correct[:count]


def _compared(engine: _Asked, other: _Asked, tests: int) -> dict[str, Any]:
    count = len(engine.labels)
    first = min(_FIRST_LOOK, count)
    if other.correct(first).sum() <= engine.correct(first).sum():
        count = first
    before, after = engine.correct(count), other.correct(count)
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    p = min(1.0, tests * mcnemar_exact(worse, better) / 2) if better > worse else 1.0
    return {"images": count, "better": better, "worse": worse, "p": p, "damaged": p < ALPHA}
