"""What a container may take of its machine's processor and memory."""

from __future__ import annotations

from typing import Any

from seatrial.engines.machine.system import System, integer

_TOP = "sys/fs/cgroup"


def describe_container(system: System) -> dict[str, Any]:
    """cores: how many cores' time the control groups of this process grant it, None for no limit. throttled_s,
    throttled_times: how long, and in how many periods, it was stopped for having used that up, since the group began;
    None where the system does not tell.

    Files: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max, cpu.stat) and scheduler/sched-bwc.rst (version 1).
    """
    second, first = _paths(system)
    limits = [_limit_of_two(system.text(f"{folder}/cpu.max")) for folder in second]
    limits += [
        _limit(system.integer(f"{folder}/cpu.cfs_quota_us"), system.integer(f"{folder}/cpu.cfs_period_us"))
        for folder in first
    ]
    stopped_s: float | None = None
    times: int | None = None
    for folder in (*second, *first):
        counts = _counts(system.text(f"{folder}/cpu.stat"))
        # Microseconds in version 2, nanoseconds in version 1.
        spent = _scaled(counts.get("throttled_usec"), 1e-6)
        if spent is None:
            spent = _scaled(counts.get("throttled_time"), 1e-9)
        if spent is not None:
            stopped_s = max(spent, stopped_s or 0.0)
            times = max(counts.get("nr_throttled", 0), times or 0)
    return {
        "cores": min((limit for limit in limits if limit is not None), default=None),
        "throttled_s": stopped_s,
        "throttled_times": times,
    }


def _paths(system: System) -> tuple[list[str], list[str]]:
    """Folders of this process's groups and all above them, of version 2 and of version 1, innermost first."""
    second, first = [_TOP], [f"{_TOP}/cpu", f"{_TOP}/cpu,cpuacct"]
    for line in (system.text("proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        # A group outside of what this process sees is spelled with `..`.
        parts = [part for part in path.split("/") if part]
        if ".." in parts:
            continue
        above = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
        if number == "0" and not kinds:
            second = [*(f"{_TOP}/{one}" for one in above), _TOP]
        elif "cpu" in kinds.split(","):
            first = [f"{top}/{one}" for top in first[-2:] for one in above] + first[-2:]
    return second, first


def _limit_of_two(text: str | None) -> float | None:
    words = (text or "").split()
    return _limit(integer(words[0]), integer(words[1])) if len(words) == 2 else None


def _limit(quota: int | None, period: int | None) -> float | None:
    return quota / period if quota is not None and period is not None and quota > 0 and period > 0 else None


def _counts(text: str | None) -> dict[str, int]:
    found = {}
    for line in (text or "").splitlines():
        name, _, value = line.partition(" ")
        number = integer(value.strip())
        if number is not None and number >= 0:
            found[name] = number
    return found


def _scaled(count: int | None, unit: float) -> float | None:
    return None if count is None else round(count * unit, 6)
