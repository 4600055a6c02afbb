"""ONNX -> a built engine -> logits; and the audit of what was really built."""

from __future__ import annotations

from seatrial.engines.audit import Audit, Layer
from seatrial.engines.base import BuildRequest, Engine
from seatrial.engines.registry import ENGINES

__all__ = ["ENGINES", "Audit", "BuildRequest", "Engine", "Layer", "build"]


def build(name: str, request: BuildRequest) -> Engine:
    """Builds `request` with the engine of that name or short name; use the result as a context manager.

    Raises UsageError (unknown engine), UnsupportedError (not installed, or no such precision or device there) or
    BuildError (the runtime refuses the graph).
    """
    return ENGINES[name](request)
