"""Whether an engine takes longer for a query when many come."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.student import t_quantile

Samples = npt.NDArray[np.int64]

# Arrivals at random find caches and branch predictors colder than a loop does, by a tenth or so.
MATTERS = 1.2
_STRETCHES, _QUERIES = 10, 4
# Of the time that its workers have, from where on they hardly sleep.
_BUSY = 0.7
_TAIL = 0.0005


@dataclasses.dataclass(frozen=True)
class Loaded:
    """ratio: of the median of the engine's own time for a query at the largest rate over that at the least load that
    was measured. interval: at 99.9 %. rate: that largest one, queries a second. workers: queries at once. called: all
    of it lies beyond 1.2 times as many, which is what queries that share the processors may take.
    """

    ratio: float
    interval: tuple[float, float]
    rate: float
    workers: int

    @property
    def called(self) -> bool:
        """Beyond doubt, and more than cold caches and fair shares explain."""
        return self.interval[0] > MATTERS * self.workers


def loaded(alone: Samples, service: Mapping[float, Samples], workers: int = 1) -> Loaded | None:
    """alone: int64 [N] nanoseconds of single queries. service: queries a second -> int64 [N] nanoseconds of the
    engine's own time, in the order asked, without waiting for one's turn. workers: queries that it answers at once.
    None for too few.

    An engine that sleeps between arrivals wakes up slowly, which is no load: a largest rate that leaves it idle is held
    against the slower of single queries and the smallest rate; one that keeps it busy against single queries, which
    follow each other likewise.
    """
    known = {rate: samples for rate, samples in service.items() if len(samples) >= 2 * _QUERIES}
    if not known or len(alone) < 2 * _QUERIES:
        return None
    most = max(known)
    busy_share = most * float(np.median(known[most])) / 1e9 / workers
    bases = [alone, *([known[min(known)]] if len(known) > 1 and busy_share < _BUSY else [])]
    base = max(bases, key=lambda one: float(np.median(one)))
    busy, calm = _levels(known[most]), _levels(base)
    centre = statistics.fmean(busy) - statistics.fmean(calm)
    error = math.hypot(*(statistics.stdev(one) / math.sqrt(len(one)) for one in (busy, calm)))
    reach = t_quantile(_TAIL, min(len(busy), len(calm)) - 1) * error
    return Loaded(math.exp(centre), (math.exp(centre - reach), math.exp(centre + reach)), most, workers)


def _levels(samples: Samples) -> list[float]:
    count = min(_STRETCHES, len(samples) // _QUERIES)
    return [math.log(max(1.0, float(np.median(part)))) for part in np.array_split(samples, count)]
