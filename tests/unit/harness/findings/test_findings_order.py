"""Classes under other names, found in answers alone."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from seatrial.harness.findings.order import other_order


def answers(rng, labels, classes, right):
    wrong = (labels + rng.integers(1, classes, len(labels))) % classes
    return np.where(rng.random(len(labels)) < right, labels, wrong)


def renamed(labels, pairs):
    table = dict(pairs)
    return np.array([table.get(label, label) for label in labels.tolist()])


@pytest.mark.parametrize(
    "pairs", [[(2, 5), (5, 2)], [(0, 1), (1, 2), (2, 0)], [(0, 9), (9, 0), (3, 4), (4, 3)]], ids=["2", "3", "2 + 2"]
)
@pytest.mark.parametrize("right", [0.95, 0.75])
def test_exchanged_classes_are_those_of_the_best_assignment(pairs, right):
    rng = np.random.default_rng(1)
    meant = np.arange(400) % 10
    given = renamed(meant, [(b, a) for a, b in pairs])  # whoever wrote the labels took a for b
    said = answers(rng, meant, 10, right)
    counts = np.zeros((10, 10))
    np.add.at(counts, (given, said), 1)
    rows, columns = linear_sum_assignment(-counts)
    found = other_order(given, said, 10)
    assert found is not None
    assert sorted(found.renamed) == [(a, b) for a, b in zip(rows, columns, strict=True) if a != b] == sorted(pairs)
    assert found.after == pytest.approx((said == meant).mean())
    assert found.before == pytest.approx((said == given).mean())
    at_least = binomtest(found.better, found.better + found.worse, alternative="greater").pvalue
    assert at_least <= found.p < 0.001


@pytest.mark.parametrize("shift", [1, -1])
def test_one_image_of_each_class_shows_a_shift(shift):
    meant = np.arange(2, 998)
    found = other_order(meant - shift, answers(np.random.default_rng(2), meant, 1000, 0.6), 1000)
    assert found is not None
    assert (found.shift, found.renamed[0]) == (shift, (max(0, -shift), max(0, shift)))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("classes", "images", "right"), [(10, 200, 0.9), (10, 300, 0.3), (200, 200, 0.8), (3, 30, 0.4)]
)
def test_a_right_order_is_left_alone(seed, classes, images, right):
    labels = np.arange(images) % classes
    assert other_order(labels, answers(np.random.default_rng(seed), labels, classes, right), classes) is None


def test_a_model_that_says_one_thing_and_images_without_labels_say_nothing_of_the_order():
    labels = np.arange(100) % 10
    assert other_order(labels, np.zeros(100, int), 10) is None
    assert other_order(np.full(100, -1), labels, 10) is None
    assert other_order(np.empty(0, int), np.empty(0, int), 10) is None


def test_two_classes_that_are_often_taken_for_each_other_are_not_exchanged():
    rng = np.random.default_rng(3)
    labels = np.arange(500) % 10
    said = labels.copy()
    confused = (labels < 2) & (rng.random(500) < 0.55)
    said[confused] = 1 - labels[confused]
    assert other_order(labels, said, 10) is None
