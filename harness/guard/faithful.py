"""A target's file outside a run, with in float what the engine built here would compute otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seatrial.cache import cache_root
from seatrial.calib import CalibrationImages, QuantizeOptions
from seatrial.engines.base import BuildRequest
from seatrial.engines.places import EngineProcess, PlacedEngine
from seatrial.exporters import DeployableModel
from seatrial.harness.guard import Guard, Guarded, guarded, sample_for
from seatrial.harness.guard.keep import Says
from seatrial.harness.plan.files import makes_own_file, saturates_at, target_file
from seatrial.harness.spec.targets import TargetSpec


def faithful(
    model: DeployableModel,
    target: TargetSpec,
    images: CalibrationImages | None,
    options: QuantizeOptions,
    request: Callable[[DeployableModel], BuildRequest],
    process: EngineProcess,
    says: Says = lambda phase: None,
) -> Guarded:
    """What `process` builds of the target's file. images: what to calibrate on and to look at it on, None for seeded
    ones. request: of a file, what the engine is built from. says: is told what is at work. Raises what making and
    building the file raise.
    """

    def make(leave: Mapping[str, str]) -> DeployableModel:
        saturates = saturates_at(process.place, target.device)
        return target_file(model, target, images, options, leave, saturates=saturates)

    def build(made: DeployableModel) -> PlacedEngine:
        return PlacedEngine(process, request(made))

    guard = Guard(sample_for(images, model), process.limits, cache_root() / "guard")
    return guarded(make, build, guard, ours=makes_own_file(model, target, options), says=says)
