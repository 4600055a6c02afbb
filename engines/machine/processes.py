"""Other processes: who took how much of the processor between two looks."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from seatrial.engines.machine.system import System, printable

# Shares below this are the system's own breathing.
LEAST_SHARE = 0.01
MOST_NAMED = 5
# The system counts in ticks: a process that takes one of fewer than these seems to take more than a tenth of a core.
LEAST_TICKS = 10
_NUMBER = re.compile(r"^[0-9]{1,10}$")
# Programs that run others' programs: the one that they run says more.
_RUNS_OTHERS = re.compile(r"^(python|pypy|bash|sh|dash|zsh|perl|ruby|node|java)[0-9.]*$")


@dataclasses.dataclass(frozen=True)
class Process:
    """ticks: of processor time so far. begun: when it started, in ticks since boot: a number may be taken again."""

    name: str
    parent: int
    ticks: int
    begun: int


@dataclasses.dataclass(frozen=True)
class Look:
    """at: seconds of any clock. processes: by their numbers. ticks_per_second: of the counts."""

    at: float
    processes: Mapping[int, Process]
    ticks_per_second: float


def look(system: System, at: float) -> Look:
    """All processes now. Linux's alone: of others there is none to see."""
    found = {}
    for number in system.names("proc"):
        process = parse_stat(system.text(f"proc/{number}/stat")) if _NUMBER.match(number) else None
        if process is not None:
            found[int(number)] = process
    return Look(at, found, _ticks_per_second())


def parse_stat(text: str | None) -> Process | None:
    """A line of /proc/PID/stat; None for what is none. The name may have spaces and brackets: proc(5)."""
    head, bracket, rest = (text or "").rpartition(")")
    words = rest.split()
    if not bracket or len(words) < 20:
        return None
    try:
        # Counted from the state, which is field 3: parent 4, utime 14, stime 15, starttime 22.
        parent, ticks, begun = int(words[1]), int(words[11]) + int(words[12]), int(words[19])
    except ValueError:
        return None
    return Process(printable(head.partition("(")[2]) or "?", parent, ticks, begun)


def family(number: int, processes: Mapping[int, Process]) -> set[int]:
    """A process and all that it, or one of those, has started and that still runs."""
    children: dict[int, list[int]] = {}
    for one, process in processes.items():
        children.setdefault(process.parent, []).append(one)
    found, left = {number}, [number]
    while left:
        for child in children.get(left.pop(), ()):
            if child not in found:
                found.add(child)
                left.append(child)
    return found


def busiest(
    system: System, first: Look, second: Look, ours: Collection[int]
) -> tuple[list[dict[str, Any]], float] | None:
    """(name and share of the busiest processes, largest first; those of one name together, as the jobs of a
    compilation; the share of all). Shares are of one core, in the time between two looks.

    ours: process numbers that are left out. A process that started between the looks counts with all that it took.
    None where the looks are too close to say something: LEAST_TICKS.
    """
    seconds = second.at - first.at
    if not second.processes or seconds < LEAST_TICKS / second.ticks_per_second:
        return None
    shares: dict[str, float] = {}
    together = 0.0
    for number, process in second.processes.items():
        if number in ours:
            continue
        before = first.processes.get(number)
        begin = before.ticks if before is not None and before.begun == process.begun else 0
        share = (process.ticks - begin) / second.ticks_per_second / seconds
        # One that was not seen and has taken more than there was time for had been there.
        if before is None and share > 1.5 * (os.cpu_count() or 1):
            continue
        together += share
        if share >= LEAST_SHARE:
            name = _telling(system, number, process.name)
            shares[name] = shares.get(name, 0) + share
    largest = sorted(shares.items(), key=lambda one: -one[1])[:MOST_NAMED]
    return [{"name": name, "share": round(share, 3)} for name, share in largest], round(together, 3)


def _telling(system: System, number: int, name: str) -> str:
    """`python train.py` for what is called `python3`; no further arguments, which may be secret."""
    if not _RUNS_OTHERS.match(name):
        return name
    arguments = (system.text(f"proc/{number}/cmdline") or "").split("\0")[1:]
    for place, argument in enumerate(arguments):
        if argument == "-m" and place + 1 < len(arguments):
            return f"{name} -m {printable(arguments[place + 1], 40)}"
        if argument in ("-c", "-e", "-"):
            return name
        if argument and not argument.startswith("-"):
            return f"{name} {printable(os.path.basename(argument), 40)}"  # noqa: PTH119  (any text, not a path of ours)
    return name


def _ticks_per_second() -> float:
    return float(os.sysconf("SC_CLK_TCK")) if "SC_CLK_TCK" in getattr(os, "sysconf_names", {}) else 100.0
