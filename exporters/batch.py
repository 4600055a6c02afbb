"""The batch of an ONNX graph: freed where it was frozen, frozen where it was free."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def with_batch(model: onnx.ModelProto, batch: int | None) -> onnx.ModelProto:
    """The graph with its first axis at `batch`, or free for None.

    Another batch than the one it was frozen at rewrites what an exporter writes for one batch: the first extent of
    constant Reshape and Expand targets. Whether that was all that depended on it is for the caller to verify.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    weights = {tensor.name for tensor in graph.initializer}
    borders = [*(value for value in graph.input if value.name not in weights), *graph.output]
    before = borders[0].type.tensor_type.shape.dim[0].dim_value
    del graph.value_info[:]
    for value in borders:
        if not value.type.tensor_type.shape.dim:  # an output need not say its shape
            continue
        first = value.type.tensor_type.shape.dim[0]
        if batch is None:
            first.dim_param = "batch"
        else:
            first.dim_value = batch
    if before and before != batch:
        _free_targets(graph, before)
    return changed


def _free_targets(graph: onnx.GraphProto, before: int) -> None:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
    for index, node in enumerate(graph.node):
        if node.op_type not in ("Reshape", "Expand") or node.input[1] not in constants:
            continue
        target = numpy_helper.to_array(constants[node.input[1]]).copy()
        if not target.size or target[0] != before:
            continue
        if node.op_type == "Expand":
            target[0] = 1  # broadcasts to whatever the batch is
        else:
            target[0] = 0 if (target[1:] == -1).any() else -1  # 0 copies the input's extent, -1 is what is left
        name = f"{node.input[1]}.free_batch_{index}"
        graph.initializer.append(numpy_helper.from_array(target.astype(np.int64), name))
        node.input[1] = name
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
