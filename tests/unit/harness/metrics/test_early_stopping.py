"""Early stopping: minima are the binomial's, bounds are loadgen's, and hold as often as they say."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from seatrial.harness.metrics.binomial import log_at_most, quantile
from seatrial.harness.metrics.early_stopping import PERCENTS, bound, carried, minimum, most_over


@pytest.mark.parametrize("percent", PERCENTS)
@pytest.mark.parametrize("over", [1, 2, 5, 20])
def test_the_minimum_is_the_first_number_that_the_binomial_lets_pass(percent, over):
    found = minimum(percent, over)
    beyond = 1 - percent / 100
    assert scipy.stats.binom.cdf(over, found, beyond) < 0.01
    assert scipy.stats.binom.cdf(over, found - 1, beyond) >= 0.01


def test_minima_are_those_that_mlperf_publishes():
    # Inference rules, "Early stopping": SingleStream asks for 64 queries, MultiStream for 662; with none over, Server's
    # 99th percentile for 459.
    assert (minimum(90), minimum(99), minimum(99, over=0)) == (64, 662, 459)
    assert (minimum(95), minimum(99.9)) == (130, 6636)


def loadgens(samples, percent):
    """The estimate of loadgen/results.cc, step by step; its odds are the regularized incomplete beta function."""
    count, quantile = len(samples), percent / 100

    def least(over):
        hits = 1
        while scipy.special.betainc(hits, 1 + over, quantile) >= 0.01:
            hits += 1
        return hits

    if count < least(1) + 1:
        return None
    over = 1
    while count >= least(over + 1) + over + 1:
        over += 1
    return int(np.sort(samples)[count - over])


@pytest.mark.parametrize("percent", [90, 95, 99])
@pytest.mark.parametrize("count", [63, 64, 65, 80, 81, 130, 500, 661, 662, 1000])
def test_the_bound_is_loadgens(percent, count):
    samples = np.random.default_rng(count).permutation(10 * np.arange(1, count + 1))
    assert bound(samples, percent) == loadgens(samples, percent)


def test_a_bound_holds_in_99_of_100_cases():
    rng = np.random.default_rng(0)
    truth = 1e6 * np.exp(0.3 * scipy.stats.norm.ppf(0.9))
    draws = (1e6 * np.exp(0.3 * rng.standard_normal((3000, 300)))).astype(np.int64)
    held = np.mean([bound(one, 90) >= truth for one in draws])
    assert held >= 0.99 - 3 * np.sqrt(0.99 * 0.01 / 3000)


def test_what_so_many_queries_carry():
    assert carried(0) == ()
    assert carried(10) == ()
    assert carried(11) == (50,)
    assert carried(64) == (50, 90)
    assert carried(661) == (50, 90, 95)
    assert carried(662) == (50, 90, 95, 99)
    assert carried(6636) == PERCENTS


@pytest.mark.parametrize(
    ("most", "count", "share"), [(0, 1, 0.5), (3, 50, 0.5), (29_617, 300_000, 0.1), (9_900, 10**6, 0.01), (5, 5, 0.2)]
)
def test_the_binomial_is_scipys(most, count, share):
    assert log_at_most(most, count, share) == pytest.approx(scipy.stats.binom.logcdf(most, count, share), abs=1e-8)
    assert log_at_most(-1, count, share) == -np.inf
    for chance in (0.025, 0.5, 0.975):
        assert quantile(chance, count, share) == scipy.stats.binom.ppf(chance, count, share)


def test_as_many_are_left_out_of_a_million_as_scipy_says():
    count = 10**6
    assert most_over(count, 99) == scipy.stats.binom.ppf(0.01, count, 0.01) - 1


def test_there_is_no_percentile_of_all():
    with pytest.raises(ValueError, match="no percentile"):
        minimum(100)
