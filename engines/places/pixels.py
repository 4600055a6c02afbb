"""A batch as 8-bit pixels, which become the input tensor in the engine's process: a quarter of the bytes of float32."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.pixels import Tensor, look_up

_DTYPES = ("float32", "float16", "uint8")


@dataclasses.dataclass(frozen=True)
class Pixels:
    """array: uint8 RGB [N, H, W, 3]. table: float32 [C, 256]. The engine gets `seatrial.pixels.look_up` of them."""

    array: npt.NDArray[np.uint8]
    table: npt.NDArray[np.float32]
    color: str
    layout: str
    dtype: str

    def __len__(self) -> int:
        return len(self.array)

    @property
    def fields(self) -> dict[str, str]:
        """What travels beside the two arrays."""
        return {"color": self.color, "layout": self.layout, "dtype": self.dtype}


def tensor_of(fields: Mapping[str, Any], arrays: Sequence[npt.NDArray[Any]]) -> Tensor:
    """The input tensor of what `Pixels` sent; ValueError for what it cannot have sent."""
    images, table = arrays
    color, layout, dtype = (str(fields[name]) for name in ("color", "layout", "dtype"))
    depth = 1 if color == "gray" else 3
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise ValueError(f"Pixels are uint8 [N, H, W, 3], not {images.dtype} {list(images.shape)}.")
    if table.dtype != np.float32 or table.shape != (depth, 256):
        raise ValueError(f"The table of {color!r} is float32 [{depth}, 256], not {table.dtype} {list(table.shape)}.")
    if color not in ("rgb", "bgr", "gray") or layout not in ("nchw", "nhwc") or dtype not in _DTYPES:
        raise ValueError(f"Pixels become no {dtype!r} {color!r} {layout!r}.")
    return look_up(images, table, color=color, layout=layout, dtype=dtype)
