"""How many times faster a target answers than its reference, and how well that is known."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.metrics.student import t_quantile

Samples = npt.NDArray[np.int64]

RESAMPLES = 1000
# Two turns of the alternating measurement. Longer than latencies remember: with a memory of ten samples, 95 % intervals
# of 662 samples hold the truth in 93 of 100 cases, with blocks of N ** (1/3), as is usual, in 78.
BLOCK = 64
# Of fewer samples the blocks are shorter, so that there are as many to draw from.
_LEAST_BLOCKS = 8


@dataclasses.dataclass(frozen=True)
class Speedup:
    """ratio: the reference's p50 over the target's, above 1 where the target is faster. ci95: its interval."""

    ratio: float
    ci95: tuple[float, float]


def speedup(reference: Samples, builds: Sequence[Samples], *, seed: int) -> Speedup:
    """Of single-query nanoseconds, int64 [N], that were taken in turns: the reference's, and those of each build of the
    target. ValueError for none.

    Neighbouring latencies hang together, so blocks of them are resampled (the moving block bootstrap: Kuensch, "The
    jackknife and the bootstrap for general stationary observations", 1989), the same stretches of time of both sides,
    since what slows the machine slows both. The interval is symmetric in the logarithm, with Student's t for as many
    observations as there are whole blocks. Where the target was built several times, the builds are the observations,
    and the ratio is the geometric mean of theirs: what differs from build to build is more than what differs from query
    to query.

    >>> fast, slow = np.full(100, 2_000), np.full(100, 3_000)
    >>> speedup(slow, [fast], seed=0).ratio
    1.5
    """
    if not builds or not len(reference) or not all(len(one) for one in builds):
        raise ValueError("a ratio needs samples of both sides")
    # A clock may not tell a query that takes next to nothing from none.
    reference, *builds = (np.maximum(one, 1) for one in (reference, *builds))
    logs = [math.log(nearest_rank(reference, 50) / nearest_rank(one, 50)) for one in builds]
    centre = statistics.fmean(logs)
    if len(builds) == 1:
        error, blocks = _resampled([reference, builds[0]], seed)
        reach = t_quantile(0.025, max(1, blocks - 1)) * error
    else:
        error = math.hypot(statistics.stdev(logs) / math.sqrt(len(logs)), _resampled([reference], seed)[0])
        reach = t_quantile(0.025, len(builds) - 1) * error
    return Speedup(math.exp(centre), (math.exp(centre - reach), math.exp(centre + reach)))


def _resampled(sides: Sequence[Samples], seed: int) -> tuple[float, int]:
    """The standard error of the logarithm of p50, or of the ratio of two, and the number of blocks."""
    count = min(len(one) for one in sides)
    block = max(1, min(BLOCK, count // _LEAST_BLOCKS))
    blocks = -(-count // block)
    rng = np.random.Generator(np.random.PCG64(seed))
    starts = rng.integers(0, count - block + 1, (RESAMPLES, blocks))
    places = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :count]
    rank = max(1, math.ceil(count / 2)) - 1
    medians = [np.log(np.partition(one[places], rank, axis=1)[:, rank]) for one in sides]
    deviations = medians[0] if len(sides) == 1 else medians[0] - medians[1]
    return float(deviations.std(ddof=1)), count // block
