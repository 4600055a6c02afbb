"""Energy meters: counters that begin again, sensors that are integrated, and those that cannot be read."""

import threading
import time

import pytest
from machines_recorded import machine, write

from seatrial.engines.machine.integral import Integral, SampledMeter
from seatrial.engines.machine.meters import find_meters, idle_watts, read_meters
from seatrial.errors import DeviceError


def test_the_power_holds_until_the_next_reading():
    integral = Integral()
    assert integral.until(5.0) == 0.0
    integral.add(10.0, 4.0)
    assert integral.until(10.0) == 0.0
    integral.add(12.0, 1.0)
    assert integral.until(12.0) == pytest.approx(8.0)
    assert integral.until(15.0) == pytest.approx(11.0)
    integral.add(14.0, 100.0)  # a clock that goes back adds nothing
    assert integral.until(14.0) == pytest.approx(11.0)


def test_a_servers_counters_are_summed_by_kind_and_begin_again(tmp_path):
    system = machine("server", tmp_path)
    found = find_meters(system)
    assert [meter.name for meter in found.found] == ["processor", "memory"]
    assert found.refused == []
    assert read_meters(found.found) == {"processor": 0.0, "memory": 0.0}
    # The first package passes its range of 65532610987 uJ by 389013 uJ; the second goes on; cores are part of one.
    write(tmp_path, "sys/class/powercap/intel-rapl:0/energy_uj", "389012\n")
    write(tmp_path, "sys/class/powercap/intel-rapl:1/energy_uj", "1002000000\n")
    write(tmp_path, "sys/class/powercap/intel-rapl:0:0/energy_uj", "7777777\n")
    joules = read_meters(found.found)
    assert joules["processor"] == pytest.approx((65532610987 - 65532000000 + 389013) / 1e6 + 2.0)
    assert joules["memory"] == 0.0
    (tmp_path / "sys/class/powercap/intel-rapl:1/energy_uj").unlink()
    with pytest.raises(DeviceError, match=r"intel-rapl:1/energy_uj cannot be read any more"):
        found.found[0].joules()
    assert read_meters(found.found) == {"memory": 0.0}


def test_a_counter_whose_range_is_not_known_says_so_when_it_falls(tmp_path):
    system = machine("server", tmp_path)
    for zone in ("0", "1"):
        (tmp_path / f"sys/class/powercap/intel-rapl:{zone}/max_energy_range_uj").unlink()
    meter = find_meters(system).found[0]
    meter.joules()
    write(tmp_path, "sys/class/powercap/intel-rapl:0/energy_uj", "1\n")
    with pytest.raises(DeviceError, match="its range is not known"):
        meter.joules()


def test_counters_that_root_alone_may_read_are_told_of_with_what_helps(tmp_path):
    found = find_meters(machine("laptop", tmp_path))
    assert found.found == []
    assert len(found.refused) == 2
    assert found.refused[0].startswith(
        "the processor's package (RAPL): /sys/class/powercap/intel-rapl:0/energy_uj cannot"
    )
    assert "sudo chmod a+r" in found.refused[0]


@pytest.mark.parametrize(
    ("name", "watts", "says"),
    [
        ("jetson_orin_nano", 5.064 * 1.016, "VDD_IN"),
        ("jetson_agx_orin", 33.5, "VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"),
        ("jetson_nano", 2.875, "POM_5V_IN"),
    ],
)
def test_a_jetsons_rails_are_one_meter(name, watts, says, tmp_path):
    (meter,) = find_meters(machine(name, tmp_path)).found
    assert meter.name == "Jetson"
    assert says in meter.says
    try:
        times = [time.monotonic()]
        first = meter.joules()
        times.append(time.monotonic())
        time.sleep(0.5)
        times.append(time.monotonic())
        spent = meter.joules() - first
        times.append(time.monotonic())
        least, most = watts * (times[2] - times[1]), watts * (times[3] - times[0])
        assert 0.999 * least <= spent <= 1.001 * most
    finally:
        meter.close()


def test_machines_without_a_meter_have_none(tmp_path):
    found = find_meters(machine("virtual", tmp_path))
    assert (found.found, found.refused) == ([], [])


def sampled(watts, now):
    return SampledMeter("one", "a sensor", watts, every_s=3600.0, clock=lambda: now[0])


def test_a_sensor_that_skips_a_reading_is_bridged_and_one_that_is_gone_is_told():
    now, answers = [0.0], [2.0, None, None, 4.0, -1.0, float("nan")]
    meter = sampled(lambda: answers.pop(0) if answers else None, now)
    try:
        assert meter.joules() == 0.0
        for _ in range(2):
            now[0] += 1.0
            meter.joules()
        assert meter.joules() == pytest.approx(4.0)
        now[0] += 1.0
        assert meter.joules() == pytest.approx(8.0)
        for _ in range(8):  # with the one before, nine in a row
            assert meter.joules() == pytest.approx(8.0)
        with pytest.raises(DeviceError, match="'one' does not answer any more"):
            meter.joules()
        assert read_meters([meter]) == {}
    finally:
        meter.close()


def test_what_is_read_never_falls_and_closing_ends_the_thread():
    now = [0.0]
    meter = sampled(lambda: 3.0, now)
    last = 0.0
    for step in (0.5, 0.0, 2.0):
        now[0] += step
        found = meter.joules()
        assert found >= last
        last = found
    assert any(thread.name == "meter one" for thread in threading.enumerate())
    meter.close()
    assert not any(thread.name == "meter one" for thread in threading.enumerate())


def test_a_meter_that_was_not_asked_runs_nothing(tmp_path):
    find_meters(machine("jetson_nano", tmp_path))
    assert not any(thread.name.startswith("meter") for thread in threading.enumerate())


def test_idle_watts_are_the_mean_over_the_wait(tmp_path):
    system = machine("server", tmp_path)
    found = find_meters(system).found
    now = [100.0]

    def sleep(seconds):
        now[0] += seconds
        write(tmp_path, "sys/class/powercap/intel-rapl:1/energy_uj", str(1000000000 + int(30e6 * seconds)))

    assert idle_watts(found, 4.0, clock=lambda: now[0], sleep=sleep) == {
        "processor": pytest.approx(30.0),
        "memory": 0.0,
    }
