"""Who looks at calibration images tells how far the look is; the first few, which many only glance at, are not told."""

import contextlib

import numpy as np

from seatrial.harness.conditions import make_condition
from seatrial.harness.conditions.kinds.protocol import World
from seatrial.harness.plan.calibration import CalibrationSet


class Store:
    """Ten images of one pixel."""

    digest = "digest"

    def __len__(self):
        return 10

    def read(self, start, stop):
        return np.arange(start, stop, dtype=np.uint8).reshape(-1, 1, 1, 1)


class Told:
    """Keeps what a stage says."""

    def __init__(self):
        self.said = []

    @contextlib.contextmanager
    def stage(self, name, total, unit="images"):
        self.said.append((name, total))
        yield lambda done, note="": self.said.append(done)
        self.said.append("left")

    def tell(self, sentence):
        raise AssertionError(sentence)


def looked(take, size=4):
    """What is told while `take` takes from the batches."""
    told = Told()
    images = CalibrationSet(Store(), list(map(str, range(10))), make_condition("clean", World()), 0, told)
    return take(images.batches(size)), told.said


def test_every_look_is_told_and_gives_all_images():
    batches, said = looked(list)
    assert np.concatenate(batches).ravel().tolist() == list(range(10))
    assert said == [("Looking at calibration images", 10), 4, 8, "left"]


def test_a_glance_is_not_told():
    assert looked(next)[1] == []
    assert looked(list, size=10)[1] == []


def test_who_has_seen_enough_leaves_the_stage():
    def take(batches):
        next(batches), next(batches)
        batches.close()

    assert looked(take)[1] == [("Looking at calibration images", 10), 4, "left"]
