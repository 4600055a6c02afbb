"""Which version of TensorRT is installed, found without importing it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools

# Distributions that hold a module: the wheels by CUDA version, their bindings alone, and NVIDIA's Debian packages,
# which call themselves by the module's name.
_DISTRIBUTIONS = {
    "tensorrt": (
        "tensorrt",
        *(f"tensorrt_cu{cuda}{part}" for cuda in (13, 12, 11) for part in ("", "_bindings")),
    ),
    "tensorrt_rtx": (
        "tensorrt_rtx",
        *(f"tensorrt_rtx_cu{cuda}{part}" for cuda in (13, 12) for part in ("", "_bindings")),
    ),
}


def installed_version(module: str) -> str | None:
    """The version of `tensorrt` or `tensorrt_rtx`, None where it is not installed.

    The module is imported where no package tells, or two tell otherwise.
    """
    if importlib.util.find_spec(module) is None:
        return None
    found = set()
    for name in _DISTRIBUTIONS[module]:
        try:
            found.add(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    if len(found) == 1:
        return found.pop()
    return str(importlib.import_module(module).__version__)


def numbers(version: str) -> tuple[int, ...]:
    """In numbers, to compare: (10, 13, 3, 9) for "10.13.3.9"."""
    parts = itertools.takewhile(str.isdigit, version.split("."))
    return tuple(map(int, parts)) or (0,)
