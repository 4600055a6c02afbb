"""What an engine's process answers about time: samples are prepared there, and blocks of queries are timed there."""

from __future__ import annotations

import collections
import contextlib
import importlib
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from seatrial.engines.base import Engine
from seatrial.engines.timing.answers import room
from seatrial.engines.timing.block import Block, Counters, Timed
from seatrial.engines.timing.counters import Meters, between, mhz_here, snapshot
from seatrial.engines.timing.loops import as_they_arrive, expected_queries, one_after_the_other
from seatrial.engines.timing.probes import Probes
from seatrial.engines.timing.samples import Array, Samples, samples_of
from seatrial.engines.timing.worker import Worker, is_fresh

# Of the queries of a warm-up, the last so many tell how long one takes.
_LAST = 1 << 10
# Imported when it is asked for: it looks for drivers.
_MACHINE = "seatrial.engines.machine"


class TimingService:
    """Of one built engine; `keep` and `expect` come first. ValueError where they did not."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._queries: list[Array] = []
        self._samples: Samples | None = None
        self._probes = Probes()
        self._meters: Meters | None = None

    @property
    def extra_bytes(self) -> int:
        """Memory that only timing needs."""
        return self._probes.used

    def keep(self, queries: Sequence[Array]) -> None:
        """queries: [1, ...] each, what blocks ask with."""
        self._queries, self._samples = list(queries), None

    def query(self, index: int) -> Array:
        """The one of that number, round and round."""
        if not self._queries:
            raise ValueError("No queries were prepared.")
        return self._queries[index % len(self._queries)]

    def expect(self) -> Samples:
        """Asks all of them twice, and keeps the answers."""
        self._samples = samples_of(self.engine.infer, self._queries)
        return self._samples

    def warm_up(self, seconds: float) -> float:
        """Asks for so long, once at least; the median seconds of a query."""
        infer, number, end = self.engine.infer, 0, time.perf_counter() + seconds
        taken = collections.deque[float](maxlen=_LAST)
        while not number or time.perf_counter() < end:
            query = self.query(number)
            begin = time.perf_counter()
            infer(query)
            taken.append(time.perf_counter() - begin)
            number += 1
        return statistics.median(taken)

    def time(self, block: Block) -> Timed:
        """As `PlacedEngine.time`. One more query of each worker runs before, untimed: what ran before in this turn left
        its data in the caches.
        """
        samples, infer = self._prepared(), self.engine.infer
        arriving = block.scenario == "server"
        per_worker = expected_queries(block) / block.workers
        every = max(1, round(np.ceil(per_worker / room(block.samples, samples.expected.shape[1])))) if arriving else 1
        workers = [Worker(samples, block, every=every) for _ in range(block.workers)]
        meters = self._energy()
        probes, memory = [self._probes.arithmetic()], [self._probes.memory()]
        for worker in workers:
            worker.stage_known(block.first)
            infer(worker.buffer)
        before = snapshot(meters)
        (as_they_arrive if arriving else one_after_the_other)(infer, workers, block)
        after, mhz = snapshot(meters), mhz_here()
        probes.append(self._probes.arithmetic())
        memory.append(self._probes.memory())
        for worker in workers:
            worker.answers.compare()
        counters = between(
            before,
            after,
            ended=sum(worker.waited for worker in workers),
            probe=(probes[0], probes[1]),
            memory=(memory[0], memory[1]),
            mhz=mhz,
        )
        return _timed(workers, counters)

    def _prepared(self) -> Samples:
        if self._samples is None:
            raise ValueError("No queries were prepared.")
        return self._samples

    def _energy(self) -> Meters:
        if self._meters is None:
            self._meters = {}
            with contextlib.suppress(ModuleNotFoundError):
                meters = importlib.import_module(_MACHINE).meters()
                self._meters = {meter.name: meter.joules for meter in meters}
        return self._meters


def machine_here() -> dict[str, Any]:
    """What the machine is like now, JSON values; empty where nothing reads it."""
    with contextlib.suppress(ModuleNotFoundError):
        found: dict[str, Any] = importlib.import_module(_MACHINE).reading()
        return found
    return {}


def _timed(workers: Sequence[Worker], counters: Counters) -> Timed:
    numbers, begin, taken, service = (
        np.concatenate([np.frombuffer(getattr(worker, name), np.int64) for worker in workers])
        for name in ("numbers", "begin", "taken", "service")
    )
    order = np.argsort(numbers, kind="stable")
    answers = [worker.answers for worker in workers]
    return Timed(
        begin[order],
        taken[order],
        service[order],
        is_fresh(numbers[order]),
        sum(one.checked for one in answers),
        sum(one.wrong for one in answers),
        max(one.worst for one in answers),
        counters,
    )
