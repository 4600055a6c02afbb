"""On what a run ran: host, processor, clocks, versions."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from seatrial.packages import installed_versions

_PACKAGES = ("numpy", "pillow", "onnx", "onnxruntime", "onnxruntime-gpu", "pyarrow", "rich", "matplotlib")


def describe_environment() -> dict[str, Any]:
    """Host facts as JSON values; null where the system does not tell."""
    versions = installed_versions(_PACKAGES)
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "clocks_mhz": _clocks(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "packages": {name: found for name, found in versions.items() if found is not None},
    }


def _processor() -> str | None:
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or None


def _clocks() -> list[float] | None:
    lines = (_read("/proc/cpuinfo") or "").splitlines()
    clocks = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return clocks or None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
