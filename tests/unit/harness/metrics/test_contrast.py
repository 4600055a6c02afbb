"""Contrasts of shares: what they are, that they agree with what is known of two, and how often intervals hold."""

import numpy as np
import pytest

from seatrial.harness.metrics.attack import conditional_difference
from seatrial.harness.metrics.contrast import conditional_contrast, downward, share_contrast
from seatrial.harness.metrics.paired import compare


def answers(rng, *shares, images=400):
    """Right where an image's own difficulty is below each share: answers to an image hang together."""
    hardness = rng.uniform(size=images)
    return [np.where(rng.uniform(size=images) < 0.8, hardness, rng.uniform(size=images)) < share for share in shares]


def test_the_contrast_of_two_shares_is_their_paired_difference():
    first, second = answers(np.random.default_rng(0), 0.8, 0.6)
    found, known = share_contrast([1, -1], [first, second]), compare(first, second, first == second)
    assert found.value == pytest.approx(known.delta)
    assert found.interval() == pytest.approx(known.ci95)
    assert 2 * found.p_at_most() == pytest.approx(known.p)


def test_the_contrast_of_two_conditional_shares_is_the_difference_of_ar():
    clean, other, attacked, base = answers(np.random.default_rng(1), 0.9, 0.7, 0.5, 0.4)
    found = conditional_contrast([1, -1], [clean, other], [attacked, base])
    known = conditional_difference(clean, attacked, other, base)
    assert found.value == pytest.approx(known.delta)
    assert found.interval() == pytest.approx(known.ci95)


def test_a_trend_is_the_least_squares_line():
    places, shares = [2, 4, 6, 8], [0.5, 0.7, 0.6, 0.9]
    slope, _ = np.polyfit(places, shares, 1)
    assert np.dot(downward(places), shares) == pytest.approx(-6 * slope)
    with pytest.raises(ValueError, match="two places"):
        downward([4, 4])


@pytest.mark.parametrize("shares", [(0.9, 0.85, 0.8, 0.6), (0.5, 0.5, 0.5, 0.5), (0.99, 0.98, 0.99, 0.99)])
def test_intervals_of_a_trend_hold_what_they_promise(shares):
    rng, weights = np.random.default_rng(2), downward([2, 4, 6, 8])
    truth = float(np.dot(weights, shares))
    clean = [0.95, 0.95, 0.9, 0.9]
    plain = conditional = 0
    for _ in range(500):
        found = share_contrast(weights, answers(rng, *shares, images=120)).interval()
        plain += found[0] <= truth <= found[1]
        inside = answers(rng, *clean, images=120)
        hits = [one & (rng.uniform(size=120) < share) for one, share in zip(inside, shares, strict=True)]
        low, high = conditional_contrast(weights, inside, hits).interval()
        conditional += low <= truth <= high
    assert plain >= 465
    assert conditional >= 465


def test_shares_of_other_images_are_refused():
    with pytest.raises(ValueError, match="same images"):
        share_contrast([1, -1], [np.ones(3), np.ones(4)])
    with pytest.raises(ValueError, match="same images"):
        conditional_contrast([1, -1], [np.ones(3, bool), np.ones(4, bool)], [np.ones(3), np.ones(4)])
