"""The sample that is asked twice: seeded, of every target, and compared by its bits."""

import dataclasses

import numpy as np

from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.records.predictions import rows_of
from seatrial.harness.run.executors.repeating import SHARE, Sample, compared

PASSES = [
    (Pending(Condition("clean"), ("a", "b", "c")), Pending(Condition("x"), ("a", "b"))),
    *((Pending(Condition(f"y{number}"), ("a",)),) for number in range(20)),
]


def chosen(seed, images=3200):
    return [(one.batch.together[0].condition.id, one.batch.start) for one in Sample(PASSES, images, 32, seed).all]


def rows(seed, start, count):
    rng = np.random.default_rng(seed)
    every = rows_of(rng.standard_normal((3200, 10), np.float32), np.zeros(3200, np.int64))
    return dataclasses.replace(
        every, **{name: getattr(every, name)[start : start + count] for name in ("label", "top", "p_top1", "margin")}
    )


def test_a_seeded_share_is_chosen_and_every_target_is_among_it():
    assert chosen(0) == chosen(0) != chosen(1)
    for seed in range(30):
        found = chosen(seed)
        assert 0 <= len(found) - round(SHARE * 22 * 100) <= 2, "b and c may be missing"
        assert "clean" in {condition for condition, _ in found}, "c answers nothing else"
    assert len(chosen(0, images=10)) >= 1


def test_what_passes_is_kept_and_compared_bit_by_bit():
    sample = Sample(PASSES, 3200, 32, 0)
    key = ("clean", "c")
    one = next(one for one in sample.all if one.batch.together[0].condition.id == "clean")
    begin = one.batch.start // 320 * 320
    sample.take(begin, {key: rows(0, begin, 320)}, node=3)
    assert one.node == 3
    again = rows(0, one.batch.start, 32)
    assert compared(one, {key: again}) == {"c": (32, 0)}
    moved = again.p_top1.copy()
    moved[5] = np.nextafter(moved[5], np.float32(2))
    assert compared(one, {key: dataclasses.replace(again, p_top1=moved)}) == {"c": (32, 1)}
    swapped = again.top.copy()
    swapped[[1, 2], -1] = swapped[[1, 2], -2]
    assert compared(one, {key: dataclasses.replace(again, top=swapped)}) == {"c": (32, 2)}
    assert compared(one, {}) == {}
