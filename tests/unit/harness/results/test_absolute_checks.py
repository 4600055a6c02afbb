"""Times, rates and energy are judged by intervals, on the place that their limits were set for and nowhere else."""

import pytest

from seatrial.errors import UsageError
from seatrial.harness.results.checks.absolute import at_place
from seatrial.harness.results.checks.costs import COSTS, costs
from seatrial.harness.results.checks.timed import timed_answers
from seatrial.harness.spec.gate import LIMITS, Asked, Limit

T = "onnxruntime/int8@cpu"
HERE = ["Intel(R) Xeon(R) CPU @ 2.20GHz", "NVIDIA H200"]
STREAM = {
    "p50_ms": 3.0,
    "p90_ms": 5.0,
    "p99_ms": 10.0,
    "samples": 900,
    "ci95": {"p50_ms": [2.9, 3.1], "p90_ms": [4.8, 5.3], "p99_ms": [9.0, 12.0]},
}
SERVER = {"queries_per_s": 100.0, "ends": [100.0, 110.0], "tried": []}
FIGURES = {
    "latency": {"single_stream": STREAM, "offline": {"images_per_s": 500.0, "ci95": [480.0, 520.0]}, "server": SERVER},
    "energy": {"package": {"joules_per_image": 0.02}, "GPU 0": {"joules_per_image": 0.3}},
}


def judged(name, value, place="intel*xeon*", here=HERE, **figures):
    (check,) = costs(T, {**FIGURES, **figures}, {name: Limit(value, place=place)}, here)
    return check


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("latency_p50", 3.2, "pass"),
        ("latency_p50", 2.8, "fail"),
        ("latency_p50", 3.05, "inconclusive"),
        ("latency_p90", 5.4, "pass"),
        ("latency_p99", 13.0, "pass"),
        ("latency_p99", 8.0, "fail"),
        ("throughput", 470.0, "pass"),
        ("throughput", 530.0, "fail"),
        ("throughput", 500.0, "inconclusive"),
        ("server_rate", 99.0, "pass"),
        ("server_rate", 111.0, "fail"),
        ("server_rate", 105.0, "inconclusive"),
        ("energy", 0.4, "pass"),
        ("energy", 0.2, "fail"),
    ],
)
def test_the_interval_decides(name, value, answer):
    check = judged(name, value)
    assert (check.answer, check.limit, check.unit) == (answer, value, LIMITS[name].unit)


def test_what_would_decide_is_said():
    # (0.1 / 0.05) squared times 900.
    assert "900 queries; about 3,600 would decide (--duration, --starts)" in judged("latency_p50", 3.05).says
    assert "at the limit" in judged("latency_p50", 3.0).says


def test_a_percentile_that_is_not_carried_is_not_judged():
    few = {**STREAM, "p99_ms": None, "samples": 64, "ci95": {}}
    check = judged("latency_p99", 12.0, latency={"single_stream": few})
    assert check.answer == "inconclusive"
    assert "662 queries are needed, 64 were timed" in check.says
    assert check.measured is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("throughput", "--scenario offline was not timed"),
        ("server_rate", "--scenario server was not timed"),
        ("energy", "no meter"),
    ],
)
def test_what_was_not_measured_says_how_it_would_be(name, says):
    check = judged(name, 1.0, latency={"single_stream": STREAM}, energy=None)
    assert check.answer == "inconclusive"
    assert says in check.says


def test_a_bound_that_no_rate_keeps_fails_the_rate():
    none = {"queries_per_s": None, "ends": None, "tried": [{"rate": 0.7}, {"rate": 3.0}]}
    check = judged("server_rate", 1.0, latency={"server": none})
    assert (check.answer, check.measured) == ("fail", 0.0)


def test_on_another_place_nothing_is_decided():
    check = judged("latency_p50", 1.0, place="AMD*")
    assert check.answer == "inconclusive"
    assert "the limit was set for AMD*, and this ran on Intel(R) Xeon(R) CPU @ 2.20GHz, NVIDIA H200" in check.says
    assert "not known where this ran" in judged("latency_p50", 1.0, here=[]).says
    assert judged("latency_p50", 1.0, place="*h200").answer == "fail"


def test_a_limit_without_a_place_says_which_line_to_write():
    check = judged("latency_p50", 4.0, place=None)
    assert check.answer == "inconclusive"
    assert 'latency_p50: {limit: 4, place: "Intel(R) Xeon(R) CPU @ 2.20GHz"}' in check.says


def test_brackets_and_case_of_names():
    assert at_place("nvidia h?00", ["NVIDIA H200"])
    assert not at_place("nvidia", ["NVIDIA H200"])


def test_ratios_and_sizes_have_no_place():
    for name in ("speed_up", "size", "memory", "recovery"):
        with pytest.raises(UsageError, match=r"holds on every place\. A place is of latency_p50"):
            Asked(name, Limit(1.0, place="Intel*"))
    with pytest.raises(UsageError, match="place is empty"):
        Limit(1.0, place=" ")
    assert set(COSTS) == {name for name, one in LIMITS.items() if one.absolute} | {"speed_up", "size", "memory"}


def test_a_speed_up_that_is_not_decided_says_why_it_is_wide():
    found = {"ratio": 1.5, "ci95": [1.3, 1.7], "wide": "it is known to 26%, not to 5%: processes differ"}
    (check,) = costs(T, {**FIGURES, "speedup": found}, {"speed_up": Limit(1.4)})
    assert check.answer == "inconclusive"
    assert check.says.endswith("processes differ")


def test_marks_that_are_not_of_answers_fail_nothing():
    marks = [{"kind": kind, "scenario": "single_stream", "says": kind} for kind in ("stalls", "wide", "drift")]
    assert timed_answers(T, {"marks": marks, "checked": 5}).answer == "pass"
    assert timed_answers(T, {}) is None


def test_a_limit_of_speed_where_nothing_in_fp32_runs_is_open_and_says_how_to_get_one():
    why = "nothing on pi5 runs in fp32 (--bits 32 adds it)"
    figures = {**FIGURES, "speedup": None}
    (check,) = costs(T, {**figures, "pace": {"against": None, "unknown": why}}, {"speed_up": Limit(1.4)})
    assert (check.answer, check.says) == ("inconclusive", f"speed-up is not known: {why}")
    yardstick = {**figures, "pace": {"against": None, "unknown": None}}
    assert costs(T, yardstick, {"speed_up": Limit(1.4)}) == []
    there = {**FIGURES, "speedup": {"ratio": 2.0, "ci95": [1.9, 2.1], "against": "onnxruntime/fp32@pi5/cpu"}}
    (check,) = costs(T, there, {"speed_up": Limit(1.4)})
    assert "2.00 times as fast as fp32 on pi5" in check.says
