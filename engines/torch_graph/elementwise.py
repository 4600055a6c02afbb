"""Arithmetic, comparison and logic, value by value, with NumPy's broadcasting."""

from __future__ import annotations

import functools
from typing import Any

import torch
from onnx import TensorProto

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op
from seatrial.engines.torch_graph.types import FLOATS, HELD_AS_FLOAT, INTEGER_RANGE, NATIVE

_UNARY: dict[str, Compute] = {
    "Abs": torch.abs,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Log": torch.log,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,  # half to even, as ONNX says
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sqrt": torch.sqrt,
    "Tanh": torch.tanh,
}
_BINARY: dict[str, Compute] = {
    "Add": torch.add,
    "And": torch.logical_and,
    "Mul": torch.mul,
    "Or": torch.logical_or,
    "Sub": torch.sub,
    "Xor": torch.logical_xor,
}
_COMPARISONS: dict[str, Compute] = {
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
}
_EXTREMES = {"Max": torch.maximum, "Min": torch.minimum}


@op(*_UNARY)
def unary(node: Node) -> Compute:
    """One tensor in, one of the same shape out."""
    return _UNARY[node.op]


@op(*_BINARY)
def binary(node: Node) -> Compute:
    """Two tensors in, broadcast together."""
    return _BINARY[node.op]


@op(*_COMPARISONS, held=True)
def comparison(node: Node) -> Compute:
    """Two tensors in, booleans out."""
    return _COMPARISONS[node.op]


@op(*_EXTREMES, held=True)
def extreme(node: Node) -> Compute:
    """The largest or smallest of any number of tensors."""
    function = _EXTREMES[node.op]
    return lambda *values: functools.reduce(function, values)


@op("Sum")
def total(node: Node) -> Compute:
    """The sum of any number of tensors."""
    return lambda *values: functools.reduce(torch.add, values)


@op("Mean")
def mean(node: Node) -> Compute:
    """The mean of any number of tensors."""
    return lambda *values: functools.reduce(torch.add, values) / len(values)


@op("Div")
def div(node: Node) -> Compute:
    """Division; of integers, truncated toward zero."""
    if node.type_of(0) in FLOATS:
        return lambda x, y: torch.div(x, y)
    return functools.partial(torch.div, rounding_mode="trunc")


@op("Pow")
def power(node: Node) -> Compute:
    """x to the y, in the type of x."""

    def compute(x: Tensor, y: Tensor) -> Tensor:
        return torch.pow(x, y).to(x.dtype)

    exponent = node.constant(1)
    if exponent is None or exponent.numel() != 1 or exponent.ndim > 0 or node.type_of(0) not in FLOATS:
        return compute
    number = exponent.item()
    return lambda x, _: torch.pow(x, number)  # squares and roots have kernels and gradients of their own


@op("Mod")
def mod(node: Node) -> Compute:
    """The remainder: with the divisor's sign, or with fmod=1 the dividend's, as C's fmod."""
    function: Compute = torch.fmod if node.attribute("fmod", 0) else torch.remainder
    return function


@op("Where", held=True)
def where(node: Node) -> Compute:
    """One of two values, by a condition."""
    return lambda condition, x, y: torch.where(condition, x, y)


@op("Clip", held=True)
def clip(node: Node) -> Compute:
    """Limits values; the limits are attributes before opset 11. The gradient passes at the limits themselves."""
    if node.opset < 11:
        low, high = node.attribute("min"), node.attribute("max")
        return _identity if low is None and high is None else functools.partial(torch.clamp, min=low, max=high)
    known = [node.constant(place) if node.given(place) else None for place in (1, 2)]
    if all(node.given(place) == (value is not None) for place, value in zip((1, 2), known, strict=True)):
        low, high = (None if value is None else value.item() for value in known)
        if low is None and high is None:
            return _identity
        return lambda x, *_: torch.clamp(x, low, high)

    def compute(x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
        x = x if low is None else torch.maximum(x, low)
        return x if high is None else torch.minimum(x, high)

    return compute


@op("Identity", held=True)
def identity(node: Node) -> Compute:
    """The value itself."""
    return _identity


@op("Dropout")
def dropout(node: Node) -> Compute:
    """Nothing, as in inference; UnsupportedError where the node trains."""
    node.only_first_output()
    for name in ("ratio", "seed"):
        node.attribute(name)
    training = node.constant(2)
    if node.given(2) and (training is None or bool(training.item())):
        raise node.unsupported("training_mode is not supported")
    return _identity


@op("Cast", "CastLike", held=True)
def cast(node: Node) -> Compute:
    """Another element type; floats are truncated toward zero on the way to integers."""
    node.require("saturate", 1)
    node.attribute("round_mode")  # of float8e8m0, which is not held
    node.attribute("to")
    target = node.output_type()
    source = node.type_of(0)
    if target == TensorProto.FLOAT8E4M3FN and source != target:
        raise node.unsupported("rounding to 8-bit floats is QuantizeLinear's alone")
    floats = node.floats

    def to_float(x: Tensor, *_: Any) -> Tensor:
        return x.to(floats.of(target))

    def to_small_integer(x: Tensor, *_: Any) -> Tensor:
        low, high = INTEGER_RANGE[target]
        x = x.to(floats.working).trunc()
        return torch.remainder(x - low, high - low + 1) + low

    if target == source:
        return _identity
    if target in INTEGER_RANGE:
        return to_small_integer
    if target in FLOATS or target in HELD_AS_FLOAT:
        return to_float
    return lambda x, *_: x.to(NATIVE[target])


def _identity(x: Tensor, *_: Any) -> Tensor:
    return x
