"""Queries that take far longer than the others while the machine is quiet: an engine that stalls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.metrics.accuracy import binomial_tail, wilson_interval

Samples = npt.NDArray[np.int64]
Labels = npt.NDArray[np.integer[Any]]

# A stall takes so many times the median more than the median, and at least a millisecond: below that, interrupts and
# the scheduler's tick cannot be told from the engine.
TIMES, LEAST_NS = 1.0, 1_000_000
# Of the queries; fewer stalls are what any system has.
LEAST_SHARE, LEAST_COUNT = 0.003, 3
_CHANCE = 0.02
# Counters of a block within which whatever is slow is the engine's own: shares of a core.
_QUIET = {"others": 0.3, "stolen": 0.05, "waited": 0.02}


@dataclasses.dataclass(frozen=True)
class Stalls:
    """share: of the queries of quiet blocks, and its 95 % interval. queries: how many there were. late_ms: what those
    took that stalled; typical_ms: their median. median_ms: of all queries.
    """

    share: float
    interval: tuple[float, float]
    queries: int
    late_ms: tuple[float, ...]
    typical_ms: float
    median_ms: float


def quiet_blocks(blocks: Iterable[Mapping[str, Any]]) -> set[int]:
    """Numbers of the blocks in which the engine had its processors: `block` and `counters` as in timing.json. What a
    system does not tell is taken to be quiet.
    """
    return {
        one["block"]
        for one in blocks
        if all(
            (one.get("counters") or {}).get(name) is None or one["counters"][name] < most
            for name, most in _QUIET.items()
        )
    }


def stalls(taken: Samples, blocks: Labels | None = None, quiet: Iterable[int] | None = None) -> Stalls | None:
    """Of int64 [N] nanoseconds; None for none. blocks: [N] numbers, of which only those in `quiet` count, if given."""
    if blocks is not None and quiet is not None:
        taken = taken[np.isin(blocks, list(quiet))]
    if not len(taken):
        return None
    middle = float(np.median(taken))
    late = taken[taken > middle + max(TIMES * middle, LEAST_NS)]
    return Stalls(
        share=len(late) / len(taken),
        interval=wilson_interval(len(late), len(taken)),
        queries=len(taken),
        late_ms=tuple((late / 1e6).tolist()),
        typical_ms=float(np.median(late)) / 1e6 if len(late) else 0.0,
        median_ms=middle / 1e6,
    )


def named(found: Stalls, others: Sequence[Stalls]) -> bool:
    """Whether it is the engine that stalls: more often than any machine does, and more often than the target beside it
    that stalls least, for at least half as long (a binomial test of how the stalls of both are shared out). others: of
    the other targets, timed in turns with this one.
    """
    if len(found.late_ms) < LEAST_COUNT or found.interval[0] < LEAST_SHARE:
        return False
    long_ms = (found.typical_ms - found.median_ms) / 2
    beside = [(sum(late > one.median_ms + long_ms for late in one.late_ms), one.queries) for one in others]
    if not beside:
        return True
    fewest, queries = min(beside, key=lambda one: one[0] / one[1])
    count = sum(late > found.median_ms + long_ms for late in found.late_ms)
    expected = found.queries / (found.queries + queries)
    return binomial_tail(count, count + fewest, expected) < _CHANCE / len(beside)
