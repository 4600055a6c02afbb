"""What is said of a machine by readings before, during and after: nothing of a calm one."""

import copy
import json

import pytest
from conftest import ROOT
from machines_recorded import NAMES, machine

from seatrial.engines.machine import as_reading, changes
from seatrial.engines.machine.reading import Watch
from seatrial.engines.machine.system import System

HOSTILE = (
    *(None, [], "text", 3, {"load": "high"}, {"mhz": [None, "x", float("nan"), True]}),
    *({"celsius": {"\x1b[31m": 50, "a": float("inf"), 3: 4}}, {"gpus": [{"throttle": "all"}, 7]}),
    *({"busiest": [{"name": 3, "share": "much"}, {"name": "x" * 10000, "share": 0.9}], "busiest_s": 1}, {"memory": []}),
    *({"container": {"cores": "two"}}, {"jetson": "yes", "raspberry_pi": [1]}, {"mhz": [1e400]}, {"cores": 10**30}),
)


def of(name, folder):
    now = [0.0]
    system = machine(name, folder)
    sleep = lambda seconds: now.__setitem__(0, now[0] + seconds)  # noqa: E731
    return Watch(system, run_by=100, clock=lambda: now[0], sleep=sleep).reading()


@pytest.fixture
def calm(tmp_path):
    return of("server", tmp_path)


@pytest.mark.parametrize("name", ["virtual", "server", "raspberry_pi_5"])
def test_calm_machines_give_no_sentence(name, tmp_path):
    one = of(name, tmp_path)
    assert changes(one, [one, one], one) == []


def test_a_machine_that_tells_nothing_gives_no_sentence(tmp_path):
    nothing = Watch(System(tmp_path, lambda command: None)).reading()
    assert changes(nothing, [nothing], nothing, threads=64) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("laptop", ["The governor is powersave, not performance: clocks follow the load."]),
        (
            "container",
            ["The container grants the time of 1.5 cores, and 8 threads may compute: it stops them."],
        ),
        (
            "jetson_orin_nano",
            ["Clocks follow the load: jetson_clocks does not hold them at the highest of power mode 25W."],
        ),
        (
            "jetson_agx_orin",
            [
                "The machine is throttled: the GPU's clock is held down to cool it (gpu-throttle-alert).",
                "The machine is throttled: the GPU's clock is held down to cool it (devfreq-17000000.ga10b).",
            ],
        ),
        (
            "raspberry_pi_4",
            [
                "The governor is ondemand, not performance: clocks follow the load.",
                "The machine is throttled: under-voltage.",
                "The machine is throttled: throttled.",
            ],
        ),
    ],
)
def test_what_is_wrong_from_the_beginning_is_said_once(name, says, tmp_path):
    one = of(name, tmp_path)
    assert changes(one, [one, one], one) == says


def test_fewer_threads_than_the_container_grants_are_not_stopped(tmp_path):
    one = of("container", tmp_path)
    assert changes(one, [], one, threads=1) == []
    after = copy.deepcopy(one)
    after["container"]["throttled_s"] += 0.75
    assert changes(one, [], after, threads=1) == ["The container's limit stopped its processes for 0.75 s meanwhile."]


def at(reading, **fields):
    return {**copy.deepcopy(reading), **fields}


def test_a_clock_that_fell_is_told_by_the_fastest_core_and_by_two_readings(calm):
    fell = at(calm, mhz=[1500.0, 1470.0, 800.0])
    asleep = at(calm, mhz=[800.0, 800.0, 800.0])
    assert changes(calm, [calm, fell, fell, calm], calm) == [
        "The processor's clock fell from 2450 to 1500 MHz, by 39%."
    ]
    assert changes(calm, [calm, asleep, calm], calm) == [], "one moment"
    assert changes(calm, [at(calm, mhz=[2300.0])] * 5, calm) == [], "within boost's reach"


def test_others_are_named_with_their_largest_share(calm):
    busy = at(calm, busiest=[{"name": "burner", "share": 0.98}, {"name": "sshd", "share": 0.04}], busiest_s=0.3)
    less = at(calm, busiest=[{"name": "burner", "share": 0.5}], busiest_s=0.3)
    says = ["Another process, `burner`, took 0.98 of a core."]
    assert changes(calm, [less, busy], less) == says
    assert changes(calm, [less, busy], calm) == says
    assert changes(calm, [busy], calm) == [], "a moment of a third of a second may be a service at work"
    assert changes(calm, [at(busy, busiest_s=1.0)], calm) == says


def test_several_stand_in_one_sentence_the_largest_first(calm):
    busy = [{"name": name, "share": share} for name, share in (("a", 0.9), ("b", 0.5), ("c", 0.3))]
    more = [{"name": name, "share": 0.4} for name in ("d", "e", "f")]
    assert changes(calm, [at(calm, busiest=busy, busiest_s=1.0)], calm) == [
        "Other processes took, of a core: `a` 0.90, `b` 0.50, `c` 0.30."
    ]
    one, two = (at(calm, busiest=names, busiest_s=1.0) for names in (busy, more))
    assert changes(calm, [one, two], calm) == [
        "Other processes took, of a core: `a` 0.90, `b` 0.50, `d` 0.40, `e` 0.40 and 2 more."
    ]


