"""Streaming histograms: exact, and the same whatever the batches and their order."""

import numpy as np
import pytest

from seatrial.calib.histogram import SIDE, Histogram


def values(seed=0, count=50_000, scale=1.0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(count) * scale).astype(np.float32)


def counted(*batches):
    histogram = Histogram()
    for batch in batches:
        histogram.add(batch)
    return histogram


def test_counts_are_those_of_numpy_over_the_same_edges():
    data = values()
    histogram = counted(data)
    edges = np.arange(-SIDE, SIDE + 1) * histogram.width
    expected, _ = np.histogram(data.astype(np.float64), edges)
    np.testing.assert_array_equal(histogram.counts, expected)
    assert histogram.total == len(data)
    assert (histogram.low, histogram.high) == (data.min(), data.max())


def test_the_largest_value_lies_in_the_upper_half_of_the_bins():
    for scale in (1e-6, 0.3, 1.0, 5e4):
        histogram = counted(values(scale=scale))
        used = np.flatnonzero(histogram.magnitudes())[-1]
        assert SIDE // 2 <= used < SIDE


def test_batches_order_and_merging_change_nothing():
    small, large, tiny = values(1), values(2, scale=300.0), values(3, scale=1e-4)
    zeros = np.zeros(1000, np.float32)
    alone = counted(np.concatenate([small, large, tiny, zeros]))
    merged = counted(zeros)
    merged.merge(counted(tiny, small))
    merged.merge(counted(large))
    merged.merge(counted(zeros[:0]))
    for other in (counted(large, small, tiny, zeros), counted(zeros, tiny, small, large), merged):
        np.testing.assert_array_equal(other.counts, alone.counts)
        assert (other.low, other.high, other.width) == (alone.low, alone.high, alone.width)


def test_a_huge_value_keeps_all_counts():
    histogram = counted(values(), np.array([1e30, -1e30], np.float32))
    assert histogram.total == 50_002
    assert histogram.counts[SIDE - 1] + histogram.counts[SIDE] == 50_000


def test_zeros_alone_have_no_width_and_are_represented_by_zero():
    histogram = counted(np.zeros(7, np.float32))
    assert histogram.exponent is None
    assert histogram.counts[SIDE] == 7
    assert (histogram.low, histogram.high) == (0, 0)
    assert histogram.representatives()[SIDE] == 0


def test_representatives_lie_within_their_bins_and_the_range():
    histogram = counted(np.clip(values(), 0, 1.5))
    used = np.flatnonzero(histogram.counts)
    found = histogram.representatives()[used]
    assert found[0] == 0
    assert found[-1] == 1.5  # the middle of the last bin is beyond the maximum
    assert (np.abs(found - (used - SIDE + 0.5) * histogram.width) <= histogram.width / 2).all()


def test_magnitudes_are_the_histogram_of_absolute_values():
    data = values()[values() % 0.25 != 0]  # an edge belongs to the bin above it, on both sides of zero
    histogram = counted(data)
    edges = np.arange(SIDE + 1) * histogram.width
    np.testing.assert_array_equal(histogram.magnitudes(), np.histogram(np.abs(data).astype(np.float64), edges)[0])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(wrong):
    data = values()
    data[123] = wrong
    with pytest.raises(ValueError, match="NaN or infinite"):
        counted(data)
