"""GPUs by the driver's command, from lines that it prints."""

import pytest

from seatrial.engines.machine import nvidia_smi
from seatrial.engines.machine.reading import describe
from seatrial.engines.machine.system import System

H200 = "NVIDIA H200, 1980, 3201, 1980, 34, 118.83, 700.00, 1234, 0x0000000000000001\n"


def test_a_line_is_a_gpu(tmp_path):
    asked = []

    def run(command):
        asked.append(command)
        return H200 if command[0] == "nvidia-smi" else None

    assert describe(System(tmp_path, run))["gpus"] == [
        {
            "name": "NVIDIA H200",
            "mhz": 1980,
            "memory_mhz": 3201,
            "mhz_max": 1980,
            "celsius": 34,
            "watts": 118.83,
            "power_limit_watts": 700.0,
            "throttle": [],
            "chosen": [],
            "used_bytes": None,
            "memory_used_bytes": 1234 << 20,
            "others": None,
        }
    ]
    assert [command[2] for command in asked if command[0] == "nvidia-smi"] == ["--format=csv,noheader,nounits"]


def test_what_a_card_does_not_tell_is_none_and_reasons_are_words():
    text = "Tesla T4, 585, 5000, 1590, 89, [N/A], [Not Supported], 3, 0x0000000000000028\nNo devices were found\n"
    (gpu,) = nvidia_smi.parse(text)
    assert (gpu["watts"], gpu["power_limit_watts"]) == (None, None)
    assert gpu["throttle"] == [
        "its hardware slows it down (too hot, or too little power)",
        "its driver slows it down: too hot",
    ]


def test_an_older_driver_is_asked_by_its_own_name(tmp_path):
    def run(command):
        return H200 if "clocks_throttle_reasons.active" in command[1] else None

    assert len(nvidia_smi.readings(System(tmp_path, run))) == 1


@pytest.mark.parametrize("reasons", ["[N/A]", "0x", "0xzz", "1", "0x" + "f" * 400, ""])
def test_reasons_that_are_no_number_are_not_told(reasons):
    (gpu,) = nvidia_smi.parse(f"GPU, 1, 2, 3, 4, 5, 6, 7, {reasons}\n")
    assert (gpu["throttle"], gpu["chosen"]) == (None, None)
