"""The largest rate whose 99th percentile keeps a bound, held against queues whose answer is known."""

import math

import numpy as np
import pytest
from timed_blocks import FakeEngine

from seatrial.harness.metrics.early_stopping import minimum
from seatrial.harness.run.timing.ready import Ready
from seatrial.harness.run.timing.scenes import Scene
from seatrial.harness.run.timing.server import BUDGET_S, STEP, entry_of_search, serve, setting_of


def search(seconds, bound_ms, workers=1):
    engine = FakeEngine(seconds)
    ready = Ready(
        target=type("Target", (), {"engine": engine, "id": "a"})(), seconds=seconds, differs=0, unsteady=False
    )
    return engine, serve(ready, Scene("server", 1, workers), bound_ms=bound_ms, seed=0, note=lambda says: None)


def waits_longer(rate, service, limit):
    """P(wait > limit) of M/D/1, by Crommelin's formula ("Delay probability formulae", 1934); stable for short waits."""
    load, steps = rate * service, int(limit / service)
    below = (1 - load) * math.fsum(
        (rate * (step * service - limit)) ** step / math.factorial(step) * math.exp(-rate * (step * service - limit))
        for step in range(steps + 1)
    )
    return 1 - below


def test_the_rate_is_that_of_the_queue():
    """One server, constant service: 10 ms, answered within 30 ms in 99 of 100 cases."""
    low, high = 1.0, 99.0
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if waits_longer(middle, 0.01, 0.02) < 0.01 else (low, middle)
    engine, found = search(0.01, 30.0)
    assert found.rate == pytest.approx(low, rel=0.2)
    assert found.rate < low * 1.05, "the bound is on the safe side"
    confirmed = [one for one in found.tried if one.confirmed]
    assert confirmed[-1].keeps
    assert confirmed[-1].rate == found.rate
    assert confirmed[-1].queries >= minimum(99)
    assert confirmed[-1].bound_p99_ms <= 30
    assert {block.seed for block in engine.asked} == {0}


def test_more_workers_answer_more():
    one, two = (search(0.01, 30.0, workers)[1].rate for workers in (1, 2))
    assert two > 2 * one


def test_a_wide_bound_is_kept_nearly_up_to_what_it_can_answer():
    rate = search(0.001, 1000.0)[1].rate
    assert 0.9 * 1000 < rate <= 1000 * STEP


def test_where_a_query_alone_takes_too_long_there_is_no_rate_and_one_try_shows_it():
    engine, found = search(0.02, 15.0)
    assert found.rate is None
    assert len(found.tried) == len(engine.asked) == 1
    assert not found.tried[0].keeps
    assert found.searched == {0}


def test_an_engine_that_stalls_keeps_no_bound():
    class Stalls(FakeEngine):
        def time(self, block):
            found = super().time(block)
            found.taken[::20] += 10**9
            return found

    engine = Stalls(0.001)
    ready = Ready(target=type("Target", (), {"engine": engine, "id": "a"})(), seconds=0.001, differs=0, unsteady=False)
    found = serve(ready, Scene("server", 1, 1), bound_ms=15.0, seed=0, note=lambda says: None)
    assert found.rate is None
    assert found.tried
    assert not any(one.keeps for one in found.tried)


def test_a_bound_that_only_rare_queries_keep_does_not_take_for_ever():
    _, found = search(0.005, 7.0)
    assert sum(one.queries / one.rate for one in found.tried) < BUDGET_S + 600
    assert found.rate is None or any(one.confirmed and one.keeps and one.rate == found.rate for one in found.tried)


def test_what_only_searched_does_not_stand():
    _, found = search(0.01, 30.0)
    assert len(found.tried) == len(found.takings)
    assert {index for index, one in enumerate(found.tried) if not one.confirmed} == found.searched
    assert [one.setting for one in found.takings] == [setting_of(one.rate) for one in found.tried]
    assert [one.begin_ns for one in found.takings] == sorted(one.begin_ns for one in found.takings)
    entry = entry_of_search(found, bound_ms=30.0, workers=1)
    assert entry["rate"] == found.rate
    assert entry["tried"][0].keys() == {"rate", "queries", "p99_ms", "bound_p99_ms", "keeps", "confirmed"}


def test_the_same_seed_finds_the_same():
    assert search(0.01, 30.0)[1].tried == search(0.01, 30.0)[1].tried


def test_a_queue_that_grows_does_not_keep_the_bound():
    _, found = search(0.01, 500.0)
    assert max(one.rate for one in found.tried if one.keeps) < 100 * STEP
    assert np.isfinite(found.rate)
