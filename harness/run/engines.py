"""From a plan to built engines: quantize where a target asks for it, build, audit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from seatrial.calib import CalibrationImages
from seatrial.engines.places import PlacedEngine
from seatrial.errors import SeatrialError
from seatrial.exporters import DeployableModel
from seatrial.harness.guard import Guard, Guarded, Verdict, guarded
from seatrial.harness.plan.files import makes_own_file, target_file
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress
from seatrial.harness.records.failures import TARGET_ERRORS, Failure, failure
from seatrial.harness.run.processes import Fleet
from seatrial.harness.spec.run import REFERENCE, Build, TargetSpec


@dataclasses.dataclass(frozen=True)
class BuiltTarget:
    """An engine of a target, the model file that it was built from, and what is known of the two (`harness.guard`)."""

    build: Build
    engine: PlacedEngine
    model: DeployableModel
    verdict: Verdict | None = None

    @property
    def id(self) -> str:
        """The build's id."""
        return self.build.id


def built_targets(
    plan: Plan, fleet: Fleet, images: CalibrationImages | None, guard: Guard, progress: Progress
) -> tuple[list[BuiltTarget], list[Failure]]:
    """Builds all engines of the plan, in its order, one at a time: build times are measured.

    images: what to calibrate on, None where no target needs it. guard: looks at every engine of a quantized file. What
    cannot be built is told among the failures; the error is raised where it is the reference's, or where nothing but
    the reference is left to test.
    """
    built: list[BuiltTarget] = []
    failures: list[Failure] = []
    first: SeatrialError | None = None
    models: dict[TargetSpec, DeployableModel] = {}
    with progress.stage("Building engines", len(plan.builds), "engines") as update:
        for done, build in enumerate(plan.builds):
            update(done, build.id)
            try:
                made = _guarded(plan, fleet, build, models.get(build.target), images, guard)
                models[build.target] = made.model
                made.engine.audit()
            except TARGET_ERRORS as error:
                failures.append(failure(build.id, "build", error))
                fleet.processes[build].close()
                first = first or error
            else:
                built.append(BuiltTarget(build, made.engine, made.model, made.verdict))
        update(len(plan.builds))
    if first is not None and all(target.build.target == REFERENCE for target in built):
        raise first
    return built, failures


def _guarded(
    plan: Plan,
    fleet: Fleet,
    build: Build,
    model: DeployableModel | None,
    images: CalibrationImages | None,
    guard: Guard,
) -> Guarded:
    """model: what an earlier build of the target runs, as it is; None for the first."""

    def make(leave: Mapping[str, str]) -> DeployableModel:
        return model or target_file(plan.model, build.target, images, plan.spec.quantization, leave)

    def start(made: DeployableModel) -> PlacedEngine:
        return PlacedEngine(fleet.processes[build], plan.request(build.target, made))

    ours = model is None and makes_own_file(plan.model, build.target, plan.spec.quantization)
    return guarded(make, start, guard, ours=ours)
