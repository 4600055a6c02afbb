"""The Python of a board, as far as it decides which wheels fit, and what the system has that no index does."""

from __future__ import annotations

import glob
import importlib.metadata
import importlib.util
import json
import os
import platform
import struct
import sys
from pathlib import Path
from typing import Any

# Where Debian and JetPack put the Python packages of their own: TensorRT is one of them.
_SYSTEM_PACKAGES = "/usr/lib/python3*/dist-packages"
_CUDA = Path("/usr/local/cuda/version.json")
_MODEL = Path("/proc/device-tree/model")
_LONGEST = 200


def describe() -> dict[str, Any]:
    """JSON values. version: of this Python; machine: as `uname -m`; bits: of this Python, which may be 32 on a 64-bit
    machine; libc: name and version, empty where it is not the GNU C library. base: the Python that environments are
    made of; ensurepip: whether it brings pip. tensorrt, cuda: versions of the system's, null where there is none.
    board: its model.
    """
    return {
        "version": list(sys.version_info[:3]),
        "implementation": sys.implementation.name,
        "threads_free": not getattr(sys, "_is_gil_enabled", lambda: True)(),
        "machine": platform.machine(),
        "bits": 8 * struct.calcsize("P"),
        "libc": list(platform.libc_ver()),
        "base": base(),
        "in_environment": sys.prefix != sys.base_prefix,
        "ensurepip": importlib.util.find_spec("ensurepip") is not None,
        "tensorrt": system_version("tensorrt"),
        "cuda": _cuda(),
        "board": _first(_MODEL),
    }


def base() -> str:
    """The interpreter behind the environment that this one may be."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def system_version(package: str) -> str | None:
    """The version of a package of the system's own, for this Python; empty where it does not tell."""
    here = f"/python{sys.version_info[0]}.{sys.version_info[1]}/"
    for folder in glob.glob(_SYSTEM_PACKAGES):  # noqa: PTH207  (folders that are there or not)
        if "/python3/" not in f"{folder}/" and here not in f"{folder}/":
            continue
        for found in importlib.metadata.distributions(path=[folder]):
            if (found.metadata["Name"] or "").lower() == package:
                return found.version
        if os.path.isdir(f"{folder}/{package}"):  # noqa: PTH112
            return ""
    return None


def _cuda() -> str | None:
    try:
        return str(json.loads(_CUDA.read_text(encoding="utf-8"))["cuda"]["version"])[:_LONGEST]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _first(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")[:_LONGEST] or None
    except OSError:
        return None
