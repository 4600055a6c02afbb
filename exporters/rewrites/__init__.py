"""Rewrites of a model's graph: what another device, compiler or firmware computes in place of what the file says."""

from __future__ import annotations

from seatrial.exporters.rewrites import pooling, uint8_input, upsampling
from seatrial.exporters.rewrites.registry import REWRITES, Rewrite

__all__ = ["REWRITES", "Rewrite", "pooling", "uint8_input", "upsampling"]
