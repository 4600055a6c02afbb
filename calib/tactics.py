"""Which products TensorRT has kernels for that are worth quantizing: what has none is slower in 8 bits than in float16.

The rules are those of NVIDIA's Model Optimizer (0.47, modelopt/onnx/quantization/graph_utils.py), which were measured
on GPUs; TensorRT#3987, #4081 and #4560 are about first convolutions without fp8 kernels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

# Rows and columns of what a Tensor Core multiplies at once in 8 bits.
_LEAST = 16
_LARGEST_FP8_FILTER = 32


@dataclasses.dataclass(frozen=True)
class Product:
    """An operator that multiplies by a constant. outputs, inputs: channels, or columns and rows of a matrix; inputs: of
    one group. kernel: a convolution's window, () for a matrix. first: it reads the image.
    """

    outputs: int
    inputs: int
    kernel: tuple[int, ...] = ()
    groups: int = 1
    first: bool = False


Rule = Callable[[Product], str | None]


def int8(product: Product) -> str | None:
    """Why it stays float, None where it is quantized."""
    few = min(product.outputs, product.inputs) < _LEAST
    if not few:
        return None
    if not product.kernel:
        return _small_matrix("int8")
    eights = product.outputs % 8 == 0 or product.inputs % 8 == 0
    wide = product.first or max(product.outputs, product.inputs) >= _LEAST
    if product.groups == 1 and eights and wide and len(set(product.kernel)) == 1:
        return None
    if product.groups > 1 and product.outputs % 8 == 0 and min(product.kernel) >= 3:
        return None
    return f"TensorRT has no fast int8 kernel for {_words(product)}"


def fp8(product: Product) -> str | None:
    """Why it stays float, None where it is quantized."""
    if not product.kernel:
        return _small_matrix("fp8") if min(product.outputs, product.inputs) < _LEAST else None
    if min(product.outputs, product.inputs) <= _LEAST:
        return f"TensorRT's fp8 kernels for {_words(product)} are slower than those of float16, or missing"
    if math.prod(product.kernel) > _LARGEST_FP8_FILTER:
        return f"TensorRT has no fp8 kernel for filters above {_LARGEST_FP8_FILTER} elements"
    return None


def _small_matrix(precision: str) -> str:
    return f"{precision} matrix products of a dimension below {_LEAST} are slower than those of float16"


def _words(product: Product) -> str:
    groups = f" in {product.groups} groups" if product.groups > 1 else ""
    return f"{product.inputs} to {product.outputs} channels{groups} and {'x'.join(map(str, product.kernel))} filters"


RULES: Mapping[str, Rule] = MappingProxyType({"int8": int8, "fp8": fp8})
