"""A float graph made ready for Q/DQ: every node has a name, and what only scales a weight is folded into it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from seatrial.exporters.graphs import attribute_of, constants_of, graphs_below, names_used_by, prune

Array = npt.NDArray[Any]


def prepare(graph: onnx.GraphProto) -> None:
    """Names nodes, drops Identity and Dropout, folds BatchNormalization into convolutions and Gemm's factors, in place.

    A BatchNormalization between a convolution and its Relu would keep an engine from fusing them in integers.
    """
    _name_nodes(graph)
    _drop_carriers(graph)
    _fold_batch_normalizations(graph)
    _fold_factors(graph)
    prune(graph)


def read_constant(graph: onnx.GraphProto, name: str) -> Array | None:
    """The value of an initializer or Constant, None for what is computed."""
    found = constants_of(graph).get(name)
    return None if found is None else numpy_helper.to_array(found)


def set_constant(graph: onnx.GraphProto, name: str, value: Array) -> None:
    """Writes an initializer, in place of one of that name."""
    tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
    for existing in graph.initializer:
        if existing.name == name:
            existing.CopyFrom(tensor)
            return
    graph.initializer.append(tensor)


def own_constant(graph: onnx.GraphProto, node: onnx.NodeProto, position: int, value: Array, word: str) -> None:
    """Makes `value` the node's input at `position`, under a name that no other node reads."""
    name = f"{node.name}_{word}"
    taken = {tensor.name for tensor in graph.initializer} | {output for other in graph.node for output in other.output}
    name = name if name not in taken or node_input(node, position) == name else f"{name}_{len(taken)}"
    while len(node.input) <= position:
        node.input.append("")
    node.input[position] = name
    set_constant(graph, name, value)


def node_input(node: onnx.NodeProto, position: int) -> str:
    """The name of an input, empty where it is left out."""
    return node.input[position] if len(node.input) > position else ""


def readers_of(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """Value -> the nodes that read it, subgraphs included."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in sorted(names_used_by(node)):
            readers.setdefault(name, []).append(node)
    return readers


def _name_nodes(graph: onnx.GraphProto) -> None:
    taken = Counter(node.name for node in graph.node)
    for node in graph.node:
        if not node.name or taken[node.name] > 1:
            taken[node.name] -= 1
            node.name = f"{node.op_type}_{node.output[0]}" if not node.name else f"{node.name}_{node.output[0]}"


def _drop_carriers(graph: onnx.GraphProto) -> None:
    outputs = {value.name for value in graph.output}
    constants = constants_of(graph)
    inside = {name for below in graphs_below(graph.node) for node in below.node for name in node.input}
    replaced: dict[str, str] = {}
    for node in list(graph.node):
        for index, name in enumerate(node.input):
            node.input[index] = replaced.get(name, name)
        if not _carries(node, constants) or node.output[0] in outputs | inside or node.input[0] in constants:
            continue
        replaced[node.output[0]] = node.input[0]
        graph.node.remove(node)


def _carries(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    """True for Identity, and for Dropout outside of training, of which nothing but the first output is used."""
    if node.op_type == "Identity":
        return True
    training = node_input(node, 2)
    trains = bool(training) and (training not in constants or numpy_helper.to_array(constants[training]).any())
    return node.op_type == "Dropout" and not trains and not any(node.output[1:])


def _fold_batch_normalizations(graph: onnx.GraphProto) -> None:
    outputs = {value.name for value in graph.output}
    producers = {name: node for node in graph.node for name in node.output if name}
    readers = readers_of(graph)
    for node in list(graph.node):
        source = producers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if source is None or source.op_type != "Conv" or len(readers.get(node.input[0], ())) != 1:
            continue
        weight = read_constant(graph, source.input[1])
        parameters = [read_constant(graph, name) for name in node.input[1:5]]
        bias = read_constant(graph, node_input(source, 2)) if node_input(source, 2) else None
        known = [value for value in parameters if value is not None]
        training = attribute_of(node, "training_mode")
        unreadable = weight is None or len(known) < 4 or (node_input(source, 2) and bias is None)
        if unreadable or node.input[0] in outputs or (training is not None and training.i):
            continue
        assert weight is not None
        gamma, beta, mean, variance = (value.astype(np.float64) for value in known)
        epsilon = attribute_of(node, "epsilon")
        factor = gamma / np.sqrt(variance + (1e-5 if epsilon is None else epsilon.f))
        shifted = (0 if bias is None else bias.astype(np.float64)) - mean
        own_constant(
            graph, source, 1, (weight * factor.reshape(-1, *[1] * (weight.ndim - 1))).astype(weight.dtype), "folded"
        )
        own_constant(graph, source, 2, (beta + shifted * factor).astype(weight.dtype), "folded_bias")
        source.output[0] = node.output[0]
        producers[node.output[0]] = source
        graph.node.remove(node)


def _fold_factors(graph: onnx.GraphProto) -> None:
    """Gemm: alpha into the weight, beta into the bias, and the bias one value per column, as QGemm wants them."""
    for node in graph.node:
        weight = read_constant(graph, node.input[1]) if node.op_type == "Gemm" else None
        if weight is None:
            continue
        attributes = {attribute.name: attribute for attribute in node.attribute}
        alpha = attributes["alpha"].f if "alpha" in attributes else 1.0
        beta = attributes["beta"].f if "beta" in attributes else 1.0
        columns = weight.shape[0 if "transB" in attributes and attributes["transB"].i else 1]
        bias = read_constant(graph, node_input(node, 2)) if node_input(node, 2) else None
        if node_input(node, 2) and (bias is None or not _spreads(bias, columns)):
            continue  # a column of values, one per image: no bias in the usual sense
        if alpha != 1:
            own_constant(graph, node, 1, (weight * alpha).astype(weight.dtype), "folded")
            attributes["alpha"].f = 1.0
        if bias is not None and (beta != 1 or bias.shape != (columns,)):
            spread = np.broadcast_to(bias.reshape(-1) * beta, (columns,)).astype(bias.dtype)
            own_constant(graph, node, 2, spread, "folded_bias")
        if "beta" in attributes:
            attributes["beta"].f = 1.0


def _spreads(bias: Array, columns: int) -> bool:
    """True where a Gemm's C is one value, or one per column."""
    return bias.size == 1 or (bias.size == columns and bias.shape[-1] == columns)
