"""How much an operator multiplies, from the shapes it met: one count for all engines."""

from __future__ import annotations

from engines.work.formulas import Shape
from engines.work.operators import COUNTED, Attributes, Product, products

__all__ = ["COUNTED", "Attributes", "Product", "Shape", "products"]
