"""After a tenth of the work the time that is told as left is right within a factor of two: on real images."""

import contextlib
import time

import pytest
from test_real_models import RUNS

import seatrial
from seatrial.harness.progress import ALIKE
from seatrial.harness.report.progress import LineProgress

pytestmark = pytest.mark.long

# What takes less is over before anybody reads a line of it.
_LONG_S = 5.0
_NAME = "imagenet_mobilenet_v1_075"


class Recording(LineProgress):
    """The lines of a log; told: name, unit and total of a stage, when it was over, and (seconds, units done, seconds
    left as told) at each update.
    """

    def __init__(self):
        super().__init__()
        self.told = []

    @contextlib.contextmanager
    def stage(self, name, total, unit="images"):
        marks = []
        begin = time.monotonic()
        with super().stage(name, total, unit) as update:
            state = self._within[-1]

            def noted(done, note=""):
                update(done, note)
                marks.append((time.monotonic() - begin, done, state.left_s()))

            yield noted
        self.told.append((name, unit, total, time.monotonic() - begin, marks))


def wrong(progress):
    """Name -> what was told as left after a tenth, and what was left, of every long stage where they differ."""
    found, asked = {}, set()
    for name, unit, total, took_s, marks in progress.told:
        after = next((mark for mark in marks if total / 10 <= mark[1] < total), None)
        if took_s < _LONG_S or unit not in ALIKE or after is None:
            continue
        asked.add(name)
        at_s, _, left_s = after
        if not 0.5 <= left_s / (took_s - at_s) <= 2:
            found[name] = (left_s, took_s - at_s)
    return found, asked


def flags(shared):
    contract, data, calib, *_ = RUNS[_NAME]
    words = {"model": shared / f"models/{_NAME}.onnx", contract[0].removeprefix("--"): contract[1]}
    return {**words, "classes": shared / "data/imagenet/classes.csv"}, shared / "data" / data, shared / "data" / calib


def test_of_quantization(shared, tmp_path):
    model, _, calib = flags(shared)
    progress = Recording()
    seatrial.quantize(**model, calib=calib, bits=8, out=tmp_path / "q.onnx", progress=progress)
    found, asked = wrong(progress)
    assert "Looking at calibration images" in asked
    assert not found


def test_of_a_run_with_attacks(shared, tmp_path):
    model, data, calib = flags(shared)
    progress = Recording()
    conditions = ["clean", "corruption/*@3", "attack/pgd-linf@2"]
    seatrial.run(
        **model, data=data, calib=calib, bits=8, conditions=conditions, out=tmp_path / "run", progress=progress
    )
    found, asked = wrong(progress)
    assert {"Making adversarial images", "Running trials"} <= asked
    assert not found
