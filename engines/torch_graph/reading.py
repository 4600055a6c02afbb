"""Reads out of an ONNX model what a graph needs before any node is built."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import inliner, shape_inference

from seatrial.engines.torch_graph.node import Tensor
from seatrial.engines.torch_graph.types import to_tensor
from seatrial.errors import BadInputError, UnsupportedError

DOMAINS = ("", "ai.onnx")
# Broadcasting as NumPy's begins with 7; the newest is the last whose operators were compared with the specification's
# own test cases.
OPSETS = range(7, 29)


def prepared(model: onnx.ModelProto | bytes) -> onnx.ModelProto:
    """The parsed model, with functions of its own inlined."""
    if isinstance(model, bytes):
        model = onnx.load_model_from_string(model)
    return inliner.inline_local_functions(model) if model.functions else model


def opset_of(model: onnx.ModelProto) -> int:
    """The operator set that the model imports; UnsupportedError for one outside `OPSETS`."""
    versions = [entry.version for entry in model.opset_import if entry.domain in DOMAINS]
    if not versions or versions[0] not in OPSETS:
        raise UnsupportedError(
            f"The PyTorch engine reads the ONNX operator sets {OPSETS.start} to {OPSETS.stop - 1}, this model imports "
            f"{versions[0] if versions else 'none'}. onnx.version_converter converts between them."
        )
    return versions[0]


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """ONNX element type of every value that onnx can infer, by name."""
    try:
        graph = shape_inference.infer_shapes(model).graph
    except Exception as error:  # the C++ checker's errors share no base but Exception
        raise BadInputError(f"The types of the graph cannot be inferred: {error}") from error
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type:
            types[value.name] = value.type.tensor_type.elem_type
    return types


def types_by_schema(proto: onnx.NodeProto, opset: int, types: Mapping[str, int]) -> dict[str, int]:
    """Output types that must equal a known input's: onnx does not infer them for operators like GroupNormalization."""
    schema = onnx.defs.get_schema(proto.op_type, opset, "")
    known = {
        schema.inputs[min(place, len(schema.inputs) - 1)].type_str: types[name]
        for place, name in enumerate(proto.input)
        if name in types
    }
    return {
        name: known[formal.type_str]
        for name, formal in zip(proto.output, schema.outputs, strict=False)
        if name and formal.type_str in known
    }


def initializers(graph: onnx.GraphProto) -> dict[str, Tensor]:
    """The graph's constants by name; UnsupportedError for a type that is not held."""
    if graph.sparse_initializer:
        raise UnsupportedError("The PyTorch engine does not read sparse initializers.")
    try:
        return {tensor.name: to_tensor(tensor) for tensor in graph.initializer}
    except ValueError as error:
        raise UnsupportedError(f"The PyTorch engine cannot read an initializer: {error}.") from error


def needed(graph: onnx.GraphProto, output_name: str) -> list[onnx.NodeProto]:
    """The nodes on which the output depends, in their order."""
    wanted = {output_name}
    kept = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]
