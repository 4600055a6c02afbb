"""Weights and biases alone on a grid of 2^X levels, sim-wX: the axis of studies from 1 bit to 10, activations in float.

The grid is mid-rise: odd integers times a scale, -3 -1 1 3 for 2 bits. It has exactly 2^X levels, lies evenly around 0
and has 1 bit as its sign alone; a grid with a zero has three levels at its least. No engine multiplies so: the file
holds the odd integers behind a DequantizeLinear, in int8 up to 7 bits and in int16 above, which needs opset 21.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from seatrial.calib.blocked_opset import at_blocked_opset
from seatrial.calib.fold import node_input, prepare, read_constant
from seatrial.calib.int4 import noise
from seatrial.calib.names import check_names
from seatrial.calib.opset import at_qdq_opset
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.points import Weight, find_places
from seatrial.calib.quantizers import Request
from seatrial.calib.warn import describe
from seatrial.engines.precision import simulated_bits
from seatrial.errors import UnsupportedError
from seatrial.exporters.contract import embed
from seatrial.exporters.graphs import prune
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.own_precision import SIMULATED_KEY
from seatrial.exporters.quantized import Reader

_WARNING = "Simulated: layers compute in float32 on weights rounded to few bits. Its size and speed are those of float."
_FOREIGN = {"equalize": False, "bias_correction": False, "keep_float_below_db": None}
# Odd integers up to 127 lie in int8: those of 7 bits.
_INT8_BITS = 7
_FRACTIONS = np.arange(1, 101) / 100
# Rounds of rounding to a scale and refitting it: the error falls in each, and rarely after the third.
_REFITS = 4

Array = npt.NDArray[np.float32]


def quantize_weights(request: Request) -> DeployableModel:
    """The float32 model with the weights and biases of every layer that multiplies on their grids, in Q/DQ form.

    BatchNormalization behind convolutions is folded into them first; where none is folded, a bias is rounded as it was
    trained. Needs no images. Raises UnsupportedError for options that do not apply and for a model without layers that
    multiply by constants, UsageError for unknown names to keep float, BuildError where the opset cannot be raised.
    """
    model, recipe, options = request.model, request.recipe, request.options
    bits = simulated_bits(recipe.precision)
    assert bits is not None
    _refuse_foreign(recipe.precision, options)
    raised = at_qdq_opset if bits[0] <= _INT8_BITS else at_blocked_opset
    proto = onnx.ModelProto()
    proto.CopyFrom(raised(model, noise(model)))
    prepare(proto.graph)
    check_names(options.keep_float, proto.graph, "--keep-float")
    places = find_places(proto.graph, recipe, (*options.keep_float, *request.leave))
    if not places.weights:
        raise UnsupportedError(f"{model.name} has no layer that multiplies by weights: there is nothing to simulate.")
    writer = _Writer(proto.graph, bits[0])
    for place in places.weights:
        writer.write(place)
    writer.finish()
    onnx.checker.check_model(proto)
    embed(proto, model.contract, model.class_names or ())
    kept = {**places.left_float, **request.leave}
    describe(proto, images=0, options=options, warnings=(_WARNING,), kept=kept)
    proto.metadata_props.add(key=SIMULATED_KEY, value=recipe.precision)
    return dataclasses.replace(model, proto=proto, precision=recipe.precision)


def on_odd_grid(rows: Array, bits: int) -> tuple[npt.NDArray[np.int64], Array]:
    """Odd integers of -(2^bits - 1) .. 2^bits - 1, and the scale of each row: together the least squared error.

    rows: float32 [channels, values]. Of scales that put the largest magnitude at 100 % down to 1 % beyond the last
    level, the best, then fitted: for these integers q the scale of least error is <w, q> / <q, q>, for that scale the
    nearest integers, and so on. At 1 bit the scale is the mean magnitude (Rastegari et al. 2016, equation 6).
    """
    top = 2**bits - 1
    widest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny * 2**20) / np.float32(top)
    best = _nearest(rows, widest, top), widest.astype(np.float32)
    least = _error(rows, *best)
    for fraction in _FRACTIONS[::-1]:
        scale = (widest * np.float32(fraction)).astype(np.float32)
        for _ in range(_REFITS):
            codes = _nearest(rows, scale, top)
            error = _error(rows, codes, scale)
            better = error < least
            best = np.where(better, codes, best[0]), np.where(better, scale, best[1])
            least = np.minimum(error, least)
            scale = _fitted(rows, codes, scale)
    return best


def _nearest(rows: Array, scale: Array, top: int) -> npt.NDArray[np.int64]:
    codes: npt.NDArray[np.int64] = 2 * np.floor(rows / (2 * scale)).astype(np.int64) + 1
    return np.clip(codes, -top, top)


def _fitted(rows: Array, codes: npt.NDArray[np.int64], scale: Array) -> Array:
    product = (rows.astype(np.float64) * codes).sum(axis=1, keepdims=True)
    square = (codes.astype(np.float64) ** 2).sum(axis=1, keepdims=True)
    found = (product / square).astype(np.float32)
    fitted: Array = np.where(found > np.finfo(np.float32).tiny, found, scale)
    return fitted


def _error(rows: Array, codes: npt.NDArray[np.int64], scale: Array) -> npt.NDArray[np.float64]:
    error: npt.NDArray[np.float64] = ((rows - codes * scale.astype(np.float64)) ** 2).sum(axis=1, keepdims=True)
    return error


def _refuse_foreign(precision: str, options: QuantizeOptions) -> None:
    for field, nothing in _FOREIGN.items():
        if getattr(options, field) != nothing:
            raise UnsupportedError(f"{precision} knows no {field.replace('_', ' ')}: it is for real precisions.")


class _Writer:
    """Puts a constant's integers and a DequantizeLinear in its place, once for all nodes that read it alike."""

    def __init__(self, graph: onnx.GraphProto, bits: int) -> None:
        self._graph, self._bits = graph, bits
        self._reader = Reader(graph)
        self._nodes = {node.name: node for node in graph.node}
        self._made: dict[tuple[str, int | None], str] = {}
        self._new: list[onnx.NodeProto] = []

    def write(self, place: Weight) -> None:
        """The weight of a layer, and its bias: where it adds none by itself, that of an Add right behind."""
        node = self._nodes[place.node]
        self._round(node, place.position, place.axis)
        if node_input(node, 2) and read_constant(self._graph, node.input[2]) is not None:
            self._round(node, 2, None)
        elif node.op_type == "MatMul":
            users = self._reader.consumers.get(node.output[0], [])
            if len(users) == 1 and users[0].op_type == "Add":
                for position, name in enumerate(users[0].input):
                    if self._reader.is_constant(name):
                        self._round(users[0], position, None)

    def finish(self) -> None:
        """Puts the new nodes first."""
        nodes = [*self._new, *self._graph.node]
        copies = [onnx.NodeProto() for _ in nodes]
        for copy, node in zip(copies, nodes, strict=True):
            copy.CopyFrom(node)  # emptying the field frees what `nodes` holds
        del self._graph.node[:]
        self._graph.node.extend(copies)
        prune(self._graph)

    def _round(self, node: onnx.NodeProto, position: int, axis: int | None) -> None:
        name = node.input[position]
        if (name, axis) not in self._made:
            self._made[name, axis] = self._dequantized(name, axis)
        node.input[position] = self._made[name, axis]

    def _dequantized(self, name: str, axis: int | None) -> str:
        value = np.asarray(self._reader.value(name), np.float32)
        rows = value.reshape(1, -1) if axis is None else np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1)
        codes, scale = on_odd_grid(rows, self._bits)
        if axis is not None:
            moved = (value.shape[axis], *np.delete(value.shape, axis))
            codes = np.moveaxis(codes.reshape(moved), 0, axis)
        kind = np.int8 if self._bits <= _INT8_BITS else np.int16
        stem = f"{name}_{self._bits}bit" if axis is None else f"{name}_{self._bits}bit_{axis}"
        whole = np.ascontiguousarray(codes.reshape(value.shape)).astype(kind)
        scales = scale.reshape(()) if axis is None else scale.reshape(-1)
        self._graph.initializer.append(numpy_helper.from_array(whole, f"{stem}_odd"))
        self._graph.initializer.append(numpy_helper.from_array(scales, f"{stem}_scale"))
        attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
        pair = [f"{stem}_odd", f"{stem}_scale"]
        self._new.append(helper.make_node("DequantizeLinear", pair, [stem], name=f"{stem}_dequantize", **attributes))
        return stem
