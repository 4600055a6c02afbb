"""The float32 form of a model that ships at another precision: the pair of its comparisons, and where calibration
begins.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from seatrial.errors import BadInputError
from seatrial.exporters.folding import CONSTANTS_ARE_NO_INPUTS, fold_constants
from seatrial.exporters.graphs import (
    all_attributes,
    all_graphs,
    all_tensors,
    feed_images_only,
    graphs_below,
    opset_of,
    prune,
)
from seatrial.exporters.model import DeployableModel
from seatrial.exporters.quantized import DQ, Grid, Q, Reader

_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
# Attributes that name an element type: of Cast, of random and of filled tensors.
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")


def float_view(model: DeployableModel) -> DeployableModel:
    """The same model in float32; the model itself where it is that already.

    Weights keep the values that they stand for: float16 and bfloat16 are widened exactly, quantized ones are
    dequantized in float32, rounding and all. Activations are no longer rounded, but still saturate: ONNX Runtime's
    quantizer takes a Relu or Clip out where saturation does its work, and quantization-aware training learned with it.
    Weights that the file offers as inputs, too, become constants. Inputs and outputs become float32; a uint8 input
    stays. Raises BadInputError where the result is not a valid graph.
    """
    if not _has_quantization(model.proto) and not _has_halves(model.proto):
        return model
    proto = onnx.ModelProto()
    proto.CopyFrom(fold_constants(model.proto))  # integers, scales and halves behind a Cast, a Concat, ...
    try:
        _without_quantization(proto.graph, opset_of(proto))
        proto.ir_version = max(proto.ir_version, CONSTANTS_ARE_NO_INPUTS)
        _widen(proto)
        onnx.checker.check_model(proto)
    except Exception as error:  # of the checker, or NumPy's for scales that do not fit their tensor
        raise BadInputError(
            f"{model.name} cannot be turned into float32 ({error}). Give the float model that it was made from."
        ) from error
    contract = model.contract
    if contract.dtype == "float16":
        contract = dataclasses.replace(contract, dtype="float32")
    return dataclasses.replace(model, proto=proto, contract=contract, precision="fp32")


def _has_quantization(model: onnx.ModelProto) -> bool:
    return any(node.op_type in (Q, DQ) for node in model.graph.node)


def _has_halves(model: onnx.ModelProto) -> bool:
    tensors = any(tensor.data_type in _HALVES for _, tensor in all_tensors(model))
    border = (*model.graph.input, *model.graph.output)
    return tensors or any(value.type.tensor_type.elem_type in _HALVES for value in border)


def _without_quantization(graph: onnx.GraphProto, opset: int) -> None:
    reader = Reader(graph)
    outputs = {value.name for value in graph.output}
    replaced: dict[str, str] = {}  # a value that goes -> the float value in its place
    grids: dict[str, Grid | None] = {}  # values that are integers now and floats afterwards -> what they stand for
    folded: dict[str, onnx.TensorProto] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        first = node.input[0] if node.input else ""
        if node.op_type in (Q, DQ) and reader.is_constant(node.output[0]):
            if node.op_type == DQ:
                value = np.asarray(reader.value(node.output[0]), np.float32)
                folded[node.output[0]] = numpy_helper.from_array(value, node.output[0])
            else:
                kept.append(node)  # goes with its DequantizeLinear, once nothing needs it
        elif node.op_type == Q or (node.op_type == "Clip" and first in grids):
            grid = reader.grid(node) if node.op_type == Q else reader.narrowed(node, grids[first])
            grids[node.output[0]] = grid
            if grid is None:
                replaced[node.output[0]] = first
            else:
                kept.append(_saturation(node, grid, opset, folded))
        elif node.op_type == DQ:
            if node.output[0] in outputs:
                kept.append(helper.make_node("Identity", [first], [node.output[0]], name=node.name))
            else:
                replaced[node.output[0]] = first
        else:
            if first in grids:
                grids.update(dict.fromkeys(node.output, grids[first]))
            kept.append(node)
    copies = []
    for node in kept:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for reads in (copy, *(inner for below in graphs_below([copy]) for inner in below.node)):
            reads.input[:] = [_followed(name, replaced) for name in reads.input]
        copies.append(copy)
    del graph.node[:]
    graph.node.extend(copies)
    graph.initializer.extend(folded.values())
    gone = grids.keys() | replaced.keys() | folded.keys()
    described = [value for value in graph.value_info if value.name not in gone]
    del graph.value_info[:]
    graph.value_info.extend(described)
    prune(graph)
    feed_images_only(graph)


def _saturation(node: onnx.NodeProto, grid: Grid, opset: int, constants: dict[str, onnx.TensorProto]) -> onnx.NodeProto:
    """A Clip in place of `node`, to the smallest and largest value that its integers stand for."""
    if opset < 11:
        return helper.make_node(
            "Clip", [node.input[0]], [node.output[0]], name=node.name, min=grid.smallest, max=grid.largest
        )
    names = [f"{node.output[0]}_smallest", f"{node.output[0]}_largest"]
    for name, bound in zip(names, (grid.smallest, grid.largest), strict=True):
        constants[name] = numpy_helper.from_array(np.array(bound, np.float32), name)
    return helper.make_node("Clip", [node.input[0], *names], [node.output[0]], name=node.name)


def _followed(name: str, replaced: dict[str, str]) -> str:
    while name in replaced:
        name = replaced[name]
    return name


def _widen(model: onnx.ModelProto) -> None:
    for _, tensor in all_tensors(model):
        if tensor.data_type in _HALVES:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), name))
    for _, attribute in all_attributes(model):
        if attribute.name in _TYPE_ATTRIBUTES and attribute.i in _HALVES:
            attribute.i = TensorProto.FLOAT
    for graph in all_graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in _HALVES:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
