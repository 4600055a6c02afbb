"""What is asked of a run's timing, and what is refused."""

import math

import pytest

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import UsageError
from seatrial.harness.command import parse_flags
from seatrial.harness.command.run import make_parser, spec_of
from seatrial.harness.spec.timing import TimingOptions, degrees


def parse(*words):
    return spec_of(parse_flags(make_parser(), list(map(str, words)))).timing


def test_single_streams_are_always_timed_and_first():
    assert TimingOptions().timed == ("single-stream",)
    assert TimingOptions(scenarios=("server", "single-stream", "server")).timed == ("single-stream", "server")
    assert TimingOptions(scenarios=()).timed == ("single-stream",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scenarios": ("fast",)}, "--scenario 'fast' is unknown. Known: single-stream, .*, or all"),
        ({"starts": 0}, "--starts is 0"),
        ({"duration_s": 0.0}, "--duration is 0; it must be above 0"),
        ({"duration_s": math.inf}, "--duration is inf"),
        ({"sustained_s": math.nan}, "--sustained is nan"),
        ({"budget_s": -1.0}, "--timing-budget is -1"),
        ({"budget_s": math.inf}, "--timing-budget is inf"),
        ({"bound_ms": -3.0}, "--latency-bound is -3"),
        ({"end_to_end": (" ",)}, "--end-to-end is empty"),
        ({"cool_down": "warm"}, "--cool-down 'warm' is no temperature: give steady"),
        ({"cool_down": "nan"}, "is no temperature"),
        ({"cool_down": "400"}, "between 0 and 125"),
        ({"power_command": " "}, "--power-command is no command"),
        ({"sweep_batch": (1, 0)}, "--sweep-batch is 0"),
        ({"sweep_threads": (-1,)}, "--sweep-threads is -1"),
    ],
)
def test_what_none_can_be_is_refused(changes, says):
    with pytest.raises(UsageError, match=says):
        TimingOptions(**changes)


def test_flags_and_their_words():
    assert parse() == TimingOptions()
    assert parse("--scenario", "all").scenarios == tuple(SCENARIOS)
    found = parse("--scenario", "offline", "--starts", 5, "--duration", 2, "--sustained", 60, "--timing-budget", 0)
    assert found == TimingOptions(("single-stream", "offline"), starts=5, duration_s=2, sustained_s=60, budget_s=0)
    found = parse("--cool-down", 45.5, "--loadgen", "--power-command", "meter -w", "--sweep-threads", 1, 2)
    assert (degrees(found.cool_down), found.loadgen, found.power_command) == (45.5, True, "meter -w")
    assert (found.sweep_threads, found.sweep_batch) == ((1, 2), ())
    with pytest.raises(UsageError, match="contradict"):
        parse("--end-to-end", "none", "--end-to-end", "contract")


def test_a_yaml_file_says_the_same(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "scenario: [offline, server]\nsweep-batch: [1, 8]\nsweep-threads: 2\nloadgen: true\n"
        "cool_down: 45\nend_to_end: none\n"
    )
    assert parse("--config", path) == TimingOptions(
        ("single-stream", "offline", "server"),
        sweep_batch=(1, 8),
        sweep_threads=(2,),
        loadgen=True,
        cool_down="45",
        end_to_end=(),
    )
