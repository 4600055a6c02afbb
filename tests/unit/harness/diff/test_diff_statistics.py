"""Sums over images of what separates two executions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from seatrial.harness.diff.statistics import Tally
from seatrial.harness.metrics.divergence import signal_to_noise_db


def tally(reference, candidate, sizes):
    found, start = Tally(), 0
    for size in sizes:
        found.add(reference[start : start + size], candidate[start : start + size], size, start)
        start += size
    return found


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((6, 4, 5)).astype(np.float32)
    return reference, reference + rng.standard_normal(reference.shape).astype(np.float32) / 30


@pytest.mark.parametrize("sizes", [(6,), (1, 5), (2, 2, 2), (1,) * 6])
def test_batches_add_up_to_the_whole(pair, sizes):
    found = tally(*pair, sizes)
    assert found.snr_db == pytest.approx(signal_to_noise_db(*pair), abs=1e-9)
    assert found.cosine == pytest.approx(1 - cosine(pair[0].ravel(), pair[1].ravel()), abs=1e-6)
    assert found.largest_difference == pytest.approx(np.abs(pair[0] - pair[1]).max(), rel=1e-6)
    assert found.relative == pytest.approx(np.abs(pair[0] - pair[1]).max() / np.abs(pair[0]).max(), rel=1e-6)
    ratios = [signal_to_noise_db(one, two) for one, two in zip(*pair, strict=True)]
    assert found.worst_image == (int(np.argmin(ratios)), pytest.approx(min(ratios), abs=1e-9))
    assert found.count == pair[0].size


def test_equal_values_are_infinitely_alike():
    found = tally(np.zeros((2, 3)), np.zeros((2, 3)), (2,))
    assert (found.snr_db, found.largest_difference, found.relative, found.cosine) == (math.inf, 0.0, None, None)


def test_noise_on_no_signal_leaves_nothing():
    found = tally(np.zeros((2, 3)), np.full((2, 3), 0.1), (2,))
    assert (found.snr_db, found.relative, found.broken) == (-math.inf, None, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_on_one_side_parts_and_spoils_no_sum(pair, bad):
    reference, candidate = pair
    candidate[3, 0, 0] = bad
    found = tally(reference, candidate, (2, 4))
    assert (found.snr_db, found.broken, found.worst_image) == (-math.inf, 1, (3, -math.inf))
    assert np.isfinite([found.signal, found.noise, found.largest_difference, found.cosine]).all()


def test_what_is_the_same_nan_or_infinity_on_both_sides_does_not_part():
    values = np.array([[np.nan, np.inf, -np.inf, 1.0]])
    assert tally(values, values.copy(), (1,)).snr_db == math.inf
    turned = np.array([[np.nan, -np.inf, -np.inf, 1.0]])
    assert tally(values, turned, (1,)).broken == 1


def test_values_without_an_axis_of_images_are_summed_as_they_are():
    found = Tally()
    found.add(np.float32(2.0).reshape(()), np.float32(1.0).reshape(()), 3, 0)
    found.add(np.ones((2, 2), np.float16), np.ones((2, 2), np.float16), 3, 3)
    found.add(np.ones((0, 2), np.float32), np.ones((0, 2), np.float32), 3, 3)
    assert (found.signal, found.noise, found.count, found.worst_image) == (8.0, 1.0, 5, None)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-18, 1e18), st.integers(0, 2**32 - 1))
def test_the_ratio_does_not_depend_on_the_scale(factor, seed):
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((2, 8))
    candidate = reference + rng.standard_normal((2, 8)) / 100
    first, second = tally(reference, candidate, (2,)), tally(reference * factor, candidate * factor, (2,))
    assert first.snr_db == pytest.approx(second.snr_db, abs=1e-6)
