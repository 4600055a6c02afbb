"""Waiting for a temperature and for a steady probe, by clocks and sensors that are the test's."""

import itertools

import pytest

from seatrial.engines.machine import wait_for_celsius, wait_for_steady, warmest
from seatrial.engines.machine.cooling import PROBES


class Time:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


def cool(time, celsius, target, limit_s=300.0):
    return wait_for_celsius(celsius, target, limit_s=limit_s, clock=time.clock, sleep=time.sleep)


def steady(time, probe, limit_s=60.0, **options):
    return wait_for_steady(probe, limit_s=limit_s, clock=time.clock, sleep=time.sleep, **options)


def test_it_waits_until_the_machine_is_cool(time):
    found = cool(time, lambda: 71.0 - 0.4 * time.now, 55.0)
    assert found.reached
    assert found.says == "waited 40 s: 71 -> 55 C"
    assert found.seconds == pytest.approx(40.0)
    assert found.to_dict() == {"reached": True, "seconds": found.seconds, "says": found.says}


def test_a_cool_machine_is_not_waited_for(time):
    assert cool(time, lambda: 41.0, 55.0).says == "no need to wait: 41 C"
    assert time.slept == []


def test_it_gives_up_at_the_limit_and_says_where_it_stands(time):
    found = cool(time, lambda: 66.2, 55.0)
    assert not found.reached
    assert found.says == "still at 66 C after 300 s, not 55"
    assert time.now == pytest.approx(300.0), "no longer, and no shorter"


def test_a_machine_without_a_sensor_is_not_waited_for_long(time):
    found = cool(time, lambda: None, 55.0)
    assert (found.reached, found.says) == (False, "the machine tells no temperature: waited 4 s")


def test_a_sensor_that_answers_now_and_then_is_enough_and_one_that_is_gone_is_told(time):
    answers = iter([70.0, None, None, 60.0, None, 50.0])
    assert cool(time, lambda: next(answers), 55.0).says == "waited 5 s: 70 -> 50 C"
    answers = itertools.chain([70.0], itertools.repeat(None))
    found = cool(Time(), lambda: next(answers), 55.0)
    assert not found.reached
    assert found.says.startswith("the machine tells no temperature any more")


def test_it_waits_until_probes_are_alike(time):
    times = iter([150, 140, 130, 120, 110, 100, 101, 100, 102, 101])
    found = steady(time, lambda: next(times))
    assert found.reached
    assert found.says == "steady after 9 s: 5 probes within 2.0%"


def test_a_machine_that_is_never_steady_is_told_of(time):
    times = itertools.cycle([100, 120])
    found = steady(time, lambda: next(times))
    assert (found.reached, found.says) == (False, "not steady after 60 s: the last 5 probes differ by 20%")


@pytest.mark.parametrize("odd", [0.0, float("nan"), -1.0])
def test_a_probe_that_tells_nothing_is_not_steady(odd, time):
    assert not steady(time, lambda: odd, limit_s=10.0).reached


def test_as_many_probes_as_asked_are_taken(time):
    asked = []
    assert steady(time, lambda: asked.append(1) or 1.0).reached
    assert len(asked) == PROBES


def test_the_warmest_is_a_processor_or_a_gpu():
    celsius = {"nvme Composite": 80.0, "coretemp Package id 0": 60.0}
    assert warmest({"celsius": celsius, "gpus": [{"celsius": 71}, {"celsius": None}]}) == 71
    assert warmest({"celsius": celsius, "gpus": []}) == 60.0
    assert warmest({"celsius": {"nvme Composite": 80.0}, "gpus": None}) == 80.0
    assert warmest({"celsius": None}) is None
