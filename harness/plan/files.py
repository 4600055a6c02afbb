"""What a target needs before its engine can be built: another file, images to make it from, and that file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from seatrial import calib
from seatrial.cache import cache_root
from seatrial.calib import CalibrationImages, QuantizeOptions, has_recipe, needs_images
from seatrial.calib.options import OURS
from seatrial.engines import ENGINES
from seatrial.engines.device import device_kind
from seatrial.engines.places import Place
from seatrial.engines.precision import is_quantized, is_simulated
from seatrial.exporters import DeployableModel
from seatrial.exporters.float_view import float_view
from seatrial.harness.spec.targets import TargetSpec


def needs_quantizing(model: DeployableModel, target: TargetSpec) -> bool:
    """True where another file must be made of the model before the target's engine can be built.

    A model that is quantized by itself runs as it is, at that precision; an engine without a recipe for a float
    precision casts by itself.
    """
    if not ENGINES[target.engine].executes_graph or target.precision in ("fp32", model.precision):
        return False
    return is_quantized(target.precision) or has_recipe(recipe_of(target), target.precision)


def recipe_of(target: TargetSpec) -> str:
    """Whose recipe makes the file of the target."""
    return ENGINES[target.engine].recipe(target.device)


def needs_calibration(
    model: DeployableModel, target: TargetSpec, options: QuantizeOptions, *, given: bool = False
) -> bool:
    """True where that file is made by looking at calibration images; given: they are named, and float16, which can do
    without, looks at them, too.
    """
    looks = needs_images(target.precision, options) or (given and target.precision == "fp16")
    return looks and needs_quantizing(model, target)


def makes_own_file(model: DeployableModel, target: TargetSpec, options: QuantizeOptions) -> bool:
    """True where seatrial's own quantizer makes the file of the target: it can leave single nodes in float.

    Not of a simulated precision: what it leaves in float would no longer be simulated.
    """
    return options.quantizer == OURS and needs_quantizing(model, target) and not is_simulated(target.precision)


def target_file(
    model: DeployableModel,
    target: TargetSpec,
    images: CalibrationImages | None,
    options: QuantizeOptions,
    leave: Mapping[str, str] = MappingProxyType({}),
    *,
    saturates: bool,
) -> DeployableModel:
    """The graph that the target runs: the file as it ships at its own precision, else made from its float32 form.

    images: what to calibrate on, None where that needs none. leave: nodes of a file made here that stay float, and why.
    saturates: as `saturates_at` says of where it runs. Raises what `calib.quantize` raises.
    """
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
        options=options,
        saturates=saturates,
        leave=leave,
    )


def sensitivities_of(
    model: DeployableModel, target: TargetSpec, images: CalibrationImages, options: QuantizeOptions, *, saturates: bool
) -> list[tuple[str, float]]:
    """What each layer of such a file costs at the scores by itself: see `calib.sensitivities`."""
    engine = recipe_of(target)
    return calib.sensitivities(
        model, target.precision, engine=engine, images=images, options=options, saturates=saturates
    )


def saturates_at(place: Place, device: str) -> bool:
    """True where integers are multiplied by a processor whose sums of products overflow."""
    return device_kind(device) == "cpu" and place.facts().processor.saturates
