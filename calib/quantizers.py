"""Who makes a precision's file: one function per quantizer and kind of precision, imported when it is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from importlib import import_module

from calib.images import CalibrationImages
from calib.options import QuantizeOptions
from calib.recipes import Recipe
from exporters.model import DeployableModel
from shipcheck.errors import UnsupportedError


@dataclasses.dataclass(frozen=True)
class Request:
    """What a quantizer is given: the float32 model, the recipe, the images (None where the precision needs none).
    leave: nodes that stay float besides those that the options name -> why.
    """

    model: DeployableModel
    recipe: Recipe
    images: CalibrationImages | None
    options: QuantizeOptions
    leave: Mapping[str, str] = dataclasses.field(default_factory=dict)


# Returns the model at the recipe's precision; raises BuildError, UnsupportedError or BadInputError.
Quantizer = Callable[[Request], DeployableModel]

# (quantizer, precision) -> module:function. Precisions sim-w4a4 and the like are filed under "sim".
_QUANTIZERS: dict[tuple[str, str], str] = {
    ("modelopt", "fp8"): "calib.modelopt:quantize_modelopt",
    ("modelopt", "int4"): "calib.modelopt:quantize_modelopt",
    ("modelopt", "int8"): "calib.modelopt:quantize_modelopt",
    ("nncf", "int8"): "calib.nncf:quantize_nncf",
    ("nncf-accuracy", "int8"): "calib.nncf:quantize_nncf_accuracy",
    ("onnxruntime", "int8"): "calib.static:quantize_static",
    ("shipcheck", "bf16"): "calib.half:cast_half",
    ("shipcheck", "fp16"): "calib.half:cast_half",
    ("shipcheck", "int4"): "calib.int4:quantize_int4",
    ("shipcheck", "sim"): "calib.simulated:quantize_simulated",
    ("shipcheck", "int8"): "calib.integer:quantize_integer",
    ("shipcheck", "fp8"): "calib.integer:quantize_integer",
}
# Precisions that are reached without looking at images, unless a method says otherwise.
_WITHOUT_IMAGES = ("fp16", "bf16")


def quantizer_for(recipe: Recipe, options: QuantizeOptions) -> Quantizer:
    """The function that makes this precision; UnsupportedError that lists who can."""
    kind = "sim" if recipe.precision.startswith("sim-") else recipe.precision
    target = _QUANTIZERS.get((options.quantizer, kind))
    if target is None:
        able = ", ".join(quantizer for quantizer, precision in _QUANTIZERS if precision == kind) or "none"
        raise UnsupportedError(
            f"Quantizer {options.quantizer!r} does not make {recipe.precision}. Those that do: {able}."
        )
    module, _, name = target.partition(":")
    function: Quantizer = getattr(import_module(module), name)
    return function


def needs_images(precision: str, options: QuantizeOptions) -> bool:
    """False where the precision is reached by arithmetic on the weights alone."""
    return precision not in _WITHOUT_IMAGES and not (precision == "int4" and options.int4_method == "rtn")
