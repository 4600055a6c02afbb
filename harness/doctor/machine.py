"""The machine itself: processor, memory, GPUs, as far as the system tells."""

from __future__ import annotations

import csv
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil

from seatrial.engines.cpu import processor
from seatrial.engines.machine import as_reading, changes
from seatrial.harness.doctor.child import ask
from seatrial.harness.records.environment import describe_environment

# Word -> the features of a processor that stand for it: x86's, then ARM's. They decide which kernels a runtime takes.
INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "AVX2": ("avx2",),
    "AVX512": ("avx512f",),
    "VNNI": ("avx_vnni", "avx512_vnni"),
    "AVX512-BF16": ("avx512_bf16",),
    "AVX512-FP16": ("avx512_fp16",),
    "AMX-INT8": ("amx_int8",),
    "AMX-BF16": ("amx_bf16",),
    "DOTPROD": ("asimddp",),
    "I8MM": ("i8mm",),
    "ARM-BF16": ("bf16",),
    "ARM-FP16": ("asimdhp",),
    "SVE": ("sve",),
}
_FIELDS = ("index", "name", "compute_cap", "driver_version", "memory.total")
_SMI_S = 10.0
# A reading takes a third of a second; its tools and NVML may hang.
_STATE_S = 20.0


def describe_machine() -> dict[str, Any]:
    """JSON values; None where the system does not tell. Memory in bytes.

    now: a reading of `engines.machine`; disturbs: sentences on what makes times less sure there, None where there is no
    reading. meters: name and what it measures, of those that can be read; meters_refused: sentences on the others.
    """
    environment = describe_environment()
    state = _state()
    gpus, problem = find_gpus(state["gpus"])
    return {
        "processor": environment["processor"],
        "machine": platform.machine(),
        "instructions": instructions(processor().features),
        "integers": processor().integers,
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "memory_available_bytes": int(psutil.virtual_memory().available),
        "system": environment["system"],
        "python": environment["python"],
        "board": _board(),
        "gpus": gpus,
        "gpu_problem": problem,
        "now": state["reading"],
        "disturbs": None if state["reading"] is None else changes(state["reading"], [], state["reading"]),
        "meters": state["meters"],
        "meters_refused": state["refused"],
    }


def instructions(flags: frozenset[str]) -> list[str]:
    """The words of INSTRUCTIONS whose flags are there."""
    return [word for word, names in INSTRUCTIONS.items() if flags.intersection(names)]


def find_gpus(by_nvml: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """NVIDIA GPUs by nvidia-smi, else those that NVML's Python module has found; and what went wrong, None where
    nothing did. Both may be missing.
    """
    smi, problem = shutil.which("nvidia-smi"), None
    if smi is not None:
        try:
            done = subprocess.run(  # noqa: S603  (the driver's own tool, without a shell)
                [smi, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"],
                capture_output=True,
                text=True,
                timeout=_SMI_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return [], f"nvidia-smi does not answer within {_SMI_S:g} s: the driver hangs"
        except OSError as error:
            problem = f"nvidia-smi cannot be run: {error}"
        else:
            if done.returncode == 0:
                return parse_gpus(done.stdout), None
            said = (done.stdout + done.stderr).strip().splitlines()
            problem = f"nvidia-smi: {said[0] if said else f'exit status {done.returncode}'}"
    return by_nvml, None if by_nvml else problem


def _state() -> dict[str, Any]:
    said: dict[str, Any] = {"gpus": [], "reading": None, "meters": [], "refused": []}
    for line in ask("seatrial.harness.doctor.state", [], _STATE_S).lines:
        said.update(line)
    return {**said, "reading": None if said["reading"] is None else as_reading(said["reading"])}


def parse_gpus(text: str) -> list[dict[str, Any]]:
    """Lines of nvidia-smi's CSV -> index, name, compute_capability, driver, memory_bytes; None for `[N/A]`."""
    gpus = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) != len(_FIELDS) or not row[0].isdigit():
            continue
        index, name, capability, driver, mib = (None if "N/A" in value else value.strip() for value in row)
        gpus.append(
            {
                "index": int(index or 0),
                "name": name,
                "compute_capability": capability,
                "driver": driver,
                "memory_bytes": int(mib) << 20 if mib is not None and mib.isdigit() else None,
            }
        )
    return gpus


def _board() -> str | None:
    """The name of a single-board computer, a Jetson for instance."""
    text = _read("/proc/device-tree/model")
    return text.strip("\0\n ") or None if text else None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
