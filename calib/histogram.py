"""Histograms of streams: memory that does not grow, and the same counts whatever the batches and their order.

The width of a bin is a power of two, and bin edges are its multiples. A value beyond the last bin doubles the width, as
often as needed, and adjacent bins join; both are exact. So counts depend on the values alone: not on batch size, order
or threads. One pass is enough, where bins of equal width between minimum and maximum would take two.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

# Bins on each side of zero. The largest value lies in the upper half of its side (or the width was never doubled), so
# 2048 to 4096 bins cover it: at least 16 for each of the 128 steps of symmetric int8. TensorRT's calibrator has 2048.
SIDE = 4096
# Values worked on at once: what the caches hold of float32 and int64.
_CHUNK = 1 << 15
_SMALLEST_EXPONENT = -126  # of a normal float32

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


@dataclasses.dataclass
class Histogram:
    """Counts of the values of one tensor, with its exact minimum and maximum.

    counts: int64 [2 * SIDE], of [-SIDE * width, SIDE * width). exponent: the width is 2 ** exponent, None before the
    first value other than zero. low, high: the smallest and largest value, inf and -inf before the first.
    """

    counts: Counts = dataclasses.field(default_factory=lambda: np.zeros(2 * SIDE, np.int64))
    exponent: int | None = None
    low: float = math.inf
    high: float = -math.inf

    @property
    def total(self) -> int:
        """How many values were added."""
        return int(self.counts.sum())

    @property
    def width(self) -> float:
        """Of a bin, in the unit of the values; 1 while all are zero."""
        return 1.0 if self.exponent is None else math.ldexp(1.0, self.exponent)

    def add(self, values: npt.NDArray[Any]) -> None:
        """Counts float values of any shape; ValueError for NaN and infinities."""
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("NaN or infinite values")
        self.low, self.high = min(self.low, low), max(self.high, high)
        needed = _exponent_for(max(-low, high))
        if needed is not None:
            self._widen(needed)
        self.counts += _counted(flat, np.float32(1.0 / self.width), low < 0)

    def merge(self, other: Histogram) -> None:
        """Adds what another one has counted."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        if other.exponent is None:
            self.counts[SIDE] += other.counts[SIDE]
            return
        self._widen(other.exponent)
        assert self.exponent is not None
        self.counts += _joined(other.counts, self.exponent - other.exponent)

    def representatives(self) -> Values:
        """float64 [2 * SIDE], a value for each bin: its middle, within minimum and maximum; 0 for the bin above 0.

        What falls into that bin is nearly all zeros: of a Relu, of padding. A middle would add an error that no
        quantization makes, since 0 is always exact.
        """
        middles: Values = np.arange(-SIDE + 0.5, SIDE, dtype=np.float64) * np.float64(self.width)
        middles[SIDE] = 0.0
        if self.low <= self.high:
            np.clip(middles, self.low, self.high, out=middles)
        return middles

    def magnitudes(self) -> Counts:
        """int64 [SIDE], the histogram of absolute values."""
        return self.counts[SIDE:] + self.counts[SIDE - 1 :: -1]

    def _widen(self, exponent: int) -> None:
        if self.exponent is None:
            self.exponent = exponent  # all values so far are zero: they stay in the bin above 0
        elif exponent > self.exponent:
            self.counts = _joined(self.counts, exponent - self.exponent)
            self.exponent = exponent


def _exponent_for(magnitude: float) -> int | None:
    """The smallest e with magnitude < SIDE * 2 ** e; None for 0."""
    if magnitude == 0:
        return None
    return max(math.frexp(magnitude)[1] - int(math.log2(SIDE)), _SMALLEST_EXPONENT)


def _counted(flat: npt.NDArray[np.float32], inverse: np.float32, signed: bool) -> Counts:
    counts: Counts = np.zeros(2 * SIDE, np.int64)
    scaled = np.empty(min(_CHUNK, flat.size), np.float32)
    places = np.empty(scaled.size, np.intp)
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        part, place = scaled[: chunk.size], places[: chunk.size]
        np.multiply(chunk, inverse, out=part)  # by a power of two: exact
        if signed:
            np.floor(part, out=part)
        np.copyto(place, part, casting="unsafe")  # truncates
        if signed:
            place += SIDE
            counts += np.bincount(place, minlength=2 * SIDE)
        else:
            counts[SIDE:] += np.bincount(place, minlength=SIDE)
    return counts


def _joined(counts: Counts, doublings: int) -> Counts:
    """The same counts in bins that are 2 ** doublings as wide."""
    result: Counts = np.zeros_like(counts)
    if doublings > int(math.log2(SIDE)):
        result[SIDE - 1], result[SIDE] = counts[:SIDE].sum(), counts[SIDE:].sum()
        return result
    kept = SIDE >> doublings
    joined = counts.reshape(2 * kept, -1).sum(axis=1)
    result[SIDE - kept : SIDE + kept] = joined
    return result
