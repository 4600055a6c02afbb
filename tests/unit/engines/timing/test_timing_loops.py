"""What the loops measure, by a clock that only the engine moves."""

import dataclasses
import itertools
import threading

import numpy as np
import pytest

from seatrial.engines.timing.block import Block
from seatrial.engines.timing.fresh import Freshener
from seatrial.engines.timing.loops import MOST_QUERIES, Time, as_they_arrive, expected_queries, one_after_the_other
from seatrial.engines.timing.order import arrivals
from seatrial.engines.timing.samples import Samples, samples_of
from seatrial.engines.timing.worker import Worker

INPUTS = np.random.default_rng(0).standard_normal((8, 3, 2, 2), np.float32)


def scores(batch):
    return batch.reshape(len(batch), -1)[:, :4].copy()


SAMPLES = Samples(INPUTS, scores(INPUTS), np.zeros(8, np.bool_), Freshener(INPUTS))


class Clock:
    """Moved by the engine, by sleeping and a little by waiting. durations: of the engine's calls, in turn."""

    def __init__(self, durations):
        self.now, self.calls, self.seen = 5_000_000_000, 0, []
        self._durations = durations
        self.time = Time(lambda: self.now, self.sleep, self.give_way)

    def sleep(self, seconds):
        assert seconds > 0
        self.now += int(seconds * 1e9)

    def give_way(self):
        self.now += 1000

    def infer(self, batch):
        self.seen.append(batch.copy())
        self.now += int(self._durations[self.calls % len(self._durations)])
        self.calls += 1
        return scores(batch)


def asked(block, durations, loop=one_after_the_other, infer=None):
    clock, worker = Clock(durations), Worker(SAMPLES, block)
    loop(infer or clock.infer, [worker], block, clock.time)
    worker.answers.compare()
    return clock, worker


def test_a_query_takes_what_the_engine_takes():
    _, worker = asked(Block("single-stream", queries=5), [10, 20, 30])
    assert worker.taken.tolist() == worker.service.tolist() == [10, 20, 30, 10, 20]
    assert worker.begin.tolist() == [0, 10, 30, 60, 70]
    assert worker.numbers.tolist() == [0, 1, 2, 3, 4]


def test_a_block_ends_with_its_seconds_and_asks_once_at_least():
    assert asked(Block("single-stream", seconds=1.0), [300_000_000])[1].taken.tolist() == [300_000_000] * 4
    assert len(asked(Block("single-stream", seconds=1e-9), [10])[1].taken) == 1


def test_every_second_query_is_fresh_and_the_others_are_samples():
    clock, worker = asked(Block("single-stream", first=2, queries=40), [10])
    known = {one.tobytes() for one in INPUTS}
    assert [one[0].tobytes() in known for one in clock.seen] == [True, False] * 20
    assert len({one.tobytes() for one in clock.seen[1::2]}) == 20
    assert (worker.answers.checked, worker.answers.wrong) == (40, 0)


def test_a_batch_is_composed_anew_each_time():
    clock, worker = asked(Block("multi-stream", samples=8, queries=30), [10])
    assert all(one.shape == (8, 3, 2, 2) for one in clock.seen)
    assert len({one.tobytes() for one in clock.seen}) == 30
    assert (worker.answers.checked, worker.answers.wrong) == (30, 0)


def test_blocks_that_follow_one_another_ask_what_one_would():
    whole = asked(Block("single-stream", queries=20), [10])[0].seen[::2]
    parts = [asked(Block("single-stream", first=first, queries=10), [10])[0].seen[::2] for first in (0, 10)]
    np.testing.assert_array_equal(whole, parts[0] + parts[1])


def test_an_engine_that_answers_the_query_before_is_wrong():
    before = [scores(INPUTS[:1])]

    def infer(batch):
        before.append(scores(batch))
        return before[-2]

    _, worker = asked(Block("single-stream", queries=100), [10], infer=infer)
    assert worker.answers.wrong > 50


