"""A node answers a target only where all that shapes its answers is what the driver has; what differs is named."""

import copy

import pytest

from seatrial.harness.plan.keys import Identity
from seatrial.harness.records.failures import Failure
from seatrial.harness.run.executors.fitting import misfits
from seatrial.harness.run.executors.messages import Ready

CPU, GPU = "onnxruntime/int8@cpu", "tensorrt/fp16@cuda:0"
PROCESSOR = {"machine": "x86_64", "features": ["avx2", "avx512_vnni"]}
IDENTITY = Identity(
    {"seed": 0, "versions": {"numpy": "2.4.1"}},
    {CPU: {"version": "1.31", "processor": PROCESSOR}, GPU: {"version": "11.0", "processor": None}},
    {"clean": {"id": "clean"}},
)
FILES = {CPU: "a" * 64, GPU: "b" * 64}


def found(change=lambda run, targets, conditions, files: None, failures=()):
    parts = copy.deepcopy((IDENTITY.run, IDENTITY.targets, IDENTITY.conditions, FILES))
    change(*parts)
    run, targets, conditions, files = parts
    return misfits(Ready("n", PROCESSOR, run, targets, conditions, files, failures), IDENTITY, ["clean"], FILES)


def test_a_node_of_the_same_kind_answers_all():
    assert found() == {}


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (["avx2"], "its processor lacks avx512_vnni"),
        (["avx2", "avx512_vnni", "amx_int8"], "its processor also has amx_int8"),
        (["avx2", "avx_vnni"], "its processor lacks avx512_vnni; its processor also has avx_vnni"),
    ],
)
def test_features_of_the_processor_that_differ_are_named_and_leave_gpus_alone(features, says):
    def change(run, targets, conditions, files):
        targets[CPU]["processor"]["features"] = features

    assert found(change) == {CPU: says}


def test_another_machine_is_named():
    def change(run, targets, conditions, files):
        targets[CPU]["processor"] = {"machine": "aarch64", "features": ["i8mm"]}

    assert found(change) == {CPU: "its processor is aarch64, not x86_64"}


def test_a_version_that_differs_is_named_and_is_every_targets():
    def change(run, targets, conditions, files):
        run["versions"]["numpy"] = "2.3.0"
        targets[GPU]["version"] = "10.13"

    assert found(change) == {
        CPU: "its answers would be shaped by another run.versions.numpy",
        GPU: "its answers would be shaped by another run.versions.numpy, target.version",
    }


def test_another_condition_a_missing_target_and_a_file_of_other_bits_are_told():
    assert "clean" in found(lambda run, targets, conditions, files: conditions.clear())[CPU]
    assert "another target" in found(lambda run, targets, conditions, files: targets.pop(CPU))[CPU]
    assert found(lambda run, targets, conditions, files: files.update({CPU: "c" * 64})) == {
        CPU: "the file that it made of it has other bits"
    }


def test_a_target_that_does_not_build_there_is_told_in_its_words():
    assert found(failures=(Failure(GPU, "build", "refused", "no memory"),)) == {GPU: "it cannot build it: no memory"}
