"""Float ONNX -> ONNX at the asked precision, in the Q/DQ form that the engine really executes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from seatrial.calib import cache as _cache
from seatrial.calib.images import CalibrationImages
from seatrial.calib.integer import quantize_integer, sensitivity
from seatrial.calib.narrow import narrowed
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.processors import describe_processors
from seatrial.calib.quantizers import Quantizer, Request, needs_images, quantizer_for
from seatrial.calib.recipes import Recipe, recipe_for
from seatrial.calib.rest import with_half_rest
from seatrial.calib.static import check_quantizable
from seatrial.engines.cpu import processor
from seatrial.engines.precision import is_quantized
from seatrial.errors import BadInputError, UnsupportedError
from seatrial.exporters.float_view import float_view
from seatrial.exporters.model import DeployableModel

__all__ = [
    "CalibrationImages",
    "QuantizeOptions",
    "Recipe",
    "chosen_recipe",
    "has_recipe",
    "needs_images",
    "quantize",
    "recipe_for",
    "sensitivities",
]

_DEFAULTS = QuantizeOptions()


def quantize(
    model: DeployableModel,
    precision: str,
    *,
    engine: str,
    images: CalibrationImages | None,
    cache: Path | None = None,
    options: QuantizeOptions = _DEFAULTS,
    saturates: bool | None = None,
    leave: Mapping[str, str] = MappingProxyType({}),
) -> DeployableModel:
    """The model at `precision` in the recipe of `engine`, calibrated on `images`, from its float32 form.

    images: may be None where `needs_images` says so. cache: a folder to find it in and to file it into, keyed by all
    that shapes it. saturates: whether the processor that will run it adds products in 16 bits, None for that of this
    machine's. leave: nodes that stay float besides those that `options` name -> why, which the file's metadata keep.
    Raises UnsupportedError (no recipe, or no such quantizer here), BadInputError (nothing to calibrate
    on, or quantized already) or BuildError (the quantizer failed).
    """
    recipe = chosen_recipe(engine, precision, options, saturates)
    quantizer = quantizer_for(recipe, options)
    if images is None and needs_images(precision, options):
        raise BadInputError(f"{precision} needs calibration images.")
    check_quantizable(model, images)
    request = Request(float_view(model), recipe, images, options, leave)
    if cache is None:
        return _made(quantizer, request)
    key = _cache.cache_key(request)
    return _cache.find(cache, key, request.model) or _cache.store(cache, key, _made(quantizer, request))


def sensitivities(
    model: DeployableModel,
    precision: str,
    *,
    engine: str,
    images: CalibrationImages,
    options: QuantizeOptions = _DEFAULTS,
    saturates: bool | None = None,
) -> list[tuple[str, float]]:
    """(node, decibels) of every node that `quantize` would quantize, the most sensitive first: signal to noise at the
    scores with that node alone quantized. Empty where the quantizer or the precision has no such figure.
    """
    recipe = chosen_recipe(engine, precision, options, saturates)
    if quantizer_for(recipe, options) is not quantize_integer:
        return []
    return sensitivity(Request(float_view(model), recipe, images, options))


def _made(quantizer: Quantizer, request: Request) -> DeployableModel:
    model = quantizer(request)
    if request.recipe.narrow:
        model = narrowed(model)
    if (request.options.rest or request.recipe.rest) == "fp16" and is_quantized(model.precision):
        model = with_half_rest(request, model)
    if request.recipe.sums_in_16_bits:
        describe_processors(model.proto)
    return model


def chosen_recipe(
    engine: str, precision: str, options: QuantizeOptions = _DEFAULTS, saturates: bool | None = None
) -> Recipe:
    """The engine's recipe for a precision, as `quantize` takes it for that processor and these options."""
    recipe = recipe_for(engine, precision)
    narrow = options.portable or (processor().saturates if saturates is None else saturates)
    return recipe.for_all() if narrow else recipe


def has_recipe(engine: str, precision: str) -> bool:
    """True where a file of that precision is made for the engine; else it casts by itself, or cannot."""
    try:
        recipe_for(engine, precision)
    except UnsupportedError:
        return False
    return True
