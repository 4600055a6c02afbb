"""How many rounds there are, and which of them stand."""

import numpy as np
import pytest
from timed_blocks import timed

from seatrial.harness.run.timing.stopping import Budget, Round, judged, standing, stopped
from seatrial.harness.run.timing.takings import Taking, block_of


def rounds(*kept):
    return [Round(number, () if one else ("a burner",), one) for number, one in enumerate(kept, 1)]


def ask(found, starts=3, seconds=60.0, spent=0.0, last=10.0, narrow=True):
    return stopped(found, Budget(starts, seconds, spent, last), lambda kept: narrow)


@pytest.mark.parametrize(
    ("found", "more", "why"),
    [
        (rounds(True, True), {}, None),
        (rounds(True, True, True), {}, "narrow"),
        (rounds(True, True, True), {"narrow": False}, None),
        (rounds(True, True, True), {"narrow": False, "seconds": 0}, "asked"),
        (rounds(True, True, True), {"narrow": False, "spent": 55}, "budget"),
        (rounds(True, False, True), {}, None),
        (rounds(True, False, True), {"seconds": 0}, "asked"),
        (rounds(True, False, True, True), {"spent": 10}, "narrow"),
        (rounds(False, False, False, False), {"spent": 60}, "budget"),
        (rounds(False), {"starts": 1, "seconds": 0}, "asked"),
    ],
)
def test_there_are_as_many_rounds_as_asked_and_as_the_budget_takes(found, more, why):
    assert ask(found, **more) == why


def test_only_rounds_beyond_those_asked_for_cost_budget():
    budget = Budget(3, 25.0)
    for number in range(1, 6):
        budget.add(number, 10.0)
        assert budget.left == (number < 5)
    assert budget.spent == 20


def test_a_disturbed_round_is_left_out_where_others_stand():
    assert [one.kept for one in standing(rounds(True, False, True, True), 3)] == [True, False, True, True]


def test_where_too_few_stand_all_are_used_and_their_reasons_stay():
    found = standing(rounds(False, True, False), 3)
    assert all(one.kept for one in found)
    assert [one.reasons for one in found] == [("a burner",), (), ("a burner",)]
    assert [one.kept for one in standing(rounds(False), 1)] == [True]
    assert found[0].to_dict() == {"number": 1, "kept": True, "reasons": ["a burner"], "blocks": 0, "left_out": 0}


def blocks(probe_ns, others=0.0, count=6):
    made = [block_of(Taking(1, 0, timed(np.full(50, 10**6), others=others)), index) for index in range(count)]
    for one in made:
        one["counters"]["probe_ns"] = (probe_ns, probe_ns)
    return [{"target": "a", **one} for one in made]


def test_rounds_are_judged_by_all_others_also_the_first_by_later_ones():
    first, second, third = judged({1: blocks(1_600_000), 2: blocks(1_000_000), 3: blocks(1_000_000, others=0.9)})
    assert "known arithmetic" in first.reasons[0]
    assert (first.kept, second.kept, third.kept) == (False, True, False)
    assert "other processes took 90% of a core" in third.reasons
    (alone,) = judged({1: blocks(1_600_000)})
    assert alone.kept, "nothing tells that it was slower than usual"


def test_a_round_stands_by_its_calm_blocks():
    """Known work tells which blocks something shared the core with; the engine's own times decide nothing."""
    mixed = blocks(1_000_000, count=3) + [{**one, "block": one["block"] + 3} for one in blocks(1_300_000, count=3)]
    for index, one in enumerate(mixed):
        one["median_ns"] = 1e6 * (7 - index)
    found, calm = judged({1: mixed, 2: blocks(1_010_000)})
    assert (found.kept, found.reasons) == (True, ())
    assert found.left_out == {("a", 3), ("a", 4), ("a", 5)}
    assert (found.to_dict()["left_out"], found.to_dict()["blocks"]) == (3, 6)
    assert calm.left_out == frozenset()


def test_a_round_with_hardly_a_calm_block_does_not_stand():
    mixed = blocks(1_000_000, count=1) + [{**one, "block": one["block"] + 1} for one in blocks(1_300_000, count=5)]
    found, _ = judged({1: mixed, 2: blocks(1_000_000)})
    assert not found.kept
    assert "known arithmetic" in found.reasons[0]
    assert found.left_out == frozenset()


def test_calm_blocks_beside_a_burner_do_not_save_a_round():
    mixed = blocks(1_000_000, others=0.9, count=3)
    found, _ = judged({1: mixed, 2: blocks(1_000_000)})
    assert not found.kept


def test_what_all_rounds_stand_for_leaves_no_block_out():
    noisy = Round(1, (), True, frozenset({("a", 1)}), 6)
    assert standing([noisy, *rounds(False, False)], 3)[0].left_out == frozenset()
    assert standing([noisy, *rounds(True, True)], 3)[0].left_out == {("a", 1)}
