"""Only percentiles that the samples carry are told, and their intervals hold the truth where queries hang together."""

import numpy as np
import pytest
import scipy.stats

from seatrial.harness.metrics.percentiles import interval, key, latency_summary
from seatrial.harness.metrics.throughput import mean_rate, rates


def lognormal(rng, *shape):
    return (1e6 * np.exp(0.2 * rng.standard_normal(shape))).astype(np.int64)


@pytest.mark.parametrize(
    ("count", "largest", "told"),
    [
        (5, None, ["p50_ms"]),
        (11, 50, ["p50_ms"]),
        (64, 90, ["p50_ms", "p90_ms"]),
        (661, 95, ["p50_ms", "p90_ms", "p95_ms"]),
        (662, 99, ["p50_ms", "p90_ms", "p95_ms", "p99_ms"]),
        (6636, 99.9, ["p50_ms", "p90_ms", "p95_ms", "p99_ms", "p99.9_ms"]),
    ],
)
def test_what_is_not_carried_is_not_told(count, largest, told):
    summary = latency_summary(lognormal(np.random.default_rng(count), count))
    percentiles = {name: value for name, value in summary.items() if name.startswith("p")}
    assert list(percentiles) == [key(one) for one in (50, 90, 95, 99, 99.9)]
    assert [name for name, value in percentiles.items() if value is not None] == told
    assert (summary["largest"], summary["samples"]) == (largest, count)
    for name, (low, high) in summary["ci95"].items():
        assert low <= summary[name] <= high
    for name, bound in summary["bounds"].items():
        assert bound >= summary[name]


@pytest.mark.parametrize(("percent", "count"), [(50, 40), (50, 662), (90, 64), (99, 662)])
def test_the_interval_of_independent_queries_covers(percent, count):
    rng = np.random.default_rng(count)
    truth = 1e6 * np.exp(0.2 * scipy.stats.norm.ppf(percent / 100))
    spans = [interval(lognormal(rng, count), percent) for _ in range(1000)]
    assert np.mean([low <= truth <= high for low, high in spans]) >= 0.935


def test_the_ranks_are_those_of_the_binomial():
    samples = np.arange(1, 1001)
    low, high = interval(samples, 90)
    assert low == scipy.stats.binom.ppf(0.025, 1000, 0.9)
    assert high == scipy.stats.binom.ppf(0.975, 1000, 0.9) + 1


def test_queries_of_a_block_hang_together():
    rng = np.random.default_rng(0)
    blocks = np.repeat(np.arange(40), 25)
    truth, inside, naive = 1e6, 0, 0
    for _ in range(400):
        level = np.exp(0.1 * rng.standard_normal(40))[blocks]
        samples = (level * 1e6 * np.exp(0.02 * rng.standard_normal(1000))).astype(np.int64)
        low, high = interval(samples, 50, blocks=blocks)
        inside += low <= truth <= high
        low, high = interval(samples, 50)
        naive += low <= truth <= high
    assert inside / 400 >= 0.91
    assert naive / 400 < 0.6  # what it is for


def test_processes_widen_it():
    rng = np.random.default_rng(1)
    rounds = np.repeat([1, 2, 3, 4], 200)
    inside = 0
    for _ in range(300):
        pace = np.exp(0.1 * rng.standard_normal(4))[rounds - 1]
        low, high = interval((pace * lognormal(rng, 800)).astype(np.int64), 50, rounds=rounds)
        inside += low <= 1e6 <= high
    assert inside / 300 >= 0.915


def test_too_few_samples_have_no_interval():
    assert interval(np.arange(1, 6), 50) is None
    assert interval(np.arange(1, 30), 99) is None
    assert latency_summary(np.array([3_000_000]))["p50_ms"] == 3.0


def test_images_a_second_are_those_of_the_time_that_queries_took():
    # Two workers at once: in each group 4 queries of 8 images, within 2 ms, and within 4.
    taken = np.repeat([1_000_000, 2_000_000], 4)
    assert rates(taken, np.repeat([3, 4], 4), images=8, workers=2) == [16_000.0, 8_000.0]


def test_the_mean_of_rates_has_students_interval():
    found, span = mean_rate([100.0, 110.0, 95.0])
    logs = np.log([100, 110, 95])
    assert found == pytest.approx(scipy.stats.gmean([100, 110, 95]))
    assert span == pytest.approx(np.exp(scipy.stats.t.interval(0.95, 2, logs.mean(), scipy.stats.sem(logs))))
    assert mean_rate([7.0]) == (pytest.approx(7.0), None)
