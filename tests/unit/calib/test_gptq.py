"""GPTQ against a brute-force reference, and against rounding to nearest."""

import numpy as np
import pytest

from seatrial.calib.blocked import round_to_nearest
from seatrial.calib.gptq import DAMPING, Moments, gptq, reconstruction_error


def inputs(rng, count, inner):
    """Correlated, as real activations are: independent ones leave GPTQ nothing to gain."""
    mixing = rng.standard_normal((inner, inner)) * 0.5 + np.eye(inner)
    return rng.standard_normal((count, inner)) @ mixing


def hessian_of(x):
    moments = Moments(x.shape[1])
    for start in range(0, len(x), 7):
        moments.add(x[start : start + 7])
    return moments.hessian()


def brute_force(weight, hessian, block, symmetric):
    """After each row is fixed, solves anew for the remaining rows that minimise tr(D^T H D), without any factor."""
    inner = len(weight)
    damped = hessian + DAMPING * np.diag(hessian).mean() * np.eye(inner)
    fixed = np.zeros_like(weight)
    rest = weight.copy()
    for row in range(inner):
        if row % block == 0:
            part = rest[row : row + block]
            if symmetric:
                low, high = -8, 7
                scale, zero = np.abs(part).max(0) / 7, np.zeros(part.shape[1])
            else:
                low, high = 0, 15
                scale = (np.maximum(part.max(0), 0) - np.minimum(part.min(0), 0)) / 15
                zero = np.rint(-np.minimum(part.min(0), 0) / scale)
            scale = scale.astype(np.float32).astype(np.float64)
        fixed[row] = (np.clip(np.rint(rest[row] / scale) + zero, low, high) - zero) * scale
        done, todo = slice(0, row + 1), slice(row + 1, inner)
        owed = damped[todo, done] @ (fixed[done] - weight[done])
        rest[todo] = weight[todo] - np.linalg.solve(damped[todo, todo], owed)
    return fixed


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("block", [4, 12])
def test_the_updates_are_those_of_a_brute_force_solution(symmetric, block):
    rng = np.random.default_rng(0)
    weight, hessian = rng.standard_normal((12, 5)), hessian_of(inputs(rng, 60, 12))
    expected = brute_force(weight, hessian, block, symmetric)
    found = gptq(weight, hessian, block, symmetric).dequantized()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(found, round_to_nearest(weight, block, symmetric).dequantized())


def test_without_correlation_it_is_rounding_to_nearest():
    weight = np.random.default_rng(1).standard_normal((32, 6))
    found, expected = gptq(weight, np.eye(32), 16, True), round_to_nearest(weight, 16, True)
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_array_equal(found.scale, expected.scale)


@pytest.mark.parametrize("symmetric", [True, False])
def test_outputs_change_less_than_by_rounding_to_nearest(symmetric):
    rng = np.random.default_rng(2)
    weight, x = rng.standard_normal((64, 10)), inputs(rng, 500, 64)
    hessian = hessian_of(x)
    nearest = round_to_nearest(weight, 32, symmetric).dequantized()
    better = gptq(weight, hessian, 32, symmetric).dequantized()
    assert reconstruction_error(weight, better, hessian) < 0.7 * reconstruction_error(weight, nearest, hessian)
    on_data = ((x @ (weight - nearest)) ** 2).sum(axis=1).mean()
    assert reconstruction_error(weight, nearest, hessian) == pytest.approx(on_data, rel=1e-6)


def test_the_hessian_does_not_depend_on_the_batches():
    x = inputs(np.random.default_rng(3), 50, 8)
    assert hessian_of(x) == pytest.approx(2 * x.T @ x / 50)
    folded = Moments(8)
    folded.add(x.reshape(5, 10, 8))  # any leading axes
    assert folded.hessian() == pytest.approx(hessian_of(x))


def test_dead_inputs_get_no_weight_and_break_nothing():
    rng = np.random.default_rng(4)
    x = inputs(rng, 40, 16)
    x[:, [3, 7]] = 0
    found = gptq(rng.standard_normal((16, 4)), hessian_of(x), 16, True).dequantized()
    assert (found[[3, 7]] == 0).all()
    assert np.isfinite(found).all()


def test_the_weights_that_are_given_stay_as_they_are():
    rng = np.random.default_rng(5)
    weight = rng.standard_normal((16, 4))
    before = weight.copy()
    gptq(weight, hessian_of(inputs(rng, 40, 16)), 16, False)
    np.testing.assert_array_equal(weight, before)
