"""How the machine is now, as the doctor tells it: recorded machines, and this one through its process."""

import json

import pytest
from machines_recorded import machine

from seatrial.engines.machine import changes
from seatrial.engines.machine.meters import find_meters
from seatrial.engines.machine.reading import Watch
from seatrial.harness.report.doctor import state_lines
from seatrial.question import ask


def told(name, folder):
    system = machine(name, folder)
    now = Watch(system, sleep=lambda seconds: None).reading()
    meters = find_meters(system)
    return state_lines(
        {
            "now": now,
            "disturbs": changes(now, [], now),
            "meters": [{"name": one.name, "says": one.says} for one in meters.found],
            "meters_refused": [*meters.refused],
        }
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "virtual",
            [
                ("clocks", "governor unknown: the system tells none, 2100 MHz now"),
                ("heat", "the system tells no temperature; not throttled"),
                ("energy", "no meter that can be read; --power-command takes your own"),
            ],
        ),
        (
            "jetson_orin_nano",
            [
                ("clocks", "governor schedutil, 1190 MHz now, at most 1344"),
                ("power mode", "25W, clocks follow the load (jetson_clocks)"),
                ("heat", "51 C; not throttled"),
                ("energy", "Jetson: the module's power sensors, VDD_IN, read every 0.2 s"),
                (
                    "timing",
                    "Clocks follow the load: jetson_clocks does not hold them at the highest of power mode 25W.",
                ),
            ],
        ),
        (
            "raspberry_pi_4",
            [
                ("clocks", "governor ondemand, 600 MHz now, at most 1800"),
                ("heat", "83 C; under-voltage; throttled"),
                ("energy", "no meter that can be read; --power-command takes your own"),
                ("timing", "The governor is ondemand, not performance: clocks follow the load."),
                ("timing", "The machine is throttled: under-voltage."),
                ("timing", "The machine is throttled: throttled."),
            ],
        ),
    ],
)
def test_a_machine_is_told_in_lines(name, lines, tmp_path):
    assert told(name, tmp_path) == lines


def test_counters_that_may_not_be_read_and_heat_since_the_start_are_told(tmp_path):
    lines = told("laptop", tmp_path)
    assert ("heat", "71 C; not throttled, throttled 43 times since it was started") in lines
    refused = [says for what, says in lines if what == "energy"]
    assert len(refused) == 2
    assert all("sudo chmod" in says for says in refused)


def test_a_process_that_did_not_answer_is_told():
    lines = state_lines({"now": None, "disturbs": None, "meters": [], "meters_refused": []})
    assert lines == [("clocks", "not known: the process that was to look did not answer")]


def test_the_process_tells_gpus_a_reading_and_meters():
    answer = ask("seatrial.engines.machine.state", [], 120)
    assert answer.ended is None
    said = {}
    for line in answer.lines:
        said.update(line)
    assert said.keys() >= {"processor", "features", "gpus", "gpu_problem", "reading", "meters", "refused", "done"}
    assert said["reading"]["load"] is not None
    json.dumps(said, allow_nan=False)
