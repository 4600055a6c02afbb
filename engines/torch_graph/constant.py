"""Tensors out of nothing: constants, fills and ranges."""

from __future__ import annotations

import torch
from onnx import TensorProto

from seatrial.engines.torch_graph.node import Compute, Node, Tensor, op
from seatrial.engines.torch_graph.types import FLOATS, NATIVE, to_tensor

_SCALARS = {"value_float": torch.float32, "value_int": torch.int64}
_LISTS = {"value_floats": torch.float32, "value_ints": torch.int64}


@op("Constant", held=True)
def constant(node: Node) -> Compute:
    """A tensor, number or list of numbers from the attributes."""
    for name, dtype in {**_SCALARS, **_LISTS}.items():
        value = node.attribute(name)
        if value is not None:
            numbers = torch.tensor(value, dtype=dtype)
            return lambda: numbers
    proto = node.attribute("value")
    if proto is None:
        raise node.unsupported("it holds neither a dense tensor nor numbers")
    return _constant(node, to_tensor_of(node, proto))


@op("ConstantOfShape", host=(0,))
def constant_of_shape(node: Node) -> Compute:
    """A shape filled with one value, float32 zero by default."""
    proto = node.attribute("value")
    value = torch.zeros(1) if proto is None else to_tensor_of(node, proto)
    read_shape = node.numbers(0)
    kind, floats = node.output_type(), node.floats

    def compute(shape: Tensor) -> Tensor:
        dtype = floats.of(kind) if kind in FLOATS else value.dtype
        return torch.full(read_shape(shape) or (), value.item(), dtype=dtype)

    return compute


@op("Range", host=(0, 1, 2))
def range_(node: Node) -> Compute:
    """start, start + delta, ... before limit."""
    kind, floats = node.output_type(), node.floats
    readers = [node.numbers(place) for place in range(3)]

    def compute(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
        first, last, step = (
            (read(value) or [0])[0] for read, value in zip(readers, (start, limit, delta), strict=True)
        )
        return torch.arange(first, last, step, dtype=floats.of(kind) if kind in FLOATS else NATIVE[kind])

    return compute


def to_tensor_of(node: Node, proto: TensorProto) -> Tensor:
    """The tensor of an attribute; UnsupportedError for a type that is not held."""
    try:
        return to_tensor(proto)
    except ValueError as error:
        raise node.unsupported(str(error)) from error


def _constant(node: Node, value: Tensor) -> Compute:
    return lambda: value
