"""Which value of an engine's file stands for which value of the original graph: Q/DQ nodes round some on their way.

Quantizers keep the names of the values that operators compute and put QuantizeLinear and DequantizeLinear behind them:
seatrial's, Model Optimizer's (`X_DequantizeLinear_Output`), NNCF's (`dq_output_X_1`), fake quantization with a Clip
behind. ONNX Runtime's also takes a Relu out where saturation does its work, and gives its name to the value before. So
partners are found by the name of the value and by following the nodes, never by what a rounded value is called.
"""

from __future__ import annotations

import dataclasses

import onnx
from onnx import TensorProto

from seatrial.errors import BadInputError
from seatrial.exporters.graphs import names_used_by
from seatrial.exporters.quantized import DQ, Q, Reader

_RELUS = ("Relu", "Clip")
# Between a QuantizeLinear and its DequantizeLinear these only narrow or pass on.
_WITHIN = ("Clip", "Identity")
_NO_FLOAT = frozenset(
    {
        *(TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL),
        *(TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64, TensorProto.STRING),
    }
)


@dataclasses.dataclass(frozen=True)
class Layer:
    """A node of the original graph that computes `value` from images.

    node: as `--keep-float` knows it, made of operator and value where it has no name. inputs: its operands that depend
    on images, by position; empty names for the others. readers: the nodes that read the value.
    """

    value: str
    node: str
    op: str
    inputs: tuple[str, ...]
    readers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Point:
    """A value of the original graph in the file of an engine.

    computed: its name there as the operator leaves it, None where the file has no such value. read: its name behind its
    Q/DQ nodes, as the next layer reads it, None where nothing rounds it. limits: what lies beyond them saturates, None
    where that is not known; bits: of the grid between them. stands_in: True where the original's operator is itself the
    stand-in of a QuantizeLinear.
    """

    computed: str | None
    read: str | None = None
    limits: tuple[float, float] | None = None
    bits: int | None = None
    stands_in: bool = False

    @property
    def shown(self) -> str:
        """The value that goes on: rounded, where it is."""
        name = self.read or self.computed
        assert name is not None
        return name


def layers_of(model: onnx.ModelProto, input_name: str) -> list[Layer]:
    """The nodes that compute floats (or what may be floats) from images, in the order of the graph."""
    graph = model.graph
    integers = _not_float(model)
    dynamic = {input_name}
    readers: dict[str, list[str]] = {}
    found = []
    for node in graph.node:
        used = names_used_by(node) & dynamic
        if not used:
            continue
        name = node_name(node)
        for value in used:
            readers.setdefault(value, []).append(name)
        inputs = tuple(value if value in dynamic else "" for value in node.input)
        for value in filter(None, node.output):
            dynamic.add(value)
            if value not in integers:
                found.append(Layer(value, name, node.op_type, inputs, ()))
    return [dataclasses.replace(layer, readers=tuple(readers.get(layer.value, ()))) for layer in found]


def rounded_values(graph: onnx.GraphProto) -> set[str]:
    """What the DequantizeLinear nodes of activations give, behind a Clip that narrows it in float."""
    reader = Reader(graph)
    integers = [node.input[0] for node in graph.node if node.op_type == DQ and not reader.is_constant(node.input[0])]
    found = (_rounded(name, reader, {}) for name in integers)
    return {name for name in found if name is not None}


def node_name(node: onnx.NodeProto) -> str:
    """The node's name; without one, what calibration calls it."""
    return node.name or f"{node.op_type}_{next(filter(None, node.output), '')}"


def points_of(original: onnx.GraphProto, side: onnx.GraphProto) -> dict[str, Point]:
    """Value of the original graph -> where it is in the graph of a side; values without a partner are left out.

    Graphs that are equal give every value itself, Q/DQ nodes being layers like others.
    """
    names = [value.name for value in original.input]
    operators = {name: node.op_type for node in original.node for name in node.output if name}
    names += list(operators)
    if original == side:
        return {name: Point(name) for name in names}
    reader = Reader(side)
    present = {value.name for value in side.input} | set(reader.producers)
    found = {}
    for name in names:
        point = _point(name, operators.get(name), reader, operators) if name in present else None
        if point is not None:
            found[name] = point
    return found


