"""From the histogram of a tensor to the range that its integers cover: minima and maxima, percentile, entropy, MSE.

Each method is a pure function of a histogram and a target, and returns (low, high), low <= high, in the unit of the
values. `calib.scales` makes scale and zero point of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seatrial.calib.histogram import SIDE, Histogram, Values
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.scales import Affine, affine

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Target:
    """What the range is for: the type, as in `uint8`, and whether its zero point is fixed in the middle."""

    type: str
    symmetric: bool

    def affine(self, low: float, high: float) -> Affine:
        """Scale and zero point for a range."""
        return affine(low, high, self.type, self.symmetric)


def find_range(histogram: Histogram, target: Target, options: QuantizeOptions) -> Range:
    """The range of a tensor by `options.ranges`; exact minimum and maximum where all its values are the same, or none
    differ from zero, and for float8, whose steps grow with the value, so that cutting gains nothing.
    """
    if histogram.exponent is None or histogram.low == histogram.high or target.type.startswith("float8"):
        return minmax(histogram, target, options)
    return _METHODS[options.ranges](histogram, target, options)


def minmax(histogram: Histogram, target: Target, options: QuantizeOptions) -> Range:
    """The smallest and the largest value."""
    return histogram.low, histogram.high


def percentile(histogram: Histogram, target: Target, options: QuantizeOptions) -> Range:
    """Keeps `options.percentile` percent of the values.

    Symmetric: that percentile of the absolute values, on both sides. Otherwise half of the rest is cut on each side.
    Linear within a bin. The convention of ONNX Runtime's PercentileCalibrater, which takes the bin's edge.
    """
    share = options.percentile / 100
    if target.symmetric:
        limit = _quantile(histogram.magnitudes(), share) * histogram.width
        return max(-limit, histogram.low), min(limit, histogram.high)
    tail = (1 - share) / 2
    low, high = ((_quantile(histogram.counts, at) - SIDE) * histogram.width for at in (tail, 1 - tail))
    return max(low, histogram.low), min(high, histogram.high)


def mse(histogram: Histogram, target: Target, options: QuantizeOptions) -> Range:
    """The range whose rounding and saturation give the least mean squared error over the histogram.

    Bounds are tried in hundredths of the extremes, from 1 % to 100 %: both at once where symmetric; otherwise the
    upper, the lower, and once more, each with the other held. (Banner et al. 2019 minimise the same error for an
    assumed distribution.)
    """
    used = np.flatnonzero(histogram.counts)
    counts, values = histogram.counts[used].astype(np.float64), histogram.representatives()[used]
    shares = [hundredth / 100 for hundredth in range(1, 101)]
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)

    def best(ranges: list[Range]) -> Range:
        errors = [_squared_error(counts, values, target.affine(*bounds)) for bounds in ranges]
        return ranges[len(errors) - 1 - int(np.argmin(errors[::-1]))]  # of equal ones, the widest

    if target.symmetric:
        return best([(low * share, high * share) for share in shares])
    for _ in range(2):
        if histogram.high > 0:
            _, high = best([(low, histogram.high * share) for share in shares])
        if histogram.low < 0:
            low, _ = best([(histogram.low * share, high) for share in shares])
    return max(low, histogram.low), min(high, histogram.high)


def entropy(histogram: Histogram, target: Target, options: QuantizeOptions) -> Range:
    """The range that loses the least information: the smallest Kullback-Leibler divergence of its rounding.

    Migacz, 8-bit Inference with TensorRT, GTC 2017 (s7310). Over absolute values: for a limit at bin i, P is the first
    i bins with all beyond counted into the last; Q joins the first i bins to as many steps as the type has on a side,
    each step's count spread over those of its bins that are not empty; the limit of the smallest sum P log(P / Q) wins.
    Zeros, exact at any limit, say nothing about it: the first bin takes the count of the second, as in NVIDIA's
    pytorch-quantization. A type of 256 steps spends all on one-sided values, half of them on others.
    """
    counts = histogram.magnitudes()
    one_sided = not target.symmetric and (histogram.low >= 0 or histogram.high <= 0)
    limit = entropy_limit(counts, 256 if one_sided else 128) * histogram.width
    return max(-limit, histogram.low), min(limit, histogram.high)


def entropy_limit(counts: npt.NDArray[np.int64], steps: int, stride: int = 16) -> int:
    """How many of the bins of absolute values to keep; int64 [bins] -> from `steps` to all that are not empty.

    stride: between the limits that are tried, in bins.
    """
    counts = counts.copy()
    if len(counts) > 1:
        counts[0] = counts[1]
    used = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 0
    if used <= steps:
        return max(used, 1)
    last, divergence = used, float("inf")
    for bins in [*range(steps, used, stride), used]:
        found = _divergence(counts, bins, used, steps)
        if found <= divergence:
            last, divergence = bins, found
    return last


def _divergence(counts: npt.NDArray[np.int64], bins: int, used: int, steps: int) -> float:
    kept = counts[:bins].astype(np.float64)
    edges = -(-np.arange(steps) * bins // steps)
    filled = kept > 0
    per_step = np.add.reduceat(kept, edges)
    shares = np.add.reduceat(filled.astype(np.float64), edges)
    spread = np.repeat(per_step / np.maximum(shares, 1), np.diff(np.append(edges, bins)))
    q = spread * filled
    p = kept
    p[-1] += counts[bins:used].sum()
    present = p > 0
    if not q.any() or not q[present].all():
        return float("inf")
    p, q = p[present] / p.sum(), q[present] / q.sum()
    return float((p * np.log(p / q)).sum())


def _quantile(counts: npt.NDArray[np.int64], share: float) -> float:
    """Where `share` of the counts lie below, in bins from the first, linear within a bin."""
    cumulated = np.cumsum(counts)
    wanted = share * float(cumulated[-1])
    place = min(int(np.searchsorted(cumulated, wanted)), len(counts) - 1)
    before = float(cumulated[place - 1]) if place else 0.0
    return place + (wanted - before) / max(float(counts[place]), 1.0)


def _squared_error(counts: Values, values: Values, grid: Affine) -> float:
    rounded = (np.clip(np.rint(values / grid.scale) + grid.zero, grid.smallest, grid.largest) - grid.zero) * grid.scale
    return float((counts * (values - rounded) ** 2).sum())


_METHODS: dict[str, Callable[[Histogram, Target, QuantizeOptions], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}
