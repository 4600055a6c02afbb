"""Writes Q/DQ nodes into a float graph, at the places that a recipe chose, with scales that are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from seatrial.calib.points import MULTIPLYING, Places, Weight
from seatrial.calib.recipes import Recipe
from seatrial.calib.scales import Affine, WeightScales, affine, numpy_type, weight_scales, widened_for_bias
from seatrial.exporters.graphs import prune
from seatrial.exporters.quantized import DQ, Placement, Q, Reader, quantize

Array = npt.NDArray[Any]
# Values of an int32 bias; the last ones are left out, as float32 cannot tell them from 2 ** 31.
_BIAS_LIMIT = 2**31 - 128


def insert(model: onnx.ModelProto, recipe: Recipe, places: Places, grids: Mapping[str, Affine]) -> onnx.ModelProto:
    """A copy of a prepared float model (see `calib.fold`) with its Q/DQ nodes.

    grids: value -> scale and zero point, for every value whose range `places` asks for. Weights become constants of the
    recipe's type directly before a DequantizeLinear, values one QuantizeLinear and DequantizeLinear for all readers.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    writer = _Writer(result.graph, recipe, places)
    for weight in places.weights:
        writer.weight(weight, grids)
    for activation in places.activations:
        writer.activation(activation.name, grids[activation.range_of], activation.readers)
    if recipe.quantize_outputs:
        writer.shield()
    writer.write()
    return result


