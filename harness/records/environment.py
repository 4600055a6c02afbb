"""On what a run ran: host, processor, clocks, versions."""

from __future__ import annotations

import os
import platform
from typing import Any

from seatrial.engines.machine.processor import clocks, governor, processor_name
from seatrial.engines.machine.system import System
from seatrial.packages import installed_versions

_PACKAGES = ("numpy", "pillow", "onnx", "onnxruntime", "onnxruntime-gpu", "pyarrow", "rich", "matplotlib")


def describe_environment() -> dict[str, Any]:
    """Host facts as JSON values; null where the system does not tell."""
    versions, system = installed_versions(_PACKAGES), System()
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": processor_name(system),
        "cores": os.cpu_count(),
        "clocks_mhz": clocks(system),
        "governor": governor(system),
        "packages": {name: found for name, found in versions.items() if found is not None},
    }
