"""Numbers that are larger than what is below can hold are refused with words, whatever the flag."""

import argparse

import pytest
from conftest import bench

from seatrial.errors import UsageError
from seatrial.exporters.contract import InputContract
from seatrial.harness.command import contract, diff, parse_flags, run

# Only compared with what was measured, or looked at beside the model or the conditions.
FREE = {"keep_float_below_db", "threshold_db", "pad_value", "divisor", "severity", "corruption_scale"}


def numeric():
    for command in (run, contract, diff):  # whose parts the other commands share
        for action in command.make_parser()._actions:
            if action.type in (int, float) and action.dest not in FREE:
                name = command.__name__.rpartition(".")[2]
                yield pytest.param(command, action, id=f"{name}{action.option_strings[0]}")


@pytest.mark.parametrize(("command", "action"), list(numeric()))
def test_of_every_flag(command, action: argparse.Action):
    flag, value = action.option_strings[0], "9" * 30 if action.type is int else "1e308"
    flags = parse_flags(command.make_parser(), [f"{flag}={value}"])
    if "detect" in flags:
        return  # asked in place of a run, below
    with pytest.raises(UsageError, match=r"at most|from 0 to|a share|above 50|no constants|does not exist|from 1 to"):
        command.spec_of(flags)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--detect", "1e308"], "at most 100"),
        (["doctor", "--timeout", "1e308"], "--timeout is 1e+308; it must be above 0 and at most 1e+09."),
        (["board", "check", "pi", "--timeout", "1e308"], "--timeout is 1e+308; it must be above 0 and at most 1e+09."),
        (["export", "--model", "m.onnx", "--batch", "9" * 30, "--out", "o.onnx"], "--batch is 9"),
        (["--size", "9" * 5000], "is no size: give N or HxW"),
        (["--threads", "100000"], "--threads is 100000; it must be at most 4096."),
    ],
)
def test_of_commands(words, says):
    done = bench(words)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("changes", [{"divisor": 1e308}, {"mean": (1e10,)}, {"std": (1e-40,)}, {"divisor": 1e-300}])
def test_of_scales_that_a_float32_does_not_hold(changes):
    with pytest.raises(UsageError, match="at most 1e\\+09, divisor and std at least 1e-09"):
        InputContract(size=(16, 16), **changes)