def test_arrivals_wait_in_line():
    """Lindley's recursion: who comes while the one before is served waits for the rest of that."""
    block = Block("server", queries=400, rate=1000.0, seed=3)
    durations = np.random.default_rng(1).integers(100_000, 1_500_000, 400)
    _, worker = asked(block, durations, as_they_arrive)
    due = arrivals(3, 0, 400, block.seconds, rate=1000.0)
    free, expected = 0, []
    for arrival, duration in zip(due, durations, strict=True):
        free = max(free, arrival) + duration
        expected.append(free - arrival)
    assert worker.begin.tolist() == due.tolist()
    assert worker.service.tolist() == durations.tolist()
    np.testing.assert_allclose(worker.taken, expected, rtol=0, atol=1000)
    assert max(worker.taken) > 2 * max(worker.service)


def test_arrivals_end_with_the_seconds_and_are_answered_all():
    _, worker = asked(Block("server", rate=100.0, seconds=2.0), [1000], as_they_arrive)
    assert len(worker.begin) == len(arrivals(0, 0, 1 << 40, 2.0, rate=100.0))


def test_arrivals_that_no_engine_can_answer_are_given_up():
    clock, worker = asked(Block("server", rate=100.0, seconds=2.0), [100_000_000], as_they_arrive)
    assert clock.now - 5_000_000_000 < 4.2e9
    assert 35 <= len(worker.begin) <= 41
    assert worker.taken[-1] > 3e9


def test_arrivals_need_a_rate():
    with pytest.raises(ValueError, match="rate"):
        asked(Block("server"), [10], as_they_arrive)


@pytest.mark.parametrize(("loop", "rate"), [(one_after_the_other, None), (as_they_arrive, 1e5)])
def test_workers_share_the_queries(loop, rate):
    block = Block("offline" if rate is None else "server", queries=200, workers=3, rate=rate)
    workers = [Worker(SAMPLES, block) for _ in range(3)]
    calls, together = itertools.count(), threading.Barrier(2, timeout=20)

    def infer(batch):
        if next(calls) < 2:  # goes on once two are asked at the same time
            together.wait()
        return scores(batch)

    loop(infer, workers, block)
    assert sorted(number for worker in workers for number in worker.numbers) == list(range(200))


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(("loop", "rate"), [(one_after_the_other, None), (as_they_arrive, 1e5)])
def test_what_the_engine_raises_comes_through(loop, rate, workers):
    calls = []

    def infer(batch):
        calls.append(1)
        if len(calls) > 20:
            raise RuntimeError("the engine")
        return scores(batch)

    block = Block("server", queries=10_000, workers=workers, rate=rate)
    with pytest.raises(RuntimeError, match="the engine"):
        loop(infer, [Worker(SAMPLES, block) for _ in range(workers)], block)
    assert len(calls) <= 20 + workers


def test_more_queries_than_are_kept_are_not_begun():
    assert expected_queries(Block("single-stream")) == MOST_QUERIES
    assert expected_queries(Block("server", rate=100.0, seconds=10)) == 1200
    assert expected_queries(Block("server", rate=100.0, queries=7)) == 7


def test_samples_are_asked_twice_and_no_query_follows_the_same():
    seen = []

    def infer(batch):
        seen.append(int(np.flatnonzero((batch[0] == INPUTS).all(axis=(1, 2, 3)))[0]))
        return scores(batch)

    found = samples_of(infer, [INPUTS[index : index + 1] for index in range(8)])
    assert sorted(seen[:8]) == sorted(seen[8:]) == list(range(8))
    before = {number: seen[place - 1] if place else None for place, number in enumerate(seen[:8])}
    again = {number: seen[8 + place - 1] for place, number in enumerate(seen[8:])}
    assert all(before[number] != again[number] for number in range(8))
    np.testing.assert_array_equal(found.expected, scores(INPUTS))
    assert not found.unsteady.any()


def test_an_answer_kept_by_its_address_is_unsteady():
    known = {}

    def infer(batch):
        return known.setdefault(batch.ctypes.data, scores(batch))

    assert samples_of(infer, [INPUTS[index : index + 1] for index in range(8)]).unsteady.sum() == 7


@pytest.mark.parametrize("queries", [[], [INPUTS[:2]], [INPUTS[:1], INPUTS[:1, :2]], [INPUTS[:1], INPUTS[:1] > 0]])
def test_what_is_no_sample_is_refused(queries):
    with pytest.raises(ValueError, match="one shape and type"):
        samples_of(scores, queries)


def test_a_block_is_data():
    block = Block("server", rate=3.0)
    assert dataclasses.replace(block, rate=None).to_dict()["rate"] is None
