"""Blocks as rows of samples and as JSON values."""

import dataclasses
import json
import math

import numpy as np
from timed_blocks import timed

from seatrial.harness.run.timing.energy import energy_of
from seatrial.harness.run.timing.takings import Taking, block_of, entry_of, of_rounds, samples_of


def takings():
    return [
        Taking(1, 0, timed([10, 20, 30])),
        Taking(2, 5_000, timed([40, 50], wrong=1)),
        Taking(2, 9_000, timed([60]), "rate=12.5"),
    ]


def test_rows_say_when_in_which_round_and_whether_they_stand():
    found = samples_of(takings(), {2}, left_out={2})
    assert found.taken.tolist() == [10, 20, 30, 40, 50, 60]
    assert found.begin.tolist() == [0, 10, 30, 5_000, 5_040, 9_000]
    assert found.round.tolist() == [1, 1, 1, 2, 2, 2]
    assert found.block.tolist() == [0, 0, 0, 1, 1, 2]
    assert found.kept.tolist() == [False, False, False, True, True, False]
    assert found.fresh.tolist() == [False, True, False, False, True, False]
    assert found.setting.tolist() == ["", "", "", "", "", "rate=12.5"]


def test_an_entry_sums_up_its_blocks():
    found = entry_of(takings())
    assert (found["checked"], found["wrong"], found["worst"]) == (6, 1, 0.0)
    assert [one["queries"] for one in found["blocks"]] == [3, 2, 1]
    assert [one["median_ns"] for one in found["blocks"]] == [20.0, 45.0, 60.0]
    assert found["blocks"][1]["begin_s"] == 5e-6
    assert found["blocks"][2]["setting"] == "rate=12.5"
    json.dumps(found, allow_nan=False)


def test_an_infinite_difference_is_null():
    one = takings()[0]
    broken = dataclasses.replace(one, timed=dataclasses.replace(one.timed, worst=math.inf))
    assert entry_of([broken])["worst"] is None


def test_blocks_of_a_round_are_those_of_all_targets():
    found = of_rounds({"a": takings(), "b": takings()[:1]}, 2)
    assert [one["queries"] for one in found] == [2, 1]
    assert len(of_rounds({"a": takings(), "b": takings()[:1]}, 1)) == 2


def test_energy_is_what_was_drawn_above_the_idle_machine():
    blocks = [
        block_of(Taking(1, 0, timed(np.full(100, 10**7), wall_s=1.0, joules={"card": 50.0, "rail": 0.0})), index)
        for index in range(3)
    ]
    found = energy_of(blocks, 2, {"card": 20.0})
    assert set(found) == {"card"}, "a meter that stands still tells nothing"
    assert found["card"]["images"] == 600
    assert found["card"]["watts"] == 50
    assert found["card"]["joules_per_image"] == 150 / 600
    assert found["card"]["net_joules_per_image"] == (150 - 60) / 600
    assert energy_of(blocks, 1, {})["card"]["net_joules_per_image"] is None
    assert energy_of([], 1, {}) == {}
