"""Inputs that were never asked before: a sample with one value changed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Steps between the smallest and the largest value: a sixteenth of what one level of an 8-bit pixel is.
_STEPS = 4096
# Places follow one another by this, about the golden section of a sample's size, so that they lie all over it.
_SECTION = (math.sqrt(5) - 1) / 2


class Freshener:
    """Changes one value after the other, first by the smallest step. No two changes of a process are alike: an input
    comes again after as many as a sample has values, times the steps between them.
    """

    def __init__(self, samples: Array) -> None:
        """samples: [S, ...]. What is changed stays within their smallest and largest value."""
        self._whole = samples.dtype.kind in "iu"
        self._low, self._high = samples.min().item(), samples.max().item()
        if self._low == self._high:  # all alike: one other value has to do
            self._high = self._low + 1 if not self._whole or self._low < np.iinfo(samples.dtype).max else self._low
            self._low = self._low if self._high > self._low else self._low - 1
        self._size = int(np.prod(samples.shape[1:]))
        self._stride = _coprime(self._size)
        self._number = itertools.count()

    def change(self, sample: Array) -> None:
        """sample: flat, one input, changed in place."""
        number = next(self._number)
        at = number * self._stride % self._size
        sample[at] = self._other(sample[at], number // self._size)

    def _other(self, value: Any, times: int) -> Any:
        """A value that is not that one."""
        low, high, old = self._low, self._high, value.item()
        if self._whole:
            step: float = 1 + times % (high - low)
        else:
            step = (1 + times % (_STEPS - 1)) * (high - low) / _STEPS
        new = old + step
        if not low <= new <= high:
            new = old - step
        if not low <= new <= high:  # a whole step beyond both ends: from the other one on
            new = low if old != low else high
        if not self._whole and value.dtype.type(new) == value:  # the step is smaller than the type can tell
            return np.nextafter(value, value.dtype.type(low if old != low else high))
        return new


def _coprime(size: int) -> int:
    stride = max(1, round(size * _SECTION))
    while math.gcd(stride, size) != 1:
        stride += 1
    return stride
