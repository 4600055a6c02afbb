"""Which packages and which wheels a board's Python takes."""

import pytest

from seatrial.agent import interpreter
from seatrial.engines.boards.wheels import check_python, interpreter_of, platforms, requirements
from seatrial.errors import UnsupportedError, UsageError

TOLD = {
    "version": [3, 10, 12],
    "implementation": "cpython",
    "threads_free": False,
    "machine": "aarch64",
    "bits": 64,
    "libc": ["glibc", "2.35"],
    "base": "/usr/bin/python3",
    "in_environment": False,
    "ensurepip": False,
    "tensorrt": "10.3.0",
    "cuda": "12.6.11",
    "board": "NVIDIA Jetson Orin Nano",
}


def board(**changes):
    return interpreter_of({**TOLD, **changes})


def test_this_python_describes_itself_and_is_understood():
    found = interpreter_of(interpreter.describe())
    check_python(found, "Board here")
    assert platforms(found, "Board here")[-1] == f"linux_{found.machine}"


def test_wheels_of_every_glibc_up_to_the_boards_fit():
    tags = platforms(board(), "Board orin")
    assert tags[0] == "manylinux_2_35_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} < set(tags)
    assert "manylinux_2_36_aarch64" not in tags
    assert "manylinux2014_aarch64" not in platforms(board(libc=["glibc", "2.12"]), "Board old")


def test_a_32_bit_python_on_a_64_bit_machine_takes_32_bit_wheels():
    assert platforms(board(bits=32), "Board pi")[-1] == "linux_armv7l"


def test_without_glibc_no_wheel_is_chosen_here():
    with pytest.raises(UnsupportedError, match="no GNU C library"):
        platforms(board(libc=["", ""]), "Board alpine")


def test_tensorrt_is_the_systems_and_cuda_python_follows_its_cuda():
    assert requirements(("tensorrt",), board()) == ["numpy>=1.26", "cuda-python>=12.6,<13"]
    assert requirements(("tensorrt",), board(cuda="13.0.1")) == ["numpy>=1.26", "cuda-python>=13,<14"]
    with pytest.raises(UnsupportedError, match="nvidia-jetpack"):
        requirements(("tensorrt",), board(tensorrt=None))


def test_packages_may_be_pinned_and_nothing_else_slips_in():
    assert requirements(("onnxruntime",), board(), ["onnxruntime==1.23.2"])[-1] == "onnxruntime==1.23.2"
    assert requirements(("null",), board(), ["a[b]>=1,!=2.0"])[-1] == "a[b]>=1,!=2.0"
    for wrong in ("--index-url=x", "-r", "a b", "a; sys_platform", "a @ file:///x", "../a", "", "a==1 --pre"):
        with pytest.raises(UsageError, match="is no package"):
            requirements(("null",), board(), [wrong])


@pytest.mark.parametrize("engine", ["pytorch", "tensorrt-rtx"])
def test_what_setup_cannot_choose_is_said(engine):
    with pytest.raises(UnsupportedError):
        requirements((engine,), board())


def test_pythons_that_are_too_old_or_others_are_refused():
    with pytest.raises(UnsupportedError, match=r"Python 3\.8\.10; it takes 3\.10"):
        check_python(board(version=[3, 8, 10]), "Board xavier")
    with pytest.raises(UnsupportedError, match="pypy"):
        check_python(board(implementation="pypy"), "Board odd")


@pytest.mark.parametrize(
    "wrong",
    [{"version": [3]}, {"libc": 5}, {"bits": "x"}, {"version": ["a", "b", "c"]}, {"machine": None, "bits": None}],
)
def test_what_no_python_says_is_no_interpreter(wrong):
    with pytest.raises((ValueError, TypeError)):
        interpreter_of({**TOLD, **wrong})
