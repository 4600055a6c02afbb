"""Where TensorRT comes from on this machine, and the lines that bring it here."""

from __future__ import annotations

import ctypes
import functools
import sys
from pathlib import Path

from seatrial.engines.cuda.driver_api import INSTALL_12

# The packages of TensorRT 11 are built for CUDA 13, whose least driver is of CUDA 13.0; those of 10.x come for CUDA 12,
# too (support matrices of TensorRT 10.16 and 11.4).
_CUDA_13 = 13000
_FRESH = "pip install 'seatrial[trt]'"
_OLDER_PACKAGE = "tensorrt-cu12>=10.3,<11"
_OLDER = f"pip install '{_OLDER_PACKAGE}' && {INSTALL_12}"
_CUDA_PYTHON, _CUDA_PYTHON_12 = "cuda-python>=12.6", "cuda-python>=12.6,<13"
_ENVIRONMENT = "python3 -m venv --system-site-packages .venv"


def install_line(root: Path = Path("/")) -> str:
    """What to do for TensorRT, in a command or two: by what the machine is, and by its driver."""
    here = _of_the_system(root)
    if is_jetson(root):
        if here is None:
            return f"sudo apt-get install python3-libnvinfer, then {_ENVIRONMENT} and, in it, {INSTALL_12}"
        return f"{_ENVIRONMENT} and, in it, {INSTALL_12} (JetPack's TensorRT lies at {here})"
    if here is not None:
        return f"{_ENVIRONMENT} (the system's TensorRT lies at {here})"
    return _OLDER if _is_older() else _FRESH


def cuda_requirement(root: Path = Path("/")) -> str:
    """What pip brings to reach CUDA from Python, by the driver."""
    return _CUDA_PYTHON_12 if is_jetson(root) or _is_older() else _CUDA_PYTHON


def tensorrt_requirement(root: Path = Path("/")) -> str | None:
    """What pip brings for TensorRT, by the driver; None where the system's own is to be taken (`install_line`)."""
    if is_jetson(root) or _of_the_system(root) is not None:
        return None
    return _OLDER_PACKAGE if _is_older() else "tensorrt>=10.13"


def is_jetson(root: Path = Path("/")) -> bool:
    """Whether this is one of NVIDIA's boards: L4T's release file, which every JetPack has."""
    return (root / "etc/nv_tegra_release").exists()


def _of_the_system(root: Path) -> Path | None:
    """Where Debian's packages have put TensorRT for this Python, whose own environment may not look there."""
    number = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = [root / f"usr/lib/python{version}/dist-packages/tensorrt" for version in (number, "3")]
    return next((folder for folder in found if folder.is_dir()), None)


def _is_older() -> bool:
    version = driver_version()
    return version is not None and version < _CUDA_13


@functools.cache
def driver_version() -> int | None:
    """The CUDA version of the driver, 12060 for 12.6; None without a driver."""
    try:
        version, driver = ctypes.c_int(), ctypes.CDLL("libcuda.so.1")
        return version.value if driver.cuDriverGetVersion(ctypes.byref(version)) == 0 else None
    except (OSError, AttributeError):
        return None
