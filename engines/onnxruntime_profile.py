"""Reads from ONNX Runtime's own profile and optimized graph which kernels ran, on tensors of which shapes and types."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from seatrial.engines.work import Product, Shape, products

# A type in ONNX Runtime's words, "float" or "uint8", and a shape.
Tensor = tuple[str, Shape]
_EVENT_SUFFIX = "_kernel_time"
# What ONNX Runtime adds to the name of a value, for the node that computes it in blocks of channels.
_IN_BLOCKS = "_nchwc"
_BLOCKS = "com.microsoft.nchwc"


@dataclasses.dataclass(frozen=True)
class Execution:
    """One call of a kernel. domain: None where the graph does not tell. types, inputs: at the positions of the node's
    inputs, None for what is not there. constant: it depends on no input of the graph.
    """

    name: str
    domain: str | None
    op: str
    provider: str
    types: Sequence[str | None]
    inputs: Sequence[Shape | None]
    outputs: Sequence[Shape | None]
    attributes: Mapping[str, Any]
    constant: bool

    @property
    def value(self) -> str | None:
        """The value that a node of channels in blocks stands for; None for other nodes."""
        return self.name.rpartition(_IN_BLOCKS)[0] or None if self.domain == _BLOCKS else None

    @functools.cached_property
    def products(self) -> tuple[Product, ...] | None:
        """As `engines.work.products`."""
        if self.domain is None:
            return None
        return products(self.domain, self.op, self.inputs, self.outputs, self.attributes)

    @property
    def macs(self) -> int:
        """Of all products; 0 where they are not known."""
        return sum(product.macs for product in self.products or ())


def named_nodes(onnx_bytes: bytes) -> bytes:
    """The same graph with a name for every node that lacks one, or shares it, so that profile and graph can be joined
    by name. Nodes of subgraphs are named, too.
    """
    model = onnx.load_model_from_string(onnx_bytes)
    nodes = list(nodes_of(model.graph))
    taken = {node.name for node in nodes}
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
        for inner in _subgraphs(node):
            yield from nodes_of(inner)


def executions(profile: Path, graph: onnx.GraphProto) -> list[Execution]:
    """The calls of one profiled inference, in their order. graph: as ONNX Runtime executed it."""
    nodes: dict[str, onnx.NodeProto] = {}
    nameless: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes_of(graph):
        if node.name:
            nodes.setdefault(node.name, node)
        else:
            nameless.setdefault(node.op_type, []).append(node)
    kind = onnx.TensorProto.DataType.Name
    weights = {tensor.name: (kind(tensor.data_type).lower(), tuple(tensor.dims)) for tensor in _initializers(graph)}
    computed = _computed(graph)
    found = []
    for event in json.loads(profile.read_text(encoding="utf-8")):
        if event.get("cat") != "Node" or not event["name"].endswith(_EVENT_SUFFIX):
            continue
        name, arguments = event["name"].removesuffix(_EVENT_SUFFIX), event["args"]
        alike = nameless.get(arguments["op_name"], [])
        only = alike[0] if len({one.domain for one in alike}) == 1 else None
        call = nodes.get(name, only)
        constant = call is not None and not computed.intersection(_read_by(call))
        found.append(_execution(name, arguments, call, weights, constant))
    return found


def _execution(
    name: str,
    arguments: Mapping[str, Any],
    node: onnx.NodeProto | None,
    weights: Mapping[str, Tensor],
    constant: bool,
) -> Execution:
    told = [next(iter(entry.items())) for entry in arguments["input_type_shape"]]
    outputs = [tuple(next(iter(entry.values()))) for entry in arguments["output_type_shape"]]
    placed = list(told) if node is None else _placed(node, told, weights)
    return Execution(
        name=name,
        domain=None if node is None else node.domain,
        op=arguments["op_name"],
        provider=arguments["provider"],
        types=[None if one is None else one[0] for one in placed],
        inputs=[None if one is None else tuple(one[1]) for one in placed],
        outputs=outputs if node is None else _at_names(node.output, outputs),
        attributes={} if node is None else _attributes(node),
        constant=constant,
    )


def _placed(node: onnx.NodeProto, told: Sequence[Tensor], weights: Mapping[str, Tensor]) -> list[Tensor | None]:
    """Types and shapes at the positions of a node's inputs. A constant that the kernel packed beforehand is missing
    from the profile, and so is an input that is not given.
    """
    placed: list[Tensor | None] = []
    waiting = list(told)
    left = sum(1 for name in node.input if name and name not in weights)  # of those that the profile must tell
    for name in node.input:
        if not name:
            placed.append(None)
        elif name not in weights:
            left -= 1
            placed.append(waiting.pop(0) if waiting else None)
        elif len(waiting) > left and tuple(waiting[0][1]) == tuple(weights[name][1]):
            placed.append(waiting.pop(0))
        else:
            placed.append(weights[name])
    return placed


def _at_names(names: Sequence[str], told: Sequence[Shape]) -> list[Shape | None]:
    """The shapes of outputs: those that nobody wants are missing from the profile."""
    waiting = list(told)
    return [waiting.pop(0) if name and waiting else None for name in names]


def _computed(graph: onnx.GraphProto, outer: frozenset[str] = frozenset()) -> set[str]:
    """Names of all values that depend on an input, of subgraphs as well."""
    constants = {tensor.name for tensor in graph.initializer}
    found = {*outer, *(value.name for value in graph.input if value.name not in constants)}
    for node in graph.node:
        inner: set[str] = set()
        for subgraph in _subgraphs(node):
            inner |= _computed(subgraph, frozenset(found))
        if found.intersection(node.input) or (inner - found):
            found.update(name for name in node.output if name)
        found |= inner
    return found


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Names of the values that a node reads, those of its subgraphs among them."""
    inner = (name for graph in _subgraphs(node) for one in nodes_of(graph) for name in one.input)
    return {*node.input, *inner}


def _initializers(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for inner in _subgraphs(node):
            yield from _initializers(inner)


def _subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    graphs = []
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            graphs.append(attribute.g)
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            graphs.extend(attribute.graphs)
    return graphs


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {
        item.name: onnx.helper.get_attribute_value(item)
        for item in node.attribute
        if item.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    }
