"""Values that a graph computes from constants alone, computed here once: weights behind Cast, Transpose, Mul and the
like, as size-reduced files, parametrized layers and exporters without constant folding leave them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from seatrial.exporters.graphs import constants_of, prune
from seatrial.exporters.tensors import byte_count

# Standard operators that give the same for the same operands, and whose work is in proportion to what they read and
# write; the product of two matrices beside them. QuantizeLinear and DequantizeLinear are none: they say how the file
# is quantized.
_FOLDABLE = frozenset(
    (
        *("Cast", "CastLike", "Constant", "ConstantOfShape", "EyeLike", "Identity", "Range", "Shape", "Size"),
        *("Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Pad", "Reshape"),
        *("Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze", "Where"),
        *("Abs", "Ceil", "Clip", "Erf", "Exp", "Floor", "Log", "Neg", "Not", "Reciprocal", "Relu", "Round", "Sigmoid"),
        *("Sign", "Softmax", "Softplus", "Sqrt", "Tanh"),
        *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min"),
        *("Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Xor"),
        *("BatchNormalization", "Gemm", "InstanceNormalization", "LayerNormalization", "LpNormalization", "MatMul"),
        *("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"),
        "ReduceSumSquare",
    )
)
# All folded values together may take eight times what the file stores (float16 -> float32 through four operators), at
# least so many bytes (a file of a few bytes may ask for any size), and at most what one ONNX file can hold.
LEAST_BYTES, MOST_BYTES = 1 << 26, 1 << 31
_FACTOR = 8
# Before this IR version every initializer was an input of the graph, too.
CONSTANTS_ARE_NO_INPUTS = 4
# Operands up to so many values may be shapes, which decide how large a result is.
_SHAPE_VALUES = 1024

Array = npt.NDArray[Any]


def fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every value that constants alone decide as an initializer of its name; itself where none is.

    How large a result is, is known before it is computed, by ONNX's shape inference: one that would exceed the limits
    above, or whose size it cannot tell, stays in the graph, as does what is an output of it. Computed by ONNX's
    reference implementation.
    """
    found = _folded(model)
    if not found:
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    kept = [node for node in model.graph.node if not any(name in found for name in node.output)]
    del result.graph.node[:]
    result.graph.node.extend(kept)
    result.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in found.items())
    prune(result.graph)
    result.ir_version = _ir_version(model)
    return result


def constant_values(graph: onnx.GraphProto) -> set[str]:
    """Names of the values that constants alone decide, folded or not; those behind Q/DQ nodes and random ones too."""
    known = set(constants_of(graph))
    for node in graph.node:
        if all(name in known for name in node.input if name) and not any(True for _ in _subgraphs(node)):
            known.update(name for name in node.output if name)
    return known


def _folded(model: onnx.ModelProto) -> dict[str, Array]:
    graph = model.graph
    outputs = {value.name for value in graph.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    constants = constants_of(graph)
    left = max(LEAST_BYTES, min(MOST_BYTES, _FACTOR * sum(_bytes(tensor) for tensor in stored.values())))
    found: dict[str, Array] = {}
    for node in graph.node:
        names = [name for name in node.input if name]
        if (
            node.op_type not in _FOLDABLE
            or node.domain not in ("", "ai.onnx")
            or outputs.intersection(node.output)
            or not all(name in found or name in constants for name in names)
            or (node.op_type == "Constant" and node.output[0] in constants)
        ):
            continue
        operands = {name: found[name] if name in found else numpy_helper.to_array(constants[name]) for name in names}
        if node.op_type == "Clip" and operands[names[0]].dtype.kind != "f":
            continue  # narrows integers below the bits of their type, which says how the file is quantized, too
        size = _size_of(node, operands, model)
        if size is None or size > left:
            continue
        values = _computed(node, operands, model)
        if values is not None:
            left -= size
            found.update(values)
    return found


def _size_of(node: onnx.NodeProto, operands: Mapping[str, Array], model: onnx.ModelProto) -> int | None:
    """Bytes of the node's results, None where shape inference does not tell."""
    graph = helper.make_graph([node], "one", [], [])
    for name, value in operands.items():
        if value.size <= _SHAPE_VALUES:
            graph.initializer.append(numpy_helper.from_array(value, name))
        else:
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            graph.input.append(helper.make_tensor_value_info(name, kind, value.shape))
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
    one = helper.make_model(graph, opset_imports=model.opset_import, ir_version=_ir_version(model))
    try:
        inferred = onnx.shape_inference.infer_shapes(one, strict_mode=True).graph.output
    except Exception:  # whatever the operator's own inference meets: the engine will say what is wrong with the node
        return None
    sizes = []
    for result in inferred:
        tensor = result.type.tensor_type
        dims = [extent.dim_value for extent in tensor.shape.dim if extent.HasField("dim_value")]
        known = tensor.HasField("shape") and len(dims) == len(tensor.shape.dim) and min(dims, default=0) >= 0
        sizes.append(byte_count(tensor.elem_type, dims) if known else None)
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _computed(node: onnx.NodeProto, operands: Mapping[str, Array], model: onnx.ModelProto) -> dict[str, Array] | None:
    """Name -> value of its results; None for a version or a type of the operator that the reference has not."""
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.output if name]
    inputs = [onnx.ValueInfoProto(name=name) for name in operands]
    graph = helper.make_graph([node], "one", inputs, [onnx.ValueInfoProto(name=name) for name in names])
    one = helper.make_model(graph, opset_imports=model.opset_import, ir_version=_ir_version(model))
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(one).run(None, dict(operands))
    except Exception:  # as it raises where it knows no such operator; the node stays, and the engine computes it
        return None
    arrays = [np.asarray(value) for value in results]
    return dict(zip(names, arrays, strict=True)) if all(array.dtype != object for array in arrays) else None


def _ir_version(model: onnx.ModelProto) -> int:
    return max(model.ir_version, CONSTANTS_ARE_NO_INPUTS)


def _bytes(tensor: onnx.TensorProto) -> int:
    return byte_count(tensor.data_type, tensor.dims) or 0


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
