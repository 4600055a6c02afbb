"""What pip brings into the environment of the steps, by the driver."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gpukit.paths import ROOT
from gpukit.results import FAILED, PASSED, Result
from seatrial.engines.cuda.driver_api import version_words
from seatrial.engines.tensorrt.install import (
    cuda_requirement,
    driver_version,
    install_line,
    is_jetson,
    tensorrt_requirement,
)
from seatrial.errors import UnsupportedError

# TensorRT-RTX's wheels and those of PyTorch on PyPI are built for CUDA 13.
_CUDA_13 = 13000


def do(work: Path, name: str, what: str) -> Result:
    """what: cuda, tensorrt, pycuda, tensorrt-rtx or torch."""
    packages = requirements(what)
    status = pip(sys.executable, packages)
    words = f"pip install {' '.join(packages)}"
    return Result(PASSED, words) if status == 0 else Result(FAILED, f"{words}: exit status {status}; the log tells why")


def requirements(what: str) -> list[str]:
    """UnsupportedError, with the reason, where pip is not to bring it here."""
    driver = driver_version() or 0
    if what == "cuda":
        return [cuda_requirement(), "nvidia-ml-py>=13"]
    if what == "pycuda":
        return ["pycuda"]
    if what == "tensorrt":
        found = tensorrt_requirement()
        if found is None:
            raise UnsupportedError(f"The system's own TensorRT is taken: {install_line()}.")
        return [found]
    if driver < _CUDA_13:
        raise UnsupportedError(
            f"The driver is of CUDA {version_words(driver)}, and the packages of {what} are built for CUDA 13."
        )
    if what == "torch" and is_jetson():
        raise UnsupportedError("PyTorch for Jetson comes from NVIDIA: install its wheel in this environment.")
    return {"tensorrt-rtx": ["tensorrt-rtx>=1.7"], "torch": [f"{ROOT}[torch]"]}[what]


def pip(python: str | Path, packages: Sequence[str]) -> int:
    """Its exit status."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    return subprocess.run([*command, *constraints, *packages], check=False, stdin=subprocess.DEVNULL).returncode
