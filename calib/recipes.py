"""Which Q/DQ form an engine really executes at a precision: recipes as data, each with its reasons.

A wrong form is no error anywhere: the engine silently runs such layers in float, often slower than the float model.
"""

from __future__ import annotations

import dataclasses

from shipcheck.errors import UnsupportedError


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A Q/DQ form.

    activation_type, weight_type: ONNX integer types of the quantized values. symmetric_*: zero point fixed at the
    middle. per_channel: one weight scale per output channel. quantize_bias: bias as int32 with scale input x weight.
    """

    name: str
    activation_type: str
    weight_type: str
    symmetric_activations: bool
    symmetric_weights: bool
    per_channel: bool
    quantize_bias: bool
    reasons: tuple[str, ...]


_RECIPES: dict[tuple[str, str], Recipe] = {
    ("onnxruntime", "int8"): Recipe(
        name="onnxruntime-cpu-int8",
        activation_type="uint8",
        weight_type="int8",
        symmetric_activations=False,
        symmetric_weights=True,
        per_channel=True,
        quantize_bias=True,
        reasons=(
            "uint8 activations with a free zero point: a Relu between Q/DQ pairs then folds into the quantized "
            "convolution; with symmetric int8 it does not, and about half of the convolutions of a ResNet run in float",
            "int8 symmetric weights: QLinearConv takes weights per channel only with a zero point of zero",
            "per channel: costs nothing at run time and keeps depthwise convolutions usable",
            "int32 bias: QLinearConv adds it inside its accumulator",
        ),
    ),
}


def recipe_for(engine: str, precision: str) -> Recipe:
    """The recipe of an engine for a quantized precision; UnsupportedError where none exists."""
    try:
        return _RECIPES[engine, precision]
    except KeyError:
        known = ", ".join(f"{precision} for {engine}" for engine, precision in _RECIPES)
        raise UnsupportedError(f"There is no recipe for {precision} on engine {engine!r}. There is: {known}.") from None
