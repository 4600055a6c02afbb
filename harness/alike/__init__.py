"""Whether a model answers alike: the same images twice, beside other images, in another order, and alone."""

from __future__ import annotations

from seatrial.harness.alike.answers import IMAGES
from seatrial.harness.alike.settle import AS_WRITTEN, Findings, settle

__all__ = ["AS_WRITTEN", "IMAGES", "Findings", "settle"]
