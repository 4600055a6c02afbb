"""What TensorRT (10.x, 11.x) and TensorRT-RTX execute, as files for strongly typed networks; on which GPUs, stands in
`engines.tensorrt.capabilities`.

What the reasons say of refusals was seen on builds of tensorrt-rtx 1.7.1, which needs no GPU; where kernels fuse stands
in NVIDIA's guide to explicit quantization:
https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/quantized-types-explicit-quantization.html
"""

from __future__ import annotations

from seatrial.calib.recipes.recipe import Recipe

ENGINES = ("tensorrt", "tensorrt-rtx")

_TYPED = (
    "strongly typed: since 11.0 there are no FP16 and INT8 flags and no calibrators, and 10.x takes the same file; so "
    "the types in the file are the precision"
)
_BORDERS = "float32 at the borders, a Cast behind and before: every target is fed the same tensor"
_PLACEMENT = (
    "Q/DQ before operators that multiply, and on the skipping input of a residual Add, which the convolution in front "
    "of it then adds in its own kernel; none behind them, where it would cut Add and Relu off the convolution"
)
_FLOAT_BIAS = (
    "float bias: the int32 one is refused (DequantizeLinear: 'input has type Int32 but must have type FP8, FP4, Int4, "
    "Int8, or UInt8')"
)
_PER_CHANNEL = "one weight scale per output channel: costs nothing at run time; activations have one per tensor"
_REST = (
    "float16 for what is not quantized: strong typing forbids TensorRT to choose it, and int8 beside float16 is what "
    "is deployed (Model Optimizer writes fp8 so, too); what leaves float16's range stays float32"
)
_POSITIVE = "every scale above zero, those of dead channels, too: 'Scale coefficients must all be positive'"


def _recipes(engine: str) -> tuple[Recipe, ...]:
    return (
        Recipe(
            engine=engine,
            precision="fp16",
            activation_type=None,
            weight_type=None,
            quantize_outputs=False,
            reasons=(_TYPED, _BORDERS, "nodes whose values leave float16's range stay float32, with Casts around them"),
        ),
        Recipe(
            engine=engine,
            precision="bf16",
            activation_type=None,
            weight_type=None,
            quantize_outputs=False,
            reasons=(
                _TYPED,
                _BORDERS,
                "opset 22: the first whose Conv and pooling take bfloat16",
                "float32's range, so nothing overflows; 8 significant bits, so each value is off by up to 0.4 %",
            ),
        ),
        Recipe(
            engine=engine,
            precision="int8",
            activation_type="int8",
            weight_type="int8",
            symmetric_activations=True,
            symmetric_weights=True,
            per_channel=True,
            quantize_bias=False,
            quantize_outputs=False,
            tactics="int8",
            rest="fp16",
            reasons=(
                _REST,
                _TYPED,
                "symmetric int8 activations: 'Non-zero zero point is not supported', and uint8 is read as int8 with no "
                "more than a warning",
                _PER_CHANNEL,
                _FLOAT_BIAS,
                _POSITIVE,
                _PLACEMENT,
                "products of fewer than 16 channels stay float where TensorRT's int8 kernels do not take them (Model "
                "Optimizer's rule)",
            ),
        ),
        Recipe(
            engine=engine,
            precision="fp8",
            activation_type="float8e4m3fn",
            weight_type="float8e4m3fn",
            symmetric_activations=True,
            symmetric_weights=True,
            per_channel=True,
            quantize_bias=False,
            quantize_outputs=False,
            tactics="fp8",
            rest="fp16",
            reasons=(
                _REST,
                "layers of up to 16 channels stay float, depthwise convolutions among them: their fp8 kernels are slow "
                "or missing, and three bits of mantissa leave them too little (MobileNet v1: 58.5 instead of 81.5 %)",
                _TYPED,
                "E4M3 for weights and activations alike: it is TensorRT's only 8-bit float, and operands of different "
                "types are refused (MyelinCheckException: dtype == W.type())",
                _PER_CHANNEL,
                _FLOAT_BIAS,
                _POSITIVE,
                _PLACEMENT,
            ),
        ),
        Recipe(
            engine=engine,
            precision="int4",
            activation_type=None,
            weight_type="int4",
            symmetric_weights=True,
            per_channel=True,
            quantize_bias=False,
            quantize_outputs=False,
            block_size=64,
            rest="fp16",
            reasons=(
                _REST,
                "weights alone, of matrix products: convolutions by int4 weights are dequantized when the engine is "
                "built and run in float, and with int8 activations they do not build",
                "signed and symmetric: UINT4 is refused ('Failed to import initializer')",
                "MatMul with [K, N] and blocks along K: the layout of NVIDIA's kernels",
                "blocks of 64: K must divide into whole ones ('The quantization axis must divide into whole blocks'), "
                "and classifiers' K is a multiple of 64 more often than of 128",
            ),
        ),
    )


RECIPES: tuple[Recipe, ...] = tuple(recipe for engine in ENGINES for recipe in _recipes(engine))
