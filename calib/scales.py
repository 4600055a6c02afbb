"""From ranges to scales and zero points, of activations and of weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto

from seatrial.calib.overflow import LIMIT, pair_range

# ONNX element type, smallest and largest value that a scale may count on.
_TYPES: dict[str, tuple[int, float, float]] = {
    "uint8": (TensorProto.UINT8, 0, 255),
    "int8": (TensorProto.INT8, -128, 127),
    "float8e4m3fn": (TensorProto.FLOAT8E4M3FN, -448, 448),
}
# Below it, 1 / scale overflows float32: such a range is zero.
_SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
# Scales that are tried for a channel whose weights must be narrow.
_CANDIDATES = 33
# What a tensor that is zero throughout gets: its scale also sizes the steps of the int32 bias behind it.
_SCALE_OF_ZERO = 1 / 255

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Affine:
    """(value - zero) * scale, for values from smallest to largest of `type`. scale: a float32's value."""

    type: str
    scale: float
    zero: int
    smallest: float
    largest: float


def numpy_type(name: str) -> Any:
    """The NumPy (or ml_dtypes) type of `uint8`, `int8` or `float8e4m3fn`."""
    return onnx.helper.tensor_dtype_to_np_dtype(_TYPES[name][0])


def affine(low: float, high: float, kind: str, symmetric: bool) -> Affine:
    """Scale and zero point that cover low to high; the range is widened to include 0, which must be exact.

    Asymmetric: scale = (high - low) / 255, zero = round(smallest - low / scale) (Jacob et al. 2018, section 2).
    Symmetric: scale = max(|low|, |high|) / 127, zero in the middle. float8: scale = max(|low|, |high|) / 448.
    Where the range begins at 0, the largest integer stands for at most `high` in float32: so a Clip at `high` says
    nothing that saturation does not, and an engine may drop it.
    """
    _, smallest, largest = _TYPES[kind]
    low, high = min(low, 0.0), max(high, 0.0)
    if kind.startswith("float8") or symmetric:
        middle = 128 if kind == "uint8" else 0
        scale = float(np.float32(max(-low, high) / (largest - middle)))
        return Affine(kind, scale if scale >= _SMALLEST_SCALE else _SCALE_OF_ZERO, middle, smallest, largest)
    scale = float(np.float32((high - low) / (largest - smallest)))
    if scale < _SMALLEST_SCALE:
        return Affine(kind, _SCALE_OF_ZERO, int(smallest), smallest, largest)
    zero = int(np.clip(np.rint(smallest - low / scale), smallest, largest))
    return Affine(kind, scale, zero, smallest, largest)


@dataclasses.dataclass(frozen=True)
class WeightScales:
    """scale: float32 [channels], or [] for the whole tensor; zero: int64 of the same shape. axis: of the channels."""

    scale: npt.NDArray[np.float32]
    zero: npt.NDArray[np.int64]
    axis: int | None


def weight_scales(weight: Array, kind: str, axis: int | None, symmetric: bool, *, narrow: bool = False) -> WeightScales:
    """Scales from the smallest and largest weight of each channel along `axis`, of the whole tensor for None.

    Symmetric int8 is narrow, -127 to 127: scale = max|w| / 127, which every engine's integer kernels take. A channel of
    zeros gets the smallest scale of the others: it multiplies nothing, but the step of an int32 bias hangs on it.
    narrow: of symmetric int8, so that no two weights of a channel overflow 16 bits, see `narrow_scales`.
    """
    flat = weight.reshape(1, -1) if axis is None else np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    flat = flat.astype(np.float64)
    _, smallest, largest = _TYPES[kind]
    low, high = np.minimum(flat.min(axis=1), 0), np.maximum(flat.max(axis=1), 0)
    if symmetric or kind.startswith("float8"):
        middle = 128 if kind == "uint8" else 0
        scale = narrow_scales(flat) if narrow else (np.maximum(-low, high) / (largest - middle)).astype(np.float32)
        scale = _without_zeros(scale)
        zero = np.full(scale.shape, middle, np.int64)
    else:
        scale = _without_zeros(((high - low) / (largest - smallest)).astype(np.float32))
        zero = np.clip(np.rint(smallest - low / scale), smallest, largest).astype(np.int64)
    return WeightScales(scale, zero, axis) if axis is not None else WeightScales(scale[0], zero[0], None)


def narrow_scales(rows: Array) -> npt.NDArray[np.float32]:
    """[channels, weights] -> float32 [channels], scales whose integers `calib.overflow` has nothing against.

    From the finest that may do to that of 7 bits, max|w| / 64, which always does: the one of least sum e^2 + (sum e)^2,
    e the error of a weight. The second term is what a constant input would see: behind a Relu inputs have a mean, and
    their squared mean is of the size of their variance (1.75 times it for the positive half of a normal distribution).
    A wider scale than one that does, does as well: no integer grows.
    """
    rows = rows.astype(np.float32)
    largest = np.abs(rows).max(axis=1)
    coarsest = largest / np.float32(64)
    finest = np.maximum(largest / np.float32(127), pair_range(rows) / np.float32(128))
    best: npt.NDArray[np.float32] = coarsest.copy()
    least = np.full(len(rows), np.inf)
    for share in np.linspace(0, 1, _CANDIDATES, dtype=np.float32):
        scale = np.maximum(finest + (coarsest - finest) * share, np.float32(_SMALLEST_SCALE))
        integers = np.rint(rows / scale[:, None])
        errors = (integers * scale[:, None] - rows).astype(np.float64)
        cost = (errors**2).sum(axis=1) + errors.sum(axis=1) ** 2
        better = (pair_range(integers) <= LIMIT) & (np.abs(integers).max(axis=1) <= 127) & (cost < least)
        best[better], least[better] = scale[better], cost[better]
    return best


def _without_zeros(scale: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    alive = scale[scale >= _SMALLEST_SCALE]
    filler = alive.min() if alive.size else np.float32(_SCALE_OF_ZERO)
    return np.where(scale >= _SMALLEST_SCALE, scale, filler).astype(np.float32)


def widened_for_bias(scales: WeightScales, bias: Array, input_scale: float) -> WeightScales:
    """The same, larger where the bias of a channel would not fit into int32 at scale input x weight.

    bias: float [channels]. A channel of tiny weights and a normal bias needs it; half of int32's range is left to the
    sums. ONNX Runtime's quantizer widens likewise.
    """
    needed = np.abs(bias.astype(np.float64)) / (input_scale * 2.0**30)
    # The groups of a ConvTranspose share their scales, [K / groups] for a bias of [K].
    needed = needed.max(initial=0.0) if scales.axis is None else needed.reshape(-1, scales.scale.size).max(axis=0)
    scale = np.maximum(scales.scale, needed.astype(np.float32))
    return dataclasses.replace(scales, scale=np.asarray(scale, np.float32))
