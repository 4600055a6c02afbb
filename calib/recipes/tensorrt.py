"""What TensorRT (10.x, 11.x) and TensorRT-RTX execute, as files for strongly typed networks, and on which GPUs.

What the reasons say of refusals was seen on builds of tensorrt-rtx 1.7.1, which needs no GPU; where kernels fuse stands
in NVIDIA's guide to explicit quantization:
https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/quantized-types-explicit-quantization.html
"""

from __future__ import annotations

from calib.recipes.recipe import Recipe
from shipcheck.errors import UnsupportedError

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
            reasons=(
                _TYPED,
                "symmetric int8 activations: 'Non-zero zero point is not supported', and uint8 is read as int8 with no "
                "more than a warning",
                _PER_CHANNEL,
                _FLOAT_BIAS,
                _POSITIVE,
                _PLACEMENT,
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
            least_channels=16,
            reasons=(
                "layers of fewer than 16 channels stay float, depthwise convolutions among them: three bits of "
                "mantissa leave them too little (MobileNet v1: 58.5 instead of 81.5 %); so does Model Optimizer",
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
            reasons=(
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

_TENSORRT = "https://docs.nvidia.com/deeplearning/tensorrt/latest/getting-started/support-matrix.html"
_RTX = "https://docs.nvidia.com/deeplearning/tensorrt-rtx/latest/getting-started/support-matrix.html"
# Least compute capability (major, minor) by engine and precision. TensorRT-RTX 1.7.1 refuses all that is below when it
# builds, except int8 at 7.5, which its matrix does not support; it builds at 8.0, where the matrix begins with 8.6. Of
# int8 that matrix names weights of matrix products alone: int8 convolutions build, at what speed only a GPU can say.
CAPABILITIES: dict[str, dict[str, tuple[int, int]]] = {
    "tensorrt": {"fp32": (7, 5), "fp16": (7, 5), "bf16": (8, 0), "int8": (7, 5), "int4": (8, 0), "fp8": (8, 9)},
    "tensorrt-rtx": {"fp32": (8, 0), "fp16": (7, 5), "bf16": (8, 0), "int8": (8, 0), "int4": (8, 0), "fp8": (8, 9)},
}
SOURCES: dict[str, str] = {"tensorrt": _TENSORRT, "tensorrt-rtx": _RTX}


def check_capability(precision: str, compute_capability: tuple[int, int], engine: str = "tensorrt") -> None:
    """UnsupportedError where GPUs of that compute capability, as in (8, 6), do not compute at the precision.

    engine: one of `ENGINES`. A precision without a figure (w4a8, simulated ones) is refused everywhere.
    """
    least = CAPABILITIES[engine].get(precision)
    if least is None:
        known = ", ".join(CAPABILITIES[engine])
        raise UnsupportedError(f"{engine} does not run {precision} on any GPU. It runs: {known}.")
    if compute_capability < least:
        able = ", ".join(name for name, other in CAPABILITIES[engine].items() if other <= compute_capability) or "none"
        raise UnsupportedError(
            f"{engine} runs {precision} from compute capability {least[0]}.{least[1]} on; this GPU has "
            f"{compute_capability[0]}.{compute_capability[1]}, which runs: {able}. Source: {SOURCES[engine]}"
        )
