"""The loops under the clock: queries one after the other, or as they arrive. Between two readings of the clock is the
engine's call and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seatrial.engines.timing.block import Block
from seatrial.engines.timing.counters import thread_waited
from seatrial.engines.timing.order import arrivals
from seatrial.engines.timing.samples import Infer
from seatrial.engines.timing.worker import Worker

# More are not kept of a block, which then ends sooner: some 130 MB.
MOST_QUERIES = 1 << 22
# Systems wake a sleeper late, by 50 us and more: what is left is waited for awake.
_AWAKE_NS = 500_000
# In that time our own code around the engine's is called, so that it is in the caches as it is in a loop: what has to
# be fetched again after an idle time is the engine's alone. It ends so long before the query is due.
_REHEARSED_NS = 50_000
# A block of arrivals that the engine cannot keep up with is given up after so many times its seconds.
PATIENCE = 2.0


# Asking about no file for no time lets Python's other threads run, and takes 1 us; sleeping for no time takes Linux 50,
# and giving way to whatever else runs on the machine may take a time slice.
_give_way: Callable[[], object] = functools.partial(select.select, (), (), (), 0)


@dataclasses.dataclass(frozen=True)
class Time:
    """clock: nanoseconds. sleep: for seconds. give_way: lets another thread run, and goes on at once if none waits."""

    clock: Callable[[], int] = time.perf_counter_ns
    sleep: Callable[[float], None] = time.sleep
    give_way: Callable[[], object] = _give_way


def one_after_the_other(infer: Infer, workers: list[Worker], block: Block, of: Time | None = None) -> None:
    """Each worker asks when its query before is answered; one query at least."""
    clock, limit = (of or Time()).clock, int(block.seconds * 1e9)
    numbers = iter(range(block.first, block.first + min(block.queries, MOST_QUERIES)))
    start = clock()

    def ask(worker: Worker, failed: threading.Event) -> None:
        stage, note, buffer = worker.stage, worker.note, worker.buffer
        for number in numbers:
            stage(number)
            begin = clock()
            answer = infer(buffer)
            end = clock()
            note(number, begin - start, end - begin, end - begin, answer)
            if end - start >= limit or failed.is_set():
                break

    _together(ask, workers)


def as_they_arrive(
    infer: Infer,
    workers: list[Worker],
    block: Block,
    of: Time | None = None,
    *,
    rehearse: Callable[[Any], object] = len,
) -> None:
    """Whichever worker is free takes the next arrival, first in, first out. ValueError without a rate.

    rehearse: what `infer` does without an engine.
    """
    if block.rate is None:
        raise ValueError("Arrivals need a rate.")
    time = of or Time()
    clock, sleep, give_way = time.clock, time.sleep, time.give_way
    schedule = arrivals(block.seed, block.first, min(block.queries, MOST_QUERIES), block.seconds, rate=block.rate)
    coming = iter(enumerate(schedule, block.first))
    turn = threading.Lock()  # one of them waits for the next arrival; the others sleep, or wait for the engine
    limit = int(PATIENCE * block.seconds * 1e9)
    start = clock()

    def ask(worker: Worker, failed: threading.Event) -> None:
        stage, note, buffer = worker.stage, worker.note, worker.buffer
        while True:
            with turn:
                number, arrival = next(coming, (0, -1))
                due = int(arrival)
                if due < 0:
                    break
                stage(number)
                left = due - (clock() - start)
                if left > _AWAKE_NS:
                    sleep((left - _AWAKE_NS) / 1e9)
                while (left := due - (clock() - start)) > 0:
                    if left > _REHEARSED_NS:
                        rehearse(buffer)
                    give_way()
            begin = clock() - start
            if begin > limit or failed.is_set():
                break
            answer = infer(buffer)
            end = clock() - start
            note(number, due, end - due, end - begin, answer)

    _together(ask, workers)


def expected_queries(block: Block) -> int:
    """At most so many come in a block of arrivals, give or take."""
    most = min(block.queries, MOST_QUERIES)
    return most if block.rate is None else max(1, int(min(most, np.ceil(1.2 * block.rate * block.seconds))))


def _together(ask: Callable[[Worker, threading.Event], None], workers: list[Worker]) -> None:
    """Raises what the first of them raises; the others end with their query."""
    failed, errors = threading.Event(), list[BaseException]()

    def work(worker: Worker) -> None:
        try:
            ask(worker, failed)
        except BaseException as error:
            errors.append(error)
            failed.set()

    def beside(worker: Worker) -> None:
        work(worker)
        worker.waited = thread_waited()

    threads = [threading.Thread(target=beside, args=(worker,), daemon=True) for worker in workers[1:]]
    with _without_pauses():
        for thread in threads:
            thread.start()
        work(workers[0])
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def _without_pauses() -> Iterator[None]:
    """Python's garbage collector, which would run within any query, waits."""
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()
