"""Reads an ONNX file that may come from anywhere, and says what is wrong with one that shipcheck cannot test."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, numpy_helper

from exporters.contract import InputContract, read_class_names, read_contract
from exporters.model import DeployableModel
from exporters.options import ContractOptions
from exporters.presets import PRESETS
from shipcheck.errors import BadInputError, UsageError

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
# protobuf's own limit on one message; a larger "model" cannot be a single-file ONNX model.
_MAX_BYTES = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Signature:
    """Names and shapes at the graph's border: input [batch, 3, height, width], output [batch, classes]."""

    input_name: str
    height: int | None
    width: int | None
    batch: int | None
    output_name: str
    classes: int


def load_onnx(path: Path, contract: InputContract | ContractOptions | None = None) -> DeployableModel:
    """Loads, checks and describes an ONNX classifier.

    contract: overrides the one in the file's metadata, whole or by single fields. Raises BadInputError for a file that
    is not ONNX, is invalid, holds NaN or infinite weights or is not an image classifier with one input and one output;
    UsageError where the contract is missing or does not fit the input's size.
    """
    proto = read_proto(path)
    check_weights(proto, path)
    signature = read_signature(proto, path)
    if not isinstance(contract, InputContract):
        contract = (contract or ContractOptions()).resolve(read_contract(proto))
    if contract is None:
        raise UsageError(
            f"{path} carries no input contract, so nobody knows how to feed it. Name one: --preset "
            f"({', '.join(PRESETS)}), or --size --resize --crop --mean --std --color."
        )
    check_size(signature, contract, path)
    names = read_class_names(proto)
    if names is not None and len(names) != signature.classes:
        raise BadInputError(f"{path} names {len(names)} classes in its metadata but has {signature.classes} outputs.")
    return DeployableModel(
        name=path.stem,
        proto=proto,
        contract=contract,
        input_name=signature.input_name,
        output_name=signature.output_name,
        classes=signature.classes,
        class_names=names,
        fixed_batch=signature.batch,
    )


def read_proto(path: Path) -> onnx.ModelProto:
    """Parses and validates one self-contained ONNX file; BadInputError otherwise."""
    if not path.is_file():
        raise BadInputError(f"There is no model file {path}. Check --model.")
    if not 0 < path.stat().st_size <= _MAX_BYTES:
        raise BadInputError(f"{path} is empty or above 2 GiB: not a self-contained ONNX file.")
    try:
        proto = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise BadInputError(f"{path} is not an ONNX file: it does not parse ({error}).") from error
    if not proto.graph.node:
        raise BadInputError(f"{path} is not an ONNX file, or its graph is empty.")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in proto.graph.initializer):
        raise BadInputError(
            f"{path} keeps its weights in other files. Save it as one: "
            "onnx.save_model(onnx.load(path), out, save_as_external_data=False)."
        )
    try:
        onnx.checker.check_model(proto)
    except Exception as error:  # the checker raises ValidationError, ValueError or RuntimeError, by version and fault
        raise BadInputError(f"{path} is not a valid ONNX model: {error}") from error
    return proto


def check_weights(proto: onnx.ModelProto, path: Path) -> None:
    """BadInputError that names the first float weight (or Constant node's value) with a NaN or an infinity."""
    constants = [attribute.t for node in proto.graph.node if node.op_type == "Constant" for attribute in node.attribute]
    for tensor in (*proto.graph.initializer, *constants):
        if tensor.data_type not in _FLOATS:
            continue
        try:
            values = numpy_helper.to_array(tensor).astype(np.float32, copy=False)
        except (ValueError, TypeError) as error:
            raise BadInputError(f"{path}: the weight {tensor.name!r} is malformed: {error}.") from error
        broken = int(values.size - np.isfinite(values).sum())
        if broken:
            raise BadInputError(
                f"{path}: the weight {tensor.name!r} holds {broken} NaN or infinite of {values.size} values. "
                "The training or the export went wrong; nothing sensible can be measured on it."
            )


def read_signature(proto: onnx.ModelProto, path: Path) -> Signature:
    """The one image input and the one logits output; BadInputError with what was found otherwise."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise BadInputError(f"{path} has {len(inputs)} inputs ({names}); an image classifier has one.")
    if len(proto.graph.output) != 1:
        names = ", ".join(value.name for value in proto.graph.output)
        raise BadInputError(f"{path} has {len(proto.graph.output)} outputs ({names}); keep only the logits.")
    source, result = inputs[0], proto.graph.output[0]
    if source.type.tensor_type.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(source.type.tensor_type.elem_type)
        raise BadInputError(f"{path}: input {source.name!r} is {kind}; expected FLOAT.")
    shape = _dimensions(source)
    if len(shape) != 4 or shape[1] not in (3, None):
        raise BadInputError(
            f"{path}: input {source.name!r} has shape {_spell(shape)}; expected [batch, 3, height, width]."
        )
    logits = _dimensions(result)
    if len(logits) != 2 or logits[1] is None:
        raise BadInputError(f"{path}: output {result.name!r} has shape {_spell(logits)}; expected [batch, classes].")
    if shape[0] not in (1, None):
        raise BadInputError(f"{path} is frozen at a batch of {shape[0]}; export it with a free batch, or with 1.")
    return Signature(source.name, shape[2], shape[3], shape[0], result.name, logits[1])


def check_size(signature: Signature, contract: InputContract, path: Path) -> None:
    """UsageError where the contract's size is not the one that the model's input is frozen at."""
    for side, has, asked in zip(("height", "width"), (signature.height, signature.width), contract.size, strict=True):
        if has is not None and has != asked:
            raise UsageError(
                f"The input contract gives a {side} of {asked} px, but {path} takes "
                f"{signature.height}x{signature.width}. Correct --size (or --preset, --resize, --crop)."
            )


def _dimensions(value: onnx.ValueInfoProto) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims]


def _spell(shape: list[int | None]) -> str:
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in shape) + "]"
