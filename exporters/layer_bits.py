"""How many bits each layer of a Q/DQ graph multiplies in, and how much it multiplies."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import onnx

from seatrial.exporters.quantized import DQ, QuantizedGraph, Reader, Step
from seatrial.exporters.shapes import dimensions

# Operators that multiply by a weight.
_MULTIPLYING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Between a DequantizeLinear and what multiplies: the values stay on its grid.
_CARRYING = frozenset(
    (
        *("Clip", "Dropout", "Flatten", "Identity", "MaxPool", "Pad", "Relu", "Reshape", "Slice", "Squeeze"),
        *("Transpose", "Unsqueeze"),
    )
)

Value = TypeVar("Value", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class LayerBits:
    """A layer whose weight is quantized. node: its name, or that of its output. weights: bits. activations: bits of
    what it multiplies the weight by, None for floats. counted: see `Step`. work: multiply-adds for one image; the
    number of weights where all are of the same bits, or shapes are not known.
    """

    node: str
    weights: int
    activations: int | None
    counted: bool
    work: int


def layers_of(model: onnx.ModelProto, found: QuantizedGraph | None = None) -> tuple[LayerBits, ...]:
    """The layers with quantized weights, in the order of the graph. found: what `Reader.read` gives, where it is there
    already.

    Raises BadInputError where scales are computed while the graph runs.
    """
    reader = Reader(model.graph)
    found = found or reader.read()
    weights = {step.node.output[0]: step for step in found.weights}
    activations = {step.node.output[0]: step for step in found.activations}
    pairs: list[tuple[onnx.NodeProto, int, Step, Step | None]] = []
    for node in model.graph.node:
        if node.op_type not in _MULTIPLYING:
            continue
        for position, name in enumerate(node.input[:2]):
            step = _behind(reader, name, weights) if reader.is_constant(name) else None
            if step is not None:
                pairs.append((node, position, step, _activation(reader, node.input[1 - position], activations)))
                break
    kinds = [(_weight_bits(step, read), None if read is None else read.bits) for *_, step, read in pairs]
    sizes = [math.prod(reader.origin(node.input[position]).dims) for node, position, *_ in pairs]
    places = _places_of(model, [node for node, *_ in pairs]) if len(set(kinds)) > 1 else None
    work = [size * count for size, count in zip(sizes, places or [1] * len(sizes), strict=True)]
    return tuple(
        LayerBits(node.name or node.output[0], *kind, step.counted, count)
        for (node, _, step, _), kind, count in zip(pairs, kinds, work, strict=True)
    )


def most(pairs: Iterable[tuple[Value, int]]) -> Value | None:
    """The value with the most work, the first of equal ones; None for none."""
    work: Counter[Value] = Counter()
    for value, count in pairs:
        work[value] += count
    return max(work, key=lambda value: work[value], default=None)


def _behind(reader: Reader, name: str, steps: dict[str, Step]) -> Step | None:
    """The step that a constant passed last on its way to `name`."""
    while name not in steps:
        maker = reader.producers.get(name)
        if maker is None:
            return None
        name = maker.input[0]
    return steps[name]


def _activation(reader: Reader, name: str, steps: dict[str, Step]) -> Step | None:
    """The QuantizeLinear whose grid a layer reads; None where it reads floats."""
    carrying = True
    while (maker := reader.producers.get(name)) is not None:
        if maker.output[0] in steps:
            return steps[maker.output[0]]
        if maker.op_type == DQ:
            carrying = False  # from here on integers
        elif carrying and maker.op_type not in _CARRYING:
            return None
        if not maker.input:
            return None
        name = maker.input[0]
    return None


def _weight_bits(step: Step, read: Step | None) -> int:
    """Integers that are multiplied by 8-bit ones are 8-bit integers, whether or not all of their levels are used."""
    return 8 if step.counted and 4 < step.bits < 8 and read is not None and read.bits == 8 else step.bits


def _places_of(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> list[int] | None:
    """How often each node's weight is multiplied for one image; None where that is not known of one."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # InferenceError, or whatever the C++ side meets: what builds the graph says what is wrong
        return None
    shapes = {value.name: dimensions(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    places = [_places(node, shapes) for node in nodes]
    known = [count for count in places if count is not None]
    return known if len(known) == len(places) else None


def _places(node: onnx.NodeProto, shapes: dict[str, tuple[int | None, ...] | None]) -> int | None:
    if node.op_type == "Gemm":
        return 1
    shape = shapes.get(node.input[0] if node.op_type == "ConvTranspose" else node.output[0])
    if shape is None:
        return None
    counted = shape[1:-1] if node.op_type == "MatMul" else shape[2:]
    return None if None in counted else math.prod(extent for extent in counted if extent is not None)
