"""NVIDIA's GPUs through the driver's own command, where NVML's bindings are not installed."""

from __future__ import annotations

import csv
from typing import Any

from seatrial.engines.machine.nvml import decode_reasons
from seatrial.engines.machine.system import System, integer, printable

_FIELDS = (
    "name",
    "clocks.sm",
    "clocks.mem",
    "clocks.max.sm",
    "temperature.gpu",
    "power.draw",
    "enforced.power.limit",
    "memory.used",
)
# The last field's name since driver 535, and before.
_REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
_LONGEST = 1000
# nvml.h: nvmlClocksEventReason*, which the command prints as one hexadecimal number.
_BITS = {
    "GpuIdle": 0x1,
    "ApplicationsClocksSetting": 0x2,
    "SwPowerCap": 0x4,
    "HwSlowdown": 0x8,
    "SyncBoost": 0x10,
    "SwThermalSlowdown": 0x20,
    "HwThermalSlowdown": 0x40,
    "HwPowerBrakeSlowdown": 0x80,
    "DisplayClockSetting": 0x100,
}


def readings(system: System) -> list[dict[str, Any]]:
    """As `Nvml.readings`, less what the command does not tell: the memory of this process, and other processes."""
    for reasons in _REASONS:
        said = system.run(
            ["nvidia-smi", f"--query-gpu={','.join((*_FIELDS, reasons))}", "--format=csv,noheader,nounits"]
        )
        if said is not None:
            return parse(said)
    return []


def parse(text: str) -> list[dict[str, Any]]:
    """Lines of its CSV; `[N/A]` and the like are None."""
    found = []
    lines = [line for line in text.splitlines() if len(line) <= _LONGEST]
    for row in csv.reader(lines, skipinitialspace=True, quoting=csv.QUOTE_NONE):
        if len(row) != len(_FIELDS) + 1:
            continue
        name, *numbers, reasons = (value.strip() for value in row)
        mhz, memory_mhz, mhz_max, celsius, watts, limit, mib = map(_number, numbers)
        bits = _hexadecimal(reasons)
        slowed, chosen = (None, None) if bits is None else decode_reasons(bits, _BITS.get)
        found.append(
            {
                "name": printable(name) or None,
                "mhz": mhz,
                "memory_mhz": memory_mhz,
                "mhz_max": mhz_max,
                "celsius": celsius,
                "watts": watts,
                "power_limit_watts": limit,
                "throttle": slowed,
                "chosen": chosen,
                "used_bytes": None,
                "memory_used_bytes": None if mib is None else int(mib) << 20,
                "others": None,
            }
        )
    return found


def _number(text: str) -> float | None:
    whole = integer(text)
    if whole is not None:
        return whole
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _hexadecimal(text: str) -> int | None:
    if not text.lower().startswith("0x") or len(text) > 18:
        return None
    try:
        return int(text, 16)
    except ValueError:
        return None
