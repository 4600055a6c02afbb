"""The form of quantization that TensorRT takes, checked before it reads the file: its parser names the first node that
it stumbles over, and takes uint8 for int8 with no more than a warning, which makes half of the range saturate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from seatrial.errors import UnsupportedError

_QUANTIZING = ("QuantizeLinear", "DequantizeLinear")
# As seen on builds of tensorrt-rtx 1.7.1; a zero point of another value is for DLA alone, by a flag of the parser.
_TYPES = (TensorProto.INT8, TensorProto.INT4, TensorProto.FLOAT8E4M3FN)
_WAY_OUT = (
    "Quantize the float model in the form that {engine} takes: bench.py quantize --model FLOAT.onnx --calib IMAGES "
    "--engine {engine} --precision {precision} --out FILE.onnx; with --float-view it begins with the float form of "
    "a quantized file such as this one. Or train, or calibrate, with symmetric int8 (every zero point 0) and float "
    "biases."
)


def check_form(model: onnx.ModelProto, engine: str, precision: str) -> None:
    """UnsupportedError that lists what in the Q/DQ nodes TensorRT refuses, or would read as something else, and says
    the way out: the recipe of `precision`.
    """
    found: dict[str, list[str]] = {}
    constants = _constants(model.graph)
    types = _types(model.graph, constants)
    for index, node in enumerate(model.graph.node):
        if node.op_type in _QUANTIZING:
            for fault in _faults(node, types, constants):
                found.setdefault(fault, []).append(node.name or f"{node.op_type}_{index}")
    if not found:
        return
    listed = "; ".join(f"{fault} ({_counted(nodes)})" for fault, nodes in found.items())
    raise UnsupportedError(
        f"{engine} takes symmetric quantization to signed types alone, with one scale above 0. This file has {listed}. "
        f"{_WAY_OUT.format(engine=engine, precision=precision)}"
    )


def _faults(node: onnx.NodeProto, types: dict[str, int], constants: dict[str, onnx.TensorProto]) -> Iterator[str]:
    kind = _kind(node, types)
    if kind == TensorProto.INT32:
        yield "int32 biases behind DequantizeLinear"
    elif kind is not None and kind not in _TYPES:
        yield f"{TensorProto.DataType.Name(kind).lower()} values"
    zero = constants.get(node.input[2]) if len(node.input) > 2 else None
    if zero is not None and np.any(numpy_helper.to_array(zero).astype(np.float32)):
        yield "zero points other than 0"
    scale = constants.get(node.input[1])
    if scale is not None and not (numpy_helper.to_array(scale).astype(np.float32) > 0).all():
        yield "scales that are not above 0"


def _kind(node: onnx.NodeProto, types: dict[str, int]) -> int | None:
    """The type of the quantized side; by ONNX's definition uint8 where a QuantizeLinear does not say."""
    if node.op_type == "DequantizeLinear":
        return types.get(node.input[0])
    if len(node.input) > 2 and node.input[2]:
        return types.get(node.input[2])
    return next((a.i for a in node.attribute if a.name == "output_dtype" and a.i), TensorProto.UINT8)


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    found[node.output[0]] = attribute.t
        elif node.op_type == "Identity" and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def _types(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]) -> dict[str, int]:
    """Of constants, and of what is quantized and moved."""
    found = {name: tensor.data_type for name, tensor in constants.items()}
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            kind = _kind(node, found)
            if kind is not None:
                found[node.output[0]] = kind
        elif node.input and node.input[0] in found and node.op_type != "DequantizeLinear":
            kept = node.op_type not in ("Cast", "Shape", "Size")
            found.update(dict.fromkeys(node.output, found[node.input[0]]) if kept else {})
    return found


def _counted(nodes: list[str]) -> str:
    return f"node {nodes[0]!r}" if len(nodes) == 1 else f"{len(nodes)} nodes, {nodes[0]!r} the first"
