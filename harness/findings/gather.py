"""All evidence of a run, as it stands in findings.json: gathered while its engines are there, so that a finished run is
judged without them.

What every run pays for: the images in numbers, and the reference asked about a few hundred of them under other readings
of its input. Layers are compared only for targets of which something is the matter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from seatrial.engines.places import PlacedEngine
from seatrial.errors import SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.exporters.float_view import float_view
from seatrial.harness.data.source import Pixels
from seatrial.harness.findings.damage import damage_evidence
from seatrial.harness.findings.layers import layer_evidence
from seatrial.harness.findings.pixels import Difference, differences, nearest, statistics_of
from seatrial.harness.findings.reading import likeliest_reading
from seatrial.harness.pipeline import ImageReader
from seatrial.harness.plan.calibration import CalibrationSet
from seatrial.harness.plan.plan import Plan
from seatrial.harness.spec.targets import TargetSpec

SCHEMA = 1
# Of each set, for their statistics.
_IMAGES = 1024
_RELEASED_IMAGES = 128
_BATCH = 64
_LEAST_CORRUPTIONS = 4


@dataclasses.dataclass(frozen=True)
class Scene:
    """What evidence is taken from. reference, reference_model: the built engine, and the float file that it runs.
    images: a condition's, by id, before it is applied. mildest: the condition whose images are nearest to clean ones.
    calibration: None where no file was made on images.
    """

    plan: Plan
    reference: PlacedEngine
    reference_model: DeployableModel
    images: Callable[[str], ImageReader]
    mildest: str
    calibration: CalibrationSet | None

    @property
    def first(self) -> ImageReader:
        """The images that are asked about."""
        return self.images(self.mildest)

    @property
    def trusted(self) -> bool:
        """False for images that came corrupted in few ways: what they look like, and how a model would best be fed with
        them, is a matter of what was done to them.
        """
        return self.plan.released is None or len(_corruptions(self.plan)) >= _LEAST_CORRUPTIONS


def of_run(scene: Scene) -> dict[str, Any]:
    """JSON values: what is the same for all targets."""
    return {
        "schema": SCHEMA,
        "contract": _contract(scene),
        "calibration": None if scene.calibration is None else _calibration(scene, scene.calibration),
        "damage": damage_evidence(scene.plan, scene.reference_model, scene.reference, scene.first),
        "layers": {},
    }


def of_layers(scene: Scene, targets: Mapping[TargetSpec, DeployableModel]) -> dict[str, Any]:
    """JSON values by target id. targets: those of which something is the matter, with the files that they run. A
    variant is compared with its own float form: its layers may have other names than the model's, or be others.
    """
    plan = scene.plan
    return {
        target.id: layer_evidence(
            plan,
            target,
            model,
            float_view(scene.reference_model if target.variant is None else plan.model_of(target)),
            scene.first,
        )
        for target, model in targets.items()
    }


def _contract(scene: Scene) -> dict[str, Any] | None:
    model = scene.reference_model
    try:
        found = likeliest_reading(
            scene.reference,
            scene.first,
            scene.plan.data.labels,
            model.contract,
            probabilities=model.scores == "probabilities",
            workers=scene.plan.spec.work.workers,
        )
    except SeatrialError as error:  # a reading may lead to scores that are no numbers
        return {"failed": str(error)}
    return None if found is None else {**found.to_dict(), "trusted": scene.trusted}


def _calibration(scene: Scene, calibration: CalibrationSet) -> dict[str, Any]:
    """Of images that came corrupted, what differs under all their corruptions, each at its mildest."""
    plan = scene.plan
    released = plan.released is not None
    of_calibration = statistics_of(_batches(calibration.store, _IMAGES))
    conditions = list(_corruptions(plan).values()) if released else [scene.mildest]
    readers = [scene.images(name) for name in conditions]
    count = _RELEASED_IMAGES if released else _IMAGES
    if min(len(calibration), *map(len, readers)) < 2:
        return {"images": len(calibration), "released": released, "trusted": False, "differences": []}
    found: Sequence[Difference] = nearest(
        [differences(of_calibration, statistics_of(_batches(reader, count))) for reader in readers]
    )
    return {
        "images": min(len(calibration), _IMAGES),
        "test_images": min(count, len(readers[0])),
        "released": released,
        "trusted": scene.trusted,
        "differences": [one.to_dict() for one in found],
    }


def _corruptions(plan: Plan) -> dict[str, str]:
    """Corruption -> the id of its mildest condition."""
    found: dict[str, str] = {}
    for condition in sorted(one.id for one in plan.conditions):
        found.setdefault(condition.partition("@")[0], condition)
    return found


def _batches(reader: ImageReader, count: int) -> Iterator[Pixels]:
    for start in range(0, min(count, len(reader)), _BATCH):
        yield reader.read(start, min(start + _BATCH, count, len(reader)))
