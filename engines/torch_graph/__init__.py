"""An exact, differentiable copy of an ONNX graph in PyTorch. Importing it imports PyTorch."""

from __future__ import annotations

from seatrial.engines.torch_graph.graph import TorchGraph
from seatrial.engines.torch_graph.step import Step

__all__ = ["Step", "TorchGraph"]
