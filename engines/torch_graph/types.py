"""ONNX element types, and how their values are held in PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto, numpy_helper

# Held in the type of the same name.
NATIVE: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
}
FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)

# Integers of at most 16 bits -> smallest and largest value. They are held as floats: exact, and a gradient passes.
INTEGER_RANGE: dict[int, tuple[int, int]] = {
    25: (0, 3),  # UINT2 and INT2, which onnx knows by name from 1.20 on
    26: (-2, 1),
    TensorProto.UINT4: (0, 15),
    TensorProto.INT4: (-8, 7),
    TensorProto.UINT8: (0, 255),
    TensorProto.INT8: (-128, 127),
    TensorProto.UINT16: (0, 65535),
    TensorProto.INT16: (-32768, 32767),
}
# The largest finite value of float8 e4m3fn: 1.75 * 2**8 (Micikevicius et al. 2022, table 1).
FLOAT8_MAX = 448.0
HELD_AS_FLOAT = (*INTEGER_RANGE, TensorProto.FLOAT8E4M3FN)


def type_name(element_type: int) -> str:
    """The name in the ONNX specification: FLOAT, UINT8, ..."""
    return str(TensorProto.DataType.Name(element_type))


class Floats:
    """The PyTorch type for each ONNX float type: its own, until the graph as a whole is cast (as in `.double()`)."""

    def __init__(self) -> None:
        self.working = torch.float32

    def of(self, element_type: int) -> torch.dtype:
        """The dtype in which a float or held value of that ONNX type is computed."""
        if self.working != torch.float32 or element_type in HELD_AS_FLOAT:
            return self.working
        return NATIVE[element_type]


def to_tensor(proto: TensorProto) -> torch.Tensor:
    """A constant on the CPU in the type that holds it (float32 for what is held as float).

    ValueError for a type that is not held at all, or for data outside the file.
    """
    if proto.data_location == TensorProto.EXTERNAL:
        raise ValueError(f"the data of {proto.name!r} lie outside the file")
    kind = proto.data_type
    if kind not in NATIVE and kind not in HELD_AS_FLOAT:
        raise ValueError(f"{proto.name!r} has the element type {type_name(kind)}")
    array = np.array(numpy_helper.to_array(proto), order="C")
    if kind == TensorProto.FLOAT8E4M3FN:
        return torch.from_numpy(array.view(np.uint8)).view(torch.float8_e4m3fn).to(torch.float32)
    if kind == TensorProto.BFLOAT16:
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    if kind in INTEGER_RANGE:
        return torch.from_numpy(array.astype(np.float32))
    return torch.from_numpy(array)
