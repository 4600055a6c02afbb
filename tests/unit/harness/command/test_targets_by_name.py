"""--target and --against: one target in one word."""

import pytest

from seatrial.errors import UsageError
from seatrial.harness.command import parse_flags
from seatrial.harness.command.flags.targets import parse_target
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.spec.targets import TargetSpec


def targets(*words):
    return [target.id for target in spec_of(parse_flags(make_parser(), words)).targets.asked]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("openvino", TargetSpec("openvino", "fp32")),
        ("ort/int8", TargetSpec("onnxruntime", "int8")),
        ("torch/sim-w4a4@cuda:1", TargetSpec("pytorch", "sim-w4a4", "cuda:1")),
        ("openvino@gpu", TargetSpec("openvino", "fp32", "gpu")),
    ],
)
def test_a_target_in_one_word(text, target):
    assert parse_target(text, "fp32") == target


@pytest.mark.parametrize("text", ["", "/", "openvino/", "@cpu", "openvino@", "nosuch", "openvino/int5", "a/b/c"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(UsageError):
        parse_target(text, "fp32")


def test_targets_by_name_stand_alone_or_beside_the_grid():
    assert targets("--target", "torch/fp32", "--target", "ov") == ["pytorch/fp32@cpu", "openvino/int8@cpu"]
    assert targets("--engine", "ort", "--bits", "32", "--bits", "8", "--target", "torch/fp32") == [
        "onnxruntime/fp32@cpu",
        "onnxruntime/int8@cpu",
        "pytorch/fp32@cpu",
    ]
