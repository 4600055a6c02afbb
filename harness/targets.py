"""From a plan to built engines: quantize where a target asks for it, build, audit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from calib import CalibrationImages
from engines.isolated import IsolatedEngine
from exporters import DeployableModel
from harness.failures import TARGET_ERRORS, Failure, failure
from harness.fleet import Fleet
from harness.guard import Guard, Guarded, Verdict, guarded
from harness.needs import at_precision, makes_file
from harness.plan import Plan
from harness.progress import Progress
from harness.spec import REFERENCE, Build, TargetSpec
from shipcheck.errors import ShipcheckError


@dataclasses.dataclass(frozen=True)
class BuiltTarget:
    """An engine of a target, the model file that it was built from, and what is known of the two (`harness.guard`)."""

    build: Build
    engine: IsolatedEngine
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
    first: ShipcheckError | None = None
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
        return model or at_precision(plan.model, build.target, images, plan.spec.quantization, leave)

    def start(made: DeployableModel) -> IsolatedEngine:
        return IsolatedEngine(fleet.processes[build], plan.request(build.target, made))

    ours = model is None and makes_file(plan.model, build.target, plan.spec.quantization)
    return guarded(make, start, guard, ours=ours)
