"""Engines that are timed by a clock of their own: what a block of queries would tell, without asking anything."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from seatrial.engines.timing.block import Counters, Timed
from seatrial.engines.timing.order import arrivals


def timed(taken_ns, *, wall_s=None, others=0.0, joules=None, wrong=0, begin=None, service=None):
    """A block of queries that took so many nanoseconds, one after the other."""
    taken = np.asarray(taken_ns, np.int64)
    begin = np.cumsum(taken) - taken if begin is None else begin
    counters = Counters(
        wall_s=float(taken.sum()) / 1e9 if wall_s is None else wall_s,
        own=1.0,
        others=others,
        stolen=0.0,
        waited=0.0,
        probe_ns=(1_000_000, 1_000_000),
        memory_ns=(500_000, 500_000),
        mhz=2000.0,
        joules=joules or {},
    )
    fresh = np.arange(len(taken)) % 2 == 1
    return Timed(begin, taken, taken if service is None else service, fresh, len(taken), wrong, 0.0, counters)


class FakeEngine:
    """Answers each query after `seconds`, with as much spread as `noise` says; `asked` keeps its blocks."""

    at_once = 1

    def __init__(self, seconds=0.001, *, noise=0.0, others=0.0, seed=0, joules_per_s=None, fails_in=None):
        self.seconds, self.noise, self.others = seconds, noise, others
        self.asked, self.now = [], 0.0
        self._rng = np.random.default_rng(seed)
        self._joules, self._fails_in = joules_per_s, fails_in
        self.request = SimpleNamespace(fixed_batch=None)

    def time(self, block):
        """As `PlacedEngine.time`."""
        self.asked.append(block)
        if self._fails_in is not None and len(self.asked) >= self._fails_in[0]:
            raise self._fails_in[1]
        if block.rate is not None:
            return self._served(block)
        each = self.seconds * block.samples
        count = max(1, min(block.queries, int(np.ceil(block.seconds / each - 1e-9))))
        taken = each * 1e9 * np.exp(self.noise * self._rng.standard_normal(count))
        self.now += float(taken.sum()) / 1e9
        joules = None if self._joules is None else {"meter": self._joules * float(taken.sum()) / 1e9}
        return timed(taken.astype(np.int64), others=self.others, joules=joules)

    def _served(self, block):
        """First in, first out, by `workers`; given up when it is too late, as the loops do."""
        due = arrivals(block.seed, block.first, block.queries, block.seconds, rate=block.rate)
        free, taken, service = [0.0] * block.workers, [], []
        for one in due / 1e9:
            worker = int(np.argmin(free))
            begin = max(one, free[worker])
            if begin > 2 * block.seconds:
                break
            free[worker] = begin + self.seconds
            taken.append(free[worker] - one)
            service.append(self.seconds)
        nanoseconds = (np.array(taken) * 1e9).astype(np.int64)
        self.now += block.seconds
        calls = np.minimum((np.array(service) * 1e9).astype(np.int64), nanoseconds)
        return timed(nanoseconds, wall_s=block.seconds, begin=due[: len(nanoseconds)], service=calls)
