"""Views of an ONNX graph, made on the host: an engine that is built and asked for logits needs its runtime alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


@dataclasses.dataclass(frozen=True)
class Shown:
    """A graph in which values are outputs, and the names of those in order; None for the graph as it was built."""

    onnx_bytes: bytes | None
    names: tuple[str, ...]


def with_every_output(onnx_bytes: bytes, wanted: Container[str] | None = None) -> Shown:
    """The same graph with the outputs of all its nodes as outputs of its own.

    wanted: of these names alone, None for all.
    """
    import onnx

    model = onnx.load_model_from_string(onnx_bytes)
    names = names_of_values(model.graph, wanted)
    shown = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in shown)
    return Shown(model.SerializeToString(), names)


def names_of_values(graph: onnx.GraphProto, wanted: Container[str] | None = None) -> tuple[str, ...]:
    """What its nodes compute, in order; of the names `wanted` alone, unless that is None."""
    return tuple(name for node in graph.node for name in node.output if name and (wanted is None or name in wanted))


def parsed(onnx_bytes: bytes) -> onnx.ModelProto | None:
    """The model; None for bytes that are none, of which the runtime says what is wrong."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(onnx_bytes)
    except DecodeError:
        return None


def named_nodes(onnx_bytes: bytes) -> bytes:
    """The same graph with a name for every node that lacks one, or shares it, so that profile and graph can be joined
    by name: nodes of subgraphs, too. The same bytes where all have one, or where they are no graph.
    """
    model = parsed(onnx_bytes)
    if model is None:
        return onnx_bytes
    nodes = list(nodes_of(model.graph))
    taken = {node.name for node in nodes}
    if len(taken) == len(nodes) and "" not in taken:
        return onnx_bytes
    seen = {""}
    for index, node in enumerate(nodes):
        if node.name in seen:
            stem = f"{node.name or node.op_type}_{index}"
            while stem in taken:
                stem += "_"
            node.name = stem
            taken.add(stem)
        seen.add(node.name)
    return model.SerializeToString()


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes: the graph's own, then those of its subgraphs."""
    yield from graph.node
    for node in graph.node:
        for inner in subgraphs(node):
            yield from nodes_of(inner)


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Those of a node's attributes."""
    graphs: list[onnx.GraphProto] = []
    for attribute in node.attribute:
        if attribute.type == attribute.GRAPH:
            graphs.append(attribute.g)
        elif attribute.type == attribute.GRAPHS:
            graphs.extend(attribute.graphs)
    return graphs
