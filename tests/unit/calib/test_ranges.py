"""Ranges against brute force over the values themselves, SciPy, NumPy and ONNX Runtime's calibrators."""

import numpy as np
import pytest
import scipy.stats
from onnxruntime.quantization.calibrate import HistogramCollector

from seatrial.calib.histogram import Histogram
from seatrial.calib.options import QuantizeOptions
from seatrial.calib.ranges import Target, entropy_limit, find_range
from seatrial.calib.scales import affine

SYMMETRIC, ASYMMETRIC = Target("int8", True), Target("uint8", False)


def histogram_of(data):
    histogram = Histogram()
    histogram.add(data)
    return histogram


def heavy_tailed(seed=0, count=200_000, relu=False):
    data = np.random.default_rng(seed).laplace(0.1, 1.0, count).astype(np.float32)
    return np.maximum(data, 0) if relu else data


def range_of(data, target, ranges, percentile=99.99):
    return find_range(histogram_of(data), target, QuantizeOptions(ranges=ranges, percentile=percentile))


def squared_error(data, low, high, target):
    grid = affine(low, high, target.type, target.symmetric)
    codes = np.clip(np.rint(data.astype(np.float64) / grid.scale) + grid.zero, grid.smallest, grid.largest)
    return float((((codes - grid.zero) * grid.scale - data) ** 2).mean())


@pytest.mark.parametrize("target", [SYMMETRIC, ASYMMETRIC])
def test_minmax_is_exact(target):
    data = heavy_tailed()
    assert range_of(data, target, "minmax") == (data.min(), data.max())


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.99])
def test_a_percentile_is_numpys_to_within_a_bin(percentile):
    data = heavy_tailed()
    width = histogram_of(data).width
    low, high = range_of(data, SYMMETRIC, "percentile", percentile)
    limit = np.quantile(np.abs(data), percentile / 100)
    assert (-low, high) == pytest.approx((limit, limit), abs=width)
    tail = (1 - percentile / 100) / 2
    expected = np.quantile(data, tail), np.quantile(data, 1 - tail)
    assert range_of(data, ASYMMETRIC, "percentile", percentile) == pytest.approx(expected, abs=width)


def test_the_whole_percentile_is_minmax():
    data = heavy_tailed()
    assert range_of(data, ASYMMETRIC, "percentile", 100.0) == pytest.approx((data.min(), data.max()), abs=1e-6)


def naive_divergence(counts, bins, steps):
    """The slides' loop over steps, bin by bin, with SciPy's relative entropy."""
    kept = counts[:bins].astype(float)
    p = kept.copy()
    p[-1] += counts[bins:].sum()
    q = np.zeros(bins)
    step_of = [index * steps // bins for index in range(bins)]
    for step in range(steps):
        members = [index for index in range(bins) if step_of[index] == step]
        filled = [index for index in members if kept[index] > 0]
        for index in filled:
            q[index] = sum(kept[member] for member in members) / len(filled)
    with np.errstate(divide="ignore"):
        return scipy.stats.entropy(p, q)


@pytest.mark.parametrize("seed", range(4))
def test_the_entropy_limit_is_that_of_the_naive_algorithm(seed):
    rng = np.random.default_rng(seed)
    counts = np.histogram(np.abs(rng.laplace(0, 1, 3000)), 96)[0]
    counts[0] = 10_000  # zeros of a Relu: they say nothing
    steps = 16
    smoothed = counts.copy()
    smoothed[0] = smoothed[1]
    limits = range(steps, len(counts) + 1)
    divergences = [naive_divergence(smoothed, bins, steps) for bins in limits]
    found = entropy_limit(counts, steps, stride=1)
    assert divergences[found - steps] == pytest.approx(min(divergences), rel=1e-9)
    assert found < len(counts)


def test_entropy_cuts_far_outliers_and_little_else():
    data = heavy_tailed()
    data[0] = 100.0
    low, high = range_of(data, SYMMETRIC, "entropy")
    assert high < 15
    assert np.mean(np.abs(data) > high) < 1e-3
    assert low == -high or low == data.min()


def test_entropy_is_near_that_of_onnxruntimes_calibrator():
    data = heavy_tailed(count=400_000)
    collector = HistogramCollector(
        method="entropy", symmetric=True, num_bins=4096, num_quantized_bins=256, percentile=None, scenario=None
    )
    collector.collect({"x": [data]})
    _, theirs = collector.get_entropy_threshold(collector.histogram_dict["x"], 256)
    _, ours = range_of(data, SYMMETRIC, "entropy")
    assert float(theirs) == pytest.approx(ours, rel=0.25)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("target", [SYMMETRIC, ASYMMETRIC])
def test_mse_is_within_two_percent_of_the_best_range_for_the_values_themselves(target, relu):
    data = heavy_tailed(count=50_000, relu=relu)
    low, high = range_of(data, target, "mse")
    ours = squared_error(data, low, high, target)
    shares = np.arange(10, 101, 2) / 100
    lows = [min(data.min(), 0.0) * share for share in shares] if data.min() < 0 else [0.0]
    if target.symmetric:
        tried = [(share * data.min(), share * data.max()) for share in shares]
    else:
        tried = [(one, data.max() * share) for one in lows[::3] for share in shares[::2]]
    best = min(squared_error(data, *bounds, target) for bounds in tried)
    assert ours <= 1.02 * best
    assert ours < squared_error(data, data.min(), data.max(), target)


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy", "mse"])
@pytest.mark.parametrize("target", [SYMMETRIC, ASYMMETRIC])
def test_every_method_stays_within_the_values_and_survives_odd_ones(ranges, target):
    cases = [
        np.zeros(100, np.float32),
        np.full(100, 2.5, np.float32),
        np.full(100, -2.5, np.float32),
        -heavy_tailed(relu=True, count=5000),
        np.array([0.0, 1e-38, 3e-38], np.float32),
        np.array([0.0] * 1000 + [7.0], np.float32),
        np.array([1e30, -1e30], np.float32),
        np.array([6.0], np.float32),
    ]
    for data in cases:
        low, high = range_of(data, target, ranges)
        assert data.min() <= low <= high <= data.max() or low == high == 0
        grid = target.affine(low, high)
        assert grid.scale > 0
        assert np.isfinite(1 / np.float32(grid.scale))


def test_float8_takes_minima_and_maxima_whatever_is_asked():
    data = heavy_tailed()
    assert range_of(data, Target("float8e4m3fn", True), "entropy") == (data.min(), data.max())
