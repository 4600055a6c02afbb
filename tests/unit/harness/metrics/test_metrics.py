"""Metrics against independent references: SciPy, NumPy, and resampling index by index."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from seatrial.harness.metrics import (
    accuracy,
    compare,
    mcnemar_exact,
    paired_interval,
    paired_p,
    wilson_interval,
)
from seatrial.harness.metrics.family import holm
from seatrial.harness.metrics.image_means import ImageMeans
from seatrial.harness.metrics.needed import images_needed, images_to_detect
from seatrial.harness.metrics.paired import Differences
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


def test_the_interval_is_the_wald_interval_of_the_pairs_and_two_more():
    """Bonett and Price: one image is added to each kind of discordant pair."""
    values = np.repeat([-1, 1, 0], [5 + 1, 15 + 1, 80])
    error = scipy.stats.sem(values, ddof=0)
    expected = scipy.stats.norm.interval(0.95, values.mean(), error)
    assert paired_interval(5, 15, 100) == pytest.approx(expected, rel=1e-12)
    assert paired_p(5, 15, 100) == pytest.approx(2 * scipy.stats.norm.sf(values.mean() / error), rel=1e-9)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 2000))
def test_interval_and_p_value_say_the_same(worse, better, more):
    low, high = paired_interval(worse, better, worse + better + more)
    assert (low > 0 or high < 0) == (paired_p(worse, better, worse + better + more) < 0.05)
    assert low < (better - worse) / (worse + better + more) < high


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50), st.floats(0.001, 0.5), st.floats(-0.9, 0.9))
def test_a_limit_is_left_out_at_the_level_of_its_p_value(values, alpha, limit):
    found = Differences.of(np.array(values))
    low, high = found.interval(alpha)
    p = found.p_value(limit)
    assume(abs(p - alpha) > 1e-9)
    assert (p < alpha) == (not low <= limit <= high)


@given(st.integers(0, 100), st.integers(0, 100), st.floats(-0.2, 0.2))
def test_as_many_images_as_are_needed_decide_and_one_less_does_not(worse, better, limit):
    needed = images_needed(Differences.counted(worse, better, 300), limit)
    assume(needed is not None and needed > 1)
    for images, decides in ((needed, True), (needed - 1, False)):
        share = images / 300
        low, high = Differences((better - worse) * share, (better + worse) * share, images).interval()
        assert (not low <= limit <= high) == decides


@pytest.mark.parametrize(("loss", "churn"), [(0.005, 0.02), (0.01, 0.03), (0.02, 0.06)])
def test_as_many_images_as_a_loss_asks_for_detect_it(loss, churn):
    images = images_to_detect(loss, churn)
    shares = [(churn + loss) / 2, (churn - loss) / 2, 1 - churn]
    draws = np.random.default_rng(7).multinomial(images, shares, size=3000)
    found = np.mean([paired_p(int(worse), int(better), images) < 0.05 for worse, better, _ in draws])
    assert found == pytest.approx(0.9, abs=0.035)


def test_holm_is_statsmodels():
    rng = np.random.default_rng(2)
    for count in (1, 2, 5, 12, 60):  # few calls: it collects all garbage of the process each time
        p = rng.random(count) ** 4
        expected = multipletests(p, 0.05, method="holm")[0]
        assert holm(dict(enumerate(p)), 0.05) == set(np.flatnonzero(expected))


def test_a_mean_over_one_condition_is_that_condition():
    rng = np.random.default_rng(3)
    correct, reference = rng.random((2, 200)) < 0.8
    means = ImageMeans(200)
    means.add(correct, reference)
    assert means.differences.interval() == pytest.approx(compare(correct, reference, correct == reference).ci95)
    means.add(correct, reference)  # the same answers once more are no more images
    assert means.differences.interval() == pytest.approx(compare(correct, reference, correct == reference).ci95)
    with pytest.raises(ValueError, match="same images"):
        means.add(correct[1:], reference)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_compare_counts_what_it_says(rows):
    correct, reference, same = (np.array(column) for column in zip(*rows, strict=True))
    result = compare(correct, reference, same)
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
        compare(yes, yes[:1], yes)
    with pytest.raises(ValueError, match="same length"):
        compare(yes[:0], yes[:0], yes[:0])
    with pytest.raises(ValueError, match="no images"):
        accuracy(yes[:0])


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), st.sampled_from([50.0, 90.0, 99.0, 99.9]))
def test_percentiles_are_numpys_inverted_cdf(samples, percent):
    array = np.array(samples, np.int64)
    assert nearest_rank(array, percent) == np.percentile(array, percent, method="inverted_cdf")


def test_latency_summary_is_in_milliseconds():
    summary = latency_summary(np.array([1_000_000] * 99 + [5_000_000], np.int64))
    assert (summary["p50_ms"], summary["p90_ms"], summary["samples"]) == (1.0, 1.0, 100)
    assert (summary["p99_ms"], summary["largest"]) == (None, 90)
    assert summary["mean_ms"] == pytest.approx(1.04)
