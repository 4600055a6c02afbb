"""From a plan to built engines: quantize where a target asks for it, build, audit."""

from __future__ import annotations

import dataclasses

import calib
from calib import CalibrationImages
from engines import ENGINES
from engines.isolated import IsolatedEngine
from exporters import DeployableModel
from exporters.float_view import float_view
from harness.failures import TARGET_ERRORS, Failure, failure
from harness.fleet import Fleet
from harness.needs import needs_quantizing, recipe_of
from harness.plan import Plan
from harness.progress import Progress
from harness.spec import REFERENCE, Build, TargetSpec
from shipcheck.cache import cache_root
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
                    models[build.target] = at_precision(plan, build.target, images)
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


def at_precision(plan: Plan, target: TargetSpec, images: CalibrationImages | None) -> DeployableModel:
    """The graph that the target runs: the file as it ships at its own precision, else made from its float32 form."""
    model = plan.model
    if target.precision == model.precision != "fp32" or not ENGINES[target.engine].executes_graph:
        return model
    if not needs_quantizing(model, target):
        return float_view(model)
    return calib.quantize(
        model,
        target.precision,
        engine=recipe_of(target),
        images=images,
        cache=cache_root() / "quantized",
        options=plan.spec.quantization,
    )
