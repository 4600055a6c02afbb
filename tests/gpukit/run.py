"""Runs the steps one after the other within the time that is given; none of them ends the others."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpukit.machine import Machine
from gpukit.paths import ROOT, python_of, slug
from gpukit.process import Ended, run
from gpukit.results import FAILED, PASSED, RESULT, SKIPPED, Done, Result
from gpukit.steps import Step

_LARGEST = 16 << 20  # of a step's result, in bytes
_LONGEST = 2000

Command = Callable[[Step], Sequence[str]]
Say = Callable[[str], None]


class Budget:
    """seconds: until the steps have to be done; None for as long as they take."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock, self._begin = seconds, clock, clock()

    def left(self) -> float:
        """Seconds; infinite without a limit."""
        return float("inf") if self._seconds is None else self._seconds - (self._clock() - self._begin)


def run_steps(
    steps: Sequence[Step], machine: Machine, work: Path, budget: Budget, say: Say, command: Command | None = None
) -> Iterator[Done]:
    """Every step, in their order: run, or skipped with the reason. work: the folder that becomes the archive."""
    done: dict[str, Done] = {}
    for number, step in enumerate(steps, start=1):
        say(f"[{number}/{len(steps)}] {step.name}")
        why = _hindrance(step, machine, done, budget.left())
        one = Done(step.name, Result(SKIPPED, why)) if why else _run(step, work, budget.left(), command or command_of)
        done[step.name] = one
        say(f"    {one.result.outcome}{f' after {one.seconds:.0f} s' if one.seconds else ''}{_tail(one.result.why)}")
        yield one


def command_of(step: Step) -> list[str]:
    """Its process."""
    return [str(python_of(step.environment)), "-m", "gpukit.do", step.kind, step.name, *step.arguments]


def _hindrance(step: Step, machine: Machine, done: Mapping[str, Done], left: float) -> str | None:
    for word in step.needs:
        missing = machine.missing(word)
        if missing is not None:
            return missing
    before = done.get(step.after or "")
    if step.after is not None and (before is None or before.result.outcome != PASSED):
        came = "was not asked for" if before is None else f"{before.result.outcome}: {before.result.why}"
        return f"'{step.after}' {came}"[:_LONGEST]
    if left < step.seconds:
        return f"the time did not allow it: it takes {step.seconds} s or more, and {max(0, left):.0f} s were left"
    return None


def _run(step: Step, work: Path, left: float, command: Command) -> Done:
    name = slug(step.name)
    log, result = work / "logs" / f"{name}.log", work / "results" / f"{name}.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = {
        **os.environ,
        "PYTHONPATH": paths,
        "SEATRIAL_CACHE": str(work.parent / "cache"),
        "GPUKIT_WORK": str(work),
        RESULT: str(result),
    }
    try:
        ended = run(command(step), log, min(step.limit_s, left), cwd=ROOT, environment=environment)
    except OSError as error:
        return Done(step.name, Result(FAILED, f"its process did not start: {error}"))
    return Done(step.name, _result(step, ended, left, result, log), ended.seconds, f"logs/{name}.log")


def _result(step: Step, ended: Ended, left: float, path: Path, log: Path) -> Result:
    if ended.status is None and left < step.limit_s:
        return Result(SKIPPED, f"cut off after {ended.seconds:.0f} s: the time that was given was over")
    told = None if ended.status is None else _told(path)
    if told is not None:
        return told
    said = _last_line(log)
    return Result(FAILED, f"{ended.words}{f'; its last output: {said}' if said else ''}")


def _told(path: Path) -> Result | None:
    """What the step's process wrote, None where it wrote nothing that can be read."""
    try:
        if path.stat().st_size > _LARGEST:
            return None
        told: Any = json.loads(path.read_text(encoding="utf-8"))
        return Result(str(told["outcome"]), str(told["why"])[:_LONGEST], dict(told["data"]), tuple(told["runs"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_bytes()[-4096:].decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][-300:] if lines else ""


def _tail(why: str) -> str:
    line = " ".join(why.split())
    return f": {line[:200]}{'...' if len(line) > 200 else ''}" if line else ""
