"""What is not quantized, in float16: a quantized file whose other values are of half the size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from seatrial.calib.blocked_opset import BLOCKED_OPSET
from seatrial.calib.half import at_opset, images_or_noise, out_of_range
from seatrial.calib.quantizers import Request
from seatrial.calib.typed import lift_constants, name_of, typed
from seatrial.calib.warn import describe_rest
from seatrial.errors import BuildError
from seatrial.exporters.contract import embed
from seatrial.exporters.graphs import constants_of
from seatrial.exporters.model import DeployableModel

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# The smallest number of IEEE 754 binary16 above zero.
_SMALLEST = 2.0**-24


def with_half_rest(request: Request, made: DeployableModel) -> DeployableModel:
    """`made`, the quantized file of a request, with its float values in float16: scales, biases, and what passes
    between operators. Integers, the input and the output stay as they are.

    What leaves float16's range on the images stays float32 (`calib.half`), and with it everything that an operator
    reads: a Cast between a DequantizeLinear and what multiplies would keep the two from being one integer kernel. The
    metadata say which, and why. Raises BuildError where the graph cannot be written so.
    """
    source = at_opset(made, BLOCKED_OPSET)  # the first whose Q/DQ of every type takes float16
    lift_constants(source.graph)
    kept = whole(source.graph, out_of_range(dataclasses.replace(made, proto=source), *images_or_noise(request)))
    _no_scale_vanishes(source.graph)
    try:
        proto, _ = typed(source, TensorProto.FLOAT16, kept)
        embed(proto, made.contract, made.class_names or ())
        describe_rest(proto, "fp16", kept)
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # the checker and shape inference raise what they meet
        raise BuildError(
            f"{made.name} at {made.precision} cannot have the rest in float16: {error}. Ask for --rest fp32."
        ) from error
    return dataclasses.replace(made, proto=proto)


def whole(graph: onnx.GraphProto, kept: Mapping[str, str]) -> dict[str, str]:
    """Name -> reason of `kept`, and of the Q/DQ nodes and operators that cannot be of another float type than those:
    an operator and what is dequantized for it, a DequantizeLinear and the QuantizeLinear before it.
    """
    found = dict(kept)
    made_by = {output: node for node in graph.node for output in node.output}
    pending = [node for node in graph.node if name_of(node) in found]
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for value in node.input:
            readers.setdefault(value, []).append(node)
    while pending:
        node = pending.pop()
        beside = [made_by[value] for value in node.input if value in made_by]
        beside = [one for one in beside if one.op_type == _DEQUANTIZE or node.op_type == _DEQUANTIZE]
        if node.op_type in (_QUANTIZE, _DEQUANTIZE):
            beside += [reader for value in node.output for reader in readers.get(value, ())]
        for one in beside:
            if name_of(one) not in found:
                found[name_of(one)] = f"beside {name_of(node)}"
                pending.append(one)
    return found


def _no_scale_vanishes(graph: onnx.GraphProto) -> None:
    """Scales of channels that are as good as switched off, in place: TensorRT wants all of them above zero."""
    constants = constants_of(graph)
    scales = {node.input[1] for node in graph.node if node.op_type in (_QUANTIZE, _DEQUANTIZE)}
    for name in sorted(scales & constants.keys()):
        scale = numpy_helper.to_array(constants[name])
        if scale.dtype == np.float32 and (scale < _SMALLEST).any():
            constants[name].CopyFrom(numpy_helper.from_array(np.maximum(scale, np.float32(_SMALLEST)), name))
