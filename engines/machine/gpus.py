"""NVIDIA's graphics cards, as the driver's own tool lists them."""

from __future__ import annotations

import csv
import shutil
import subprocess
from typing import Any

_FIELDS = ("index", "name", "compute_cap", "driver_version", "memory.total")
_LONGEST = 1000
_SMI_S = 10.0


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


def parse_gpus(text: str) -> list[dict[str, Any]]:
    """Lines of nvidia-smi's CSV -> index, name, compute_capability, driver, memory_bytes; None for `[N/A]`."""
    gpus = []
    lines = [line for line in text.splitlines() if len(line) <= _LONGEST]
    for row in csv.reader(lines, skipinitialspace=True, quoting=csv.QUOTE_NONE):
        if len(row) != len(_FIELDS) or not row[0].isdecimal():
            continue
        index, name, capability, driver, mib = (None if "N/A" in value else value.strip() for value in row)
        gpus.append(
            {
                "index": int(index or 0),
                "name": name,
                "compute_capability": capability,
                "driver": driver,
                "memory_bytes": int(mib) << 20 if mib is not None and mib.isdecimal() else None,
            }
        )
    return gpus
