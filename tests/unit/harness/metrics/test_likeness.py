"""Two targets without labels, against SciPy, statsmodels and scikit-learn."""

import doctest

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import confusion_matrix
from statsmodels.stats.proportion import proportion_confint

from seatrial.harness.metrics import likeness as module
from seatrial.harness.metrics.accuracy import wilson_interval
from seatrial.harness.metrics.likeness import images_to_decide, likeness, probability_below
from seatrial.harness.records.predictions import rows_of


def answered(scores):
    return rows_of(scores.astype(np.float32), np.full(len(scores), -1))


@pytest.fixture
def sides():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((400, 6)) * 2
    return answered(scores + 0.3 * rng.standard_normal(scores.shape)), answered(scores)


def test_the_examples_hold():
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_agreement_and_its_interval(sides):
    rows, reference = sides
    found = likeness(rows, reference)
    same = int((rows.top1 == reference.top1).sum())
    assert 300 < same < 400
    assert (found.images, found.agreement, found.flipped) == (400, same / 400, 400 - same)
    assert found.agreement_ci95 == pytest.approx(proportion_confint(same, 400, method="wilson"))


def test_flips_are_what_a_confusion_matrix_has_beside_its_diagonal(sides):
    rows, reference = sides
    table = confusion_matrix(reference.top1, rows.top1, labels=range(6))
    found = likeness(rows, reference).flips
    assert {(one.reference, one.target): one.images for one in found} == {
        (first, second): table[first, second] for first in range(6) for second in range(6)
        if first != second and table[first, second]
    }  # fmt: skip
    counts = [one.images for one in found]
    assert counts == sorted(counts, reverse=True)


def test_images_in_doubt_flip_first(sides):
    rows, reference = sides
    found, kept = likeness(rows, reference), rows.top1 == reference.top1
    expected = mannwhitneyu(reference.margin[kept], reference.margin[~kept]).statistic / (kept.sum() * (~kept).sum())
    assert found.less_sure == pytest.approx(expected)
    assert found.less_sure > 0.8
    assert found.kept_margin.images + found.flipped_margin.images == 400
    assert found.flipped_margin.quantiles[2] == pytest.approx(np.median(reference.margin[~kept].astype(float)))
    assert found.flipped_margin.quantiles[2] < found.kept_margin.quantiles[2]


def test_ties_count_half():
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 5, 40) / 4, rng.integers(0, 5, 60) / 4
    assert probability_below(first, second) == pytest.approx(mannwhitneyu(second, first).statistic / 2400)


def test_a_surer_target_has_a_shift_above_zero(sides):
    _, reference = sides
    rng = np.random.default_rng(2)
    scores = rng.standard_normal((400, 6))
    sure, unsure = answered(2 * scores), answered(scores)
    found = likeness(sure, unsure)
    assert found.shift == pytest.approx(float((sure.p_top1.astype(float) - unsure.p_top1).mean()))
    assert 0 < found.shift_ci95[0] < found.shift < found.shift_ci95[1]
    assert (found.agreement, found.flips, found.less_sure) == (1.0, (), None)
    assert found.flipped_margin.images == 0
    assert likeness(reference, reference).shift == 0


@pytest.mark.parametrize(("agreement", "limit"), [(0.99, 0.98), (0.97, 0.98), (0.985, 0.98), (0.9, 0.98), (1.0, 0.98)])
def test_so_many_images_decide_and_one_less_does_not(agreement, limit):
    needed = images_to_decide(agreement, limit)

    def decides(images):
        # Wilson's interval of a share that need not be a whole number of images.
        spread = module.Z95**2
        centre = (agreement + spread / (2 * images)) / (1 + spread / images)
        reach = np.sqrt(agreement * (1 - agreement) * spread / images + spread**2 / (4 * images**2)) / (
            1 + spread / images
        )
        return not centre - reach <= limit <= centre + reach

    assert decides(needed)
    assert not decides(needed - 1)
    whole = 100 * needed
    low, high = wilson_interval(round(agreement * whole), whole)
    assert limit < low or limit > high


def test_other_images_are_refused(sides):
    rows, _ = sides
    with pytest.raises(ValueError, match="same images"):
        likeness(rows, answered(np.zeros((3, 6))))


def test_values_are_json(sides):
    import json

    values = likeness(*sides).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["flipped"] == sum(one["images"] for one in values["flips"])
