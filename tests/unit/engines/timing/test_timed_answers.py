"""Answers under the clock are held against those before, as far as kernels may differ."""

import numpy as np
import pytest

from seatrial.engines.timing.answers import Answers, room, spread

EXPECTED = np.array([[0, 1, 2], [10, 5, 0], [3, 3, 8]], np.float32)  # spread 10


def checked(answer, asked, fresh=False, expected=EXPECTED):
    answers = Answers(expected, len(asked))
    answers.keep(np.asarray(answer, np.float32), np.asarray(asked), fresh)
    answers.compare()
    return answers.checked, answers.wrong, answers.worst


def test_the_same_answer_is_right():
    assert checked(EXPECTED[[1]], [1]) == (1, 0, 0.0)
    assert checked(EXPECTED[[2, 0]], [2, 0]) == (1, 0, 0.0)


def test_another_kernel_is_right_and_another_image_wrong():
    assert checked(EXPECTED[[1]] + 0.05, [1])[:2] == (1, 0)
    checks, wrongs, worst = checked(EXPECTED[[0]], [1])
    assert (checks, wrongs) == (1, 1)
    assert worst == pytest.approx(1.0)


def test_a_batch_with_others_may_differ_more():
    assert checked(EXPECTED[[1]] + 0.3, [1])[1] == 1
    assert checked(EXPECTED[[1, 2]] + 0.3, [1, 2])[1] == 0
    assert checked(EXPECTED[[1, 2]] + 0.6, [1, 2])[1] == 1
    assert checked(EXPECTED[[2, 1]], [1, 2])[1] == 1


def test_a_fresh_input_has_another_answer_but_one():
    assert checked(EXPECTED[[1]] + 0.5, [1], fresh=True) == (1, 0, 0.0)
    checks, wrongs, worst = checked(np.zeros((1, 3)), [1], fresh=True)
    assert (checks, wrongs) == (1, 1)
    assert worst == pytest.approx(1.0)


@pytest.mark.parametrize("fresh", [False, True])
def test_no_number_is_wrong(fresh):
    assert checked([[np.nan, 1, 2]], [0], fresh)[1] == 1


def test_scores_that_are_all_alike_have_a_scale_too():
    assert spread(np.zeros((2, 3), np.float32)) == 1
    assert spread(np.full((2, 3), -4, np.float32)) == 4
    assert checked([[0.0, 1.0]], [0], expected=np.zeros((1, 2), np.float32))[1] == 1
    assert checked([[0.0, 0.0]], [0], expected=np.zeros((1, 2), np.float32)) == (1, 0, 0.0)


def test_all_are_counted_though_few_are_kept():
    expected = np.arange(20_000, dtype=np.float32).reshape(2, 10_000)
    answers = Answers(expected, 1)
    count = 2 * room(1, 10_000) + 5
    for number in range(count):
        answers.keep(expected[number % 2], np.asarray([0]), False)
    answers.compare()
    assert (answers.checked, answers.wrong) == (count, count // 2)
    assert answers._kept.nbytes <= 8 << 20


def test_where_comparing_has_to_wait_every_so_many_is_kept():
    answers = Answers(EXPECTED, 1, every=3)
    for number in range(10):
        answers.keep(EXPECTED[number % 3], np.asarray([number % 3]), False)
    answers.compare()
    assert (answers.checked, answers.wrong) == (3, 0)


def test_where_comparing_has_to_wait_what_has_no_room_is_left_out():
    expected = np.arange(20_000, dtype=np.float32).reshape(2, 10_000)
    answers = Answers(expected, 1, every=1)
    for _ in range(room(1, 10_000) + 5):
        answers.keep(expected[0], np.asarray([0]), False)
        assert answers.checked == 0
    answers.compare()
    assert answers.checked == room(1, 10_000)
