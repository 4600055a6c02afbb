"""What is here, by the words that steps need it by."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.cpu import processor
from seatrial.engines.hardware import gpu_family, processor_family
from seatrial.engines.machine.gpus import find_gpus
from seatrial.engines.machine.processor import processor_name
from seatrial.engines.machine.system import System
from seatrial.engines.tensorrt.install import driver_version, is_jetson

_TRTEXEC = Path("/usr/src/tensorrt/bin/trtexec")


@dataclasses.dataclass(frozen=True)
class Machine:
    """gpus: as `engines.machine.gpus.find_gpus`; problem: what went wrong while they were looked for. driver: CUDA's
    version of it, 12060 for 12.6, None without one. installing: whether steps may bring packages.
    """

    gpus: tuple[Mapping[str, Any], ...]
    problem: str | None
    driver: int | None
    jetson: bool
    installing: bool

    def missing(self, word: str) -> str | None:
        """Why a step that needs it cannot be; None where it is here. Looked for anew each time: steps install."""
        importlib.invalidate_caches()
        if word in ENGINES:
            engine = ENGINES[word]
            return None if engine.is_installed() else str(engine.not_installed())
        return _LOOK[word](self)

    @property
    def has_gpu(self) -> bool:
        """An NVIDIA GPU with its driver."""
        return self.driver is not None and (bool(self.gpus) or self.jetson)


def look(*, installing: bool) -> Machine:
    """Looks at this machine; loads the driver's library alone."""
    gpus, problem = find_gpus([])
    return Machine(tuple(gpus), problem, driver_version(), is_jetson(), installing)


def trtexec() -> str | None:
    """The path of NVIDIA's own tool."""
    return shutil.which("trtexec") or (str(_TRTEXEC) if _TRTEXEC.is_file() else None)


def hardware_of(device: str, described: Mapping[str, Any], machine: Machine) -> dict[str, str]:
    """family, hardware and driver of a target's device; described: what its engine says of itself."""
    if device == "cpu":
        name = processor_name(System()) or platform.machine()
        return {"family": processor_family(processor()), "hardware": _plain(name), "driver": ""}
    first: Mapping[str, Any] = machine.gpus[0] if machine.gpus else {}
    capability = described.get("gpu_compute_capability") or first.get("compute_capability")
    return {
        "family": gpu_family(capability) or "unknown",
        "hardware": _plain(described.get("gpu") or first.get("name") or "unknown"),
        "driver": _plain(first.get("driver") or described.get("driver") or ""),
    }


def _plain(text: object) -> str:
    """As `engines.hardware` takes it."""
    kept = "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in " .,:;()+/@_'-") else " " for sign in str(text)
    )
    return " ".join(kept.split())[:100]


def _gpu(machine: Machine) -> str | None:
    if machine.driver is None:
        return "no NVIDIA driver: there is no libcuda.so.1, or it does not answer"
    return None if machine.has_gpu else machine.problem or "no NVIDIA GPU that nvidia-smi shows"


def _module(name: str, install: str) -> Callable[[Machine], str | None]:
    return lambda machine: None if _has(name) else f"not installed: pip install {install}"


def _has(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


_LOOK: Mapping[str, Callable[[Machine], str | None]] = {
    "gpu": _gpu,
    "installing": lambda machine: None if machine.installing else "nothing is installed without --install",
    "x86": lambda machine: None if processor().is_x86 else f"there is no package of it for {platform.machine()}",
    "jetson": lambda machine: None if machine.jetson else "DLA is on Jetson and DRIVE alone",
    "nvcc": lambda machine: None if shutil.which("nvcc") else "PyCUDA is built from its source, and nvcc is not here",
    "trtexec": lambda machine: None if trtexec() else f"trtexec is neither on the path nor at {_TRTEXEC}",
    "cuda-python": _module("cuda", "cuda-python"),
    "pycuda": _module("pycuda", "pycuda"),
    "torch": _module("torch", "torch"),
}
