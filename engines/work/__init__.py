"""How much an operator multiplies, from the shapes it met: one count for all engines."""

from __future__ import annotations

from seatrial.engines.work.formulas import Shape
from seatrial.engines.work.operators import COUNTED, Attributes, Product, products

__all__ = ["COUNTED", "Attributes", "Product", "Shape", "products"]
