"""The demo: synthetic photographs of invented road signs, and a small network that classifies them."""

from __future__ import annotations

from pathlib import Path

from seatrial.harness.demo.classes import DEMO_CLASSES
from seatrial.harness.demo.dataset import ensure_demo_data

__all__ = ["DEMO_CLASSES", "demo_model_path", "ensure_demo_data"]


def demo_model_path() -> Path:
    """Return the path of the demo network, an ONNX file that carries its input contract and class names."""
    return Path(__file__).with_name("signs.onnx")
