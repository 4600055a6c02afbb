"""From a plan to built engines: quantize where a target asks for it, build, audit."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import calib
import engines
from calib import CalibrationImages
from engines import ENGINES, Engine
from exporters import DeployableModel
from exporters.float_view import float_view
from harness.plan import Plan, needs_quantizing
from harness.progress import Progress
from harness.spec import TargetSpec
from shipcheck.cache import cache_root


@dataclasses.dataclass(frozen=True)
class BuiltTarget:
    """A target's engine, and the model file that it was built from."""

    spec: TargetSpec
    engine: Engine
    model: DeployableModel


@contextlib.contextmanager
def built_targets(plan: Plan, images: CalibrationImages | None, progress: Progress) -> Iterator[list[BuiltTarget]]:
    """Builds all targets of the plan, in its order; closes their engines at the end.

    images: what to calibrate on, None where no target needs it. Raises BuildError or UnsupportedError of the first
    that fails.
    """
    with contextlib.ExitStack() as stack:
        built: list[BuiltTarget] = []
        with progress.stage("Building engines", len(plan.targets), "engines") as update:
            for target in plan.targets:
                update(len(built), target.id)
                model = _at_precision(plan, target, images)
                engine = stack.enter_context(engines.build(target.engine, plan.request(target, model)))
                engine.audit()
                built.append(BuiltTarget(target, engine, model))
            update(len(built))
        yield built


def _at_precision(plan: Plan, target: TargetSpec, images: CalibrationImages | None) -> DeployableModel:
    """The graph that the target runs: the file as it ships at its own precision, else made from its float32 form."""
    model = plan.model
    if target.precision == model.precision != "fp32" or not ENGINES[target.engine].executes_graph:
        return model
    if not needs_quantizing(model, target):
        return float_view(model)
    return calib.quantize(
        model,
        target.precision,
        engine=target.engine,
        images=images,
        cache=cache_root() / "quantized",
        options=plan.spec.quantization,
    )
