"""Where two executions part."""

import math

import numpy as np
import pytest

from seatrial.harness.metrics.divergence import first_divergence, signal_to_noise_db


def test_the_ratio_is_that_of_the_powers():
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal(10000), rng.standard_normal(10000)
    assert signal_to_noise_db(signal, signal + noise / 1000) == pytest.approx(60, abs=0.2)
    assert signal_to_noise_db(signal, signal) == math.inf
    assert signal_to_noise_db(np.zeros(3), np.ones(3)) == -math.inf


def test_not_a_number_parts():
    assert first_divergence({"a": np.ones(2)}, {"a": np.array([1.0, np.nan])}).name == "a"


def test_the_first_in_the_order_of_computation_is_named():
    reference = {name: np.arange(1.0, 5) for name in "abcd"}
    candidate = {"b": np.arange(1.0, 5), "x": np.ones(1), "c": np.arange(1.0, 5) + 0.1, "d": np.zeros(4)}
    found = first_divergence(reference, candidate)
    assert (found.name, found.after, found.max_abs) == ("c", "b", pytest.approx(0.1))
    assert first_divergence(reference, {name: reference[name] + 1e-6 for name in "abcd"}) is None


def test_other_shapes_are_not_compared():
    assert first_divergence({"a": np.ones(2)}, {"a": np.zeros(3)}) is None
