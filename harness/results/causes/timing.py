"""What is wrong with how fast a target answers, or with how well that is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seatrial.engines import ENGINES
from seatrial.harness.results.causes.case import Case
from seatrial.harness.results.fallback import describe_fallback
from seatrial.harness.results.finding import Finding
from seatrial.harness.results.slower import is_slower, slower
from seatrial.harness.results.timing.marks import UNTRUE
from seatrial.harness.results.typed import TargetResult
from seatrial.harness.spec.targets import REFERENCE

# Kind of a mark -> what to do about it, and how likely it is to be the run's answer to why.
_BEHAVIOUR: Mapping[str, tuple[str, float]] = {
    "stalls": (
        "Look for what it waits for: memory that is given back and taken, a clock that falls, a log, another thread. "
        "Its p99 is what users meet.",
        0.6,
    ),
    "drift": (
        "Time it for minutes to see where it ends (--scenario sustained), and look for what grows: memory, heat, a "
        "cache.",
        0.6,
    ),
    "load": (
        "Give it fewer workers or threads, or take the rate that the scenario server found as what it can do.",
        0.55,
    ),
}


def untrue(case: Case) -> Iterator[Finding]:
    """Answers that come fast and are not the model's."""
    for target in case.targets:
        marks = [mark for mark in target.timed.get("marks", ()) if mark["kind"] in UNTRUE]
        if marks:
            yield Finding(
                cause="timed-answers",
                target=target.id,
                says=marks[0]["says"],
                remedy="Do not believe its speed: mend the engine, or its cache, and time it again.",
                command=case.commands.diff(case.spec(target.id)) if target.id != case.reference else None,
                likelihood=0.95,
                evidence={"marks": marks},
            )


def behaviour(case: Case) -> Iterator[Finding]:
    """Engines that stall, drift or slow down under load."""
    for target in case.targets:
        for mark in target.timed.get("marks", ()):
            if mark["kind"] in _BEHAVIOUR:
                remedy, likelihood = _BEHAVIOUR[mark["kind"]]
                yield Finding(
                    cause=mark["kind"],
                    target=target.id,
                    says=mark["says"],
                    remedy=remedy,
                    command=case.commands.again("sustained", "--scenario", "sustained")
                    if mark["kind"] == "drift"
                    else None,
                    likelihood=likelihood,
                    evidence=dict(mark),
                )


def slow(case: Case) -> Iterator[Finding]:
    """A lower precision that costs time in place of saving it."""
    for target in case.targets[1:]:
        speedup: Mapping[str, Any] | None = target.metrics.get("speedup")
        if target.simulated or target.precision == REFERENCE.precision or speedup is None or not is_slower(speedup):
            continue
        fallback = describe_fallback(case.audit["targets"][target.id]["layers"])
        yield Finding(
            cause="slower",
            target=target.id,
            says=slower(target.precision, speedup, fallback),
            remedy="Take another engine or recipe, in which those layers run as asked."
            if fallback is not None
            else "This engine has no faster kernels for it on this device, or the layers are too small: take another "
            "engine, or stay with the reference's precision.",
            command=f"python bench.py doctor{_board(target)}",
            likelihood=0.7,
            evidence={"speedup": dict(speedup), "fallback": fallback},
        )


def wide(case: Case) -> Iterator[Finding]:
    """A speed-up that is not told as closely as was asked."""
    for target in case.targets[1:]:
        speedup = target.metrics.get("speedup")
        if speedup and speedup.get("wide"):
            yield Finding(
                cause="wide",
                target=target.id,
                says=f"its speed-up is not told closely: {speedup['wide']}",
                remedy="Time it on a machine where nothing else runs, or let it take longer.",
                command=case.commands.again("longer", "--starts", str(2 * max(2, speedup["rounds"]))),
                likelihood=0.3,
                evidence=dict(speedup),
            )
            return


def _board(target: TargetResult) -> str:
    return f" --board {target.board}" if target.board and not ENGINES[target.engine].served else ""
