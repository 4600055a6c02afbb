"""How many multiply-accumulates a computed node took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.engines.work import Shape, products


def macs(op: str, inputs: Sequence[Shape | None], output: Shape, attributes: Mapping[str, Any]) -> int | None:
    """Multiply-accumulates of one node over its whole batch, from the shapes it met; None for an op without any.

    inputs: at their positions, None for those that are not there.
    """
    found = products("", op, inputs, [output], attributes)
    if found is None:
        raise NotImplementedError(f"nobody counts what {op} multiplies")
    return sum(product.macs for product in found) or None