class _Writer:
    def __init__(self, graph: onnx.GraphProto, recipe: Recipe, places: Places) -> None:
        self.graph, self.recipe = graph, recipe
        self.reader = Reader(graph)
        self.range_of = {one.name: one.range_of for one in places.activations}
        self.nodes = {node.name: node for node in graph.node}
        self.constants: dict[str, onnx.TensorProto] = {}
        self.behind: dict[str, list[onnx.NodeProto]] = {}  # producer's name, "" for the start -> new nodes behind it
        self.before: dict[str, onnx.NodeProto] = {}  # node -> new node before it
        self.made: dict[tuple[str, Any], str] = {}

    def activation(self, name: str, grid: Affine, readers: frozenset[str] | None) -> None:
        scale, zero = self._parameters(name, grid)
        producer = self.reader.producers.get(name)
        source = name
        if readers is None and any(value.name == name for value in self.graph.output):
            assert producer is not None
            source = f"{name}_float"
            producer.output[list(producer.output).index(name)] = source
        integer = f"{name}_QuantizeLinear_Output"
        rounded = name if source != name else f"{name}_DequantizeLinear_Output"
        for node in self.graph.node:
            if readers is None or node.name in readers:
                node.input[:] = [rounded if one == name else one for one in node.input]
        new = [
            helper.make_node(Q, [source, scale, zero], [integer], name=f"{name}_QuantizeLinear"),
            helper.make_node(DQ, [integer, scale, zero], [rounded], name=f"{name}_DequantizeLinear"),
        ]
        self.behind.setdefault("" if producer is None else producer.name, []).extend(new)

    def weight(self, weight: Weight, grids: Mapping[str, Affine]) -> None:
        node = self.nodes[weight.node]
        name = node.input[weight.position]
        value = self.reader.value(name)
        if weight.like_activation:
            self._operand(node, weight.position, value)
            return
        kind = str(self.recipe.weight_type)
        scales = weight_scales(value, kind, weight.axis, self.recipe.symmetric_weights, narrow=self.recipe.narrow)
        input_grid = grids.get(self.range_of.get(node.input[0], ""))
        bias = self.reader.value(weight.bias) if weight.bias is not None else None
        if bias is not None and input_grid is not None and self.recipe.quantize_bias:
            scales = widened_for_bias(scales, bias, input_grid.scale)
        node.input[weight.position] = self._constant(name, value, scales, kind)
        if bias is not None and input_grid is not None and self.recipe.quantize_bias:
            node.input[2] = self._bias(node, bias, scales, input_grid.scale)

    def shield(self) -> None:
        """Puts a Max of one operand, which changes nothing, between a DequantizeLinear and a layer of float weights.

        Else ONNX Runtime (1.31, its WeightBiasQuantization) rounds those weights with one scale for all channels and
        runs the layer in int8: a MobileNet of which two layers were kept in float fell from 80 to 49 % that way.
        """
        rounded = {output for new in self.behind.values() for node in new for output in node.output}
        for node in self.graph.node:
            weighted = node.op_type in MULTIPLYING and self.reader.is_constant(node.input[1])
            if weighted and node.input[0] in rounded and node.input[1] not in rounded:
                held = f"{node.name}_float_input"
                new = helper.make_node("Max", [node.input[0]], [held], name=f"{node.name}_kept_float")
                self.before[node.name] = new
                node.input[0] = held

    def write(self) -> None:
        """Puts the new nodes in their places, in topological order, and drops what nothing needs any more."""
        nodes = [*self.behind.pop("", [])]
        for node in self.graph.node:
            nodes += [self.before[node.name]] if node.name in self.before else []
            nodes += [node, *self.behind.pop(node.name, [])]
        copies = []
        for node in nodes:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copies.append(copy)
        del self.graph.node[:]
        self.graph.node.extend(copies)
        self.graph.initializer.extend(self.constants.values())
        prune(self.graph)

    def _operand(self, node: onnx.NodeProto, position: int, value: Array) -> None:
        kind = str(self.recipe.activation_type)
        grid = affine(float(value.min()), float(value.max()), kind, self.recipe.symmetric_activations)
        scales = WeightScales(np.array(grid.scale, np.float32), np.array(grid.zero, np.int64), None)
        node.input[position] = self._constant(node.input[position], value, scales, kind, "_operand")

    def _constant(self, name: str, value: Array, scales: WeightScales, kind: str, word: str = "") -> str:
        """Value, scale and zero point as constants, and their DequantizeLinear; the name of its output."""
        key = (name, (kind, word, scales.axis, scales.scale.tobytes()))
        if key in self.made:
            return self.made[key]
        own = f"{name}{word}" + (f"_{len(self.made)}" if any(made == name for made, _ in self.made) else "")
        place = Placement(scales.axis or 0, 0, value.shape)
        zero = scales.zero.astype(numpy_type(kind))
        integers = quantize(value, scales.scale, zero, numpy_type(kind), place)
        output = self._dequantized(own, integers, scales.scale, zero, scales.axis)
        self.made[key] = output
        return output

    def _bias(self, node: onnx.NodeProto, bias: Array, scales: WeightScales, input_scale: float) -> str:
        scale = (np.float32(input_scale) * scales.scale.astype(np.float32)).astype(np.float32)
        if scale.ndim:  # the groups of a ConvTranspose share those of their weight
            scale = np.tile(scale, bias.size // scale.size)
        integers = np.clip(np.rint(bias.astype(np.float64) / scale.astype(np.float64)), -_BIAS_LIMIT, _BIAS_LIMIT)
        axis = None if scale.ndim == 0 else 0
        return self._dequantized(
            f"{node.name}_bias", integers.astype(np.int32), scale, np.zeros(scale.shape, np.int32), axis
        )

    def _dequantized(self, name: str, integers: Array, scale: Array, zero: Array, axis: int | None) -> str:
        names = [f"{name}_quantized", f"{name}_scale", f"{name}_zero_point"]
        for one, array in zip(names, (integers, scale, zero), strict=True):
            self.constants[one] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), one)
        output = f"{name}_dequantized"
        attributes: dict[str, Any] = {} if axis is None else {"axis": axis}
        self.behind.setdefault("", []).append(
            helper.make_node(DQ, names, [output], name=f"{name}_DequantizeLinear", **attributes)
        )
        return output

    def _parameters(self, name: str, grid: Affine) -> tuple[str, str]:
        scale, zero = f"{name}_scale", f"{name}_zero_point"
        self.constants[scale] = numpy_helper.from_array(np.array(grid.scale, np.float32), scale)
        self.constants[zero] = numpy_helper.from_array(np.array(grid.zero).astype(numpy_type(grid.type)), zero)
        return scale, zero
