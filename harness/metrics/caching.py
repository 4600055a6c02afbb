"""Whether an engine answers inputs that it has seen before faster than new ones: it keeps answers."""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.student import t_quantile

Samples = npt.NDArray[np.int64]

# A new input is a known one with one value changed, in the same memory: no honest engine takes a tenth longer for it.
MATTERS = 1.1
# Of a call that takes a few microseconds, a line of the cache that was just written is as much: no answer is saved.
LEAST_NS = 5_000
_STRETCHES, _QUERIES = 12, 4
# 99.9 % confidence, for one look at each target.
_TAIL = 0.0005


@dataclasses.dataclass(frozen=True)
class Caching:
    """ratio: of the medians of new inputs and known ones; 1 of an engine that computes. interval: at 99.9 %.
    saved_ns: the difference of the medians. called: all of the interval lies beyond 1.1, and 5 us or more are saved.
    """

    ratio: float
    interval: tuple[float, float]
    saved_ns: float

    @property
    def called(self) -> bool:
        """Beyond doubt, and more than noise."""
        return self.interval[0] > MATTERS and self.saved_ns >= LEAST_NS


def caching(taken: Samples, fresh: npt.NDArray[np.bool_]) -> Caching | None:
    """Of int64 [N] nanoseconds in the order asked, and whether each input was a new one; None for too few.

    New and known inputs take turns, so both of a stretch of time see the same machine: the stretches' ratios are the
    observations, with Student's t.
    """
    count = min(_STRETCHES, int(min(fresh.sum(), (~fresh).sum())) // _QUERIES)
    if count < 3:
        return None
    new, known = (np.array_split(np.maximum(taken[some], 1), count) for some in (fresh, ~fresh))
    logs = [math.log(float(np.median(one)) / float(np.median(other))) for one, other in zip(new, known, strict=True)]
    centre = statistics.fmean(logs)
    reach = t_quantile(_TAIL, count - 1) * statistics.stdev(logs) / math.sqrt(count)
    saved = float(np.median(taken[fresh]) - np.median(taken[~fresh]))
    return Caching(math.exp(centre), (math.exp(centre - reach), math.exp(centre + reach)), saved)
