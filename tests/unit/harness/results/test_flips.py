"""Which answers changed, and which of them are shown."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from seatrial.harness.records.predictions import Predictions
from seatrial.harness.results.flips import OF_A_CONDITION, PAIRS, PICTURES, Changes, Flip, negative_flips, worst_flips


def rows(top1, label, sure=None):
    top1, label = np.asarray(top1, np.int32), np.asarray(label, np.int32)
    sure = np.full(len(top1), 0.5, np.float32) if sure is None else np.asarray(sure, np.float32)
    return Predictions(label, top1[:, None], sure, sure)


def test_changes_are_the_confusion_of_the_two_answers_without_its_diagonal():
    rng = np.random.default_rng(0)
    changes, expected = Changes(), np.zeros((3, 5, 5), int)
    for _ in range(3):  # conditions add up
        label, before, now = rng.integers(0, 5, (3, 400))
        changes.add(rows(now, label), rows(before, label))
        for part, where in enumerate((slice(None), before == label, now == label)):
            expected[part] += confusion_matrix(before[where], now[where], labels=range(5))
    found = np.zeros_like(expected)
    told = changes.to_dict()
    for before, now, *counts in told["pairs"]:
        found[:, before, now] = counts
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(found, expected * off)
    assert told["images"] == expected[0][off].sum()
    counts = [pair[2] for pair in told["pairs"]]
    assert counts == sorted(counts, reverse=True)


def test_no_more_pairs_are_kept_than_anyone_reads():
    changes = Changes()
    changes.add(rows(range(1, 301), range(300)), rows(range(300), range(300)))
    told = changes.to_dict()
    assert (told["images"], len(told["pairs"])) == (300, PAIRS)


def test_the_worst_flips_are_those_of_two_sure_answers():
    label = [0, 0, 0, 0, 1]
    reference = rows([0, 0, 0, 1, 1], label, [0.9, 0.6, 0.8, 0.9, 0.9])
    target = rows([1, 2, 0, 2, 0], label, [0.5, 0.7, 0.9, 0.9, 0.9])
    found = negative_flips("t", "clean", target, reference)
    assert [one.image for one in found] == [4, 0, 1], "2 kept its class, 3 was wrong before"
    assert found[1] == Flip("t", "clean", 0, (0, 1), (pytest.approx(0.9), pytest.approx(0.5)))
    assert found[1].sure == pytest.approx(0.7)


def test_without_labels_nothing_is_lost_and_changes_are_counted():
    reference, target = rows([0, 1], [-1, -1]), rows([1, 1], [-1, -1])
    changes = Changes()
    changes.add(target, reference)
    assert changes.to_dict() == {"images": 1, "pairs": [[0, 1, 1, 0, 0]]}
    assert negative_flips("t", "clean", target, reference) == []


def test_what_is_shown_is_shared_by_targets_and_conditions():
    flips = [
        Flip(target, f"c{condition}", 100 * condition + image, (0, 1), (0.9 - image / 100, 0.9 - offset))
        for offset, target in ((0.0, "sure"), (0.5, "unsure"))
        for condition in range(8)
        for image in range(6)
    ]
    chosen = worst_flips(flips)
    assert len(chosen) == PICTURES
    assert [one.target for one in chosen].count("unsure") == PICTURES // 2
    assert len({one.image for one in chosen}) == PICTURES
    for condition in {one.condition for one in chosen}:
        assert sum(one.condition == condition for one in chosen) <= OF_A_CONDITION
    assert [one.sure for one in chosen] == sorted((one.sure for one in chosen), reverse=True)


def test_a_single_condition_fills_the_page():
    chosen = worst_flips([Flip("t", "clean", image, (0, 1), (0.5, 0.5)) for image in range(30)])
    assert [one.image for one in chosen] == list(range(PICTURES))
    assert worst_flips([]) == []
