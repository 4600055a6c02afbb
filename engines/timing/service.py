"""What an engine's process answers about time: samples are prepared there, and blocks of queries are timed there."""

from __future__ import annotations

import collections
import dataclasses
import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seatrial.engines.base import Engine
from seatrial.engines.null import NullEngine
from seatrial.engines.timing import loadgen
from seatrial.engines.timing.answers import room
from seatrial.engines.timing.block import Block, Counters, Timed
from seatrial.engines.timing.counters import between, mhz_here, snapshot
from seatrial.engines.timing.loops import MOST_QUERIES, as_they_arrive, expected_queries, one_after_the_other
from seatrial.engines.timing.probes import Probes
from seatrial.engines.timing.samples import Array, Samples, samples_of
from seatrial.engines.timing.worker import Worker, is_fresh

if TYPE_CHECKING:
    from seatrial.engines.machine import Meter

# Of the queries of a warm-up, the last so many tell how long one takes.
_LAST = 1 << 10
# Long enough for the median of what takes a hundred milliseconds.
_FORETASTE_S = 0.2


class TimingService:
    """Of one built engine; `keep` and `expect` come first. ValueError where they did not."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._queries: list[Array] = []
        self._samples: Samples | None = None
        self._probes = Probes()
        self._meters: list[Meter] | None = None
        self._nothing = NullEngine(dataclasses.replace(engine.request, precision="fp32", device="cpu"))

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
        every = (
            max(1, round(np.ceil(per_worker / room(block.samples, samples.expected.shape[1])))) if arriving else None
        )
        workers = [Worker(samples, block, every=every) for _ in range(block.workers)]
        self._joules()
        probes, memory = [self._probes.arithmetic()], [self._probes.memory()]
        for worker in workers:
            worker.stage_known(block.first)
            infer(worker.buffer)
        before = snapshot(self._joules)
        if arriving:
            as_they_arrive(infer, workers, block, rehearse=self._nothing.infer)
        else:
            one_after_the_other(infer, workers, block)
        after, mhz = snapshot(self._joules), mhz_here()
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

    def probe(self) -> int:
        """Nanoseconds of known arithmetic, now."""
        return self._probes.arithmetic()

    def idle_watts(self, seconds: float) -> dict[str, float]:
        """Name of the meter -> watts that are drawn while this process sleeps for so long."""
        from seatrial.engines.machine import idle_watts

        self._joules()
        return idle_watts(self._meters or [], seconds)

    def loadgen(self, block: Block, bound_ms: float) -> tuple[dict[str, Any], list[Array]]:
        """As `PlacedEngine.loadgen`: JSON values, and int64 nanoseconds of the engine's calls. Our own loop asks for a
        moment before: the load generator wants to know what to expect.
        """
        samples = self._prepared()
        loadgen.module()
        alone = dataclasses.replace(block, scenario="offline", rate=None, queries=MOST_QUERIES, seconds=_FORETASTE_S)
        found = self.time(alone)
        rate = block.samples * len(found.taken) / max(1e-9, float((found.begin + found.taken).max()) / 1e9)
        expected = loadgen.Expected(float(np.median(found.taken)) / 1e9, rate, bound_ms)
        run, version = loadgen.run(self.engine.infer, samples, block, expected), loadgen.version()
        answers = [line.answers for line in run.lines]
        fields = {
            "version": version,
            "cautions": loadgen.cautions(version),
            "unasked": run.unasked,
            "checked": sum(one.checked for one in answers),
            "wrong": sum(one.wrong for one in answers),
            "worst": max(one.worst for one in answers),
            "logs": run.logs,
        }
        return fields, [np.concatenate([np.frombuffer(line.service, np.int64) for line in run.lines])]

    def _prepared(self) -> Samples:
        if self._samples is None:
            raise ValueError("No queries were prepared.")
        return self._samples

    def _joules(self) -> dict[str, float]:
        from seatrial.engines.machine import meters, read_meters  # an engine that is not timed starts without

        if self._meters is None:
            self._meters = meters()
            read_meters(self._meters)  # some begin to look at their sensors when they are first asked
        return read_meters(self._meters)


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
