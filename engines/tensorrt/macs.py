"""Multiply-accumulates of an ONNX graph's nodes, by their names."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx

from engines.audit import convolution_macs, matmul_macs

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def node_macs(onnx_bytes: bytes, input_name: str) -> dict[str, int]:
    """Node name -> multiply-accumulates for one image, in the order of the graph; nodes without any are left out.

    Shapes are inferred at the graph's own batch, or at one image where it is free. The nodes have names
    (`onnxruntime_profile.named_nodes` gives them). A node whose shapes cannot be inferred counts as -1.
    """
    model = onnx.load_model_from_string(onnx_bytes)
    batch = 1
    for value in model.graph.input:
        if value.name == input_name:
            extent = value.type.tensor_type.shape.dim[0]
            batch = extent.dim_value or 1
            extent.dim_value = batch
    # Shapes that the file tells with a free batch would contradict the one image of the input.
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(extent.dim_value for extent in value.type.tensor_type.shape.dim)
    return {
        node.name: _macs(node, [shapes.get(name, ()) for name in (*node.input, node.output[0])], batch)
        for node in graph.node
        if node.op_type in _PRODUCTS
    }


def _macs(node: onnx.NodeProto, shapes: Sequence[tuple[int, ...]], batch: int) -> int:
    left, right, result = shapes[0], shapes[1], shapes[-1]
    if not (left and right and result) or 0 in (*left, *right, *result):
        return -1
    if node.op_type == "Conv":
        return result[0] * convolution_macs(result, right) // batch
    if node.op_type == "ConvTranspose":
        return math.prod(left) * math.prod(right[1:]) // batch
    transposed = node.op_type == "Gemm" and any(item.name == "transA" and item.i for item in node.attribute)
    return matmul_macs((1, *result), left[-2] if transposed else left[-1]) // batch
