"""TensorRT and TensorRT-RTX."""

from __future__ import annotations

from seatrial.engines.tensorrt.engine import TensorRtEngine, TensorRtRtxEngine

__all__ = ["TensorRtEngine", "TensorRtRtxEngine"]
