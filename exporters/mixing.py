"""Operators across the images of a batch: the answer to an image then depends on its neighbours.

Where the batch lies in a value is read off its shapes at two batch sizes: the one axis that grows with the batch. An
operator mixes where it computes across that axis, or where its result has no such axis although its operands had.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import onnx
from onnx import numpy_helper

from seatrial.errors import BadInputError
from seatrial.exporters.graphs import attribute_of, constants_of, live_nodes, names_used_by, opset_of
from seatrial.exporters.randomness import Suspect, suspect
from seatrial.exporters.shapes import Shapes, shapes_of

_BATCHES = (2, 3)
# Shapes, not pixels, come out of these.
_SHAPES = frozenset({"Shape", "Size"})
_MERGES = "puts the images of a batch together"
# What comes out, and how much, hangs on the values of all images.
_CHOOSES = frozenset({"Compress", "NonMaxSuppression", "NonZero", "Unique"})
# What happens inside is not followed.
_LOOPS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
# Images may be parted, or put beside others, without any of them changing.
_MOVES = frozenset({"Split", "SplitToSequence", "Identity", "Concat"})

Axes = set[int]
Constants = Mapping[str, onnx.TensorProto]


def mixing_nodes(
    model: onnx.ModelProto, input_name: str, image: tuple[int, ...], path: Path, *, loops: bool = True
) -> tuple[Suspect, ...]:
    """What in the main graph computes across a batch, in order, as far as shapes tell.

    image: shape of one image's input. loops: whether loops and branches are named where nothing else is. Empty where
    inference does not get through the graph at two batches.
    """
    try:
        fed = [{input_name: (batch, *image)} for batch in _BATCHES]
        shapes = [{**shapes_of(model, one, path), input_name: (0, one[input_name])} for one in fed]
    except BadInputError:
        return ()
    places = _Places(shapes)
    constants = constants_of(model.graph)
    opset = opset_of(model)
    pixels = {input_name}
    found, around = [], []
    for node in live_nodes(model.graph):
        read = [name for name in names_used_by(node) if name in pixels]
        if not read or node.op_type in _SHAPES:
            continue
        pixels.update(name for name in node.output if name)
        axes = {name: axis for name in read if (axis := places.axis(name)) is not None}
        if axes:
            does = _mixes(node, axes, places, constants, opset)
            if does is not None:
                found.append(suspect(node, does))
            elif node.op_type in _LOOPS:
                around.append(suspect(node, "may carry values from image to image"))
    return tuple(found or (around if loops else ()))


class _Places:
    """Where the batch lies in every value, by its shapes at two batches."""

    def __init__(self, shapes: Sequence[Shapes]) -> None:
        self._shapes = shapes

    def shape(self, name: str) -> tuple[int, ...] | None:
        """For the smaller batch; None unless all of it is known."""
        return self._both(name)[0]

    def known(self, name: str) -> bool:
        """True where both shapes are known."""
        return None not in self._both(name)

    def axis(self, name: str) -> int | None:
        """The one axis that grows as the batch does, None where there is none or more than one."""
        small, large = self._both(name)
        if small is None or large is None or len(small) != len(large):
            return None
        grown = [axis for axis, (one, other) in enumerate(zip(small, large, strict=True)) if one != other]
        if len(grown) != 1 or small[grown[0]] * _BATCHES[1] != large[grown[0]] * _BATCHES[0]:
            return None
        return grown[0]

    def _both(self, name: str) -> list[tuple[int, ...] | None]:
        found: list[tuple[int, ...] | None] = []
        for shapes in self._shapes:
            shape = shapes.get(name, (0, None))[1]
            whole = None if shape is None or None in shape else tuple(extent for extent in shape if extent is not None)
            found.append(whole)
        return found


def _mixes(node: onnx.NodeProto, axes: dict[str, int], places: _Places, constants: Constants, opset: int) -> str | None:
    """What the node does across the batch; None where it leaves images apart, or that is not known."""
    if node.op_type in _CHOOSES:
        return "chooses among the values of a batch"
    if node.op_type in _LOOPS:
        return None
    first = node.input[0] if node.input else ""
    if first in axes:
        axis, rank = axes[first], len(places.shape(first) or ())  # known, as its axis is
        rule = _ACROSS.get(node.op_type)
        if rule is not None and axis in rule(node, rank, constants, opset):
            return _said(node)
        if node.op_type == "Reshape":
            return _reshaped(node, axis, places)
    outputs = [name for name in node.output if name and places.known(name)]
    if outputs and node.op_type not in _MOVES and all(places.axis(name) is None for name in outputs):
        return _MERGES
    return None


def _said(node: onnx.NodeProto) -> str:
    if node.op_type == "BatchNormalization":
        return "takes mean and variance of the batch: it is in training mode"
    if node.op_type == "DynamicQuantizeLinear":
        return "takes its scale from the whole batch"
    return "computes across the images of a batch"


def _reshaped(node: onnx.NodeProto, axis: int, places: _Places) -> str | None:
    output = node.output[0]
    before, after, becomes = places.shape(node.input[0]), places.shape(output), places.axis(output)
    if before is None or after is None:
        return None
    if becomes is None:
        return _MERGES
    # Row by row: whatever lies outside of the batch must be as many before and behind.
    same = math.prod(before[:axis]) == math.prod(after[:becomes])
    return None if same else "puts values of several images into one row"


def _attribute(name: str, default: int) -> Callable[[onnx.NodeProto, int, Constants, int], Axes]:
    def rule(node: onnx.NodeProto, rank: int, constants: Constants, opset: int) -> Axes:
        found = attribute_of(node, name)
        return {(default if found is None else found.i) % max(rank, 1)}

    return rule


def _axes_attribute(name: str, default: tuple[int, ...]) -> Callable[[onnx.NodeProto, int, Constants, int], Axes]:
    def rule(node: onnx.NodeProto, rank: int, constants: Constants, opset: int) -> Axes:
        found = attribute_of(node, name)
        return {axis % max(rank, 1) for axis in (default if found is None else found.ints)}

    return rule


def _softmax(node: onnx.NodeProto, rank: int, constants: Constants, opset: int) -> Axes:
    if opset >= 13:
        return _attribute("axis", -1)(node, rank, constants, opset)
    (axis,) = _attribute("axis", 1)(node, rank, constants, opset)
    return set(range(axis, rank))  # flattened from there on


def _from_axis(node: onnx.NodeProto, rank: int, constants: Constants, opset: int) -> Axes:
    (axis,) = _attribute("axis", -1)(node, rank, constants, opset)
    return set(range(axis, rank))


def _behind(first: int) -> Callable[[onnx.NodeProto, int, Constants, int], Axes]:
    return lambda node, rank, constants, opset: set(range(first, rank))


def _training(node: onnx.NodeProto, rank: int, constants: Constants, opset: int) -> Axes:
    trains = attribute_of(node, "training_mode")
    several = opset < 14 and sum(map(bool, node.output)) > 1
    return set(range(rank)) - {1} if several or (trains is not None and trains.i) else set()


def _sliced(node: onnx.NodeProto, rank: int, constants: Constants, opset: int) -> Axes:
    """Axes that are cut or turned."""
    if len(node.input) < 3:
        return _axes_attribute("axes", tuple(range(rank)))(node, rank, constants, opset)
    tensors = [constants.get(node.input[place]) if len(node.input) > place else None for place in (1, 2, 3, 4)]
    starts, ends, axes, steps = (None if one is None else numpy_helper.to_array(one).tolist() for one in tensors)
    if starts is None:
        return set()
    cut = axes if axes is not None else list(range(len(starts)))
    whole = [
        index
        for index, start in enumerate(starts)
        if start == 0 and _at(ends, index) >= 2**31 - 1 and (steps is None or _at(steps, index) == 1)
    ]
    return {axis % rank for index, axis in enumerate(cut) if index not in whole}


def _at(values: list[int] | None, index: int) -> int:
    return values[index] if values is not None and index < len(values) else 0


def _recurrent(node: onnx.NodeProto, rank: int, constants: Constants, opset: int) -> Axes:
    layout = attribute_of(node, "layout")
    return {1 if layout is not None and layout.i else 0}


# Axes of the first operand along which values meet.
_ACROSS: dict[str, Callable[[onnx.NodeProto, int, Constants, int], Axes]] = {
    "BatchNormalization": _training,
    "MeanVarianceNormalization": _axes_attribute("axes", (0, 2, 3)),
    "DynamicQuantizeLinear": _behind(0),
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Hardmax": _softmax,
    "CumSum": lambda node, rank, constants, opset: _constant_axes(node, 1, rank, constants),
    "LpNormalization": _attribute("axis", -1),
    "TopK": _attribute("axis", -1),
    "LayerNormalization": _from_axis,
    "RMSNormalization": _from_axis,
    "InstanceNormalization": _behind(2),
    "GroupNormalization": _behind(1),
    "LRN": lambda node, rank, constants, opset: {1},
    "Conv": _behind(1),
    "ConvTranspose": _behind(1),
    "AveragePool": _behind(2),
    "MaxPool": _behind(2),
    "LpPool": _behind(2),
    "Resize": _behind(1),
    "Slice": _sliced,
    "ReverseSequence": _attribute("time_axis", 0),
    "RNN": _recurrent,
    "LSTM": _recurrent,
    "GRU": _recurrent,
}


def _constant_axes(node: onnx.NodeProto, place: int, rank: int, constants: Constants) -> Axes:
    tensor = constants.get(node.input[place]) if len(node.input) > place else None
    return set() if tensor is None else {int(axis) % rank for axis in numpy_helper.to_array(tensor).reshape(-1)}
