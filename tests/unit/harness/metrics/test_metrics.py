"""Metrics against independent references: SciPy, NumPy, and resampling index by index."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from seatrial.harness.metrics import accuracy, bootstrap_interval, compare, mcnemar_exact, wilson_interval
from seatrial.harness.metrics.percentiles import latency_summary, nearest_rank

counts = st.integers(0, 400)


@given(counts, counts)
def test_mcnemar_is_scipys_binomial_test(worse, better):
    expected = 1.0 if worse + better == 0 else scipy.stats.binomtest(worse, worse + better, 0.5).pvalue
    assert mcnemar_exact(worse, better) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_exact(worse, better) == mcnemar_exact(better, worse)


def test_mcnemar_takes_many_discordant_pairs():
    assert mcnemar_exact(12_000, 12_500) == pytest.approx(scipy.stats.binomtest(12_000, 24_500, 0.5).pvalue, rel=1e-6)
    assert mcnemar_exact(0, 20_000) == 0.0  # 2 ** -19999 is below the smallest double


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_is_scipys(successes, more):
    total = successes + more
    expected = scipy.stats.binomtest(successes, total).proportion_ci(method="wilson")
    assert wilson_interval(successes, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bootstrap_is_that_of_resampled_image_pairs():
    rng = np.random.default_rng(5)
    differences = rng.choice([-1, 0, 1], 700, p=[0.06, 0.9, 0.04])
    worse, better = int((differences < 0).sum()), int((differences > 0).sum())
    resampled = rng.choice(differences, (20_000, 700)).mean(axis=1)
    expected = np.percentile(resampled, (2.5, 97.5))
    # The interval's ends are themselves estimated from 10,000 resamples; a step of the difference is 1 / 700.
    assert bootstrap_interval(worse, better, 700, seed=0) == pytest.approx(tuple(expected), abs=1.5 / 700)


def test_bootstrap_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(11)
    inside = 0
    for trial in range(400):
        worse, better, _ = rng.multinomial(500, [0.05, 0.02, 0.93])
        low, high = bootstrap_interval(int(worse), int(better), 500, seed=trial)
        inside += low <= -0.03 <= high
    assert 0.91 <= inside / 400 <= 0.985


def test_bootstrap_is_seeded():
    assert bootstrap_interval(5, 9, 100, seed=1) == bootstrap_interval(5, 9, 100, seed=1)
    assert bootstrap_interval(0, 0, 100, seed=1) == (0.0, 0.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_compare_counts_what_it_says(rows):
    correct, reference, same = (np.array(column) for column in zip(*rows, strict=True))
    result = compare(correct, reference, same, seed=0)
    total = len(rows)
    assert result.delta == pytest.approx(correct.mean() - reference.mean())
    assert result.delta == pytest.approx(result.positive_flips - result.negative_flips)
    assert result.negative_flips == sum(was and not now for now, was, _ in rows) / total
    assert result.positive_flips == sum(now and not was for now, was, _ in rows) / total
    assert result.agreement == same.mean()
    assert result.ci95[0] <= result.ci95[1]


def test_paired_arrays_must_pair():
    yes = np.array([True, True])
    with pytest.raises(ValueError, match="same length"):
        compare(yes, yes[:1], yes, seed=0)
    with pytest.raises(ValueError, match="same length"):
        compare(yes[:0], yes[:0], yes[:0], seed=0)
    with pytest.raises(ValueError, match="no images"):
        accuracy(yes[:0])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), st.sampled_from([50.0, 90.0, 99.0, 99.9]))
def test_percentiles_are_numpys_inverted_cdf(samples, percent):
    array = np.array(samples, np.int64)
    assert nearest_rank(array, percent) == np.percentile(array, percent, method="inverted_cdf")


def test_latency_summary_is_in_milliseconds():
    summary = latency_summary(np.array([1_000_000] * 99 + [5_000_000], np.int64))
    assert (summary["p50_ms"], summary["p99_ms"], summary["samples"]) == (1.0, 1.0, 100)
    assert summary["mean_ms"] == pytest.approx(1.04)
