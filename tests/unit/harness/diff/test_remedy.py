"""The search for the fewest layers to keep in float, on accuracies that are known; and what is said of its end."""

import doctest
import itertools
import shlex

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from seatrial.harness.diff import remedy
from seatrial.harness.diff.remedy import Remedy, Tried, find
from seatrial.harness.metrics.latency_ratio import Speedup
from seatrial.harness.metrics.paired import paired_interval
from seatrial.harness.report.remedy import remedy_sentences, remedy_table

IMAGES = 1000
PLAIN = Tried((), 600)


def price(ratio):
    return Speedup(ratio, (ratio - 0.1, ratio + 0.1))


def accuracy_of(worth, *, together=()):
    """nodes -> Tried: the target gets 600 right and so many more for each node; `together` counts only as a whole."""
    made = []

    def attempt(nodes):
        made.append(nodes)
        right = 600 + sum(worth.get(name, 0) for name in nodes)
        right += 300 if together and set(together) <= set(nodes) else 0
        return Tried(nodes, right, better=right - 600)

    return attempt, made


def singles(names):
    return [(name,) for name in names]


def test_the_examples_hold():
    found = doctest.testmod(remedy)
    assert found.attempted
    assert not found.failed


def test_one_layer_that_is_first_takes_one_file():
    attempt, made = accuracy_of({"a": 300})
    assert find(singles("abcdefgh"), 900, PLAIN, attempt).nodes == ("a",)
    assert made == [("a",)]


@pytest.mark.parametrize("wanted", [*itertools.combinations("abcdefgh", 2), ("b", "e", "h"), tuple("abcdefgh")])
def test_layers_that_count_only_together_are_found_and_no_more_of_them(wanted):
    attempt, made = accuracy_of({}, together=wanted)
    assert sorted(find(singles("abcdefgh"), 900, PLAIN, attempt).nodes) == sorted(wanted)
    assert len(set(made)) < 25


def test_no_node_of_the_set_can_be_left_out():
    rng = np.random.default_rng(0)
    for _ in range(50):
        worth = {name: int(rng.integers(0, 80)) for name in "abcdefghij"}
        attempt, _ = accuracy_of(worth)
        reference = 600 + sum(worth.values()) * 3 // 4
        found = find(singles("abcdefghij"), reference, PLAIN, attempt)
        assert found.right >= remedy.goal_of(reference)
        for name in found.nodes:
            rest = tuple(other for other in found.nodes if other != name)
            assert attempt(rest).right < remedy.goal_of(reference)


def test_where_the_goal_is_not_reached_it_comes_as_near_as_any():
    attempt, _ = accuracy_of({"c": 100})
    assert find(singles("abcd"), 900, PLAIN, attempt).nodes == ("c",)


@pytest.mark.parametrize("worth", [{}, {"a": -50}])
def test_where_nothing_helps_nothing_is_found(worth):
    attempt, _ = accuracy_of(worth)
    assert find(singles("abcd"), 900, PLAIN, attempt) is None
    assert find([], 900, PLAIN, attempt) is None


def test_files_that_cannot_be_made_end_nothing():
    attempt, _ = accuracy_of({"a": 100, "b": 200})
    found = find(singles("abc"), 900, PLAIN, lambda nodes: None if len(nodes) == 1 else attempt(nodes))
    assert found.nodes == ("a", "b")
    assert find(singles("abc"), 900, PLAIN, lambda nodes: None) is None


def remedied(found, *, tried=1, reference=900, plain=PLAIN, **more):
    fields = {"measure": "top-1", "images": IMAGES, "reference_price": price(2.0), "whole": True, **more}
    files = (found,) * tried if found else ()
    return Remedy(reference=reference, plain=plain, tried=files, found=found, **fields)


def test_a_gain_is_judged_for_all_files_that_were_tried():
    """39 against 20 images: beyond doubt for one file, not for the best of twenty."""
    gained = Tried(("a",), 619, better=39, worse=20, price=price(1.1))
    one, many = remedied(gained), remedied(gained, tried=20)
    assert one.gain(gained) == (0.019, *paired_interval(20, 39, IMAGES))
    assert many.gain(gained) == (0.019, *paired_interval(20, 39, IMAGES, alpha=0.05 / 20))
    assert (one.pays, one.flags) == (True, "--keep-float a")
    assert (many.pays, many.flags, many.chosen) == (False, "", None)
    assert "may be chance" in remedy_sentences(many, "x")[0]
    values = one.to_dict()
    assert values["plain"]["ci95"] == pytest.approx(proportion_confint(600, IMAGES, method="wilson"))
    assert (values["keep_float"], values["goal"], values["restored"]) == (["a"], 0.891, False)


@pytest.mark.parametrize(
    ("found", "more", "says"),
    [
        (
            Tried(("a", "b"), 895, better=295, price=price(1.25)),
            {},
            "Keep 2 nodes in float: top-1 goes from 60.00 % to 89.50 %",
        ),
        (
            Tried(("a",), 895, better=295, price=price(1.25)),
            {},
            "1.25 times as long as now (1.15 to 1.35); the reference takes 2.00 times",
        ),
        (Tried(("a",), 895, better=295, price=price(2.5)), {}, "nothing is left of the gain in speed"),
        (Tried(("a",), 700, better=100, price=price(1.25)), {}, "no set that was tried reaches 99 %"),
        (None, {}, "no set of layers that was tried restores any of that"),
        (None, {"plain": Tried((), 895, price=price(1.0))}, "99 % of that is enough"),
    ],
)
def test_the_answer_comes_first(found, more, says):
    assert says in remedy_sentences(remedied(found, **more), "onnxruntime/int8@cpu")[0]


def test_a_search_that_was_cut_short_says_so():
    found = remedied(Tried(("a",), 895, better=295), whole=False)
    assert remedy_sentences(found, "x")[-1] == "The search ended after 1 files: fewer nodes may do."


def test_flags_survive_a_shell_and_the_table_names_the_set():
    nodes = ("plain", "my layer", "it's; rm -rf $HOME", "/model/conv.1")
    found = remedied(Tried(nodes, 895, better=295, price=price(1.25)))
    assert shlex.split(found.flags)[1::2] == list(nodes)
    headings, rows = remedy_table(found, brief=True)
    assert [row[0] for row in rows] == [
        "(reference)",
        "(nothing)",
        "plain, my layer, it's; rm -rf $HOME and 1 more (keep)",
    ]
    assert {len(row) for row in rows} == {len(headings)}
