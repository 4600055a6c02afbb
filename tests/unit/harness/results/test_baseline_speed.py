"""A target that became slower against its reference is told from one that only ran on another day."""

import numpy as np
import pytest
from timed_directories import noisy, queries, timed_run

from seatrial.harness.report.words import change_of_speed as change_of_speed_in_words
from seatrial.harness.results.baseline import speed
from seatrial.harness.results.baseline.speed import baseline_speed_up, change_of_speed, changes_of_speed
from seatrial.harness.spec.gate import LIMITS, Limit
from seatrial.harness.spec.targets import REFERENCE

T = "onnxruntime/int8@cpu"
THERE = "onnxruntime/int8@pi5/cpu"
BESIDE = "onnxruntime/fp32@pi5/cpu"


class Stored:
    def __init__(self, root, targets):
        self.root, self.targets = root, targets


def stored(root, ms, day=1.0, timed=True, builds=1):
    rounds = np.repeat([1, 2, 3], 250)
    found = {(REFERENCE.id, "single_stream"): queries(day * noisy(1, 750, 6.0), rounds)}
    for number in range(1, builds + 1):
        name = T if number == 1 else f"{T}#{number}"
        found[name, "single_stream"] = queries(day * noisy(number + 1, 750, ms), rounds)
    if timed:
        timed_run(root, found)
    return Stored(root, [REFERENCE.id, T])


@pytest.mark.parametrize(("ms", "answer"), [(3.0, "pass"), (3.5, "fail"), (3.16, "inconclusive")])
def test_the_interval_of_both_runs_decides(tmp_path, ms, answer):
    found = changes_of_speed(stored(tmp_path / "a", 3.0), stored(tmp_path / "b", ms, day=1.7))
    assert list(found) == [T]
    assert found[T].ratio == pytest.approx(3.0 / ms, rel=0.01)
    check = baseline_speed_up(T, found[T], Limit(95.0))
    assert check.answer == answer
    assert check.interval[0] < check.measured < check.interval[1]


def test_intervals_of_independent_runs_add_up_by_their_squares():
    before, after = ({"ratio": ratio, "ci95": [ratio / by, ratio * by]} for ratio, by in ((2.0, 1.03), (1.8, 1.04)))
    found = change_of_speed(before, after)
    assert found.ratio == pytest.approx(0.9)
    assert np.log(found.ci95[1] / found.ratio) == pytest.approx(np.hypot(np.log(1.03), np.log(1.04)))


def test_runs_that_were_not_timed_are_not_judged(tmp_path):
    assert changes_of_speed(stored(tmp_path / "a", 3.0), stored(tmp_path / "b", 3.0, timed=False)) == {}


def on_a_board(root, ms, beside=BESIDE):
    rounds = np.repeat([1, 2, 3], 250)
    own = [*([] if beside is None else [(beside, noisy(2, 750, 20.0))]), (THERE, noisy(3, 750, ms))]
    found = {
        (name, "single_stream"): queries(taken, rounds) for name, taken in [(REFERENCE.id, noisy(1, 750, 6.0)), *own]
    }
    timed_run(root, found)
    return Stored(root, [REFERENCE.id, *(name for name, _ in own)])


def test_a_board_is_held_against_fp32_there(tmp_path):
    (change,) = (found := changes_of_speed(on_a_board(tmp_path / "a", 10.0), on_a_board(tmp_path / "b", 12.5))).values()
    assert list(found) == [THERE]
    assert (change.before, change.after) == (pytest.approx(2.0, rel=0.01), pytest.approx(1.6, rel=0.01))
    assert "-> 1.60 times as fast as fp32 on pi5" in baseline_speed_up(THERE, change, Limit(95.0)).says
    assert "times as fast as fp32 on pi5, 80.0 %" in change_of_speed_in_words(change.to_dict())


@pytest.mark.parametrize("beside", [None, "openvino/fp32@pi5/cpu"])
def test_a_board_whose_fp32_target_is_missing_or_another_is_not_judged_and_told(tmp_path, beside):
    assert changes_of_speed(on_a_board(tmp_path / "a", 10.0), on_a_board(tmp_path / "b", 12.5, beside)) == {}
    check = baseline_speed_up(THERE, None, Limit(95.0))
    assert check.answer == "inconclusive"
    assert "the same fp32 target of its place (--bits 32)" in check.says


def test_all_builds_of_a_target_count(tmp_path):
    found = speed._speedups(stored(tmp_path / "a", 3.0, builds=3))
    assert list(found) == [T]


def test_it_is_not_asked_by_default():
    assert LIMITS["baseline_speed_up"].default.value is None
