"""How many bits the integers of a weight need, whatever type stores them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Counted:
    """bits: so many hold every level. odd: the grid has odd integers alone, which lie 2 apart, and no zero."""

    bits: int
    odd: bool


def count_bits(stored: Array, centred: Array, axis: int | None) -> Counted | None:
    """Bits of the grid that a weight's integers lie on; None for a weight that is zero throughout, which tells nothing.

    stored: as in the file, `centred`: less their zero point, int64, of the same shape. axis: of the channels that have
    scales of their own, None for none: the sign of each is free, as where a negative factor was folded into it, so
    -1..2 in one and -2..1 in another are 2 bits. -3, -1, 1, 3 are 2 bits, too: levels are counted, not their span.

    >>> count_bits(np.array([-3, 1, 3]), np.array([-3, 1, 3]), None)
    Counted(bits=2, odd=True)
    >>> count_bits(np.array([[-2, 1], [2, -1]]), np.array([[-2, 1], [2, -1]]), 0)
    Counted(bits=2, odd=False)
    """
    if not centred.any():
        return None
    odd = bool((centred & 1).all())
    codes = centred >> 1 if odd else centred
    rows = codes.reshape(1, -1) if axis is None else np.moveaxis(codes, axis, 0).reshape(codes.shape[axis], -1)
    low, high = rows.min(axis=1), rows.max(axis=1)
    signed = int(np.minimum(_signed(low, high), _signed(-high, -low)).max())
    unsigned = 64 if odd or stored.min() < 0 else int(_length(stored.max()))
    return Counted(max(1, min(signed, unsigned)), odd)


def _signed(low: Array, high: Array) -> Array:
    """Bits of two's complement that hold both."""
    longest: Array = np.maximum(_length(np.maximum(high, 0)), _length(np.maximum(-low - 1, 0))) + 1
    return longest


def _length(values: Array) -> Array:
    """Binary digits of whole numbers from 0 on."""
    digits: Array = np.frexp(np.asarray(values, np.float64))[1]
    return digits
