"""What is timed, how often and for how long: TimingOptions."""

from __future__ import annotations

import argparse

from seatrial.engines.timing.scenario import SCENARIOS
from seatrial.errors import UsageError
from seatrial.harness.command.flags.parser import Given, replaced
from seatrial.harness.spec.timing import BOUND_MS, BUDGET_S, DURATION_S, STARTS, SUSTAINED_S, TimingOptions

_FIELDS = {
    "scenarios": "scenarios",
    "starts": "starts",
    "duration": "duration_s",
    "sustained": "sustained_s",
    "timing_budget": "budget_s",
    "latency_bound": "bound_ms",
    "patterns": "end_to_end",
    "cool_down": "cool_down",
    "loadgen": "loadgen",
    "power_command": "power_command",
    "batches": "sweep_batch",
    "threads_swept": "sweep_threads",
}


def add(parser: argparse.ArgumentParser) -> None:
    """A group of them."""
    group = parser.add_argument_group("timing", "in turns A B B A, in fresh processes, beside each engine")
    group.add_argument(
        "--scenario",
        action="append",
        metavar="NAME",
        help=f"repeatable: {', '.join(SCENARIOS)}, or all (single-stream is always timed)",
    )
    group.add_argument(
        "--starts", type=int, metavar="N", help=f"fresh processes of each target, at least (default: {STARTS})"
    )
    group.add_argument(
        "--duration", type=float, metavar="S", help=f"seconds of queries in each process, at least ({DURATION_S:g})"
    )
    group.add_argument(
        "--sustained", type=float, metavar="S", help=f"seconds of the scenario sustained (default: {SUSTAINED_S:g})"
    )
    group.add_argument(
        "--timing-budget",
        type=float,
        metavar="S",
        help=f"seconds for further processes, while a speed-up is not told closely or was disturbed ({BUDGET_S:g})",
    )
    group.add_argument(
        "--latency-bound", type=float, metavar="MS", help=f"of the scenario server, for its p99 (default: {BOUND_MS:g})"
    )
    group.add_argument(
        "--end-to-end",
        action="append",
        metavar="PATTERN",
        help="repeatable; pipelines timed from encoded image to answer: contract (default), pipeline/decode=*; or none",
    )
    group.add_argument(
        "--cool-down",
        metavar="WHEN",
        help="wait before each target until known work takes as long as before (steady), or for degrees Celsius",
    )
    group.add_argument("--loadgen", action="store_true", help="also ask by MLPerf's load generator, and keep its logs")
    group.add_argument(
        "--power-command", metavar="CMD", help="prints the watts that are drawn now: energy by your own meter"
    )
    for flag, what in (("--sweep-batch", "batch sizes"), ("--sweep-threads", "threads of a call")):
        group.add_argument(
            flag, action="extend", nargs="+", type=int, metavar="N", help=f"{what} to measure throughput and latency at"
        )


def take(given: Given, base: TimingOptions) -> TimingOptions:
    """The part. Scenarios, pipelines and sizes go beside those that are there."""
    if "scenario" in given:
        given["scenarios"] = _beside(base.scenarios, _scenarios(given.pop("scenario")))
    if "end_to_end" in given:
        given["patterns"] = _patterns(base.end_to_end, given.pop("end_to_end"))
    for flag, name, known in (
        ("sweep_batch", "batches", base.sweep_batch),
        ("sweep_threads", "threads_swept", base.sweep_threads),
    ):
        if flag in given:
            given[name] = tuple(dict.fromkeys((*known, *given.pop(flag))))
    return replaced(base, given, _FIELDS)


def _scenarios(named: list[str]) -> list[str]:
    return list(SCENARIOS) if "all" in named else named


def _patterns(known: tuple[str, ...], given: list[str]) -> tuple[str, ...]:
    if "none" not in given:
        return _beside(known, given)
    if len(given) > 1:
        raise UsageError("--end-to-end none and others contradict each other: give one of them.")
    return ()


def _beside(known: tuple[str, ...], given: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *given)))
