"""Where accuracy is lost on the way to the engine."""

import numpy as np
import pytest

from seatrial.harness.metrics.paired import paired_interval
from seatrial.harness.results.decomposition import decomposition_of
from seatrial.harness.results.packed import Packed
from seatrial.harness.spec.targets import REFERENCE, TargetSpec

INT8, SIM = TargetSpec("onnxruntime", "int8"), TargetSpec("onnxruntime", "sim-w8a8")


def packed(answers):
    found = Packed()
    for condition, right in answers.items():
        found.add(condition, right)
    return found


@pytest.fixture
def right():
    rng = np.random.default_rng(0)
    names = ("clean", "pipeline/combined@2", "pipeline/combined@10")
    shares = {REFERENCE.id: (0.9, 0.88, 0.8), SIM.id: (0.89, 0.87, 0.78), INT8.id: (0.7, 0.69, 0.6)}
    return {
        target: packed({name: rng.random(500) < share for name, share in zip(names, all_, strict=True)})
        for target, all_ in shares.items()
    }


def test_the_steps_sum_to_the_whole_difference(right):
    steps = decomposition_of(INT8, right)
    assert [one["step"] for one in steps] == ["pipeline", "quantization", "engine"]
    whole = right[INT8.id]["pipeline/combined@10"].mean() - right[REFERENCE.id]["clean"].mean()
    assert sum(one["delta"] for one in steps) == pytest.approx(whole)
    before, after = right[SIM.id]["pipeline/combined@10"], right[INT8.id]["pipeline/combined@10"]
    counted = int((before & ~after).sum()), int((after & ~before).sum())
    assert steps[2]["ci95"] == list(paired_interval(*counted, 500))


def test_what_the_run_lacks_is_not_told_apart(right):
    without = {name: one for name, one in right.items() if name != SIM.id}
    assert [one["step"] for one in decomposition_of(INT8, without)] == ["pipeline", "quantization and engine"]
    clean = {name: packed({"clean": one["clean"]}) for name, one in right.items()}
    assert [one["step"] for one in decomposition_of(INT8, clean)] == ["quantization", "engine"]
    assert decomposition_of(INT8, {name: clean[name] for name in (REFERENCE.id, INT8.id)}) is None
    assert decomposition_of(REFERENCE, right) is None
    released = {name: packed({"corruption/fog@1": one["clean"]}) for name, one in right.items()}
    assert decomposition_of(INT8, released) is None
