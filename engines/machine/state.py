"""A machine as it is now, and what energy can be read: asked in a process of its own (`seatrial.question`)."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from seatrial.engines.cpu import processor
from seatrial.engines.machine.gpus import find_gpus
from seatrial.engines.machine.memory import describe_memory
from seatrial.engines.machine.meters import find_meters
from seatrial.engines.machine.nvml import open_nvml
from seatrial.engines.machine.processor import processor_name
from seatrial.engines.machine.reading import Watch
from seatrial.engines.machine.system import System

_MODEL = Path("/proc/device-tree/model")


def main() -> None:
    """Writes JSON to standard output, one object a line, each as soon as it is known: what the machine is, as
    `describe` has it; `gpus` and `gpu_problem`; `reading`, as `engines.machine.reading` has it; `meters` (name, says)
    and `refused`; `done`.
    """
    _say(describe())
    nvml = open_nvml()
    gpus, problem = find_gpus([] if nvml is None else nvml.gpus())
    _say({"gpus": gpus, "gpu_problem": problem})
    # What else asks beside this process is no other.
    _say({"reading": Watch(run_by=os.getppid()).reading()})
    meters = find_meters(System())
    _say({"meters": [{"name": one.name, "says": one.says} for one in meters.found], "refused": [*meters.refused]})
    _say({"done": True})


def describe() -> dict[str, Any]:
    """processor: its name. features: those that decide which kernels a runtime takes. board: the name of a single-board
    computer. Null where the system does not tell.
    """
    system = System()
    return {
        "processor": processor_name(system),
        "machine": platform.machine(),
        "features": sorted(processor().features),
        "integers": processor().integers,
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "memory_available_bytes": describe_memory(system)["available_bytes"],
        "system": platform.platform(),
        "python": platform.python_version(),
        "board": _board(),
    }


def _board() -> str | None:
    try:
        text = _MODEL.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.strip("\0\n ") or None


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
