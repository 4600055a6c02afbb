"""NVIDIA's GPUs by NVML, where nvidia-smi is missing; runs in a process of its own (`harness.doctor.child`)."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    """Writes one line of JSON to standard output: `gpus`, as `harness.doctor.machine` has them."""
    sys.stdout.write(json.dumps({"gpus": _gpus(), "done": True}) + "\n")


def _gpus() -> list[dict[str, Any]]:
    try:
        pynvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    driver = _text(pynvml.nvmlSystemGetDriverVersion())
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        found.append(
            {
                "index": index,
                "name": _text(pynvml.nvmlDeviceGetName(handle)),
                "compute_capability": f"{major}.{minor}",
                "driver": driver,
                "memory_bytes": int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
            }
        )
    return found


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
