"""Which sample a query asks and when it arrives hang on its number and the seed alone."""

import numpy as np
import pytest
from scipy import stats

from seatrial.engines.timing.order import _mixed, arrivals, samples_of


def test_numbers_are_those_of_splitmix64():
    """The first outputs for the seed 1234567, as Rosetta Code lists them."""
    steps = np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found = _mixed(np.asarray([1234567], np.uint64) + steps)
    assert found.tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("samples", [1, 8])
def test_a_later_block_goes_on(samples):
    whole = samples_of(7, np.arange(100), samples, 32)
    assert whole.shape == (100, samples)
    np.testing.assert_array_equal(whole[60:], samples_of(7, np.arange(60, 100), samples, 32))
    assert not np.array_equal(whole, samples_of(8, np.arange(100), samples, 32))


def test_every_sample_is_as_likely_and_hangs_on_none_before():
    found = samples_of(3, np.arange(32_000), 1, 16)[:, 0]
    assert stats.chisquare(np.bincount(found, minlength=16)).pvalue > 0.001
    pairs = np.bincount(found[:-1] * 16 + found[1:], minlength=256)
    assert stats.chisquare(pairs).pvalue > 0.001


def test_arrivals_are_a_poisson_process():
    found = arrivals(5, 0, 1 << 40, 100.0, rate=200.0)
    assert found.dtype == np.int64
    assert (np.diff(found) >= 0).all()
    assert found.max() <= 100e9
    assert abs(len(found) - 20_000) < 4 * 20_000**0.5
    assert stats.kstest(np.diff(found) / 1e9, "expon", args=(0, 1 / 200)).pvalue > 0.001


def test_a_later_block_of_arrivals_goes_on():
    whole = arrivals(5, 0, 1 << 40, 400.0, rate=100.0)
    assert len(whole) > 1 << 14  # more than is drawn at once
    later = arrivals(5, 1000, 5000, 1e6, rate=100.0)
    np.testing.assert_allclose(np.diff(later), np.diff(whole[1000:6000]), rtol=0, atol=2)
    assert arrivals(5, 0, 3, 1e9, rate=100.0).tolist() == whole[:3].tolist()


def test_where_nothing_arrives_there_are_no_arrivals():
    assert arrivals(5, 0, 10, 1e-9, rate=0.001).tolist() == []
