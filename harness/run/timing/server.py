"""Server: queries arrive at random; the largest rate at which the 99th percentile keeps a bound."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from seatrial.engines.timing.block import Timed
from seatrial.harness.metrics.early_stopping import bound, minimum
from seatrial.harness.metrics.percentiles import nearest_rank
from seatrial.harness.run.timing.ready import Ready
from seatrial.harness.run.timing.scenes import Scene
from seatrial.harness.run.timing.takings import Taking

# By MLPerf Inference's rules for the server scenario.
PERCENT = 99.0
# Rates are told apart to this factor, confirmed ones to its square.
STEP = 1.05
# Of the rate that the engine could answer if queries came evenly: where the search begins, and how far it goes down.
BEGIN, LEAST = 0.5, 0.02
# A try of the search: queries, and seconds at least and at most. A queue that grows is seen after some times the bound.
_SEARCHED, _LEAST_S, _SEARCHED_S = 330, 0.5, 10.0
_TIMES_BOUND = 20
# A confirmation: twice the fewest queries that carry the percentile, for so many seconds at least, unless that takes
# too long; then the fewest, if they take no longer than MLPerf's least duration.
_LEAST_CONFIRMED_S = 3.0
_CONFIRMED, _CONFIRMED_S, _LONGEST_S = 2, 60.0, 600.0
_CONFIRMATIONS = 8
# Of one try; and seconds of a target, after which what is confirmed stands.
_MOST = 500_000
BUDGET_S = 600.0


@dataclasses.dataclass(frozen=True)
class Try:
    """One rate, in queries a second. p99_ms: as measured. bound_p99_ms: what it does not exceed, at 99 % confidence;
    None where the queries are too few. keeps: the bound, with all queries answered. confirmed: it was asked for long.
    """

    rate: float
    queries: int
    p99_ms: float
    bound_p99_ms: float | None
    keeps: bool
    confirmed: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Found:
    """rate: the largest that keeps the bound, None where none of `tried` is confirmed to. searched: indices of the
    takings that only looked for it.
    """

    rate: float | None
    tried: tuple[Try, ...]
    takings: tuple[Taking, ...]
    searched: frozenset[int]


class Search:
    """Of one target. asks: a rate and a number of queries -> the block, and how many queries should have come."""

    def __init__(self, ask: Callable[[float, int], Timed], *, service_s: float, workers: int, bound_ms: float) -> None:
        """service_s: median of a single query. workers: queries that it answers at once."""
        self._ask, self._bound_ms = ask, bound_ms
        self._most = workers / max(service_s, 1e-7)
        self._service_s = service_s
        self._begin = time.monotonic_ns()
        self._spent_s = 0.0
        self._tried: list[Try] = []
        self._takings: list[Taking] = []
        self._searched: set[int] = set()

    def find(self) -> Found:
        """Up from a rate that is kept to one that is not, by bisection between them, then confirmed with queries that
        carry the percentile.
        """
        low, high = self._bracket()
        while low is not None and high / low > STEP:
            middle = math.sqrt(low * high)
            low, high = (middle, high) if self._try(middle).keeps else (low, middle)
        rate = None if low is None else self._confirmed(low)
        return Found(rate, tuple(self._tried), tuple(self._takings), frozenset(self._searched))

    def _confirmed(self, rate: float) -> float | None:
        """Down in growing steps until a rate is kept, then closer to the one above by bisection."""
        high: float | None = None
        for steps in range(1, _CONFIRMATIONS + 1):
            if self._spent_s > BUDGET_S:
                return None
            if self._try(rate, confirmed=True).keeps:
                break
            high, rate = rate, rate / STEP**steps
        else:
            return None
        while high is not None and high / rate > STEP**2 and self._spent_s <= BUDGET_S:
            middle = math.sqrt(rate * high)
            rate, high = (middle, high) if self._try(middle, confirmed=True).keeps else (rate, middle)
        return rate

    def _bracket(self) -> tuple[float | None, float]:
        """A rate that is kept, None where even a rare query is not, and one that is not."""
        if 1e3 * self._service_s > self._bound_ms:
            # No queue makes it faster: one try shows it.
            rate = self._most * LEAST
            self._try(rate)
            return None, rate
        rate = self._most * BEGIN
        if self._try(rate).keeps:
            high = 2.0 * self._most  # Beyond what it can answer at all: it need not be tried.
            while rate * 1.5 < high:
                if not self._try(rate * 1.5).keeps:
                    return rate, rate * 1.5
                rate *= 1.5
            return rate, high
        while rate > self._most * LEAST:
            rate /= 4
            if self._try(rate).keeps:
                return rate, rate * 4
        return None, rate

    def _try(self, rate: float, *, confirmed: bool = False) -> Try:
        queries = _queries(rate, self._bound_ms / 1e3, confirmed=confirmed)
        self._spent_s += queries / rate
        timed = self._ask(rate, queries)
        taken, whole = timed.taken, len(timed.taken) >= queries
        p99 = nearest_rank(taken, PERCENT) / 1e6 if len(taken) else math.inf
        carried = bound(taken, PERCENT) if len(taken) else None
        limit = carried / 1e6 if carried is not None else None
        judged = p99 if not confirmed else math.inf if limit is None else limit
        found = Try(rate, len(taken), p99, limit, whole and judged <= self._bound_ms, confirmed)
        if not confirmed:
            self._searched.add(len(self._takings))
        self._tried.append(found)
        self._takings.append(Taking(1, self._now(), timed, setting_of(rate)))
        return found

    def _now(self) -> int:
        return time.monotonic_ns() - self._begin


def setting_of(rate: float) -> str:
    """As it stands in latency.parquet."""
    return f"rate={rate:.6g}"


def _queries(rate: float, bound_s: float, *, confirmed: bool) -> int:
    """Of a try: fewer at rates at which they would take too long."""
    least_s = max(_LEAST_CONFIRMED_S if confirmed else _LEAST_S, _TIMES_BOUND * bound_s)
    if not confirmed:
        return max(2, min(max(_SEARCHED, math.ceil(rate * least_s)), math.ceil(rate * _SEARCHED_S), _MOST))
    fewest = minimum(PERCENT)
    wanted = min(max(_CONFIRMED * fewest, math.ceil(rate * least_s)), _MOST)
    return max(2, min(wanted, math.ceil(rate * _CONFIRMED_S)), min(fewest, math.ceil(rate * _LONGEST_S)))


def serve(ready: Ready, scene: Scene, *, bound_ms: float, seed: int, note: Callable[[str], None]) -> Found:
    """Searches for one target. The same seed gives the same arrivals, stretched by the rate."""

    def ask(rate: float, queries: int) -> Timed:
        note(f"{rate:.4g} queries/s")
        # All of them arrive within these seconds: six standard deviations more than they take on average.
        seconds = (queries + 6 * math.sqrt(queries) + 20) / rate
        return ready.time(scene.block(seed=seed, queries=queries, seconds=seconds, rate=rate))

    return Search(ask, service_s=ready.seconds, workers=scene.workers, bound_ms=bound_ms).find()


def entry_of_search(found: Found, *, bound_ms: float, workers: int) -> dict[str, Any]:
    """What timing.json says of it beside the blocks."""
    finite = [{**one.to_dict(), "p99_ms": one.p99_ms if np.isfinite(one.p99_ms) else None} for one in found.tried]
    return {"bound_ms": bound_ms, "workers": workers, "tried": finite, "rate": found.rate}
