"""`bench.py build`: engines built, for this machine or for another's GPU, and nothing asked of them."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from seatrial.cache import cache_root
from seatrial.calib import CalibrationImages
from seatrial.engines.base import BuildRequest
from seatrial.engines.boards.places import Places
from seatrial.engines.places import CompiledFile, EngineProcess
from seatrial.engines.precision import is_quantized
from seatrial.errors import SeatrialError, UnsupportedError, UsageError
from seatrial.exporters import DeployableModel
from seatrial.files import replacing
from seatrial.harness.alike import IMAGES, settle
from seatrial.harness.guard import Verdict
from seatrial.harness.guard.faithful import faithful
from seatrial.harness.guard.keep import Says
from seatrial.harness.plan.files import needs_calibration, saturates_at, target_file
from seatrial.harness.plan.load import load_model, opening
from seatrial.harness.plan.open_calibration import open_calibration
from seatrial.harness.plan.request import build_request
from seatrial.harness.plan.variants import load_variants, targets_with_variants
from seatrial.harness.progress import Progress
from seatrial.harness.records.failures import TARGET_ERRORS
from seatrial.harness.spec.build import BuildSpec
from seatrial.harness.spec.targets import TargetSpec


@dataclasses.dataclass(frozen=True)
class BuildResult:
    """One target. nodes: of the graph that the engine took. built: None where it failed, as `error` says. file: where
    it was written. notes: what a user should know of how the model is read. verdict: whether it computes what its file
    says, None where that is not known here. version: of the runtime.
    """

    target: TargetSpec
    nodes: int
    built: CompiledFile | None
    error: SeatrialError | None
    file: Path | None
    notes: tuple[str, ...] = ()
    verdict: Verdict | None = None
    version: str | None = None


def build(spec: BuildSpec, progress: Progress) -> list[BuildResult]:
    """Builds every target; a target that cannot be built is told in its result.

    Raises UsageError and BadInputError for what concerns them all.
    """
    with opening(spec.source, progress):
        model = load_model(spec.source)
        variants = load_variants(spec.source, model)
    asked = spec.targets.asked if spec.out is not None else targets_with_variants(spec.targets.asked, variants)
    results = []
    with contextlib.ExitStack() as stack:
        places = stack.enter_context(Places(spec.boards, spec.wait_s))
        images: CalibrationImages | None = None
        given = spec.calibration.data is not None
        models: dict[str | None, DeployableModel] = {None: model}
        models.update(variants)
        if any(needs_calibration(models[one.variant], one, spec.quantization, given=given) for one in asked):
            images, _ = open_calibration(spec, model, progress, stack)
        pixels = None if images is None else next(images.batches(IMAGES))
        models = {name: settle(models[name], pixels, progress)[0] for name in {one.variant for one in asked}}
        with progress.stage("Building", len(asked), "engines") as update:
            for done, target in enumerate(asked):
                update(done, target.id)
                says = lambda phase: update(done, f"{target.id}, {phase}")  # noqa: B023, E731
                results.append(_one(spec, models[target.variant], target, images, places, says))
            update(len(asked))
    return results


def _one(
    spec: BuildSpec,
    model: DeployableModel,
    target: TargetSpec,
    images: CalibrationImages | None,
    places: Places,
    says: Says,
) -> BuildResult:
    nodes, verdict = 0, None
    try:
        place = places.of(target.board)
        place.check_offered(target.engine, target.precision, target.device)
        with EngineProcess(target.engine, spec.limits, place=place) as process:
            process.check_compile(target.precision, target.device, spec.builder.compute_capability)
            made, verdict = _made(spec, model, target, images, process, says)
            nodes = len(made.proto.graph.node)
            says("building")
            built = process.compile(_request(spec, made, target))
    except TARGET_ERRORS as error:
        return BuildResult(target, nodes, None, error, None)
    if spec.out is not None and built.content is not None:
        with replacing(spec.out) as temporary:
            temporary.write_bytes(built.content)
    elif spec.out is not None:
        raise UsageError(f"Engine {target.engine!r} has no file of its own for what it built: leave --out away.")
    version = place.engine(target.engine).version
    return BuildResult(target, nodes, built, None, spec.out, model.notes, verdict, version)


def _made(
    spec: BuildSpec,
    model: DeployableModel,
    target: TargetSpec,
    images: CalibrationImages | None,
    process: EngineProcess,
    says: Says,
) -> tuple[DeployableModel, Verdict | None]:
    """The file that is built, with the nodes in float in which the engine would depart from it, where it runs here."""
    saturates = saturates_at(process.place, target.device)
    says("making its file")
    made = target_file(model, target, images, spec.quantization, saturates=saturates)
    if not is_quantized(made.precision) or spec.builder.compute_capability is not None:
        return made, None
    try:
        process.check(target.precision, target.device)
    except UnsupportedError:  # built here, run elsewhere
        return made, None
    found = faithful(model, target, images, spec.quantization, lambda file: _request(spec, file, target), process, says)
    return found.model, found.verdict


def _request(spec: BuildSpec, model: DeployableModel, target: TargetSpec) -> BuildRequest:
    return build_request(
        model,
        precision=target.precision,
        device=target.device,
        threads=spec.targets.threads,
        optimization=spec.targets.level(target.precision),
        builder=spec.builder,
        cache=cache_root() / "engines",
    )
