"""A busy process beside a run is seen, a throttling processor too; a quiet machine of two cores gives no alarm."""

import numpy as np
import pytest

from seatrial.harness.metrics.disturbance import disturbed

TICK = 0.01  # seconds, as /proc/stat counts


def block(rng, busy=0.015, slower=1.0, **more):
    """A tenth of a second of an engine with one thread: others' time in whole ticks, probes with their own noise."""
    ticks = rng.poisson(busy * 0.1 / TICK)
    probes = 20_000 * slower * np.exp(0.03 * rng.standard_normal(2)) * rng.choice([1, 1.6], 2, p=[0.97, 0.03])
    memory = 90_000 * np.exp(0.08 * rng.standard_normal(2))
    counters = {
        "wall_s": 0.1,
        "own": 1.0,
        "others": ticks * TICK / 0.1,
        "stolen": float(rng.poisson(0.1)) * TICK / 0.1,
        "waited": 0.004,
        "probe_ns": [int(one) for one in probes],
        "memory_ns": [int(one) for one in memory],
        "mhz": 2500.0,
    }
    return {"round": 1, "block": 0, "queries": 30, "median_ns": 3e6, "counters": {**counters, **more}}


def rounds(seed, count=1, blocks=10, **how):
    rng = np.random.default_rng(seed)
    return [block(rng, **how) for _ in range(count * blocks)]


@pytest.mark.parametrize("blocks", [5, 10, 40])
def test_a_quiet_machine_of_two_cores_gives_no_alarm(blocks):
    alarms = 0
    for seed in range(300):
        alarms += bool(disturbed(rounds(seed, blocks=blocks), before=rounds(seed + 10_000, count=2, blocks=blocks)))
    # 1 of 100 rounds: 20 runs of three rounds with less than one.
    assert alarms / 300 <= 0.01


@pytest.mark.parametrize("share", [0.4, 0.5, 0.67, 1.0])
def test_a_busy_process_is_always_seen(share):
    for seed in range(200):
        (reason,) = disturbed(rounds(seed, busy=share))
        assert "other processes took" in reason


def test_it_is_seen_by_those_who_wait_and_by_known_work_too():
    quiet = rounds(1, count=3)
    found = disturbed(rounds(2, busy=0.6, slower=1.45, waited=0.35), before=quiet)
    assert len(found) == 3
    assert "waited for a processor 35% of the time" in found[1]
    assert "known arithmetic took 1." in found[2]


def test_an_engine_with_more_threads_than_cores_waits_for_itself():
    assert disturbed(rounds(3, waited=1.4)) == ()


def test_a_thread_that_slows_the_core_is_seen_without_counters_of_the_system():
    blind = {"others": None, "stolen": None, "waited": None, "mhz": None, "memory_ns": None}
    found = disturbed(rounds(4, slower=1.4, **blind), before=rounds(5, count=2, **blind))
    assert [reason.split(" took")[0] for reason in found] == ["known arithmetic"]


def test_what_the_hypervisor_takes_is_told():
    (reason,) = disturbed(rounds(6, stolen=0.3))
    assert reason == "the hypervisor took 30% of a core"


def test_memory_that_another_process_uses_up_is_told():
    (reason,) = disturbed(rounds(7, memory_ns=[200_000, 210_000]), before=rounds(8, count=2))
    assert "copying in memory took 2." in reason


def test_a_clock_that_falls_is_told():
    (reason,) = disturbed(rounds(9, mhz=1500.0), before=rounds(10, count=2))
    assert reason == "the processor's clock fell to 1500 MHz, from 2500"


def test_within_a_round_that_begins_calm_it_is_seen_as_well():
    (reason,) = disturbed([*rounds(11, blocks=4), *rounds(12, blocks=8, slower=1.5)])
    assert "known arithmetic" in reason


def test_where_nothing_is_told_nothing_is_said():
    silent = dict.fromkeys(("own", "others", "stolen", "waited", "probe_ns", "memory_ns", "mhz"))
    assert disturbed([{"counters": {"wall_s": 0.1, **silent}}] * 8) == ()
    assert disturbed([{"counters": {"wall_s": 0.1}}, {"counters": None}, {}]) == ()
    assert disturbed([]) == ()
