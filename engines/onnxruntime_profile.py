"""Reads from ONNX Runtime's own profile and optimized graph which kernels ran, on tensors of which shapes and types.

Both come from the engine's process, which a model may have taken over: what they say is bounded here, and what they
cannot say is a ValueError, KeyError, TypeError or AttributeError.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from seatrial.engines.evidence import Evidence
from seatrial.engines.graph import nodes_of, subgraphs
from seatrial.engines.work import Product, Shape, products

# A type in ONNX Runtime's words, "float" or "uint8", and a shape.
Tensor = tuple[str, Shape]
# What ONNX Runtime adds to the name of a value, for the node that computes it in blocks of channels.
_IN_BLOCKS = "_nchwc"
_BLOCKS = "com.microsoft.nchwc"
# No model comes near these.
_MOST_BYTES = 256 << 20
_MOST_CALLS = 1 << 20
_MOST_TENSORS = 4 << 20
_LONGEST_TEXT = 1 << 16
_MOST_AXES = 64
_LONGEST_AXIS = 1 << 48
# An attribute that tells how much is multiplied: an Einsum's equation is the longest.
_LONGEST_ATTRIBUTE = 1 << 10


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


def profile_of(evidence: Evidence) -> tuple[list[Execution], onnx.GraphProto]:
    """The calls of one profiled inference, and the graph that was executed."""
    told, (content,) = evidence
    if content.nbytes > _MOST_BYTES:
        raise ValueError(f"a graph of {content.nbytes} bytes without its weights")
    try:
        graph = onnx.load_model_from_string(content.tobytes()).graph
    except DecodeError as error:
        raise ValueError(f"no graph: {error}") from error
    return executions(told["calls"], graph), graph


def executions(calls: Sequence[Mapping[str, Any]], graph: onnx.GraphProto) -> list[Execution]:
    """The calls of one profiled inference, in their order.

    calls: as `onnxruntime_evidence.kernel_calls` reads them. graph: as ONNX Runtime executed it.
    """
    if len(calls) > _MOST_CALLS:
        raise ValueError(f"{len(calls)} calls of kernels")
    nodes: dict[str, onnx.NodeProto] = {}
    nameless: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes_of(graph):
        if node.name:
            nodes.setdefault(node.name, node)
        else:
            nameless.setdefault(node.op_type, []).append(node)
    alone = {op: alike[0] for op, alike in nameless.items() if len({one.domain for one in alike}) == 1}
    kind = onnx.TensorProto.DataType.Name
    weights = {tensor.name: (kind(tensor.data_type).lower(), tuple(tensor.dims)) for tensor in _initializers(graph)}
    computed = _computed(graph)
    found = [nodes.get(call["name"], alone.get(call["op"])) for call in calls]
    sizes = {id(node): len(node.input) + len(node.output) for node in found if node is not None}
    told = sum(len(call["inputs"]) + len(call["outputs"]) for call in calls)
    if told + sum(sizes.get(id(node), 0) for node in found) > _MOST_TENSORS:
        raise ValueError(f"{len(calls)} calls of kernels, with more tensors than any model's")
    known: dict[int, tuple[bool, Mapping[str, Any]]] = {id(None): (False, {})}
    for one in found:
        if one is not None and id(one) not in known:
            known[id(one)] = computed.isdisjoint(_read_by(one)), _attributes(one)
    return [_execution(call, one, weights, *known[id(one)]) for call, one in zip(calls, found, strict=True)]


def _execution(
    call: Mapping[str, Any],
    node: onnx.NodeProto | None,
    weights: Mapping[str, Tensor],
    constant: bool,
    attributes: Mapping[str, Any],
) -> Execution:
    told = [(_text(kind), _shape(shape)) for kind, shape in call["inputs"]]
    outputs = [_shape(shape) for shape in call["outputs"]]
    placed = list(told) if node is None else _placed(node, told, weights)
    return Execution(
        name=_text(call["name"]),
        domain=None if node is None else node.domain,
        op=_text(call["op"]),
        provider=_text(call["provider"]),
        types=[None if one is None else one[0] for one in placed],
        inputs=[None if one is None else one[1] for one in placed],
        outputs=outputs if node is None else _at_names(node.output, outputs),
        attributes=attributes,
        constant=constant,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError("a name that is no text, or has no end")
    return value


def _shape(axes: Any) -> Shape:
    if len(axes) > _MOST_AXES or not all(type(extent) is int and 0 <= extent <= _LONGEST_AXIS for extent in axes):
        raise ValueError("a shape that no tensor has")
    return tuple(axes)


def _placed(node: onnx.NodeProto, told: Sequence[Tensor], weights: Mapping[str, Tensor]) -> list[Tensor | None]:
    """Types and shapes at the positions of a node's inputs. A constant that the kernel packed beforehand is missing
    from the profile, and so is an input that is not given.
    """
    placed: list[Tensor | None] = []
    waiting = deque(told)
    left = sum(1 for name in node.input if name and name not in weights)  # of those that the profile must tell
    for name in node.input:
        if not name:
            placed.append(None)
        elif name not in weights:
            left -= 1
            placed.append(waiting.popleft() if waiting else None)
        elif len(waiting) > left and tuple(waiting[0][1]) == tuple(weights[name][1]):
            placed.append(waiting.popleft())
        else:
            placed.append(weights[name])
    return placed


def _at_names(names: Sequence[str], told: Sequence[Shape]) -> list[Shape | None]:
    """The shapes of outputs: those that nobody wants are missing from the profile."""
    waiting = deque(told)
    return [waiting.popleft() if name and waiting else None for name in names]


def _computed(graph: onnx.GraphProto, outer: Sequence[set[str]] = ()) -> set[str]:
    """Names of all values that depend on an input, of subgraphs as well; without those of the graphs around it.

    outer: those of the graphs around it, as far as they are known.
    """
    constants = {tensor.name for tensor in graph.initializer}
    own: set[str] = set()
    scopes = (*outer, own)

    def is_computed(name: str) -> bool:
        return any(name in scope for scope in scopes)

    own.update(value.name for value in graph.input if value.name not in constants and not is_computed(value.name))
    for node in graph.node:
        inner: set[str] = set()
        for subgraph in subgraphs(node):
            inner |= _computed(subgraph, scopes)
        if inner or any(map(is_computed, node.input)):
            own.update(name for name in node.output if name and not is_computed(name))
        own |= inner
    return own


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Names of the values that a node reads, those of its subgraphs among them."""
    inner = (name for graph in subgraphs(node) for one in nodes_of(graph) for name in one.input)
    return {*node.input, *inner}


def _initializers(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for inner in subgraphs(node):
            yield from _initializers(inner)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {
        item.name: onnx.helper.get_attribute_value(item)
        for item in node.attribute
        if item.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
        and len(item.s) <= _LONGEST_ATTRIBUTE
    }
