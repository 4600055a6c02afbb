"""An environment of its own for ONNX Runtime's providers: onnxruntime and onnxruntime-gpu are the same module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gpukit.doing.install import pip
from gpukit.environment import said_by
from gpukit.paths import ROOT, folder_of, python_of
from gpukit.results import FAILED, PASSED, Result
from gpukit.steps import PROVIDERS, RTX_PROVIDER

_PACKAGES = {
    PROVIDERS: ["onnxruntime-gpu[cuda,cudnn]>=1.20"],
    RTX_PROVIDER: ["onnxruntime>=1.24", "onnxruntime-ep-nv-tensorrt-rtx"],
}


def do(work: Path, name: str, environment: str) -> Result:
    """Made, or brought up to date; TensorRT's package is the one for the CUDA that ONNX Runtime is built for."""
    python = python_of(environment)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder_of(environment))], check=True)
    packages = [f"--editable={ROOT}", "pytest", *_PACKAGES[environment]]
    status = pip(python, packages)
    if status == 0 and environment == PROVIDERS:
        cuda = (
            said_by((str(python), "-c", "import onnxruntime; print(onnxruntime.cuda_version)"))
            .partition(".")[0]
            .strip()
        )
        packages.append(f"tensorrt-cu{cuda if cuda in ('12', '13') else '13'}<11")
        status = pip(python, packages[-1:])
    freeze = work / "environment" / f"pip-freeze-{environment}.txt"
    freeze.parent.mkdir(parents=True, exist_ok=True)
    freeze.write_text(said_by((str(python), "-m", "pip", "freeze")), encoding="utf-8")
    words = f"pip install {' '.join(packages[1:])}"
    return Result(PASSED, words) if status == 0 else Result(FAILED, f"{words}: exit status {status}; the log tells why")
