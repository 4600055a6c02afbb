"""How often the intervals hold the truth, by simulation: with few images, and with few of them that differ."""

import functools

import numpy as np
import pytest
import scipy.stats

from seatrial.harness.metrics.image_means import ImageMeans
from seatrial.harness.metrics.paired import Differences, paired_interval, paired_p

DRAWS = 20_000  # the standard error of a coverage of 95 % is 0.15 %
IMAGES = (20, 50, 200, 1000, 10_000)
CHURN = (0.005, 0.02, 0.06, 0.15)
# The share of the discordant images that the target loses.
SIDES = {"one-sided": 1.0, "mixed": 0.75, "symmetric": 0.5}
# With fewer discordant images than this expected, what can be counted is too coarse to come near 95 %: with 0.1, nine
# draws in ten see none, and any interval holds the truth in all of those, or in none.
FINE = 20

interval = functools.lru_cache(maxsize=None)(paired_interval)


@functools.cache
def coverage(images, churn, lost):
    worse, better = churn * lost, churn * (1 - lost)
    rng = np.random.default_rng(round(images * 1000 * churn + 10 * lost))
    counts, times = np.unique(
        rng.multinomial(images, [worse, better, 1 - churn], size=DRAWS)[:, :2], axis=0, return_counts=True
    )
    inside = 0
    for (down, up), often in zip(counts.tolist(), times.tolist(), strict=True):
        low, high = interval(down, up, images)
        inside += often * (low <= better - worse <= high)
    return inside / DRAWS


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("churn", CHURN)
@pytest.mark.parametrize("images", IMAGES)
def test_the_paired_interval_covers(images, churn, side):
    found = coverage(images, churn, SIDES[side])
    assert found >= 0.935
    if images * churn >= FINE:
        assert found <= 0.965


@pytest.mark.parametrize("images", IMAGES)
def test_between_those_shares_it_dips_to_no_less_than_92_5_in_100(images):
    # Exactly, for losses alone: coverage of counts is a saw over the true share, whatever the interval.
    losses = np.arange(min(images, round(images * 0.15) + 200) + 1)
    ends = np.array([interval(int(lost), 0, images) for lost in losses])
    shares = np.geomspace(0.3, images * 0.15, 300) / images
    found = np.array(
        [
            scipy.stats.binom.pmf(losses, images, share)[(ends[:, 0] <= -share) & (-share <= ends[:, 1])].sum()
            for share in shares
        ]
    )
    assert found.min() >= 0.925
    assert found.mean() >= 0.95
    assert found[shares * images >= FINE].min(initial=1.0) >= 0.935


@pytest.mark.parametrize("images", [1, 7, 20, 150])
def test_the_interval_leaves_out_zero_exactly_where_p_is_below_five_per_cent(images):
    for worse in range(min(images, 40) + 1):
        for better in range(min(images - worse, 40) + 1):
            low, high = interval(worse, better, images)
            assert (low > 0 or high < 0) == (paired_p(worse, better, images) < 0.05)


@pytest.mark.parametrize("images", [50, 1000, 10_000])
def test_no_difference_is_called_one_in_at_most_one_of_twenty(images):
    for churn in CHURN:
        assert 1 - coverage(images, churn, 0.5) <= 0.055


# Of an image's answers under 75 conditions, those that differ from the reference's: few images, and of them many.
CONDITIONS = 75


def means(rng, images, churn, lost, held):
    """Sums of the image means' differences and of their squares, [2000]; held: correlation of an image's answers."""
    spread = (1 - held) / held
    chance = rng.beta(churn * spread, (1 - churn) * spread, (2000, images))
    differing = rng.binomial(CONDITIONS, chance)
    # An image that is hard for the target stays hard: all of its changes are in one direction.
    values = differing * np.where(rng.random(differing.shape) < lost, -1, 1) / CONDITIONS
    return values.sum(1), (values**2).sum(1)


@pytest.mark.parametrize("held", [0.1, 0.9])
@pytest.mark.parametrize("churn", [0.02, 0.15])
@pytest.mark.parametrize("images", [50, 200, 1000])
def test_means_over_conditions_cover_though_an_images_answers_hang_together(images, churn, held):
    rng = np.random.default_rng(round(images + 1000 * churn + 10 * held))
    for lost in SIDES.values():
        truth = churn * (1 - 2 * lost)
        ends = [
            Differences(*one, images).interval() for one in zip(*means(rng, images, churn, lost, held), strict=True)
        ]
        assert np.mean([low <= truth <= high for low, high in ends]) >= 0.935


def test_75_answers_of_an_image_are_not_75_images():
    rng = np.random.default_rng(4)
    images, inside, naive = 400, 0, 0
    for _ in range(2000):
        # Each image keeps one of three answers under all conditions: 75 times the answers, and no more knowledge.
        change = rng.choice([-1, 0, 1], images, p=[0.06, 0.92, 0.02])
        means_of = ImageMeans(images)
        for _ in range(2):
            means_of.add(change > 0, change < 0)
        low, high = means_of.differences.interval()
        inside += low <= -0.04 <= high
        worse, better = (CONDITIONS * int(np.count_nonzero(change == sign)) for sign in (-1, 1))
        low, high = interval(worse, better, CONDITIONS * images)
        naive += low <= -0.04 <= high
    assert inside / 2000 >= 0.935
    assert naive / 2000 < 0.3
