"""Who agrees with whom: against counting image by image."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.harness.metrics.agreement import pairs

ROWS = st.lists(st.tuples(*[st.integers(0, 3)] * 4), min_size=1, max_size=60)


@given(ROWS)
def test_every_pair_is_counted_image_by_image(rows):
    labels, *answers = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    names = ("a", "b", "c")
    found = pairs(dict(zip(names, answers, strict=True)), labels)
    assert [(pair.first, pair.second) for pair in found] == list(itertools.combinations(names, 2))
    for pair in found:
        one, other = (answers[names.index(name)] for name in (pair.first, pair.second))
        kinds = Counter()
        for label, first, second in zip(labels, one, other, strict=True):
            if first == second:
                kinds["same"] += 1
            elif first == label:
                kinds["first"] += 1
            elif second == label:
                kinds["second"] += 1
            else:
                kinds["neither"] += 1
        assert pair.images == len(rows)
        assert pair.agreement == pytest.approx(kinds["same"] / len(rows))
        assert pair.differing == len(rows) - kinds["same"]
        assert (pair.first_right, pair.second_right, pair.both_wrong) == (
            kinds["first"],
            kinds["second"],
            kinds["neither"],
        )


@given(ROWS)
def test_the_accuracies_differ_by_those_who_are_right_alone(rows):
    labels, one, other, _ = (np.array(column, np.int32) for column in zip(*rows, strict=True))
    pair = pairs({"one": one, "other": other}, labels)[0]
    assert pair.first_right - pair.second_right == int((one == labels).sum()) - int((other == labels).sum())


def test_one_target_has_no_pair():
    assert pairs({"a": np.zeros(3, np.int32)}, np.zeros(3, np.int32)) == ()


@pytest.mark.parametrize(("answers", "labels"), [(0, 0), (2, 3)])
def test_images_that_do_not_fit_are_refused(answers, labels):
    with pytest.raises(ValueError, match="labels of the same images"):
        pairs({"a": np.zeros(answers, np.int32), "b": np.zeros(answers, np.int32)}, np.zeros(labels, np.int32))
