"""TensorRT and TensorRT-RTX."""

from __future__ import annotations

from engines.tensorrt.engine import TensorRtEngine, TensorRtRtxEngine

__all__ = ["TensorRtEngine", "TensorRtRtxEngine"]
