"""Multiply-accumulates of an ONNX graph's nodes, by their names."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from seatrial.engines.work import products


def node_macs(onnx_bytes: bytes, input_name: str) -> dict[str, int]:
    """Node name -> multiply-accumulates for one image, in the order of the graph; nodes without any are left out.

    Shapes are inferred at the graph's own batch, or at one image where it is free. The nodes have names
    (`onnxruntime_profile.named_nodes` gives them). A node that may multiply, but whose shapes cannot be inferred or
    whose operator is not known, counts as -1. What shapes weights once, of constants alone, is left out.
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
    shapes: dict[str, tuple[int, ...] | None] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    computed = {value.name for value in graph.input if value.name not in shapes}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = _known(value.type.tensor_type)
    found = {}
    for node in graph.node:
        if not computed.intersection(node.input):
            continue
        computed.update(node.output)
        work = _work(node, shapes)
        if work:
            found[node.name] = -1 if work < 0 else work // batch
    return found


def _work(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...] | None]) -> int:
    """Over the whole batch; -1 where it is not known, as of a node that holds others that multiply."""
    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    inputs, outputs = ([shapes.get(name) for name in names] for names in (node.input, node.output))
    counted = products(node.domain, node.op_type, inputs, outputs, attributes)
    inside = [value for value in attributes.values() if isinstance(value, onnx.GraphProto)]
    if counted is None or any(_work(one, {}) for graph in inside for one in graph.node):
        return -1
    return sum(product.macs for product in counted)


def _known(kind: onnx.TypeProto.Tensor) -> tuple[int, ...] | None:
    """A shape; None where an extent is not known, or nothing is."""
    extents = [extent.dim_value for extent in kind.shape.dim]
    return tuple(extents) if kind.HasField("shape") and all(extents) else None
