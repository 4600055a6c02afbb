"""Weights of a Q/DQ file in wider steps, where pairs of their products could overflow 16 bits: see `calib.overflow`.

For quantizers that have no word for it. Integers are rounded a second time, float weights in front of a QuantizeLinear
the first.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from seatrial.calib.overflow import find_overflow
from seatrial.calib.points import MULTIPLYING
from seatrial.calib.scales import weight_scales
from seatrial.errors import BuildError
from seatrial.exporters.graphs import attribute_of
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.quantized import Placement, Q, Reader, quantize

Array = npt.NDArray[Any]


def narrowed(model: DeployableModel) -> DeployableModel:
    """The same model, its int8 weights so scaled that no pair overflows; itself where none does.

    BuildError for weights in a form that is not known here.
    """
    found = set(find_overflow(model.proto).layers)
    if not found:
        return model
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    reader = Reader(proto.graph)
    nodes = [node for node in proto.graph.node if (node.name or node.output[0]) in found]
    for name in dict.fromkeys(node.input[1] for node in nodes if node.op_type in MULTIPLYING):
        _rescale(proto.graph, name, reader)
    left = find_overflow(proto).layers
    if left:
        raise BuildError(
            f"{model.name}: the weights of {', '.join(left[:5])} can overflow the 16-bit sums of processors without "
            "VNNI, and are in no form that could be rounded anew. Take --quantizer seatrial."
        )
    return dataclasses.replace(model, proto=proto)


def _rescale(graph: onnx.GraphProto, name: str, reader: Reader) -> None:
    rounding = reader.producers[name]
    if reader.integers(rounding.output[0]) is None or rounding.input[0] not in reader.producers | reader.constants:
        return
    source = reader.producers.get(rounding.input[0])
    written = source is not None and source.op_type == Q and source.input[0] in reader.constants
    value = reader.value(source.input[0] if written and source is not None else name)
    axis = attribute_of(rounding, "axis")
    per_channel = reader.value(rounding.input[1]).size > 1
    scales = weight_scales(value, "int8", (1 if axis is None else axis.i) if per_channel else None, True, narrow=True)
    shape = numpy_helper.to_array(reader.constants[rounding.input[1]]).shape
    zero = np.zeros(shape, np.int8)
    parameters = [_constant(graph, f"{name}_narrow_scale", scales.scale.reshape(shape))]
    parameters.append(_constant(graph, f"{name}_narrow_zero_point", zero))
    for node in (rounding, *((source,) if written and source is not None else ())):
        del node.input[1:]
        node.input.extend(parameters)
    if not written:
        place = Placement(scales.axis or 0, 0, value.shape)
        integers = quantize(value, scales.scale, scales.zero.astype(np.int8), np.dtype(np.int8), place)
        rounding.input[0] = _constant(graph, f"{name}_narrow", integers)


def _constant(graph: onnx.GraphProto, name: str, value: Array) -> str:
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
    return name
