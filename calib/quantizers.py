"""Who makes a precision's file: one function per quantizer and kind of precision, imported when it is needed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from importlib import import_module

from seatrial.calib.images import CalibrationImages
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.recipes import Recipe
from seatrial.engines.precision import simulated_bits
from seatrial.errors import UnsupportedError
from seatrial.exporters.model import DeployableModel


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

# (quantizer, precision) -> module:function. Precisions sim-w4a4 and the like are filed under "sim", sim-w4 and the like
# under "sim-weights".
_QUANTIZERS: dict[tuple[str, str], str] = {
    ("modelopt", "fp8"): "seatrial.calib.modelopt:quantize_modelopt",
    ("modelopt", "int4"): "seatrial.calib.modelopt:quantize_modelopt",
    ("modelopt", "int8"): "seatrial.calib.modelopt:quantize_modelopt",
    ("nncf", "int8"): "seatrial.calib.nncf:quantize_nncf",
    ("nncf-accuracy", "int8"): "seatrial.calib.nncf:quantize_nncf_accuracy",
    ("onnxruntime", "int8"): "seatrial.calib.static:quantize_static",
    ("seatrial", "bf16"): "seatrial.calib.half:cast_half",
    ("seatrial", "fp16"): "seatrial.calib.half:cast_half",
    ("seatrial", "int4"): "seatrial.calib.int4:quantize_int4",
    ("seatrial", "sim"): "seatrial.calib.simulated:quantize_simulated",
    ("seatrial", "sim-weights"): "seatrial.calib.simulated_weights:quantize_weights",
    ("seatrial", "int8"): "seatrial.calib.integer:quantize_integer",
    ("seatrial", "fp8"): "seatrial.calib.integer:quantize_integer",
}
# Precisions that are reached without looking at images, unless a method says otherwise.
_WITHOUT_IMAGES = ("fp16", "bf16")


def quantizer_for(recipe: Recipe, options: QuantizeOptions) -> Quantizer:
    """The function that makes this precision; UnsupportedError that lists who can."""
    bits = simulated_bits(recipe.precision)
    kind = recipe.precision if bits is None else "sim-weights" if bits[1] is None else "sim"
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
    bits = simulated_bits(precision)
    weights_alone = (precision == "int4" and options.int4_method == "rtn") or (bits is not None and bits[1] is None)
    return precision not in _WITHOUT_IMAGES and not weights_alone
