"""4-bit weights in blocks: one scale, and where asked a zero point, for `block` values along a matrix' inner axis."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Blocked:
    """A matrix [K, N] in 4 bits.

    codes: int64 [K, N], -8 to 7 where symmetric, 0 to 15 where not. scale: float32 [K / block, N]. zero: int64 of the
    same shape, all 0 where symmetric. block: values along K that share them.
    """

    codes: npt.NDArray[np.int64]
    scale: npt.NDArray[np.float32]
    zero: npt.NDArray[np.int64]
    block: int
    symmetric: bool

    def dequantized(self) -> npt.NDArray[np.float32]:
        """(code - zero) * scale in float32, as ONNX's DequantizeLinear defines it: [K, N]."""
        centred = (self.codes - np.repeat(self.zero, self.block, axis=0)).astype(np.float32)
        result: npt.NDArray[np.float32] = centred * np.repeat(self.scale, self.block, axis=0)
        return result


def limits(symmetric: bool) -> tuple[int, int]:
    """Smallest and largest code: of int4 where symmetric, of uint4 where not."""
    return (-8, 7) if symmetric else (0, 15)


def grid_of(rows: npt.NDArray[Any], symmetric: bool) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Scale and zero point of one block: [block, N] -> float32 [N], int64 [N].

    Symmetric: scale = max|w| / 7, so that nothing saturates. Asymmetric: from min(w, 0) to max(w, 0) in 15 steps, as in
    the reference code of GPTQ (Frantar et al. 2022). A block of zeros gets scale 1.
    """
    if symmetric:
        scale = np.abs(rows).max(axis=0) / 7
        zero = np.zeros(rows.shape[1], np.int64)
    else:
        low, high = np.minimum(rows.min(axis=0), 0), np.maximum(rows.max(axis=0), 0)
        scale = (high - low) / 15
        zero = np.rint(-low / _positive(scale)).astype(np.int64)
    return _positive(scale.astype(np.float32)), zero


def codes_of(
    rows: npt.NDArray[Any], scale: npt.NDArray[np.float32], zero: npt.NDArray[np.int64], symmetric: bool
) -> npt.NDArray[np.int64]:
    """round(w / scale) + zero, half to even, saturated: [..., N] -> int64 [..., N]."""
    codes: npt.NDArray[np.int64] = np.clip(np.rint(rows / scale) + zero, *limits(symmetric)).astype(np.int64)
    return codes


def round_to_nearest(weight: npt.NDArray[Any], block: int, symmetric: bool) -> Blocked:
    """Every weight to the nearest value of its block's grid; [K, N], K a multiple of `block`."""
    grids = [grid_of(weight[start : start + block], symmetric) for start in range(0, len(weight), block)]
    scale, zero = np.stack([scale for scale, _ in grids]), np.stack([zero for _, zero in grids])
    spread = np.repeat(scale, block, axis=0), np.repeat(zero, block, axis=0)
    return Blocked(codes_of(weight, *spread, symmetric), scale, zero, block, symmetric)


def _positive(scale: Any) -> Any:
    return np.where(scale > 0, scale, np.ones_like(scale))