def _point(name: str, operator: str | None, reader: Reader, originals: dict[str, str]) -> Point | None:
    producer = reader.producers.get(name)
    if producer is not None and producer.op_type == DQ:
        quantizer = _quantizer_before(producer, reader)
        if quantizer is None:
            return Point(name)
        return Point(quantizer.input[0], name, *_limits(reader, quantizer, name))
    if producer is not None and producer.op_type == Q:
        rounded = _rounded(name, reader, originals)
        return None if rounded is None else Point(None, rounded, stands_in=True)
    quantizer = _quantizer_behind(name, reader)
    rounded = _rounded(name if quantizer is None else quantizer.output[0], reader, originals)
    if rounded is None or (quantizer is not None and _cuts_alone(quantizer, reader, originals)):
        return Point(name)
    # A Relu that was taken out: what bears its name is not yet cut at 0.
    replaced = producer is not None and operator in _RELUS and producer.op_type != operator
    found = (None, None) if quantizer is None or replaced else _limits(reader, quantizer, rounded)
    return Point(None if replaced else name, rounded, *found)


def _quantizer_behind(name: str, reader: Reader) -> onnx.NodeProto | None:
    """The QuantizeLinear that reads a value, or reads it in another float type, behind a Cast."""
    following = reader.consumers.get(name, [])
    casts = (node.output[0] for node in following if node.op_type == "Cast")
    behind = (node for value in casts for node in reader.consumers.get(value, ()))
    return next((node for node in (*following, *behind) if node.op_type == Q), None)


def _quantizer_before(node: onnx.NodeProto, reader: Reader) -> onnx.NodeProto | None:
    """The QuantizeLinear whose result reaches a DequantizeLinear."""
    for _ in range(len(reader.producers)):
        before = reader.producers.get(node.input[0])
        if before is None or before.op_type == Q:
            return before
        if before.op_type not in _WITHIN:
            return None
        node = before
    return None


def _rounded(integer: str, reader: Reader, originals: dict[str, str]) -> str | None:
    """What readers get of an integer value: behind its DequantizeLinear, and behind a Clip that narrows it in float."""
    for _ in range(len(reader.producers) + 1):
        following = reader.consumers.get(integer, [])
        dequantizer = next((node for node in following if node.op_type == DQ and node.input[0] == integer), None)
        if dequantizer is not None:
            value = dequantizer.output[0]
            behind = reader.consumers.get(value, [])
            narrows = len(behind) == 1 and behind[0].op_type == "Clip" and behind[0].output[0] not in originals
            return behind[0].output[0] if narrows else value
        if len(following) != 1 or following[0].op_type not in _WITHIN:
            return None
        integer = following[0].output[0]
    return None


def _cuts_alone(quantizer: onnx.NodeProto, reader: Reader, originals: dict[str, str]) -> bool:
    """True where a QuantizeLinear cuts at 0 in a Relu's place, and its stand-in in the original does so, too: what is
    rounded is that one's partner, and the value before it is compared as it is computed.
    """
    if originals.get(quantizer.output[0]) != "Clip":
        return False
    try:
        grid = reader.grid(quantizer)
    except BadInputError:  # computed while the graph runs
        return False
    return grid is not None and grid.smallest == 0


def _limits(
    reader: Reader, quantizer: onnx.NodeProto, rounded: str
) -> tuple[tuple[float, float], int] | tuple[None, None]:
    """The values that round to the smallest and the largest representable one at the furthest, half a step beyond; and
    how many bits number all that lie between.
    """
    try:
        grid = reader.grid(quantizer)
        for node in reader.consumers.get(quantizer.output[0], ()):
            if node.op_type == "Clip":
                grid = reader.narrowed(node, grid)
    except BadInputError:  # computed while the graph runs
        return None, None
    if grid is None:
        return None, None
    low, high = grid.smallest, grid.largest
    clip = reader.producers.get(rounded)
    if clip is not None and clip.op_type == "Clip":
        bounds = [reader.value(name) for name in clip.input[1:] if name and reader.is_constant(name)]
        if len(bounds) == 2:
            low, high = float(bounds[0].item()), float(bounds[1].item())
    levels = round((high - low) / grid.scale) + 1
    return (low - grid.scale / 2, high + grid.scale / 2), max(1, (levels - 1).bit_length())


def _not_float(model: onnx.ModelProto) -> set[str]:
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # of operators that onnx does not know: their types are seen when they run
        graph = model.graph
    described = (*graph.value_info, *graph.output)
    return {value.name for value in described if value.type.tensor_type.elem_type in _NO_FLOAT}
