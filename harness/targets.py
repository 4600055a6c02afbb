"""From a plan to built engines: quantize where a target asks for it, build, audit."""

from __future__ import annotations

import dataclasses

from calib import CalibrationImages
from engines.isolated import IsolatedEngine
from exporters import DeployableModel
from harness.failures import TARGET_ERRORS, Failure, failure
from harness.fleet import Fleet
from harness.needs import at_precision
from harness.plan import Plan
from harness.progress import Progress
from harness.spec import REFERENCE, Build, TargetSpec
from shipcheck.errors import ShipcheckError


@dataclasses.dataclass(frozen=True)
class BuiltTarget:
    """An engine of a target, and the model file that it was built from."""

    build: Build
    engine: IsolatedEngine
    model: DeployableModel

    @property
    def id(self) -> str:
        """The build's id."""
        return self.build.id


def built_targets(
    plan: Plan, fleet: Fleet, images: CalibrationImages | None, progress: Progress
) -> tuple[list[BuiltTarget], list[Failure]]:
    """Builds all engines of the plan, in its order, one at a time: build times are measured.

    images: what to calibrate on, None where no target needs it. What cannot be built is told among the failures; the
    error is raised where it is the reference's, or where nothing but the reference is left to test.
    """
    built: list[BuiltTarget] = []
    failures: list[Failure] = []
    first: ShipcheckError | None = None
    models: dict[TargetSpec, DeployableModel] = {}
    with progress.stage("Building engines", len(plan.builds), "engines") as update:
        for done, build in enumerate(plan.builds):
            update(done, build.id)
            try:
                if build.target not in models:
                    models[build.target] = at_precision(plan.model, build.target, images, plan.spec.quantization)
                model = models[build.target]
                engine = IsolatedEngine(fleet.processes[build], plan.request(build.target, model))
                engine.audit()
            except TARGET_ERRORS as error:
                failures.append(failure(build.id, "build", error))
                fleet.processes[build].close()
                first = first or error
            else:
                built.append(BuiltTarget(build, engine, model))
        update(len(plan.builds))
    if first is not None and all(target.build.target == REFERENCE for target in built):
        raise first
    return built, failures
