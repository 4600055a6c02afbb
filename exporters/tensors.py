"""Whether the tensors of an ONNX file hold as many values as they claim, by arithmetic alone; and whether they are
finite.

Nothing is allocated before the claim is known to be true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from seatrial.errors import BadInputError, UnsupportedError
from seatrial.exporters.graphs import all_attributes, all_graphs, all_tensors

# Of onnx 1.20 and above (opset 25); older releases know the numbers by no name.
UINT2, INT2 = 25, 26
_NEWER = {UINT2: "UINT2", INT2: "INT2"}
# Bits of one element as ONNX stores it, by data type (onnx.proto, TensorProto.DataType).
_BITS: dict[int, int] = {
    **dict.fromkeys((TensorProto.FLOAT, TensorProto.INT32, TensorProto.UINT32), 32),
    **dict.fromkeys((TensorProto.DOUBLE, TensorProto.INT64, TensorProto.UINT64, TensorProto.COMPLEX64), 64),
    **dict.fromkeys((TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT16, TensorProto.UINT16), 16),
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL), 8),
    **dict.fromkeys((TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ), 8),
    **dict.fromkeys((TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ), 8),
    **dict.fromkeys((TensorProto.INT4, TensorProto.UINT4), 4),
    **dict.fromkeys((UINT2, INT2), 2),
    TensorProto.COMPLEX128: 128,
}
# Which typed field holds the values of a type that does not lie in raw_data, and how many of its entries one takes.
_FIELDS: dict[int, tuple[str, int]] = {
    TensorProto.FLOAT: ("float_data", 1),
    TensorProto.COMPLEX64: ("float_data", 2),
    TensorProto.DOUBLE: ("double_data", 1),
    TensorProto.COMPLEX128: ("double_data", 2),
    TensorProto.INT64: ("int64_data", 1),
    TensorProto.UINT32: ("uint64_data", 1),
    TensorProto.UINT64: ("uint64_data", 1),
    TensorProto.STRING: ("string_data", 1),
}
_FLOATS = (
    *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE),
    *(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E4M3FNUZ, TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2FNUZ),
)
# Types that the specification names beside the ones above.
_NAMED = {number for number in TensorProto.DataType.values() if number} - {TensorProto.STRING}
_PIECE = 1 << 22
_MAX_AXES = 32


def type_name(data_type: int) -> str:
    """The name of an ONNX data type, as in "FLOAT16"; its number where it has none."""
    known = {number: name for name, number in TensorProto.DataType.items()}
    return known.get(data_type, _NEWER.get(data_type, str(data_type)))


def byte_count(data_type: int, dims: Sequence[int]) -> int | None:
    """Bytes that so many elements take as ONNX stores them; None for a type without a fixed size."""
    bits = _BITS.get(data_type)
    return None if bits is None else (math.prod(dims) * bits + 7) // 8


def check_tensors(model: onnx.ModelProto, path: Path) -> None:
    """BadInputError that names the first tensor whose dimensions, type and stored values do not belong together;
    UnsupportedError for one of a type that no engine here computes with.

    Tensors must be dense and in the file; sparse ones are refused.
    """
    for graph in all_graphs(model):
        if graph.sparse_initializer:
            name = graph.sparse_initializer[0].values.name
            raise BadInputError(f"{path}: the weight {name!r} is sparse. {_DENSE}")
    for name, attribute in all_attributes(model):
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise BadInputError(f"{path}: the value {name!r} is sparse. {_DENSE}")
    for name, tensor in all_tensors(model):
        if tensor.data_type not in _BITS and tensor.data_type in _NAMED:
            raise UnsupportedError(
                f"{path}: the weight {name!r} is of the type {type_name(tensor.data_type)}, which no engine of "
                "seatrial computes with. Export it in float, or in Q/DQ form with integers of 2, 4, 8 or 16 bits."
            )
        fault = _fault(tensor)
        if fault is not None:
            raise BadInputError(f"{path}: the weight {name!r} {fault}. The file is damaged; export it again.")


def check_finite(model: onnx.ModelProto, path: Path) -> None:
    """BadInputError that names the first float tensor with a NaN or an infinity; the tensors are checked beforehand.

    Scalars and shapes of one element may be infinite: bounds of a Clip or a Pad's value are.
    """
    for name, tensor in all_tensors(model):
        if tensor.data_type not in _FLOATS:
            continue
        values = numpy_helper.to_array(tensor).reshape(-1)
        broken = sum(
            int(np.count_nonzero(~np.isfinite(values[start : start + _PIECE])))
            for start in range(0, values.size, _PIECE)
        )
        if broken and (values.size > 1 or np.isnan(values).any()):
            raise BadInputError(
                f"{path}: the weight {name!r} holds {broken} NaN or infinite of {values.size} values. "
                "The training or the export went wrong; nothing sensible can be measured on it."
            )


_DENSE = "Export it with dense weights: engines disagree on sparse ones."


def _fault(tensor: onnx.TensorProto) -> str | None:
    if min(tensor.dims, default=0) < 0:
        return f"has the shape {list(tensor.dims)}"
    if len(tensor.dims) > _MAX_AXES:
        return f"has {len(tensor.dims)} axes"
    if tensor.HasField("segment"):
        return "is cut into segments, which no engine reads"
    if tensor.data_type != TensorProto.STRING and tensor.data_type not in _BITS:
        return f"is of the type {type_name(tensor.data_type)}, which no engine of seatrial computes with"
    count = math.prod(tensor.dims)
    name, entries = _FIELDS.get(tensor.data_type, ("int32_data", 1))
    size = byte_count(tensor.data_type, tensor.dims)
    if size is not None and tensor.HasField("raw_data"):
        has, needs, unit = len(tensor.raw_data), size, "bytes"
    else:
        bits = _BITS.get(tensor.data_type, 8)  # those of less than 8 lie packed, as many to an entry as fit into 8
        packed = size if size is not None and bits < 8 else count * entries
        has, needs, unit = len(getattr(tensor, name)), packed, "values"
    if has != needs:
        shape = "x".join(map(str, tensor.dims)) or "one element"
        return f"claims {shape} of {type_name(tensor.data_type)}, {needs} {unit}, and holds {has}"
    return None
