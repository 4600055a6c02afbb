"""Samples are thinned for drawing, and no extreme is lost."""

import numpy as np
import pytest

from seatrial.harness.report.tracks import COLUMNS, track


def made(queries=200_000, seed=0):
    rng = np.random.default_rng(seed)
    begin = np.sort(rng.integers(0, 60_000_000_000, queries))
    return begin, rng.integers(400_000, 600_000, queries), np.ones(queries, bool)


def test_the_slowest_and_the_fastest_query_of_every_column_stay():
    begin, taken, kept = made()
    stalls = [17, 60_000, 199_999]
    taken[stalls] = [25_000_000, 31_000_000, 47_000_000]
    taken[100] = 100_000
    found = track(begin, taken, kept)
    assert len(found.at_s) <= COLUMNS
    for place in stalls:
        column = np.searchsorted(found.at_s, begin[place] / 1e9, side="right") - 1
        assert found.high_ms[column] == taken[place] / 1e6
    assert (found.low_ms.min(), found.high_ms.max()) == (0.1, 47.0)
    assert (found.low_ms <= found.half_ms).all()
    assert (found.half_ms <= found.high_ms).all()


def test_a_column_tells_the_median_of_its_queries():
    begin, taken, kept = made(5000)
    found = track(begin, taken, kept)
    inside = (begin >= found.at_s[7] * 1e9) & (begin < (found.at_s[7] + found.width_s) * 1e9)
    low, high = np.quantile(taken[inside], 0.5, method="lower"), np.quantile(taken[inside], 0.5, method="higher")
    assert low / 1e6 <= found.half_ms[7] <= high / 1e6


def test_the_distribution_is_that_of_the_rounds_that_are_kept():
    begin, taken, kept = made(10_000)
    kept[5000:] = False
    taken[5000:] += 50_000_000
    found = track(begin, taken, kept)
    assert found.queries == 5000
    expected = np.quantile(taken[:5000] / 1e6, found.shares, method="inverted_cdf")
    np.testing.assert_allclose(found.taken_ms, expected, rtol=1e-3)
    assert found.taken_ms[-1] == taken[:5000].max() / 1e6
    assert found.shares[-1] == 1
    assert found.high_ms.max() > 50, "what is not kept is drawn over time all the same"


def test_gaps_have_no_column():
    begin = np.concatenate([np.arange(100), 10**10 + np.arange(100)]) * 1
    found = track(begin, np.full(200, 5), np.ones(200, bool))
    assert len(found.at_s) == 2


@pytest.mark.parametrize("queries", [1, 2, 3])
def test_few_queries_are_enough(queries):
    begin, taken, kept = made(queries)
    found = track(begin, taken, kept)
    assert found.taken_ms[-1] == taken.max() / 1e6
    assert track(begin, taken, ~kept).taken_ms[-1] == taken.max() / 1e6, "where no round is kept, all are shown"
    assert track(begin, taken, ~kept).queries == 0


def test_no_queries_are_refused():
    with pytest.raises(ValueError, match="no queries"):
        track(*made(0))
