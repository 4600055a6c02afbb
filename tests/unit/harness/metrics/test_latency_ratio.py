"""Ratios of latencies: Student's quantiles are SciPy's, and the interval holds the truth where latencies remember."""

import numpy as np
import pytest
import scipy.signal
import scipy.stats

from seatrial.harness.metrics.latency_ratio import Round, speedup, tells
from seatrial.harness.metrics.student import t_quantile, t_tail


@pytest.mark.parametrize("freedom", [1, 2, 3, 10, 31, 199, 1000, 9999])
@pytest.mark.parametrize("t", [-3.0, 0.0, 0.1, 1.0, 3.9, 7.0])
def test_the_t_tail_is_scipys(t, freedom):
    assert t_tail(t, freedom) == pytest.approx(scipy.stats.t.sf(t, freedom), abs=1e-12)


@pytest.mark.parametrize("freedom", [1, 2, 9, 60])
@pytest.mark.parametrize("tail", [0.5, 0.1, 0.025, 0.001])
def test_the_t_quantile_is_scipys(tail, freedom):
    assert t_quantile(tail, freedom) == pytest.approx(scipy.stats.t.isf(tail, freedom), rel=1e-9, abs=1e-9)


def test_a_tail_is_at_most_a_half():
    with pytest.raises(ValueError, match="no tail"):
        t_quantile(0.7, 3)


def series(rng, memory, count):
    """Standard normal values, autoregressive: correlated as 1/e at a distance of `memory`."""
    kept = np.exp(-1 / memory) if memory else 0.0
    noise = rng.standard_normal(count) * np.sqrt(1 - kept**2)
    noise[0] = rng.standard_normal()
    return scipy.signal.lfilter([1.0], [1.0, -kept], noise)


def measured(rng, memory, drift, count=662):
    """Two targets in turns of 32 queries, as fast as one another; drift: of the machine, which both see."""
    machine = drift * series(rng, 400, 2 * count + 64)
    place = np.arange(count) + np.arange(count) // 32 * 32
    times = [0.03 * series(rng, memory, count) + machine[place + turn] for turn in (0, 32)]
    return [(1e6 * np.exp(one)).astype(np.int64) for one in times]


@pytest.mark.parametrize(("memory", "drift"), [(0, 0.0), (10, 0.0), (10, 0.05), (20, 0.02)])
def test_the_interval_covers(memory, drift):
    rng = np.random.default_rng(1)
    inside = 0
    for draw in range(200):
        reference, target = measured(rng, memory, drift)
        low, high = speedup(reference, [target], seed=draw).ci95
        inside += low <= 1 <= high
    assert inside / 200 >= 0.885  # 95 %, less what twenty blocks of a remembering series leave to be known


def test_of_independent_queries_the_error_is_that_of_a_median():
    rng = np.random.default_rng(2)
    samples = [(1e6 * np.exp(0.05 * rng.standard_normal(6400))).astype(np.int64) for _ in range(2)]
    low, high = speedup(samples[0], [samples[1]], seed=0).ci95
    # The asymptotic error of a median is sqrt(pi / 2 / N) standard deviations.
    error = 0.05 * np.sqrt(2 * np.pi / 2 / 6400)
    assert np.log(high / low) / 2 / scipy.stats.t.isf(0.025, 99) == pytest.approx(error, rel=0.2)


def test_the_ratio_is_that_of_the_medians_and_turns_over():
    reference, target = measured(np.random.default_rng(3), 5, 0.02)
    found, back = speedup(reference, [target], seed=4), speedup(target, [reference], seed=4)
    expected = np.percentile(reference, 50, method="inverted_cdf") / np.percentile(target, 50, method="inverted_cdf")
    assert found.ratio == pytest.approx(expected)
    assert back.ratio == pytest.approx(1 / expected)
    assert back.ci95 == pytest.approx((1 / found.ci95[1], 1 / found.ci95[0]))
    assert found == speedup(reference, [target], seed=4)
    assert found != speedup(reference, [target], seed=5)


def test_builds_are_the_unit_where_there_are_several():
    rng = np.random.default_rng(5)
    reference = np.full(662, 3_000_000) + rng.integers(-100, 100, 662)
    pace = [1.0, 1.2, 1.1]
    builds = [(2_000_000 * one + rng.integers(-100, 100, 662)).astype(np.int64) for one in pace]
    found = speedup(reference, builds, seed=0)
    logs = np.log([1.5 / one for one in pace])
    expected = scipy.stats.t.interval(0.95, 2, logs.mean(), scipy.stats.sem(logs))
    assert found.ratio == pytest.approx(np.exp(logs.mean()), rel=1e-3)
    assert found.ci95 == pytest.approx(tuple(np.exp(expected)), rel=2e-3)


@pytest.mark.parametrize("count", [1, 5, 40])
def test_few_samples_have_an_interval(count):
    samples = np.random.default_rng(count).integers(900, 1100, count)
    low, high = speedup(samples, [samples + 1000], seed=0).ci95
    assert 0 < low <= high < np.inf


def test_a_clock_that_stands_still_is_no_division_by_zero():
    still = np.zeros(100, np.int64)
    assert speedup(still, [still], seed=0).ci95 == (1, 1)
    assert speedup(still + 50, [still], seed=0).ratio == pytest.approx(50)


def test_no_samples_have_none():
    with pytest.raises(ValueError, match="both sides"):
        speedup(np.arange(1, 3), [], seed=0)
    with pytest.raises(ValueError, match="both sides"):
        speedup(np.arange(1, 3), [np.arange(0)], seed=0)


@pytest.mark.parametrize(
    ("queries", "rounds", "told"), [((1, 24), 1, False), ((24, 7), 1, False), ((8, 8), 1, True), ((1, 1), 2, True)]
)
def test_a_single_start_of_few_queries_tells_no_interval(queries, rounds, told):
    reference, target = (np.full(count, 5) for count in queries)
    assert tells([Round(reference, [target])] * rounds) is told
    assert tells([]) is False
