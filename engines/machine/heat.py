"""Temperatures, and what is slowed down for their sake."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seatrial.engines.machine.system import System

# What no sensor of a running machine tells: codes for one that is switched off (Jetson: -256) or broken.
_COLDEST, _HOTTEST = -60.0, 150.0
# NVIDIA's boards tell of this sensor a constant 100 (Jetson Linux Developer Guide, "Thermal Management").
_CONSTANT = re.compile("pmic", re.IGNORECASE)
# Names of sensors that sit in what computes: Intel, AMD, Arm boards, Jetson.
_COMPUTES = re.compile(r"cpu|gpu|soc|pkg|package|core|tctl|tdie|tccd|\btj\b|k10temp|zenpower", re.IGNORECASE)
# Cooling devices that take speed away, by their type: Linux, drivers/thermal (cpufreq_cooling.c, devfreq_cooling.c,
# intel_powerclamp.c) and drivers/acpi/processor_thermal.c; the alerts of Jetson's device trees. Fans take none.
_SLOWS = (
    (re.compile(r"^(thermal-)?cpufreq|^processor$|^thermal-cpu|^intel_powerclamp|cpu-throttle", re.I), "processor's"),
    (re.compile(r"^(thermal-)?devfreq|gpu", re.I), "GPU's"),
    (re.compile(r"-throttle-alert$", re.I), "chip's"),
)
_COUNTS = "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle"


def temperatures(system: System) -> dict[str, float] | None:
    """Sensor -> degrees Celsius, of thermal zones and hwmon; None where there is none.

    A name that several sensors have is numbered. Files: Linux, Documentation/driver-api/thermal/sysfs-api.rst and
    Documentation/hwmon/sysfs-interface.rst; millidegrees.
    """
    found: dict[str, float] = {}
    for zone in system.find("sys/class/thermal/thermal_zone*"):
        _add(found, system.word(f"{zone}/type") or zone.rpartition("/")[2], system.integer(f"{zone}/temp"))
    zones = {_spelled(name) for name in found}
    for path in system.find("sys/class/hwmon/hwmon*/temp*_input"):
        folder, _, file = path.rpartition("/")
        chip, label = system.word(f"{folder}/name") or "hwmon", system.word(f"{folder}/{file[: -len('input')]}label")
        # The kernel shows each thermal zone here, too.
        if label is not None or _spelled(chip) not in zones:
            _add(found, f"{chip} {label}" if label else chip, system.integer(path))
    return found or None


def hottest(celsius: Mapping[str, float] | None) -> tuple[str, float] | None:
    """The hottest sensor of what computes, or of all where none of them is known to be one: (name, degrees).

    Sensors that tell a constant are left out.
    """
    usable = {name: value for name, value in (celsius or {}).items() if not _CONSTANT.search(name)}
    computing = {name: value for name, value in usable.items() if _COMPUTES.search(name)}
    return max((computing or usable).items(), key=lambda one: one[1], default=None)


def slowed(system: System) -> list[str]:
    """What is slowed down now, in words, by the system's own cooling."""
    found = []
    for device in system.find("sys/class/thermal/cooling_device*"):
        kind, state = system.word(f"{device}/type"), system.integer(f"{device}/cur_state")
        whose = next((whose for pattern, whose in _SLOWS if kind and pattern.search(kind)), None)
        if whose is not None and state is not None and state > 0:
            most = system.integer(f"{device}/max_state")
            found.append(f"the {whose} clock is held down to cool it ({kind}, step {state}{_of(most)})")
    return found


def throttle_counts(system: System) -> dict[str, int] | None:
    """How often each core, and each package, was throttled by its temperature since boot, summed: `core`, `package`.

    x86 alone: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu.
    """
    found: dict[str, int] = {}
    cores = [system.integer(path) for path in system.find(f"{_COUNTS}/core_throttle_count")]
    # Each core tells its package's count.
    packages: dict[str, int] = {}
    for path in system.find(f"{_COUNTS}/package_throttle_count"):
        count = system.integer(path)
        folder = path.partition("/thermal_throttle")[0]
        number = system.word(f"{folder}/topology/physical_package_id") or "0"
        if count is not None:
            packages[number] = max(count, packages.get(number, 0))
    if known := [count for count in cores if count is not None]:
        found["core"] = sum(known)
    if packages:
        found["package"] = sum(packages.values())
    return found or None


def describe_heat(system: System) -> dict[str, Any]:
    """celsius, throttled (now, in words) and throttle_counts (since boot)."""
    return {
        "celsius": temperatures(system),
        "throttled": slowed(system),
        "throttle_counts": throttle_counts(system),
    }


def _add(found: dict[str, float], name: str, millidegrees: int | None) -> None:
    if millidegrees is None or not _COLDEST < millidegrees / 1000 < _HOTTEST:
        return
    spelled, number = name, 2
    while spelled in found:
        spelled, number = f"{name} {number}", number + 1
    found[spelled] = millidegrees / 1000


def _spelled(name: str) -> str:
    return name.replace("-", "_")


def _of(most: int | None) -> str:
    return "" if most is None or most <= 0 else f" of {most}"
