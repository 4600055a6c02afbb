"""A target's file outside a run, with in float what the engine built here would compute otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from calib import CalibrationImages, QuantizeOptions
from engines.base import BuildRequest
from engines.isolated import EngineProcess, IsolatedEngine
from exporters import DeployableModel
from harness.guard import Guard, Guarded, guarded, sample_for
from harness.needs import at_precision, makes_file
from harness.spec import TargetSpec
from shipcheck.cache import cache_root


def faithful(
    model: DeployableModel,
    target: TargetSpec,
    images: CalibrationImages | None,
    options: QuantizeOptions,
    request: Callable[[DeployableModel], BuildRequest],
    process: EngineProcess,
) -> Guarded:
    """What `process` builds of the target's file. images: what to calibrate on and to look at it on, None for seeded
    ones. request: of a file, what the engine is built from. Raises what making and building the file raise.
    """

    def make(leave: Mapping[str, str]) -> DeployableModel:
        return at_precision(model, target, images, options, leave)

    def build(made: DeployableModel) -> IsolatedEngine:
        return IsolatedEngine(process, request(made))

    guard = Guard(sample_for(images, model), process.limits, cache_root() / "guard")
    return guarded(make, build, guard, ours=makes_file(model, target, options))
