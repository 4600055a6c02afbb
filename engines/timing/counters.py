"""What the machine did during a block, from what its system counts anyway: cheap enough to be read every tenth of a
second. Where a system does not tell, there is None.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from seatrial.engines.timing.block import Counters

ROOT = Path("/")
Joules = Callable[[], Mapping[str, float]]
Pair = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """wall: seconds by a clock that never goes back. own: this process's seconds on processors. busy, stolen: seconds
    of all cores, since the system started. waited: thread -> seconds that it was ready and without a processor. joules:
    by the meter's name.
    """

    wall: float
    own: float
    busy: float | None
    stolen: float | None
    waited: Mapping[int, float] | None
    joules: Mapping[str, float]


def snapshot(joules: Joules = dict, root: Path = ROOT) -> Snapshot:
    """Now. joules: name of the meter -> joules so far."""
    busy, stolen = _all_cores(root)
    return Snapshot(time.perf_counter(), time.process_time(), busy, stolen, _waited(root), joules())


def between(
    before: Snapshot, after: Snapshot, *, ended: float = 0.0, probe: Pair | None, memory: Pair | None, mhz: float | None
) -> Counters:
    """Counters of the time between. ended: seconds that threads waited which are gone by now.

    A system counts its time on processors in ticks of some 10 ms: of a short block, `others` may be off by a tick for
    each core, also below zero. Blocks are added before they are judged.
    """
    wall = max(after.wall - before.wall, 1e-9)
    own = after.own - before.own
    busy = _less(after.busy, before.busy)
    waited = None
    if before.waited is not None and after.waited is not None:
        waited = ended + sum(max(0.0, found - before.waited.get(thread, 0.0)) for thread, found in after.waited.items())
    stolen = _less(after.stolen, before.stolen)
    return Counters(
        wall_s=wall,
        own=own / wall,
        others=None if busy is None else (busy - own) / wall,
        stolen=None if stolen is None else max(0.0, stolen) / wall,
        waited=None if waited is None else waited / wall,
        probe_ns=probe,
        memory_ns=memory,
        mhz=mhz,
        joules={name: after.joules[name] - joules for name, joules in before.joules.items() if name in after.joules},
    )


def thread_waited(root: Path = ROOT) -> float:
    """Seconds that this thread was ready and without a processor, 0 where the system does not tell."""
    return _run_delay(root / f"proc/self/task/{threading.get_native_id()}/schedstat") or 0.0


def mhz_here(root: Path = ROOT) -> float | None:
    """The frequency of the core that this process's first thread ran on last."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # Behind the command's name, which may hold anything, field 3 follows (proc_pid_stat(5)); 39 is the processor.
        stat = (root / "proc/self/stat").read_text(encoding="utf-8", errors="replace")
        core = int(stat.rpartition(")")[2].split()[36])
        with contextlib.suppress(OSError, ValueError):
            path = root / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq"
            return int(path.read_text(encoding="ascii")) / 1000
        return _listed_mhz((root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace"), core)
    return None


def _listed_mhz(cpuinfo: str, core: int) -> float | None:
    found = None
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "processor":
            found = int(value)
        elif name.strip() == "cpu MHz" and found == core:
            return float(value)
    return None


def _all_cores(root: Path) -> tuple[float | None, float | None]:
    """Seconds busy, and stolen: the first line of /proc/stat (proc_stat(5)), in ticks."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        with (root / "proc/stat").open(encoding="ascii", errors="replace") as stream:
            name, *fields = stream.readline().split()
        if name == "cpu":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            tick = os.sysconf("SC_CLK_TCK")
            return (user + nice + system + irq + softirq) / tick, steal / tick
    return None, None


def _waited(root: Path) -> dict[int, float] | None:
    """Thread -> seconds, None without CONFIG_SCHED_INFO."""
    found = {}
    with contextlib.suppress(OSError, ValueError):
        for thread in (root / "proc/self/task").iterdir():
            waited = _run_delay(thread / "schedstat")
            if waited is not None:
                found[int(thread.name)] = waited
    return found or None


def _run_delay(path: Path) -> float | None:
    """The second of three numbers: nanoseconds on a run queue (Documentation/scheduler/sched-stats.rst)."""
    with contextlib.suppress(OSError, ValueError):
        _ran, waited, _times = map(int, path.read_text(encoding="ascii").split())
        return waited / 1e9
    return None


def _less(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
