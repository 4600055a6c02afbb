"""From the stored image to the answer: each step's time by a clock that the steps alone move, and hostile answers."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from seatrial.engines.timing.fed import Fed, TimedFed, make_feeder
from seatrial.errors import UnsupportedError

SCORES = np.array([[0.0, 1.0], [3.0, 2.0], [5.0, 9.0]], np.float32)


class Feeder:
    """Images of 1, 2 and 3 ms to decode, half of that to normalise; 0.25 ms that belong to no step."""

    steps = ("decode", "normalise")

    def __init__(self, clock, images):
        self.clock, self.images = clock, images

    def __call__(self, index):
        decode = (index + 1) * 1_000_000
        self.clock.now += decode + decode // 2 + 250_000
        return self.images[index][None], {"decode": decode, "normalise": decode // 2}


@pytest.fixture
def clock(monkeypatch):
    found = SimpleNamespace(now=0)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: found.now)
    return found


@pytest.fixture
def fed(clock, monkeypatch):
    """An engine that takes 4 ms and answers with the row of SCORES that the input names, plus what `drift` says."""
    engine = SimpleNamespace(drift=np.float32(0))

    def infer(batch):
        clock.now += 4_000_000
        return SCORES[batch[:, 0]] + engine.drift

    engine.infer = infer
    monkeypatch.setattr(
        "seatrial.engines.timing.fed.make_feeder", lambda where: lambda said, images: Feeder(clock, images)
    )
    return engine, Fed(engine, "a:b", {}, list(np.arange(3, dtype=np.uint8)[:, None]))


def test_one_clock_runs_around_all_steps_and_each_has_its_own(fed):
    _, one = fed
    whole, parts, wrong = one.time(1, 4, 60)
    of_image = [1.0, 2.0, 3.0]
    asked = [of_image[number % 3] for number in range(1, 5)]
    np.testing.assert_array_equal(whole / 1e6, [1.5 * decode + 0.25 + 4 for decode in asked])
    np.testing.assert_array_equal(parts / 1e6, [[decode, decode / 2, 4] for decode in asked])
    assert one.steps == ("decode", "normalise", "host")
    assert wrong == 0
    np.testing.assert_array_equal(one.answers, SCORES)


def test_a_block_ends_with_the_query_in_which_its_seconds_are_over(fed):
    _, one = fed
    whole, parts, _ = one.time(0, 1000, 0.020)  # 5.75, 7.25 and 8.75 ms
    assert len(whole) == len(parts) == 3


@pytest.mark.parametrize(("drift", "wrong"), [(0.05, 0), (0.2, 3), (np.nan, 3)])
def test_answers_that_are_others_than_untimed_are_counted(fed, drift, wrong):
    engine, one = fed  # the scores spread over 9, of which 1 % is the same
    engine.drift = np.float32(drift)
    assert one.time(0, 3, 60)[2] == wrong


def test_a_module_that_is_not_there_is_an_unsupported_engine():
    with pytest.raises(UnsupportedError, match=r"Timing from the stored image on needs nowhere.*pip install seatrial"):
        make_feeder("nowhere.at_all:feeder")


def test_a_module_whose_library_is_missing_names_it(tmp_path, monkeypatch):
    (tmp_path / "without_it.py").write_text("import pillow_that_is_missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnsupportedError, match="it needs pillow_that_is_missing, which is not installed"):
        make_feeder("without_it:feeder")


def test_times_that_a_clock_gives_are_taken():
    found = TimedFed.checked(["decode", "host"], [np.array([10, 20]), np.array([[3, 6], [5, 15]])], 1)
    assert found.whole.tolist() == [10, 20]
    assert {name: part.tolist() for name, part in found.parts.items()} == {"decode": [3, 5], "host": [6, 15]}


@pytest.mark.parametrize(
    ("whole", "parts", "wrong"),
    [
        (np.array([10.0]), np.array([[1, 2]]), 0),
        (np.array([10]), np.array([[1.0, 2.0]]), 0),
        (np.array([], np.int64), np.empty((0, 2), np.int64), 0),
        (np.array([[10]]), np.array([[1, 2]]), 0),
        (np.array([10]), np.array([[1, 2, 3]]), 0),
        (np.array([10, 10]), np.array([[1, 2]]), 0),
        (np.array([0]), np.array([[0, 0]]), 0),
        (np.array([-5]), np.array([[-6, -7]]), 0),
        (np.array([10]), np.array([[-1, 2]]), 0),
        (np.array([10]), np.array([[6, 6]]), 0),
        (np.array([10]), np.array([[2**62, 2**62]]), 0),
        (np.array([2**62]), np.array([[2**62, 2**62]]), 0),
        (np.array([10]), np.array([[1, 2]]), 2),
        (np.array([10]), np.array([[1, 2]]), -1),
    ],
)
def test_times_that_no_clock_gives_are_refused(whole, parts, wrong):
    with pytest.raises(ValueError, match=r"time|step|wrong"):
        TimedFed.checked(["decode", "host"], [whole, parts], wrong)
