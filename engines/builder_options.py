"""What can be asked of an engine that has a builder (TensorRT and ONNX Runtime's TensorRT providers)."""

from __future__ import annotations

import dataclasses
import re

from seatrial.bounds import MOST_BATCH, at_least
from seatrial.errors import UsageError


@dataclasses.dataclass(frozen=True)
class BuilderOptions:
    """max_batch: largest batch of the optimisation profile, which reaches from 1 and is tuned for 1.

    level: builder optimisation level, 0 to 5, None for the runtime's own. workspace_mib: limit of a layer's scratch
    memory, None for the device's. timing_cache: keep measured kernel times between builds. version_compatible,
    hardware_compatible: plans that other versions or other GPUs load, slower. cuda_graph: record a single query once
    and replay it. compute_capability: "8.9", the GPU to build for where none is at hand; None for the one here.
    """

    max_batch: int = 64
    level: int | None = None
    workspace_mib: int | None = None
    timing_cache: bool = True
    version_compatible: bool = False
    hardware_compatible: bool = False
    cuda_graph: bool = True
    compute_capability: str | None = None

    def __post_init__(self) -> None:
        """UsageError for numbers that none can be."""
        at_least(1, MOST_BATCH, max_batch=self.max_batch)
        at_least(1, workspace_mib=self.workspace_mib)
        if self.level is not None and not 0 <= self.level <= 5:
            raise UsageError(f"--builder-level is {self.level}; it must be from 0 to 5.")
        if self.compute_capability is not None and re.fullmatch("[1-9][0-9]?[.][0-9]", self.compute_capability) is None:
            raise UsageError(f"--compute-capability {self.compute_capability!r} is none: it looks like 8.9.")
