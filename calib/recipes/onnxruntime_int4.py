"""What ONNX Runtime's CPU provider executes with 4-bit weights."""

from __future__ import annotations

from seatrial.calib.recipes.recipe import Recipe

RECIPES = (
    Recipe(
        engine="onnxruntime",
        precision="int4",
        activation_type=None,
        weight_type="uint4",
        symmetric_activations=False,
        symmetric_weights=False,
        per_channel=True,
        quantize_bias=False,
        quantize_outputs=False,
        block_size=32,
        reasons=(
            "weights alone, of MatMul and Gemm with constant weights: ONNX Runtime has one kernel that multiplies by "
            "4-bit weights, MatMulNBits; convolutions by them are folded to float",
            "a constant [K, N] directly before its DequantizeLinear, that before a MatMul with the weight on its "
            "right: what is fused to MatMulNBits; a Gemm is written as MatMul and Add",
            "blocks along K, of 32: the kernel takes powers of two from 16 on",
            "uint4 with a zero point per block: the kernel takes it, and it is finer than a symmetric grid",
            "1 x 1 convolutions stay convolutions: as MatMul between Transposes they run in 4 bits, but slower than "
            "the float convolutions",
        ),
    ),
)
