"""The shapes of everything that a graph computes for one image, and those that no machine should be asked to hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx
from onnx import TensorProto

from seatrial.errors import BadInputError
from seatrial.exporters.graphs import all_graphs, attribute_of, graphs_below
from seatrial.exporters.tensors import byte_count

MAX_VALUE_BYTES = 2**32
# onnx.shape_inference carries integer vectors as values, at 300 bytes an element; a shape has a handful of them.
_MAX_SHAPE_ELEMENTS = 2**20
_INTEGERS = (TensorProto.INT64, TensorProto.INT32)
# Constants up to this many elements may be shapes; of larger ones inference needs the dimensions only.
_SMALL = 1024

Shapes = Mapping[str, tuple[int, tuple[int | None, ...] | None]]


def shapes_of(model: onnx.ModelProto, inputs: Mapping[str, tuple[int, ...]], path: Path) -> Shapes:
    """Name -> (element type, dimensions) of all that inference finds out, for inputs of these shapes.

    An unknown dimension is None, and so are all of them where not even their number is known. Raises BadInputError for
    a graph that contradicts itself, and for one that computes a value above 4 GiB, naming the node.
    """
    model = _skeleton(model, inputs)
    # The first pass carries no values: it stays cheap whatever the graph does, and bounds what the second will carry.
    found = _inferred(model, path, values=False)
    _check_sizes(found, path)
    vectors = sum(_vector_length(value) for value in _values(found))
    if vectors > _MAX_SHAPE_ELEMENTS:
        raise BadInputError(f"{path} computes shapes of {vectors} numbers in all; that is no image classifier.")
    if not any(map(_is_unbounded, _below(found))):
        found = _inferred(_with_bounded_values(model, found), path, values=True)
        _check_sizes(found, path)
    return {value.name: (value.type.tensor_type.elem_type, dimensions(value)) for value in _values(found)}


def dimensions(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """The shape of a described value: None for an unknown dimension, or in place of all where their number is
    unknown.
    """
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims)


def _skeleton(model: onnx.ModelProto, inputs: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    """The model without the values of its weights and without stale descriptions, at these input shapes."""
    skeleton = onnx.ModelProto(ir_version=model.ir_version)
    skeleton.opset_import.extend(model.opset_import)
    graph, source = skeleton.graph, model.graph
    graph.name = source.name
    for tensor in source.initializer:
        graph.initializer.append(_without_values(tensor))
    for node in source.node:
        value = attribute_of(node, "value") if node.op_type == "Constant" else None
        if value is not None and math.prod(value.t.dims) > _SMALL:
            constant = _without_values(value.t)
            constant.name = node.output[0]
            graph.initializer.append(constant)
        else:
            graph.node.append(node)
    for description in source.input:
        graph.input.append(description)
        if description.name in inputs:
            shape = graph.input[-1].type.tensor_type.shape
            del shape.dim[:]
            for extent in inputs[description.name]:
                shape.dim.add(dim_value=extent)
    for description in source.output:
        output = graph.output.add(name=description.name)
        if description.type.HasField("tensor_type"):
            output.type.tensor_type.elem_type = description.type.tensor_type.elem_type
        else:
            output.type.CopyFrom(description.type)
    return skeleton


def _without_values(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if math.prod(tensor.dims) <= _SMALL:
        return tensor
    return TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)


def _inferred(model: onnx.ModelProto, path: Path, *, values: bool) -> onnx.ModelProto:
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=values)
    except Exception as error:  # InferenceError, or whatever the C++ side meets
        raise BadInputError(f"{path} is not a valid ONNX model, its shapes contradict each other: {error}") from error


def _values(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    for graph in all_graphs(model):
        yield from graph.value_info
        yield from graph.output


def _vector_length(value: onnx.ValueInfoProto) -> int:
    shape = dimensions(value)
    is_integer = value.type.tensor_type.elem_type in _INTEGERS
    return (shape[0] or 0) if is_integer and shape is not None and len(shape) == 1 else 0


def _is_unbounded(value: onnx.ValueInfoProto) -> bool:
    """True for integers of unknown rank and for their vectors of unknown length: values may make them any length."""
    shape = dimensions(value)
    return value.type.tensor_type.elem_type in _INTEGERS and (shape is None or shape == (None,))


def _below(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    for graph in graphs_below(model.graph.node):
        yield from graph.value_info
        yield from graph.output


def _with_bounded_values(model: onnx.ModelProto, found: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every unbounded value of integers cut off from its users, who get it as an input instead."""
    unbounded = {value.name: value for value in (*found.graph.value_info, *found.graph.output) if _is_unbounded(value)}
    shown = {value.name for value in model.graph.output}
    for node in model.graph.node:
        for position, name in enumerate(node.output):
            if name in unbounded and name not in shown:
                node.output[position] = f"{name} (cut)"
                model.graph.input.append(unbounded[name])
    return model


def _check_sizes(model: onnx.ModelProto, path: Path) -> None:
    for graph in all_graphs(model):
        producers = {name: node for node in graph.node for name in node.output}
        for value in (*graph.value_info, *graph.output):
            tensor = value.type.tensor_type
            known = [dim.dim_value for dim in tensor.shape.dim if dim.HasField("dim_value")]
            size = byte_count(tensor.elem_type, known)
            if min(known, default=0) < 0 or (size or 0) > MAX_VALUE_BYTES:
                node = producers.get(value.name, onnx.NodeProto())
                raise BadInputError(
                    f"{path}: node {node.name or value.name!r} ({node.op_type}) would compute {value.name!r} with the "
                    "shape "
                    f"{[extent if extent < 10**18 else '> 10^18' for extent in known]}, which is no sound size for one "
                    f"image; at most {MAX_VALUE_BYTES >> 30} GiB are computed at once."
                )
