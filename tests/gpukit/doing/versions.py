"""The GPU, its driver and what is installed for it; the files of `gpukit.environment` hold the rest."""

from __future__ import annotations

from pathlib import Path

from gpukit.environment import collect
from gpukit.machine import look
from gpukit.results import PASSED, Result
from seatrial.engines import ENGINES
from seatrial.engines.cuda.driver_api import version_words


def do(work: Path, name: str) -> Result:
    """Writes `environment/`."""
    machine = look(installing=False)
    written = collect(work / "environment", thorough=True)
    gpus = ", ".join(f"{gpu['name']} ({gpu['compute_capability']}, driver {gpu['driver']})" for gpu in machine.gpus)
    versions = {
        engine: ENGINES[engine].version() for engine in ("tensorrt", "tensorrt-rtx") if ENGINES[engine].is_installed()
    }
    assert machine.driver is not None
    words = f"{gpus or 'a Jetson'}, CUDA {version_words(machine.driver)}"
    return Result(PASSED, words, {"files": written, "versions": versions, "gpus": list(machine.gpus)})
