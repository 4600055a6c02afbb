"""Two pieces of known work, about a millisecond each: how long they take tells what the machine is like now."""

from __future__ import annotations

import time

import numpy as np

# Square roots of 1024 doubles, 8 KB in and 8 KB out: they fit into the first cache of every processor that runs Python,
# and have the processor compute, not Python.
_VALUES, _TIMES = 1 << 10, 600
# Copied is another piece of a long array each time, which other data have meanwhile driven out of the caches that a
# core has to itself. A cache that cores share may be larger.
_PIECE, _PIECES = 4 << 20, 8


class Probes:
    """The arrays of the work, `size` bytes from the first call on."""

    size = _PIECE * (_PIECES + 1)

    def __init__(self) -> None:
        self._values = np.linspace(1, 2, _VALUES)
        self._roots = np.empty_like(self._values)
        self._long: np.ndarray[tuple[int, int], np.dtype[np.uint8]] | None = None
        self._next = 0

    @property
    def used(self) -> int:
        """Bytes that the arrays take now."""
        return 0 if self._long is None else self.size

    def arithmetic(self) -> int:
        """Nanoseconds of arithmetic in the first cache."""
        values, roots, root = self._values, self._roots, np.sqrt
        root(values, out=roots)
        begin = time.perf_counter_ns()
        for _ in range(_TIMES):
            root(values, out=roots)
        return time.perf_counter_ns() - begin

    def memory(self) -> int:
        """Nanoseconds of copying."""
        if self._long is None:
            self._long = np.ones((_PIECES + 1, _PIECE), np.uint8)  # zeros would be pages that nobody has
        target, source = self._long[_PIECES], self._long[self._next]
        self._next = (self._next + 1) % _PIECES
        begin = time.perf_counter_ns()
        np.copyto(target, source)
        return time.perf_counter_ns() - begin
