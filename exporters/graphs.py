"""Walks over ONNX graphs: every graph, node and tensor of a model, wherever it is nested, and what a graph needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import onnx
from onnx import AttributeProto


def graphs_in(attributes: Iterable[AttributeProto]) -> Iterator[onnx.GraphProto]:
    """Every graph in these attributes, at any depth."""
    for attribute in attributes:
        for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
            yield graph
            yield from graphs_below(graph.node)


def graphs_below(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    """Every subgraph in the attributes of `nodes`, at any depth."""
    for node in nodes:
        yield from graphs_in(node.attribute)


def all_graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """The main graph, then every subgraph, those in model-local functions included."""
    yield model.graph
    yield from graphs_below(model.graph.node)
    for function in model.functions:
        yield from graphs_below(function.node)
        yield from graphs_in(function.attribute_proto)


def all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of the model, at any depth."""
    for graph in all_graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def all_attributes(model: onnx.ModelProto) -> Iterator[tuple[str, AttributeProto]]:
    """(what to call its owner, attribute) of every node, and of the defaults of model-local functions."""
    for node in all_nodes(model):
        name = node.output[0] if node.output else node.name
        yield from ((name, attribute) for attribute in node.attribute)
    for function in model.functions:
        yield from ((function.name, attribute) for attribute in function.attribute_proto)


def all_tensors(model: onnx.ModelProto) -> Iterator[tuple[str, onnx.TensorProto]]:
    """(what to call it, tensor) of every initializer and every attribute that holds tensors."""
    for graph in all_graphs(model):
        for tensor in graph.initializer:
            yield tensor.name, tensor
    for name, attribute in all_attributes(model):
        for tensor in (attribute.t, *attribute.tensors) if attribute.HasField("t") else attribute.tensors:
            yield tensor.name or name, tensor


def attribute_of(node: onnx.NodeProto, name: str) -> AttributeProto | None:
    """The attribute of that name, None where the node has none."""
    return next((attribute for attribute in node.attribute if attribute.name == name), None)


def constants_of(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Name -> value of every initializer, of every Constant node that holds a tensor, and of their Identity."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.output:
            value = attribute_of(node, "value")
            if value is not None:
                found[node.output[0]] = value.t
        elif node.op_type == "Identity" and node.input and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]]
    return found


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the model is written in; 0 where it does not say."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)


def names_used_by(node: onnx.NodeProto) -> set[str]:
    """The values that a node reads, those that its subgraphs take from outside included."""
    used = {name for name in node.input if name}
    for graph in graphs_below([node]):
        used.update(value.name for value in graph.output)
        for inner in graph.node:
            used.update(name for name in inner.input if name)
    return used


def live_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes on which the graph's outputs hang, in order."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed |= names_used_by(node)
            kept.append(node)
    return kept[::-1]


def prune(graph: onnx.GraphProto) -> None:
    """Removes, in place, all that no output of the graph needs: nodes, initializers, inputs, value descriptions."""
    kept = live_nodes(graph)
    needed = {value.name for value in graph.output}.union(*map(names_used_by, kept))
    produced = {name for node in kept for name in node.output}
    _keep(graph.node, kept)
    _keep(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed])
    _keep(graph.value_info, [value for value in graph.value_info if value.name in needed | produced])
    _keep(graph.input, [value for value in graph.input if value.name in needed])


def feed_images_only(graph: onnx.GraphProto) -> None:
    """Takes, in place, the constants off the graph's inputs, where IR version 3 demanded them and exporters keep them.

    A runtime must not fold a constant that may be fed, so it may run quantized weights in float.
    """
    constants = {tensor.name for tensor in graph.initializer}
    _keep(graph.input, [value for value in graph.input if value.name not in constants])


def _keep(field: Any, items: list[Any]) -> None:
    if len(items) == len(field):
        return
    copies = [type(item)() for item in items]
    for copy, item in zip(copies, items, strict=True):
        copy.CopyFrom(item)  # emptying the field frees what `items` holds
    del field[:]
    field.extend(copies)
