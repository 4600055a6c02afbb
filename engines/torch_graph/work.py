"""How many multiply-accumulates a computed node took."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engines.audit import convolution_macs, matmul_macs

Shape = Sequence[int]


def macs(op: str, inputs: Sequence[Shape], output: Shape, attributes: Mapping[str, Any]) -> int | None:
    """Multiply-accumulates of one node over its whole batch, from the shapes it met; None for an op without any."""
    count = _COUNTS.get(op)
    return None if count is None else count(inputs, output, attributes)


def _conv(inputs: Sequence[Shape], output: Shape, attributes: Mapping[str, Any]) -> int:
    return output[0] * convolution_macs(output, inputs[1])


def _conv_transpose(inputs: Sequence[Shape], output: Shape, attributes: Mapping[str, Any]) -> int:
    # Every input value meets the weight once: [C, M / group, kH, kW].
    return inputs[0][0] * convolution_macs(inputs[0], inputs[1])


def _gemm(inputs: Sequence[Shape], output: Shape, attributes: Mapping[str, Any]) -> int:
    return matmul_macs((1, *output), inputs[0][0 if attributes.get("transA") else 1])


def _matmul(inputs: Sequence[Shape], output: Shape, attributes: Mapping[str, Any]) -> int:
    return matmul_macs((1, *output), inputs[0][-1])


def _einsum(inputs: Sequence[Shape], output: Shape, attributes: Mapping[str, Any]) -> int | None:
    """One for every combination of all indices, as the formula says; a single operand is only moved or summed."""
    if len(inputs) < 2:
        return None
    operands = attributes["equation"].decode().replace(" ", "").split("->")[0].split(",")
    extents: dict[str | int, int] = {}
    for operand, shape in zip(operands, inputs, strict=True):
        left, _, right = operand.partition("...")
        extents.update(zip(left, shape, strict=False))
        extents.update(zip(reversed(right), reversed(shape), strict=False))
        if "..." in operand:
            middle = shape[len(left) : len(shape) - len(right)]
            for place, extent in enumerate(reversed(middle)):  # broadcast from the last axis on
                extents[place] = max(extents.get(place, 1), extent)
    return math.prod(extents.values())


_COUNTS: dict[str, Callable[[Sequence[Shape], Shape, Mapping[str, Any]], int | None]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
