"""Whether a model answers alike: the same images twice, beside other images, in another order, and alone."""

from __future__ import annotations

from seatrial.harness.alike.answers import IMAGES
from seatrial.harness.alike.settle import Findings, settle

__all__ = ["IMAGES", "Findings", "settle"]
