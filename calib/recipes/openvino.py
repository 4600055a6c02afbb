"""What OpenVINO executes."""

from __future__ import annotations

from seatrial.calib.recipes.recipe import Recipe

# Read off the kernels that ran (OpenVINO 2026.4, x86 with VNNI and AMX), not off `runtimePrecision`, which says i8 for
# a float convolution of 8-bit weights, too.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        engine="openvino",
        precision="int8",
        activation_type="uint8",
        weight_type="int8",
        symmetric_activations=False,
        symmetric_weights=True,
        sums_in_16_bits=True,
        per_channel=True,
        quantize_bias=False,
        quantize_outputs=False,
        quantize_residuals=True,
        no_kernel=("grouped ConvTranspose",),
        reasons=(
            "uint8 activations with a free zero point: behind a Relu it is 0 and folds away; elsewhere (images, linear "
            "bottlenecks) convolutions and fully connected layers compensate it. Products of two activations, as in an "
            "attention, do not: they run in float",
            "not int8 with a free zero point: behind a Relu it is -128 and is not folded; on processors with AMX all "
            "convolutions but the first run in float then (with VNNI alone they run in int8)",
            "not symmetric int8, though it runs in int8, too: behind a Relu half of its range is empty, which costs "
            "1.5 to 5 dB at the scores, and MobileNets are slower with it (1.9 and 2.2 ms)",
            "int8 symmetric weights: with uint8 weights every convolution runs in float",
            "per channel: costs nothing at run time and keeps depthwise convolutions usable",
            "ConvTranspose with groups stays float: it runs so with one weight scale, one per channel and one per "
            "group alike; without groups it runs in int8",
            "float bias: kernels and speed are the same with an int32 one, which is rounded for nothing",
            "Q/DQ before what multiplies and on the shortcut of a residual Add, none behind operators: there they come "
            "between a convolution and its Hardswish or SiLU (2.1 instead of 1.6 ms), and networks with attention do "
            "not build. SqueezeNet would be faster with them (2.0 instead of 2.5 ms): its pooling and Concat run in "
            "float without",
        ),
    ),
)
