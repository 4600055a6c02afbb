"""What a place is, and what is installed there, as its own Python tells."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import resource
from pathlib import Path
from typing import Any

import numpy as np

from seatrial import __version__
from seatrial.engines.base import Engine
from seatrial.engines.cpu import Processor, processor
from seatrial.memory import total_memory


@dataclasses.dataclass(frozen=True)
class Facts:
    """seatrial, python, numpy: versions. system: as in `Linux`. cores: those that a process may use. memory_bytes: of
    the machine, or what its container may take.
    """

    seatrial: str
    python: str
    numpy: str
    system: str
    processor: Processor
    cores: int
    memory_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**vars(self), "processor": self.processor.to_dict()}

    @property
    def versions(self) -> str:
        """In words."""
        return f"seatrial {self.seatrial} on Python {self.python} with NumPy {self.numpy}"


@dataclasses.dataclass(frozen=True)
class EngineFacts:
    """version: of the runtime, None where it has none or is not installed."""

    installed: bool
    version: str | None


def facts_of(fields: Any) -> Facts:
    """The inverse of `Facts.to_dict`; KeyError, TypeError or ValueError for what is none."""
    found = fields["processor"]
    return Facts(
        seatrial=str(fields["seatrial"]),
        python=str(fields["python"]),
        numpy=str(fields["numpy"]),
        system=str(fields["system"]),
        processor=Processor(str(found["machine"]), frozenset(map(str, found["features"]))),
        cores=int(fields["cores"]),
        memory_bytes=int(fields["memory_bytes"]),
    )


def facts_here() -> Facts:
    """Those of this process."""
    return Facts(
        __version__,
        platform.python_version(),
        np.__version__,
        platform.system(),
        processor(),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        total_memory(),
    )


def engine_here(engine: type[Engine]) -> EngineFacts:
    """Those of an engine in this process; imports the runtime where no package tells its version."""
    installed = engine.is_installed()
    return EngineFacts(installed, engine.version() if installed else None)


def peak_memory() -> int | None:
    """The most memory that this process has had, in bytes; None where the system does not tell.

    On Linux not `getrusage`, which counts what the process that started this one had before, too.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "")
        return int(line.split()[1]) * 1024
    if platform.system() == "Darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None
