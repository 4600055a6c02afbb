"""What ONNX Runtime's CPU provider executes."""

from __future__ import annotations

from calib.recipes.recipe import Recipe

RECIPES = (
    Recipe(
        engine="onnxruntime",
        precision="int8",
        activation_type="uint8",
        weight_type="int8",
        symmetric_activations=False,
        symmetric_weights=True,
        per_channel=True,
        quantize_bias=True,
        quantize_outputs=True,
        reasons=(
            "uint8 activations with a free zero point: a Relu between Q/DQ pairs then folds into the quantized "
            "convolution; with symmetric int8 it does not, and about half of the convolutions of a ResNet run in float",
            "int8 symmetric weights: QLinearConv takes weights per channel only with a zero point of zero",
            "per channel: costs nothing at run time and keeps depthwise convolutions usable",
            "int32 bias: QLinearConv adds it inside its accumulator",
        ),
    ),
)
