"""Intervals of means and corruption errors: against statsmodels, and how often they hold the truth."""

import tracemalloc

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from seatrial.harness.metrics.corruption_error import (
    ALEXNET,
    ALEXNET_CLEAN,
    mean_corruption_error,
    plain_mean_error,
    relative_mean_corruption_error,
)
from seatrial.harness.metrics.corruption_intervals import (
    mean_corruption_error_interval,
    mean_corruption_error_ratio_interval,
    plain_mean_error_interval,
    relative_mean_corruption_error_interval,
    relative_mean_corruption_error_ratio_interval,
)
from seatrial.harness.metrics.weighted import ImageSums, weighted_interval

NAMES = tuple(ALEXNET)
# Standard normal values above these are errors: from 2 % of the images at severity 1 to 60 % at 5.
EASE = np.linspace(2.0, -0.25, 5)[None] + np.linspace(-0.4, 0.4, len(NAMES))[:, None]


def answers(rng, images, share=0.7):
    """Errors of a target and its reference, bool [corruptions, severities, images], and on clean images, bool [images].

    An image is as hard as it is: `share` of the variance is its own, under whatever corruption and for both.
    """
    own, rest = np.sqrt(share), np.sqrt((1 - share) / 2)
    hardness = own * rng.standard_normal(images)
    under = rest * rng.standard_normal((*EASE.shape, images))
    found = []
    for shift in (0.1, 0.0):
        noise = rest * rng.standard_normal((*EASE.shape, images))
        clean = np.sqrt(1 - share) * rng.standard_normal(images) + hardness + shift > 2.0
        found.append((hardness + under + noise + shift > EASE[..., None], clean))
    return found


def rows(wrong):
    return {name: list(row) for name, row in zip(NAMES, wrong, strict=True)}


def shares(wrong):
    return {name: row.mean(axis=1).tolist() for name, row in zip(NAMES, wrong, strict=True)}


def figures(target, reference):
    (wrong, clean), (base, base_clean) = target, reference
    return {
        "plain": (plain_mean_error(shares(wrong)), plain_mean_error_interval(rows(wrong))),
        "mce": (
            mean_corruption_error(shares(wrong), ALEXNET),
            mean_corruption_error_interval(rows(wrong), ALEXNET),
        ),
        "relative": (
            relative_mean_corruption_error(shares(wrong), clean.mean(), ALEXNET, ALEXNET_CLEAN),
            relative_mean_corruption_error_interval(rows(wrong), clean, ALEXNET, ALEXNET_CLEAN),
        ),
        "ratio": (
            mean_corruption_error(shares(wrong), shares(base)),
            mean_corruption_error_ratio_interval(rows(wrong), rows(base)),
        ),
        "relative ratio": (
            relative_mean_corruption_error(shares(wrong), clean.mean(), shares(base), base_clean.mean()),
            relative_mean_corruption_error_ratio_interval(rows(wrong), clean, rows(base), base_clean),
        ),
    }


def test_one_condition_has_agresti_and_coulls_interval():
    for right in (0, 1, 17, 40):
        expected = proportion_confint(right, 40, method="agresti_coull")
        assert weighted_interval([(1.0, np.arange(40) < right)]) == pytest.approx(expected, abs=1e-12)
    low, high = weighted_interval([(-2.0, np.arange(40) < 17)])
    expected = proportion_confint(17, 40, method="agresti_coull")
    assert (low, high) == pytest.approx((-2 * expected[1], -2 * expected[0]), abs=1e-12)


def test_the_same_answers_under_more_conditions_are_no_more_knowledge():
    right = np.arange(60) < 41
    once = weighted_interval([(1.0, right)])
    assert weighted_interval((0.1, right) for _ in range(10)) == pytest.approx(once, abs=1e-12)


def test_images_that_agree_leave_a_doubt():
    low, high = weighted_interval([(1.0, np.ones(50, bool))])
    assert high == 1.0
    assert low == pytest.approx(proportion_confint(50, 50, method="agresti_coull")[0])


def test_sums_need_the_same_images():
    with pytest.raises(ValueError, match="same images"):
        ImageSums(3).add(np.ones(4, bool), 1.0)
    with pytest.raises(ValueError, match="no images"):
        ImageSums(0)
    with pytest.raises(ValueError, match="no conditions"):
        weighted_interval([])


def test_intervals_are_as_wide_as_figures_of_other_images_scatter():
    rng = np.random.default_rng(3)
    drawn = [figures(*answers(rng, 1000)) for _ in range(150)]
    for name in drawn[0]:
        scatter = np.std([one[name][0] for one in drawn], ddof=1)
        errors = np.mean([(one[name][1][1] - one[name][1][0]) / (2 * 1.96) for one in drawn])
        # 150 draws know it to 6 %. Of the ratio, the two images that are added weigh: they differ under everything.
        assert 0.85 < errors / scatter < (1.7 if name == "ratio" else 1.2), name


@pytest.mark.parametrize("images", [20, 100, 400])
def test_intervals_cover(images):
    rng = np.random.default_rng(images)
    truth = {name: value for name, (value, _) in figures(*answers(rng, 60_000)).items()}
    inside, told, draws = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0), 400
    for _ in range(draws):
        for name, (_, interval) in figures(*answers(rng, images)).items():
            told[name] += interval is not None
            inside[name] += interval is not None and interval[0] <= truth[name] <= interval[1]
    for name in truth:
        # Of 400 draws at 95 %, fewer than 92.5 % in one of a hundred.
        assert told[name] == draws or (name == "relative ratio" and told[name] > 0.5 * draws)
        assert inside[name] >= 0.925 * told[name], name


def test_what_has_no_figure_has_no_interval():
    wrong = rows(answers(np.random.default_rng(0), 30)[0][0])
    nothing = {name: [0.0] * 5 for name in NAMES}
    assert mean_corruption_error_interval(wrong, nothing) is None
    clean = np.zeros(30, bool)
    assert relative_mean_corruption_error_interval(wrong, clean, ALEXNET, 1.0) is None
    assert relative_mean_corruption_error_ratio_interval(wrong, clean, wrong, ~clean) is None
    assert mean_corruption_error_ratio_interval({}, {}) is None


def test_memory_does_not_grow_with_the_number_of_conditions():
    right = np.random.default_rng(0).random(10_000) < 0.9

    def peak(conditions):
        tracemalloc.start()
        weighted_interval((1 / conditions, right.copy()) for _ in range(conditions))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(200) < 1.2 * peak(5)
