"""Engines that drift, stall, keep answers or slow down under load are told from those that do not."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats

from seatrial.harness.metrics.caching import caching
from seatrial.harness.metrics.drift import drift
from seatrial.harness.metrics.load import loaded
from seatrial.harness.metrics.steady import minutes, part_s, ranking, steady
from seatrial.harness.metrics.tails import named, quiet_blocks, stalls

MS = 1_000_000


def noisy(rng, count, memory=10, spread=0.03):
    """Latencies about 3 ms that remember the last ones, with a heavy tail of stray interrupts."""
    kept = np.exp(-1 / memory)
    slow = scipy.signal.lfilter([np.sqrt(1 - kept**2)], [1, -kept], rng.standard_normal(count))
    stray = np.where(rng.random(count) < 0.01, rng.exponential(0.3, count), 0)
    return 3 * MS * np.exp(spread * slow + stray)


def start(rng, count, by=0.0, **how):
    taken = noisy(rng, count, **how) * (1 + by * np.linspace(0, 1, count))
    return np.cumsum(taken).astype(np.int64), taken.astype(np.int64)


@pytest.mark.parametrize("count", [100, 300, 2000])
def test_noise_is_no_drift(count):
    rng = np.random.default_rng(count)
    called = sum(drift([start(rng, count) for _ in range(3)]).called for _ in range(400))
    assert called <= 1


@pytest.mark.parametrize(("count", "starts"), [(1000, 1), (150, 3), (2000, 3)])
@pytest.mark.parametrize("by", [0.2, -0.2])
def test_a_drift_of_a_fifth_is_called_in_every_run(count, starts, by):
    rng = np.random.default_rng(count)
    found = [drift([start(rng, count, by) for _ in range(starts)], looks=8) for _ in range(100)]
    assert all(one.called for one in found)
    assert np.median([one.change for one in found]) == pytest.approx(by, abs=0.03)


def test_processes_that_differ_are_no_drift():
    rng = np.random.default_rng(5)
    starts = [start(rng, 200) for _ in range(3)]
    assert not drift([(begin, taken * pace) for (begin, taken), pace in zip(starts, (1, 2, 3), strict=True)]).called


def test_of_one_start_the_slope_is_scipys():
    rng = np.random.default_rng(6)
    begin, taken = start(rng, 400, 0.2)
    place = np.array([np.median(part) for part in np.array_split(begin, 32)])
    level = np.log([np.median(part) for part in np.array_split(taken, 32)])
    expected = scipy.stats.theilslopes(level, (place - place[0]) / (place[-1] - place[0]), alpha=0.999)
    found = drift([(begin, taken)])
    assert np.log1p(found.change) == pytest.approx(expected.slope)
    assert np.log1p(found.interval) == pytest.approx([expected.low_slope, expected.high_slope], abs=0.01)


def test_few_queries_tell_no_drift():
    rng = np.random.default_rng(7)
    assert drift([start(rng, 20)]) is None
    assert drift([]) is None
    assert not drift([start(rng, 24, 0.2)]).called


def stalling(rng, count, share, by_ms):
    return (noisy(rng, count) + np.where(rng.random(count) < share, by_ms * MS, 0)).astype(np.int64)


@pytest.mark.parametrize("by_ms", [5, 50])
def test_sleeps_in_one_of_a_hundred_queries_are_named(by_ms):
    rng = np.random.default_rng(by_ms)
    right = 0
    for _ in range(100):
        taken = noisy(rng, 1500)
        taken[rng.permutation(1500)[:15]] += by_ms * MS
        found, beside = stalls(taken.astype(np.int64)), stalls(stalling(rng, 1500, 0, 0))
        right += named(found, [beside])
        assert not named(beside, [found])
        assert found.share == pytest.approx(0.01, abs=0.004)
        assert found.typical_ms == pytest.approx(3 + by_ms, rel=0.15)
    assert right >= (98 if by_ms < 10 else 100)


def test_a_machine_that_stalls_everybody_is_not_the_engine():
    rng = np.random.default_rng(8)
    both = [stalls(stalling(rng, 1500, 0.02, 30)) for _ in range(2)]
    assert not named(both[0], both[1:])
    assert named(both[0], [])  # alone it cannot be told


def test_blocks_in_which_others_had_the_processor_do_not_count():
    counters = {"wall_s": 0.1, "others": 0.0, "stolen": 0.0, "waited": 0.001}
    blocks = [
        {"block": 0, "counters": counters},
        {"block": 1, "counters": {**counters, "waited": 0.3}},
        {"block": 2, "counters": {**counters, "others": None, "waited": None}},
        {"block": 3},
    ]
    assert quiet_blocks(blocks) == {0, 2, 3}
    taken = np.where(np.arange(400) // 100 == 1, 50 * MS, 3 * MS)
    assert stalls(taken, np.arange(400) // 100, quiet_blocks(blocks)).late_ms == ()
    assert stalls(taken, np.arange(400) // 100, {1}).queries == 100
    assert stalls(taken, np.arange(400) // 100, ()) is None


def test_jitter_of_an_engine_that_takes_microseconds_is_no_stall():
    taken = np.where(np.arange(10_000) % 50 == 0, 60_000, 4_000)
    assert not named(stalls(taken), [])


@pytest.mark.parametrize("known", [0.01, 0.5, 0.85])
def test_answers_that_are_kept_are_seen(known):
    rng = np.random.default_rng(9)
    fresh = np.arange(400) % 2 == 1
    taken = noisy(rng, 400) * np.where(fresh, 1, known)
    found = caching(taken.astype(np.int64), fresh)
    assert found.called
    assert found.ratio == pytest.approx(1 / known, rel=0.05)


def test_an_engine_that_computes_is_not_said_to_keep_answers():
    rng = np.random.default_rng(10)
    fresh = np.arange(120) % 2 == 1
    assert not any(caching(noisy(rng, 120).astype(np.int64), fresh).called for _ in range(500))
    assert caching(noisy(rng, 20).astype(np.int64), fresh[:20]) is None
    assert caching(np.full(100, 7), np.ones(100, bool)) is None


def test_nanoseconds_of_a_call_that_takes_a_microsecond_are_no_answer_that_is_kept():
    fresh = np.arange(400) % 2 == 1
    assert not caching(np.where(fresh, 1_300, 1_000), fresh).called
    assert caching(np.where(fresh, 13_000, 1_000), fresh).called


def test_an_engine_that_slows_down_under_load_is_seen():
    rng = np.random.default_rng(11)
    alone, idle, busy = (noisy(rng, 200) * pace for pace in (1, 1.1, 1.6))
    found = loaded(alone, {20.0: idle, 250.0: busy})
    assert found.called
    assert found.ratio == pytest.approx(1.6, rel=0.05)
    assert found.rate == 250
    # At a rate that lets it sleep, the smallest rate tells how it wakes up.
    assert loaded(alone, {20.0: idle, 60.0: busy}).ratio == pytest.approx(1.6 / 1.1, rel=0.05)


def test_one_that_wakes_up_slowly_is_not():
    rng = np.random.default_rng(12)
    for _ in range(200):
        alone, idle, busy = (noisy(rng, 100) * pace for pace in (1, 1.4, 1.05))
        assert not loaded(alone, {20.0: idle, 250.0: busy}).called
        assert not loaded(alone, {20.0: idle, 60.0: idle}).called
        assert not loaded(alone, {250.0: busy}).called
    assert loaded(alone, {}) is None
    assert loaded(alone[:3], {20.0: idle}) is None


def sustained(rng, levels, part=60.0, queries=400):
    """Begin and latencies of minutes of such paces."""
    taken = np.concatenate([noisy(rng, queries) * level for level in levels])
    begin = np.concatenate([part * (index + np.sort(rng.random(queries))) for index in range(len(levels))])
    return (begin * 1e9).astype(np.int64), taken.astype(np.int64)


def test_minutes_have_percentiles_temperature_and_clock():
    rng = np.random.default_rng(13)
    readings = [{"at_s": 30.0, "celsius": {"cpu": 50.0, "board": 40.0}, "mhz": [1500.0, 1700.0]}, {"at_s": 90.0}]
    found = minutes(*sustained(rng, [1, 1.2]), 60.0, readings)
    assert [(one["minute"], one["from_s"], one["queries"]) for one in found] == [(1, 0.0, 400), (2, 60.0, 400)]
    assert (found[0]["celsius"], found[0]["mhz"]) == (50.0, 1600.0)
    assert (found[1]["celsius"], found[1]["mhz"]) == (None, None)
    assert found[1]["p50_ms"] == pytest.approx(3.6, rel=0.05)
    assert found[1]["p99_ms"] is None  # 400 queries carry none
    assert found[1]["p90_ms"] > found[1]["p50_ms"]


def test_the_steady_state_is_where_nothing_moves_any_more():
    rng = np.random.default_rng(14)
    found = steady(minutes(*sustained(rng, [1, 1.1, 1.15, 1.2, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3]), 60.0, []))
    assert found.from_s == 240.0
    assert found.drift == pytest.approx(0.3, abs=0.03)
    assert found.p50_ms == pytest.approx(3.9, rel=0.02)


def test_an_engine_that_still_becomes_slower_has_no_steady_state():
    rng = np.random.default_rng(15)
    assert steady(minutes(*sustained(rng, np.linspace(1, 1.9, 10)), 60.0, [])).from_s is None
    assert steady(minutes(*sustained(rng, [1] * 10), 60.0, [])).from_s == 0.0
    assert steady(minutes(*sustained(rng, [1, 1]), 60.0, [])) is None


def test_who_is_faster_may_change_over_the_minutes():
    rng = np.random.default_rng(16)
    hot, cool, like = ([1, 1.3, 1.6], [1.2, 1.2, 1.2], [1.21, 1.2, 1.21])
    found = {
        name: minutes(*sustained(rng, levels), 60.0, [])
        for name, levels in (("hot", hot), ("cool", cool), ("like", like))
    }
    assert ranking(found) == [("hot", "cool"), ("hot", "like")]


def test_a_short_run_is_cut_into_fifths():
    assert part_s(600) == 60
    assert part_s(20) == 4
