"""A Jetson's power mode, and whether its clocks are held at their highest."""

from __future__ import annotations

import re
from typing import Any

from seatrial.engines.machine.rails import watts_by_rail
from seatrial.engines.machine.system import System, integer, printable

_CPU = "sys/devices/system/cpu"
_CLOCKS = re.compile(r"^(cpu\d+:|GPU\b).*?\bMinFreq=(\d+)\s+MaxFreq=(\d+)\s+CurrentFreq=(\d+)")
_OFFLINE = re.compile(r"\bOnline=0\b")
# The GPU's clock: names of its device on Nano and TX1, TX2, Xavier, Orin, and since JetPack 6.
_GPU = re.compile(r"^(57000000|17000000)\.(gpu|gp10b|gv11b|ga10b)$|^gpu$|^gpu-gpc-0$")


def describe_jetson(system: System) -> dict[str, Any] | None:
    """power_mode: its name, as MAXN or 15W; power_mode_id; jetson_clocks: whether processor and GPU are held at the
    highest clock of the mode; gpu_mhz, gpu_mhz_max; rails_watts: rail -> watts. None where this is no Jetson, each None
    where the system does not tell.

    Jetson Linux Developer Guide, "Supported Modes and Power Efficiency" and "Maximizing Jetson Performance".
    """
    if not is_jetson(system):
        return None
    name, number = power_mode(system)
    gpu = _gpu(system)
    return {
        "power_mode": name,
        "power_mode_id": number,
        "jetson_clocks": _held(system),
        "gpu_mhz": _mhz(system, gpu, "cur_freq"),
        "gpu_mhz_max": _mhz(system, gpu, "max_freq"),
        "rails_watts": watts_by_rail(system) or None,
    }


def is_jetson(system: System) -> bool:
    """True on a Jetson, in a container, too."""
    return (
        system.text("etc/nv_tegra_release") is not None
        or "nvidia,tegra" in (system.text("proc/device-tree/compatible") or "")
        or "jetson" in (system.text("proc/device-tree/model") or "").lower()
    )


def power_mode(system: System) -> tuple[str | None, int | None]:
    """(name, number) by `nvpmodel -q`, which some releases give to root alone; else by the files that it keeps."""
    said = parse_nvpmodel(system.run(["nvpmodel", "-q"]))
    if said != (None, None):
        return said
    kept = re.search(r"pmode:(\d+)", system.text("var/lib/nvpmodel/status") or "")
    number = integer(kept.group(1)) if kept else None
    names = re.findall(
        r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)\s*>", system.text("etc/nvpmodel.conf") or "", re.MULTILINE
    )
    return next((printable(name) for one, name in names if integer(one) == number), None), number


def parse_nvpmodel(text: str | None) -> tuple[str | None, int | None]:
    """The line `NV Power Mode: NAME` of `nvpmodel -q`, and the number below it. Warnings may stand above."""
    lines = [line.strip() for line in (text or "").splitlines()]
    for place, line in enumerate(lines):
        if line.startswith("NV Power Mode:"):
            name = printable(line.partition(":")[2]) or None
            return name, integer(lines[place + 1]) if place + 1 < len(lines) else None
    return None, None


def parse_clocks(text: str | None) -> bool | None:
    """Of `jetson_clocks --show`: True where every core that is on, and the GPU, has no clock to choose from.

    None where it shows none: for other users than root it shows an error.
    """
    held = []
    for line in (text or "").splitlines():
        found = _CLOCKS.match(line.strip())
        if found and not _OFFLINE.search(line):
            held.append(found.group(2) == found.group(3))
    return all(held) if held else None


def _held(system: System) -> bool | None:
    """By the files that the command sets, which all users may read; else by the command."""
    lowest = [system.integer(path) for path in system.find(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_min_freq")]
    highest = [system.integer(path) for path in system.find(f"{_CPU}/cpu[0-9]*/cpufreq/scaling_max_freq")]
    gpu = _gpu(system)
    pairs = list(zip(lowest, highest, strict=False))
    if gpu is not None:
        pairs.append((system.integer(f"{gpu}/min_freq"), system.integer(f"{gpu}/max_freq")))
    known = [(low, high) for low, high in pairs if low is not None and high is not None]
    if known:
        return all(low == high for low, high in known)
    return parse_clocks(system.run(["jetson_clocks", "--show"]))


def _gpu(system: System) -> str | None:
    return next((path for path in system.find("sys/class/devfreq/*") if _GPU.match(path.rpartition("/")[2])), None)


def _mhz(system: System, folder: str | None, name: str) -> float | None:
    hertz = None if folder is None else system.integer(f"{folder}/{name}")
    return None if hertz is None or hertz <= 0 else round(hertz / 1e6, 3)