def test_many_that_take_little_are_told_together(calm):
    few = [{"name": name, "share": 0.18} for name in ("a", "b", "c")]
    busy = at(calm, busiest=few, others=1.6, busiest_s=0.3)
    assert changes(calm, [busy, busy], calm) == [
        "Other processes together took 1.60 of a core, `a`, `b`, `c` among them."
    ]
    assert changes(calm, [busy], calm) == [], "a moment"
    assert changes(calm, [at(busy, cores=64)] * 2, calm) == [], "a large machine's services"


def test_throttling_that_was_counted_and_pages_that_were_swapped(tmp_path):
    before = of("laptop", tmp_path)
    after = copy.deepcopy(before)
    after["throttle_counts"]["core"] += 3
    after["memory"]["swapped_out"] += 12
    found = changes(before, [], after)[1:]
    assert found == [
        "The processor throttled itself for its heat meanwhile: cores 3, package 0 times.",
        "Memory ran short meanwhile: 0 pages came back from swap, 12 went there.",
    ]
    assert len(changes(after, [], before)) == 1, "counters that began again count nothing"


def test_settings_that_changed_or_hold_the_clock_down(calm):
    held = at(calm, mhz_limit=1200.0)
    assert changes(held, [], held) == ["Settings hold the processor's clock at 1200 of 2450 MHz."]
    assert changes(calm, [], at(calm, governor="powersave", affinity=[0])) == [
        "The governor changed from performance to powersave.",
        "The cores that may be used changed from 0, 2 to 0.",
    ]


def test_gpus_say_why_and_who_else(calm):
    gpu = {"name": "NVIDIA L4", "throttle": ["its driver slows it down: too hot"], "others": 2}
    other = {"name": "NVIDIA L4", "throttle": [], "others": 0}
    assert changes(at(calm, gpus=[other]), [at(calm, gpus=[gpu])] * 2, at(calm, gpus=[other])) == [
        "NVIDIA L4 is throttled: its driver slows it down: too hot.",
        "Other processes compute on NVIDIA L4.",
    ]


def test_a_board_notes_what_no_reading_met(tmp_path):
    before = of("raspberry_pi_5", tmp_path)
    after = at(before, raspberry_pi={"throttled": [], "since_boot": ["under-voltage"]})
    assert changes(before, [before], after) == ["The board's firmware noted meanwhile: under-voltage."]


@pytest.mark.parametrize("lie", HOSTILE, ids=range(len(HOSTILE)))
def test_readings_of_a_board_that_lies_are_no_fault_of_ours(lie, calm):
    for before, during, after in ((lie, [], lie), (calm, [lie, lie], calm), (calm, [calm], lie), (lie, [calm], calm)):
        for sentence in changes(before, during, after):
            assert sentence.isprintable()
            assert len(sentence) < 400
    fitted = as_reading(lie)
    assert fitted.keys() == as_reading(None).keys()
    json.dumps(fitted, allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_reading_that_is_as_it_should_be_stays_so(name, tmp_path):
    one = of(name, tmp_path)
    assert as_reading(one) == one
    assert as_reading(json.loads(json.dumps(one))) == one


def test_the_sentences_of_the_guide_are_those_that_are_said(calm):
    guide = (ROOT / "docs/machine.md").read_text(encoding="utf-8")
    table = guide.partition("## What it says")[2].partition("\n## ")[0]
    written = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:]
    gpu = {"name": "NVIDIA L4", "throttle": ["the power limit holds its clock down"], "others": 1}
    before = at(
        calm,
        governor="powersave",
        mhz=[4700.0],
        mhz_max=4700.0,
        mhz_limit=1200.0,
        affinity=list(range(8)),
        throttled=["under-voltage"],
        throttle_counts={"core": 0, "package": 0},
        memory={"swapped_in": 0, "swapped_out": 0},
        gpus=[gpu],
        container={"cores": 1.5, "throttled_s": 0.0},
        raspberry_pi={"throttled": [], "since_boot": []},
        busiest=[{"name": "burner", "share": 0.98}],
        busiest_s=2.0,
    )
    after = at(
        before,
        mhz=[3100.0],
        throttle_counts={"core": 3, "package": 0},
        memory={"swapped_in": 0, "swapped_out": 12},
        container={"cores": 1.5, "throttled_s": 0.75},
        raspberry_pi={"throttled": [], "since_boot": ["under-voltage"]},
    )
    jetson = at(calm, jetson={"power_mode": "15W", "jetson_clocks": False})
    many = at(calm, busiest=[{"name": name, "share": 0.18} for name in "abc"], others=1.6, busiest_s=1.0)
    two = [{"name": "burner", "share": 0.98}, {"name": "backup", "share": 0.4}]
    several = at(calm, busiest=two, busiest_s=1.0)
    said = [
        *changes(calm, [several], calm),
        *changes(before, [after], after),
        *changes(jetson, [], jetson),
        *changes(calm, [many], calm),
    ]
    assert len(written) == len(set(written)) > 10
    assert sorted(written) == sorted(said)
