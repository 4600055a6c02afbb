"""Empirical bias correction: what rounding adds to the mean of a layer's output is taken off its bias.

Nagel et al. 2019 (Data-Free Quantization, section 4.2) and Banner et al. 2019 correct the shift that rounded weights
cause; here it is measured. Every layer is fed the float graph's values, rounded as the recipe rounds them, beside the
float layer itself, so that all layers are measured in one pass and none is corrected for what another has done.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from seatrial.calib.fold import node_input, own_constant, read_constant, set_constant
from seatrial.calib.images import CalibrationImages
from seatrial.calib.observe import run_on
from seatrial.calib.points import Places
from seatrial.exporters.graphs import opset_of
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.quantized import DQ, Q

_SUFFIX = "_rounded_alone"
_CORRECTED = ("Conv", "Gemm")
_IMAGES = 256  # that are measured on, the first; each counts with its mean over all places
_AXES_AS_INPUT = 18  # the opset that moved ReduceMean's axes from an attribute to an input


def correct_biases(
    model: DeployableModel,
    proto: onnx.ModelProto,
    quantized: onnx.ModelProto,
    places: Places,
    images: CalibrationImages,
) -> onnx.ModelProto:
    """A copy of the prepared float graph `proto` whose biases make up for the rounding seen in `quantized`.

    quantized: the same graph with Q/DQ nodes at `places`. A Conv or Gemm without a bias gets one.
    """
    corrected = onnx.ModelProto()
    corrected.CopyFrom(proto)
    nodes = {node.name: node for node in corrected.graph.node}
    names = [name for name in places.multiplying if nodes[name].op_type in _CORRECTED]
    shifts = _mean_shifts(model, proto, quantized, [nodes[name] for name in names], images)
    for name in names:
        node = nodes[name]
        weight = read_constant(corrected.graph, node.input[1])
        bias = read_constant(corrected.graph, node_input(node, 2)) if node_input(node, 2) else None
        if bias is None and node_input(node, 2):
            continue
        kind = np.dtype(np.float32) if weight is None else weight.dtype
        before = np.zeros(len(shifts[name])) if bias is None else bias.astype(np.float64)
        own_constant(corrected.graph, node, 2, (before - shifts[name]).astype(kind), "corrected_bias")
    return corrected


def _mean_shifts(
    model: DeployableModel,
    proto: onnx.ModelProto,
    quantized: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    images: CalibrationImages,
) -> dict[str, npt.NDArray[np.float64]]:
    """Node -> float64 [channels], mean of (rounded - float) over images and places."""
    both = side_by_side(proto, quantized, {node.name for node in nodes})
    names = {_add_difference(both, node): node.name for node in nodes}
    sums: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in names.values()}

    def use(value_name: str, value: npt.NDArray[Any]) -> None:
        sums[names[value_name]].append(value.astype(np.float64))  # [images, channels]

    run_on(model, both, list(names), images, use, limit=_IMAGES)
    # In the order of their values, so that threads change nothing: sums of floats hang on it.
    return {name: np.sort(np.concatenate(found), axis=0).mean(axis=0) for name, found in sums.items()}


def _add_difference(both: onnx.ModelProto, node: onnx.NodeProto) -> str:
    """Adds the mean of (rounded - float) over the places of each channel, [images, channels]; its name."""
    exact, rounded = node.output[0], node.output[0] + _SUFFIX
    difference, name = f"{exact}_difference", f"{exact}_mean_difference"
    both.graph.node.append(helper.make_node("Sub", [rounded, exact], [difference], name=difference))
    if node.op_type == "Gemm":
        return difference
    weight = read_constant(both.graph, node.input[1])
    assert weight is not None
    axes = list(range(2, weight.ndim))
    if opset_of(both) < _AXES_AS_INPUT:
        mean = helper.make_node("ReduceMean", [difference], [name], name=name, axes=axes, keepdims=0)
    else:
        set_constant(both.graph, f"{name}_axes", np.array(axes, np.int64))
        mean = helper.make_node("ReduceMean", [difference, f"{name}_axes"], [name], name=name, keepdims=0)
    both.graph.node.append(mean)
    return name


def side_by_side(proto: onnx.ModelProto, quantized: onnx.ModelProto, names: set[str]) -> onnx.ModelProto:
    """The float graph, and beside each named node its quantized twin, fed the float graph's values through Q/DQ."""
    both = onnx.ModelProto()
    both.CopyFrom(proto)
    own = {tensor.name for tensor in both.graph.initializer}
    both.graph.initializer.extend(tensor for tensor in quantized.graph.initializer if tensor.name not in own)
    renamed = {}
    twins = []
    for node in quantized.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if node.op_type in (Q, DQ) or node.name in names:
            renamed.update({name: name + _SUFFIX for name in node.output})
            twins.append(copy)
    integers = {name for node in quantized.graph.node if node.op_type in (Q, DQ) for name in node.output}
    for copy in twins:
        copy.name += _SUFFIX
        copy.input[:] = [name + _SUFFIX if name in integers else _float_name(proto, name) for name in copy.input]
        copy.output[:] = [renamed[name] for name in copy.output]
    both.graph.node.extend(twins)
    return both


def _float_name(proto: onnx.ModelProto, name: str) -> str:
    """A value of the quantized graph in the float one, where an output that is quantized has another name."""
    outputs = {value.name for value in proto.graph.output}
    original = name.removesuffix("_float")
    return original if original != name and original in outputs else name
