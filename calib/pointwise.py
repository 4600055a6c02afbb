"""Pointwise convolutions as matrix products: the only form in which an engine runs their weights in 4 bits.

A 1 x 1 convolution with stride 1 and one group multiplies every pixel's channels by the same matrix: in NHWC order it
is a MatMul with the weight as [C, M] on its right. The two Transposes around it are the price.
"""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.quantized import Reader


def is_pointwise(node: onnx.NodeProto, reader: Reader) -> bool:
    """True for a two-dimensional Conv of 1 x 1 with constant weight and bias, stride 1, one group and no padding."""
    if node.op_type != "Conv" or not all(reader.is_constant(name) for name in node.input[1:] if name):
        return False
    return (
        reader.value(node.input[1]).shape[2:] == (1, 1)
        and _all(node, "group", 1)
        and _all(node, "strides", 1)
        and _all(node, "pads", 0)
    )


def rewritten(node: onnx.NodeProto, reader: Reader) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """The nodes and constants that compute what a pointwise Conv does: Transpose, MatMul, Add, Transpose."""
    out = node.output[0]
    name = node.name or out
    channels_last, product = f"{out}_channels_last", f"{out}_product"
    weight = reader.value(node.input[1])
    constants = [numpy_helper.from_array(weight[:, :, 0, 0].T.copy(), f"{out}_weight")]
    nodes = [
        helper.make_node("Transpose", [node.input[0]], [channels_last], name=f"{name}_in", perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", [channels_last, f"{out}_weight"], [product], name=name),
    ]
    if len(node.input) > 2 and node.input[2]:
        constants.append(numpy_helper.from_array(reader.value(node.input[2]), f"{out}_bias"))
        nodes.append(helper.make_node("Add", [product, f"{out}_bias"], [f"{out}_sum"], name=f"{name}_bias"))
        product = f"{out}_sum"
    nodes.append(helper.make_node("Transpose", [product], [out], name=f"{name}_out", perm=[0, 3, 1, 2]))
    return nodes, constants


def _all(node: onnx.NodeProto, name: str, value: int) -> bool:
    attribute = attribute_of(node, name)
    return attribute is None or all(number == value for number in (attribute.ints or [attribute.i]))
