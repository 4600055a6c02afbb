"""A quantized graph in pieces: between values that Q/DQ nodes round, a runtime may fuse, and nowhere across.

So these values are what an engine and the file's own arithmetic can be compared at without changing what is fused. A
piece that is given the very operands that the engine had, and leaves another result, is where the engine departs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import onnx
from onnx import TensorProto, helper

from seatrial.calib.points import MOVING, MULTIPLYING
from seatrial.exporters.graphs import prune
from seatrial.exporters.quantized import DQ, Q, Reader

# What the cut graph calls a value that the engine computed.
FED = "engine:"


@dataclasses.dataclass(frozen=True)
class Unit:
    """A piece. value: its result, behind its Q/DQ nodes where it has some. step: of that rounding, the largest of
    several, None for a float. before: the value that is rounded, None where that is not known. nodes: those of it that
    compute, by name, in the order of the graph; where some multiply, they alone, of these those of rounded operands.
    """

    value: str
    step: float | None
    before: str | None
    nodes: tuple[str, ...]


def units_of(graph: onnx.GraphProto, input_name: str, output_name: str) -> list[Unit]:
    """The pieces of a graph that its rounded values, layers of weights that alone are quantized, and its scores end."""
    reader = Reader(graph)
    rounded = {
        node.output[0]: (_step(reader, node), _before(reader, node))
        for node in graph.node
        if node.op_type == DQ and not reader.is_constant(node.input[0])
    }
    floats = [*_weight_only(reader, rounded, {value.name for value in graph.output}), output_name]
    ends = {**dict.fromkeys(floats, (None, None)), **rounded}
    order = {name: index for index, node in enumerate(graph.node) for name in node.output}
    names = sorted((name for name in ends if name in order), key=order.__getitem__)
    stops = {*names, input_name}
    return [Unit(name, *ends[name], _nodes(reader, name, stops)) for name in names]


def cut(model: onnx.ModelProto, values: Iterable[str], shown: Iterable[str], output_name: str) -> onnx.ModelProto:
    """The graph with every reader of `values` fed from outside, under the name `FED` + value; its outputs: `shown`."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    fed = set(values) - {output_name}
    for node in result.graph.node:
        node.input[:] = [FED + name if name in fed else name for name in node.input]
    del result.graph.output[:]
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in shown)
    result.graph.input.extend(helper.make_tensor_value_info(FED + name, TensorProto.FLOAT, None) for name in fed)
    prune(result.graph)
    return result


def _before(reader: Reader, node: onnx.NodeProto) -> str | None:
    """What the QuantizeLinear reads whose integers a DequantizeLinear gives back."""
    while node.op_type != Q:
        maker = reader.producers.get(node.input[0])
        if maker is None or maker.op_type not in (Q, "Clip", "Identity"):
            return None
        node = maker
    return node.input[0]


def _step(reader: Reader, node: onnx.NodeProto) -> float | None:
    if not reader.is_constant(node.input[1]):
        return None
    return float(reader.value(node.input[1]).max())


def _weight_only(reader: Reader, rounded: Iterable[str], outputs: Iterable[str]) -> list[str]:
    """Results of layers whose weights come out of a DequantizeLinear while the other operand and the result are float:
    there is no Q/DQ around that a fusion could end at.
    """
    behind, shown = set(rounded), set(outputs)
    found = []
    for node in reader.graph.node:
        if node.op_type not in MULTIPLYING or node.input[0] in behind:
            continue
        maker = reader.producers.get(node.input[1])
        users = reader.consumers.get(node.output[0], [])
        if maker is None or maker.op_type != DQ or any(user.op_type == Q for user in users):
            continue
        if users or node.output[0] in shown:
            found.append(node.output[0])
    return found


def _nodes(reader: Reader, value: str, stops: set[str]) -> tuple[str, ...]:
    seen: set[str] = set()
    found: dict[str, onnx.NodeProto] = {}
    queue = [value]
    while queue:
        name = queue.pop()
        node = reader.producers.get(name)
        if name in seen or node is None or (name in stops and name != value) or reader.is_constant(name):
            continue
        seen.add(name)
        if node.op_type not in (Q, DQ):
            found[node.name or f"{node.op_type}_{node.output[0]}"] = node
        queue.extend(node.input)
    position = {name: index for index, node in enumerate(reader.graph.node) for name in node.output if name}
    names = sorted(found, key=lambda name: position[next(filter(None, found[name].output))])
    multiplying = [name for name in names if found[name].op_type in MULTIPLYING]
    computing = [name for name in names if found[name].op_type not in (*MOVING, "Constant", "Identity", "Cast", "Max")]
    rounded = [name for name in multiplying if any(_dequantized(reader, value) for value in found[name].input)]
    return tuple(rounded or multiplying or computing or names)


def _dequantized(reader: Reader, name: str) -> bool:
    maker = reader.producers.get(name)
    return maker is not None and maker.op_type == DQ
