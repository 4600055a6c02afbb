"""`bench.py quantize`: the file that an engine executes at a precision, and what the engine makes of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from seatrial import calib
from seatrial.cache import cache_root
from seatrial.calib import CalibrationImages, Recipe, chosen_recipe, needs_images
from seatrial.calib.options import OURS
from seatrial.calib.warn import warnings_of
from seatrial.engines import ENGINES, Audit
from seatrial.engines.boards.places import Places
from seatrial.engines.places import EngineProcess, Place, PlacedEngine
from seatrial.engines.precision import is_simulated
from seatrial.engines.registry import default_device
from seatrial.errors import SeatrialError, UsageError
from seatrial.exporters import DeployableModel
from seatrial.exporters.float_view import float_view
from seatrial.files import replacing
from seatrial.harness.alike import IMAGES, settle
from seatrial.harness.guard import Guard, Verdict, guarded, sample_for
from seatrial.harness.guard.keep import Says
from seatrial.harness.plan.calibration import ONE_CLASS
from seatrial.harness.plan.load import load_model, opening
from seatrial.harness.plan.open_calibration import open_calibration
from seatrial.harness.plan.request import build_request
from seatrial.harness.progress import Progress
from seatrial.harness.spec.quantize import QuantizeSpec
from seatrial.harness.spec.targets import level_of

_ALIASES = {"trt": "tensorrt", "trt-rtx": "tensorrt-rtx"}


@dataclasses.dataclass(frozen=True)
class Quantized:
    """model: what was written. realized: shares of its multiply-accumulates by precision, in the engine as built here;
    None where it cannot be built, for the reason in `not_built`. unknown: kernels whose precision or work nothing
    tells. verdict: whether that engine computes what the file says, None where it was not built. warnings: what was
    odd about the calibration. version: of the engine's runtime.
    """

    model: DeployableModel
    recipe: Recipe
    file: Path
    images: int
    realized: dict[str, float] | None
    unknown: tuple[str, ...]
    not_built: str | None
    verdict: Verdict | None
    warnings: tuple[str, ...]
    version: str | None = None


def quantize(spec: QuantizeSpec, progress: Progress) -> Quantized:
    """Makes the file, builds the engine on it where that is possible here, and writes it with its contract inside.

    Where the engine departs from the file, the file is made again with those nodes in float (`harness.guard`).

    Raises what `exporters.load` and `calib.quantize` raise, and UsageError for an unusable `out`.
    """
    engine = _ALIASES.get(spec.engine, spec.engine)
    with contextlib.suppress(UsageError):  # a recipe may be there for an engine that is not
        engine = ENGINES.canonical(engine)
    with Places(spec.boards, spec.wait_s) as places:
        return _quantized(spec, engine, places.of(spec.board), progress)


def _quantized(spec: QuantizeSpec, engine: str, place: Place, progress: Progress) -> Quantized:
    saturates = place.facts().processor.saturates
    recipe = chosen_recipe(engine, spec.precision, spec.quantization, saturates)
    with opening(spec.source, progress):
        model = load_model(spec.source)
    model = float_view(model) if spec.float_view else model
    with contextlib.ExitStack() as stack:
        images, one_class = None, False
        if spec.calibration.data is not None or needs_images(spec.precision, spec.quantization):
            images, one_class = open_calibration(spec, model, progress, stack)
        pixels = None if images is None else next(images.batches(IMAGES))
        model, findings = settle(model, pixels, progress)
        with progress.stage(f"Quantizing to {spec.precision}", 1, "models") as update:

            def make(leave: Mapping[str, str]) -> DeployableModel:
                return calib.quantize(
                    model,
                    spec.precision,
                    engine=engine,
                    images=images,
                    options=spec.quantization,
                    saturates=saturates,
                    leave=leave,
                )

            update(0, "making the file")
            made = make({})
            built = _built(engine, made, make, spec, images, place, lambda phase: update(0, f"{engine}, {phase}"))
            update(1)
    if built.model is not None:
        made = built.model
    with replacing(spec.out) as temporary:
        temporary.write_bytes(made.onnx_bytes)
    warnings = (*findings.says, *((ONE_CLASS,) if one_class else ()), *warnings_of(made))
    return Quantized(
        made,
        recipe,
        spec.out,
        0 if images is None else len(images),
        None if built.audit is None else built.audit.realized(),
        () if built.audit is None else built.audit.unknown(),
        built.not_built,
        built.verdict,
        warnings,
        built.version,
    )


@dataclasses.dataclass(frozen=True)
class _Built:
    model: DeployableModel | None
    audit: Audit | None
    not_built: str | None
    verdict: Verdict | None
    version: str | None = None


def _built(
    engine: str,
    made: DeployableModel,
    make: Callable[[Mapping[str, str]], DeployableModel],
    spec: QuantizeSpec,
    images: CalibrationImages | None,
    place: Place,
    says: Says,
) -> _Built:
    """What the engine makes of the file. made: what `make` gives of no node."""
    if engine not in ENGINES:
        return _Built(None, None, f"no engine {engine!r} is there to build it", None)
    guard = Guard(sample_for(images, made), cache=cache_root() / "guard")
    try:
        device = default_device(engine)
        with EngineProcess(engine, place=place) as process:

            def build(model: DeployableModel) -> PlacedEngine:
                level = level_of(spec.precision)
                request = build_request(model, precision=spec.precision, device=device, optimization=level)
                return PlacedEngine(process, request)

            found = guarded(
                lambda leave: make(leave) if leave else made,
                build,
                guard,
                ours=spec.quantization.quantizer == OURS and not is_simulated(spec.precision),
                says=says,
            )
            return _Built(found.model, found.engine.audit(), None, found.verdict, found.engine.version)
    except SeatrialError as error:
        return _Built(None, None, str(error), None)
