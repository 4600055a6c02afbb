"""seatrial tests the model that ships: built engines, asked how accurate, robust and fast they really are.

`seatrial.run`, `.merge`, `.build`, `.quantize`, `.load` and `.compare` do what the command does (`seatrial.api`).
Beside the rooms (harness, calib, engines, exporters) stands here what all of them share: errors, registries, content
hashes, atomic files and the cache folder.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seatrial.api import build, compare, load, merge, quantize, run

__version__ = "0.3.0"
# ONNX Runtime reads it when it is imported: else it writes a number of this device into the user's cache, and what it
# is used for.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# CUDA reads it when it starts: GPUs are numbered as nvidia-smi and NVML number them, and not by their speed.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
__all__ = ["__version__", "build", "compare", "load", "merge", "quantize", "run"]


def __getattr__(name: str) -> Any:
    """The calls of `seatrial.api`, imported when one is first named: an engine's process does without them."""
    if name in __all__:
        return getattr(importlib.import_module("seatrial.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
