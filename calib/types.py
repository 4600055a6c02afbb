"""Which values of a graph are floats: shapes, indices and masks are computed beside them, and are not quantized."""

from __future__ import annotations

import onnx
from onnx import TensorProto

from seatrial.exporters.graphs import attribute_of

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_NEVER = frozenset(
    (
        *("Shape", "Size", "NonZero", "ArgMax", "ArgMin", "QuantizeLinear"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not", "Xor", "IsNaN", "IsInf"),
    )
)


def float_values(graph: onnx.GraphProto) -> set[str]:
    """Names of the float values that the graph is given or computes, in a sorted graph without subgraphs."""
    found = {tensor.name for tensor in graph.initializer if tensor.data_type in _FLOATS}
    found |= {value.name for value in graph.input if value.type.tensor_type.elem_type in _FLOATS}
    for node in graph.node:
        if _gives_floats(node, found):
            found.update(name for name in node.output if name)
    return found


def _gives_floats(node: onnx.NodeProto, floats: set[str]) -> bool:
    if node.op_type in _NEVER:
        return False
    if node.op_type == "DequantizeLinear":
        return True
    if node.op_type == "Cast":
        target = attribute_of(node, "to")
        return target is not None and target.i in _FLOATS
    if node.op_type in ("Constant", "ConstantOfShape"):
        value = attribute_of(node, "value")
        if value is not None:
            return value.t.data_type in _FLOATS
        names = {attribute.name for attribute in node.attribute}
        return node.op_type == "ConstantOfShape" or bool(names & {"value_float", "value_floats"})
    # Everywhere else the output has the type of the first operand, but for a choice, which has that of the second.
    operand = node.input[1] if node.op_type == "Where" else next(iter(node.input), "")
    return operand in floats
