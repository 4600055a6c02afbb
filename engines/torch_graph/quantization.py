"""QuantizeLinear and DequantizeLinear, with straight-through gradients."""

from __future__ import annotations

from typing import Any

import torch
from onnx import TensorProto

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op
from seatrial.engines.torch_graph.types import FLOAT8_MAX, HELD_AS_FLOAT, INTEGER_RANGE, type_name

_HALVES = (torch.float16, torch.bfloat16)


@op("QuantizeLinear", held=True)
def quantize_linear(node: Node) -> Compute:
    """saturate(round(x / scale) + zero point), halves to even, per tensor, per axis or per block.

    Rounding passes the gradient on; saturation passes it on inside the representable range, its ends included.
    """
    node.require("saturate", 1)
    node.require("precision", 0)
    target = _target(node)
    axis, block = node.attribute("axis", 1), node.attribute("block_size", 0)
    zero = _zero_number(node)
    floats = node.floats
    low, high = INTEGER_RANGE.get(target, (-FLOAT8_MAX, FLOAT8_MAX))

    def compute(x: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
        scale = _spread(scale, x, axis, block)
        offset: Any = zero if zero is not None else _spread(zero_point, x, axis, block)
        if x.requires_grad and not scale.requires_grad and x.dtype not in _HALVES and target in INTEGER_RANGE:
            return _Quantize.apply(x, scale, offset, low, high)
        value = torch.div(x, scale)
        if value.dtype in _HALVES:
            value = value.to(floats.working)  # 16 bits of integer do not fit into a half
        if target == TensorProto.FLOAT8E4M3FN:
            return _ToFloat8.apply(value.clamp(low, high))
        if value.requires_grad:
            return torch.clamp(_Round.apply(value) + offset, low, high)
        return value.round_().add_(offset).clamp_(low, high)  # a fresh tensor: nobody sees it change

    return compute


@op("DequantizeLinear", held=True)
def dequantize_linear(node: Node) -> Compute:
    """(x - zero point) * scale, per tensor, per axis or per block, in the scale's type.

    32-bit integers, such as biases, are multiplied in float64 and rounded once.
    """
    if node.type_of(0) not in (*HELD_AS_FLOAT, TensorProto.INT32):
        raise node.unsupported("it takes integers of 2 to 16 and 32 bits and float8 e4m3fn only")
    axis, block = node.attribute("axis", 1), node.attribute("block_size", 0)
    kind = node.output_type()
    node.attribute("output_dtype")  # the output's type, already known
    zero = _zero_number(node)
    wide = node.type_of(0) == TensorProto.INT32
    floats = node.floats

    def compute(x: Tensor, scale: Tensor, zero_point: Tensor | None = None) -> Tensor:
        offset: Any = zero if zero is not None else _spread(zero_point, x, axis, block)
        scale = _spread(scale, x, axis, block)
        if wide:
            return ((x.to(torch.float64) - offset) * scale.to(torch.float64)).to(floats.of(kind))
        if scale.dtype in _HALVES:
            scale = scale.to(floats.working)
        if zero == 0 or scale.requires_grad:
            return ((x if zero == 0 else x - offset) * scale).to(floats.of(kind))
        return (x - offset).mul_(scale).to(floats.of(kind))

    return compute


def _target(node: Node) -> int:
    """The type to quantize to: output_dtype, else the zero point's, else uint8."""
    target = int(node.attribute("output_dtype", 0) or node.type_of(2) or TensorProto.UINT8)
    if target not in HELD_AS_FLOAT:
        raise node.unsupported(f"quantizing to {type_name(target)} is not supported")
    return target


def _zero_number(node: Node) -> float | None:
    """The zero point as one number, where it is constant and the same everywhere; None where it must be read."""
    if not node.given(2):
        return 0.0
    value = node.constant(2)
    if value is None or not value.numel() or bool((value != value.reshape(-1)[0]).any()):
        return None
    return float(value.reshape(-1)[0])


def _spread(parameter: Tensor | None, x: Tensor, axis: int, block: int) -> Tensor:
    """A scale or zero point in a shape that broadcasts with x."""
    assert parameter is not None
    if parameter.numel() == 1 and parameter.ndim <= 1:
        return parameter.reshape(())
    axis = axis % x.ndim
    if block:
        return parameter.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    return parameter.reshape([-1 if place == axis else 1 for place in range(x.ndim)])


class _Quantize(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is optional
    """The whole of it for a constant scale, in a fraction of the passes over memory that its parts take.

    Keeps the input alone, which what made it mostly keeps too, and rounds it again for the gradient: faster than to
    write and read a mask.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, offset: Any, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x, scale)
        ctx.rest = offset, low, high
        return _rounded(x, scale, offset).clamp_(low, high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        (x, scale), (offset, low, high) = ctx.saved_tensors, ctx.rest
        # Of hardtanh, whose ends are out: whole numbers lie inside of these when they lie in low..high.
        inner = torch.ops.aten.hardtanh_backward(gradient, _rounded(x, scale, offset), low - 0.5, high + 0.5)
        return inner.div_(scale), None, None, None, None


def _rounded(x: Tensor, scale: Tensor, offset: Any) -> Tensor:
    value = torch.div(x, scale).round_()
    return value if isinstance(offset, float) and offset == 0 else value.add_(offset)


class _Round(torch.autograd.Function):  # type: ignore[misc]
    """Rounds half to even; the gradient passes as if nothing had happened."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004  (PyTorch's signature)
        return value.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient


class _ToFloat8(torch.autograd.Function):  # type: ignore[misc]
    """Rounds to the nearest float8 e4m3fn; the gradient passes as if nothing had happened."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004  (PyTorch's signature)
        return value.to(torch.float8_e4m3fn).to(value.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient
