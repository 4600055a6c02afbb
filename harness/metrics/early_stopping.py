"""Which percentile a number of queries carries, and the bound of it: MLPerf's early stopping."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.binomial import log_at_most

Samples = npt.NDArray[np.int64]

# MLPerf Inference's rules, "Early stopping": a bound holds at 99 % confidence.
CONFIDENCE = 0.99
PERCENTS: tuple[float, ...] = (50, 90, 95, 99, 99.9)


def minimum(percent: float, over: int = 1, confidence: float = CONFIDENCE) -> int:
    """The fewest queries whose slowest but `over` - 1 bounds the percentile from above, at that confidence.

    That many queries would have `over` or fewer beyond the percentile with a chance of less than 1 - `confidence`: the
    condition of `MinPassingQueriesFinder` (mlcommons/inference, loadgen/early_stopping.cc).

    >>> [minimum(percent) for percent in (90, 95, 99, 99.9)]
    [64, 130, 662, 6636]
    """
    if not 0 < percent < 100:
        raise ValueError(f"{percent} is no percentile")
    return _minimum(float(percent), over, confidence)


@functools.cache
def _minimum(percent: float, over: int, confidence: float) -> int:
    low = over  # With so few, all may be beyond it.
    high = max(2, 2 * over)
    while not _enough(high, percent, over, confidence):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(middle, percent, over, confidence) else (middle, high)
    return high


def _enough(count: int, percent: float, over: int, confidence: float) -> bool:
    return log_at_most(over, count, _beyond(percent)) < math.log1p(-confidence)


def carried(count: int) -> tuple[float, ...]:
    """Those of PERCENTS that so many queries carry, the smallest first.

    >>> carried(64), carried(661)
    ((50, 90), (50, 90, 95))
    """
    return tuple(percent for percent in PERCENTS if count >= minimum(percent))


def bound(samples: Samples, percent: float) -> int | None:
    """The early-stopping estimate of loadgen's: a time that the percentile does not exceed, at 99 % confidence; None
    where the samples, int64 [N] nanoseconds, are too few.

    Of N queries, as many of the slowest are left out as leaves the bound true: the largest t of which N is at least
    `minimum(percent, t)`; the bound is the t-th slowest (mlcommons/inference, loadgen/results.cc).

    >>> bound(np.arange(1, 65), 90), bound(np.arange(1, 64), 90)
    (64, None)
    """
    over = most_over(len(samples), percent)
    if over < 1:
        return None
    rank = len(samples) - over
    return int(np.partition(samples, rank)[rank])


def most_over(count: int, percent: float) -> int:
    """How many of so many queries may be slower than a time that is claimed to be above the percentile; 0 where none
    is a claim that holds.
    """
    if count < minimum(percent):
        return 0
    low, high = 1, count  # As many as are there always are too many.
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _enough(count, percent, middle, CONFIDENCE) else (low, middle)
    return low


def _beyond(percent: float) -> float:
    return (100 - percent) / 100
