"""Confidence, and what becomes of it: against scikit-learn."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from seatrial.harness.metrics.calibration import (
    THRESHOLDS,
    confidence_shift,
    expected_calibration_error,
    tied,
)


@pytest.mark.parametrize("seed", range(5))
def test_the_calibration_error_is_that_of_scikit_learns_curve(seed):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.1, 1, 3000).astype(np.float32)
    correct = rng.random(3000) < confidence**2
    accuracy, mean = calibration_curve(correct, confidence, n_bins=15)
    sizes = np.histogram(confidence, np.linspace(0, 1, 16))[0]
    expected = np.average(np.abs(accuracy - mean), weights=sizes[sizes > 0])
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=50))
def test_the_calibration_error_lies_between_the_mean_gap_and_one(rows):
    confidence, correct = np.array([one for one, _ in rows], np.float32), np.array([yes for _, yes in rows])
    found = expected_calibration_error(confidence, correct)
    assert abs(correct.mean() - confidence.astype(np.float64).mean()) - 1e-6 <= found <= 1


def test_ends_of_bins_belong_below():
    assert expected_calibration_error(np.array([0.0, 1.0], np.float32), np.array([False, True])) == 0


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=1, max_size=50))
def test_the_shift_counts_what_falls_below(rows):
    ours, theirs = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    found = confidence_shift(ours, theirs)
    assert found.delta == pytest.approx(ours.astype(float).mean() - theirs.astype(float).mean(), abs=1e-6)
    assert found.ci95[0] <= found.ci95[1]
    for one, threshold in zip(found.below, THRESHOLDS, strict=True):
        above = [now for now, was in rows if was > threshold]
        assert one.above == len(above) / len(rows)
        assert one.fallen == (None if not above else sum(now <= threshold for now in above) / len(above))


@pytest.mark.parametrize("images", [2, 30, 500, 3000])
def test_the_shifts_interval_is_scipys(images):
    ours, theirs = np.random.default_rng(images).beta(3, 1, (2, images)).astype(np.float32)
    differences = ours.astype(float) - theirs.astype(float)
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval()
    found = confidence_shift(ours, theirs).ci95
    assert found == pytest.approx((max(-1, expected.low), min(1, expected.high)), rel=0.02, abs=1e-5)
    assert confidence_shift(ours[:1], theirs[:1]).ci95 == (-1, 1)


def test_the_shifts_interval_covers():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        low, high = confidence_shift(*rng.beta((2, 3), 1, (200, 2)).T).ci95
        inside += low <= 2 / 3 - 3 / 4 <= high
    assert 0.935 <= inside / 2000 <= 0.97


def test_ties_are_counted():
    assert tied(np.array([0.0, 0.1, 0.0, 1e-45], np.float32)) == 0.5


def test_shapes_must_be_the_same():
    some = np.array([0.5, 0.6], np.float32)
    with pytest.raises(ValueError, match="same length"):
        expected_calibration_error(some, np.array([True]))
    with pytest.raises(ValueError, match="same length"):
        confidence_shift(some, some[:1])
