"""Where 16-bit sums of two products can overflow: x86 processors without VNNI multiply u8 x s8 that way.

VPMADDUBSW adds u1 w1 + u2 w2 with saturation at 16 bits (-32768 to 32767), whatever pair of a channel's weights the
kernel lays side by side. With u up to 255 no pair can leave them if the two largest weights of a channel sum to at most
128, and the two smallest to at least -128. That is exact: with the weights 64 and 65, u = 255 twice gives 32895.
int8 activations of Q/DQ files are no way out: ONNX Runtime makes them uint8 (0 in the place of 64 x 127 x 127).
Its operators on int8 itself (QLinearConv, MatMulInteger, ...) have kernels of their own, which are exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from seatrial.calib.points import MOVING, MULTIPLYING
from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.quantized import DQ, Q, Reader

LIMIT = 128
_BYTES = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
# Operators on integers -> where their weights stand, and the zero point of what they multiply: None where that is
# always uint8.
_INTEGER: dict[str, tuple[tuple[int, ...], int | None]] = {
    "QLinearConv": ((3,), 2),
    "ConvInteger": ((1,), 2),
    "QLinearMatMul": ((3,), 2),
    "MatMulInteger": ((1,), 2),
    "QGemm": ((3,), 2),
    "MatMulIntegerToFloat": ((1,), 4),
    "DynamicQuantizeMatMul": ((1,), None),
    "QAttention": ((1,), 6),
    "DynamicQuantizeLSTM": ((1, 2), None),
}

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Overflow:
    """layers: names of those whose weights let a pair of products overflow; of: 8-bit layers there are."""

    layers: tuple[str, ...]
    of: int


def find_overflow(model: onnx.ModelProto, in_float: Collection[str] = ()) -> Overflow:
    """The layers of a quantized file that multiply 8-bit activations by constant int8 weights, and those that can
    overflow; in Q/DQ form and as operators on integers. in_float: names of nodes that run in float all the same.
    """
    graph = model.graph
    reader = Reader(graph)
    eligible = [node for node in graph.node if _name(node) not in in_float]
    layers = [node for node in eligible if any(True for _ in _weights(node, reader))]
    found = [n for n in layers if any(overflows(_rows(n, weight)) for weight in _weights(n, reader))]
    return Overflow(tuple(map(_name, found)), len(layers))


def _name(node: onnx.NodeProto) -> str:
    return node.name or node.output[0]


def overflows(rows: Array) -> bool:
    """int8 weights [channels, weights of the channel]: True where a pair of one can overflow."""
    return bool((pair_range(rows.astype(np.int64)) > LIMIT).any())


def pair_range(rows: Array) -> Array:
    """[channels, weights] -> [channels]: the largest magnitude of a sum of one or two weights of the same sign."""
    if rows.shape[1] < 2:
        rows = np.pad(rows, ((0, 0), (0, 2 - rows.shape[1])))
    last = rows.shape[1] - 2
    largest = np.partition(rows, last, axis=1)[:, last:].clip(min=0).sum(axis=1)
    smallest = np.partition(rows, 1, axis=1)[:, :2].clip(max=0).sum(axis=1)
    reached: Array = np.maximum(largest, -smallest)
    return reached


def _weights(node: onnx.NodeProto, reader: Reader) -> Iterator[Array]:
    """Its constant int8 weights, where it multiplies 8-bit activations by them."""
    if node.op_type in MULTIPLYING:
        if not _is_rounded(node.input[0], reader):
            return
        integers = reader.integers(node.input[1])
        if integers is not None and integers.dtype == np.int8:
            yield integers
        return
    positions, zero = _INTEGER.get(node.op_type, ((), None))
    for position in positions if zero is None or not _is_signed(node, zero, reader) else ():
        if len(node.input) > position and reader.is_constant(node.input[position]):
            weight = reader.value(node.input[position])
            if weight.dtype == np.int8:
                yield weight


def _is_rounded(name: str, reader: Reader) -> bool:
    """True for a computed value that comes from 8 bits, as it is or moved."""
    while (node := reader.producers.get(name)) is not None and node.op_type in MOVING:
        name = node.input[0]
    if node is None or node.op_type != DQ or reader.is_constant(name):
        return False
    source = reader.producers.get(node.input[0])
    typed = next((one for one in (node, source) if one is not None and len(one.input) > 2 and one.input[2]), None)
    if typed is None or typed.op_type not in (Q, DQ):
        return True  # without a zero point it is uint8
    zero = reader.constants.get(typed.input[2])
    return zero is None or zero.data_type in _BYTES


def _is_signed(node: onnx.NodeProto, position: int, reader: Reader) -> bool:
    """True where an operator on integers is known to be given int8: by its zero point, its producer's, or the graph's
    input.
    """
    source = reader.producers.get(node.input[0])
    names = [node.input[position]] if len(node.input) > position else []
    names += [source.input[2]] if source is not None and source.op_type == Q and len(source.input) > 2 else []
    kinds = [reader.constants[name].data_type for name in names if name in reader.constants]
    kinds += [v.type.tensor_type.elem_type for v in reader.graph.input if v.name == node.input[0]]
    return bool(kinds) and kinds[0] == onnx.TensorProto.INT8


def _rows(node: onnx.NodeProto, weight: Array) -> Array:
    """[channels, weights of the channel]."""
    if node.op_type in ("Conv", "QLinearConv", "ConvInteger"):
        return weight.reshape(len(weight), -1)
    if node.op_type == "ConvTranspose":
        group = attribute_of(node, "group")
        grouped = weight.reshape(1 if group is None else group.i, -1, weight.shape[1], int(np.prod(weight.shape[2:])))
        return np.moveaxis(grouped, 2, 1).reshape(len(grouped) * weight.shape[1], -1)
    transposed = attribute_of(node, "transB")
    if weight.ndim < 2 or (transposed is not None and transposed.i):
        return weight.reshape(len(weight) if weight.ndim == 2 else 1, -1)
    return np.moveaxis(weight, -1, -2).reshape(-1, weight.shape[-2])
