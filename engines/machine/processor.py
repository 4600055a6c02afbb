"""The processor's cores, clocks and what sets them."""

from __future__ import annotations

import os
import platform
from typing import Any

from seatrial.engines.machine.system import System, integer, printable

_CPU = "sys/devices/system/cpu"
_MOST_CORES = 1 << 16


def describe_processor(system: System) -> dict[str, Any]:
    """processor: its name, or the board's. model: of a board, by its device tree. load: of the last 1, 5 and 15
    minutes. cores: online. affinity: those that this process may use. threads: of this process. governor, driver:
    cpufreq's; several governors joined by commas. mhz: of each core now. mhz_max: of the fastest core. mhz_limit: the
    highest that its settings allow now. turbo: whether it may go beyond its base clock. None where the system does not
    tell.

    Files: Linux, Documentation/admin-guide/pm/cpufreq.rst and intel_pstate.rst.
    """
    return {
        "processor": processor_name(system),
        "model": system.word("proc/device-tree/model"),
        "load": _load(system),
        "cores": _cores(system),
        "affinity": _affinity(system),
        "threads": _threads(system),
        "governor": governor(system),
        "driver": system.word(f"{_CPU}/cpu0/cpufreq/scaling_driver"),
        "mhz": clocks(system),
        "mhz_max": _highest(system, "cpuinfo_max_freq"),
        "mhz_limit": _highest(system, "scaling_max_freq"),
        "turbo": _turbo(system),
    }


def processor_name(system: System) -> str | None:
    """As its maker sells it, or the board that it sits on; None where the system does not tell."""
    for line in (system.text("proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return printable(value)
    return (platform.processor() or None) if system.is_this else None


def governor(system: System) -> str | None:
    """The cores' governor; where they differ, all of them, joined by commas."""
    found = [system.word(path) for path in system.find(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_governor")]
    return ", ".join(sorted({word for word in found if word})) or None


def clocks(system: System) -> list[float] | None:
    """MHz of each core now. A virtual machine tells what its host promised."""
    found = [system.integer(path) for path in system.find(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_cur_freq")]
    if known := [round(khz / 1000, 3) for khz in found if khz is not None and khz > 0]:
        return known
    listed = []
    for line in (system.text("proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "cpu MHz":
            listed.append(_number(value))
    return [mhz for mhz in listed if mhz is not None and 0 < mhz < 1e6] or None


def parse_cores(text: str | None) -> list[int] | None:
    """Linux's list of cores: `0-3,8` -> [0, 1, 2, 3, 8]. None for what is none."""
    found: list[int] = []
    for part in (text or "").split(","):
        first, _, last = part.strip().partition("-")
        begin, end = integer(first), integer(last or first)
        if begin is None or end is None or not 0 <= begin <= end < _MOST_CORES:
            return None
        found += range(begin, end + 1)
    return found


def _load(system: System) -> list[float] | None:
    words = [_number(word) for word in (system.text("proc/loadavg") or "").split()[:3]]
    known = [word for word in words if word is not None]
    if len(known) == 3:
        return known
    if system.is_this and hasattr(os, "getloadavg"):
        try:
            return [round(value, 2) for value in os.getloadavg()]
        except OSError:
            return None
    return None


def _cores(system: System) -> int | None:
    online = parse_cores(system.text(f"{_CPU}/online"))
    if online is not None:
        return len(online)
    return os.cpu_count() if system.is_this else None


def _affinity(system: System) -> list[int] | None:
    if system.is_this and hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return parse_cores(_status(system).get("Cpus_allowed_list"))


def _threads(system: System) -> int | None:
    return integer(_status(system).get("Threads"))


def _status(system: System) -> dict[str, str]:
    lines = (system.text("proc/self/status") or "").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _highest(system: System, name: str) -> float | None:
    found = [system.integer(path) for path in system.find(f"{_CPU}/cpu[0-9]*/cpufreq/{name}")]
    return max((round(khz / 1000, 3) for khz in found if khz is not None and khz > 0), default=None)


def _turbo(system: System) -> bool | None:
    off = system.integer(f"{_CPU}/intel_pstate/no_turbo")
    if off is not None:
        return off == 0
    boost = system.integer(f"{_CPU}/cpufreq/boost")
    return None if boost is None else boost != 0


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
