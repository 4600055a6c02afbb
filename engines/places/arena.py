"""Memory that the run shares with its engines: a batch is written there once and read by all of them."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import queue
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.files import disk_errors

Array = npt.NDArray[Any]
_LINE = 64


class Span:
    """An array in an arena. `array` is this process's view of it; `at` where it begins, for the other processes."""

    def __init__(self, array: Array, at: int, arena: Arena) -> None:
        self.array, self.at, self.arena = array, at, arena


class Slot:
    """One part of an arena, filled from its start."""

    def __init__(self, arena: Arena, start: int) -> None:
        self._arena, self._start, self._free = arena, start, start

    def put(self, array: Array) -> Span:
        """Copies an array in behind those that are there; ValueError where the slot is too small."""
        at = -(-self._free // _LINE) * _LINE
        if at + array.nbytes > self._start + self._arena.slot_bytes:
            raise ValueError(f"{array.nbytes} bytes do not fit into what is left of a slot.")
        view = self._arena.view(at, array.dtype, array.shape)
        view[...] = array
        self._free = at + array.nbytes
        return Span(view, at, self._arena)


class Arena:
    """`slots` parts of `slot_bytes` bytes. Holds pages only where something was written; nameless, gone with its last
    process.
    """

    def __init__(self, slot_bytes: int, slots: int, *, handle: int | None = None) -> None:
        """handle: file descriptor of an arena that another process made; owned from now on."""
        self.slot_bytes = -(-slot_bytes // _LINE) * _LINE
        self.slots = slots
        self.fileno = _anonymous(self.slot_bytes * slots) if handle is None else handle
        # Of the processes that share it, the one that made it writes.
        access = mmap.ACCESS_WRITE if handle is None else mmap.ACCESS_READ
        self._map = mmap.mmap(self.fileno, self.slot_bytes * slots, access=access)
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(slots):
            self._free.put(index)

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        """An empty part of one's own; waits until one is free."""
        index = self._free.get()
        try:
            yield Slot(self, index * self.slot_bytes)
        finally:
            self._free.put(index)

    def view(self, at: int, dtype: Any, shape: tuple[int, ...]) -> Array:
        """The array that begins there; ValueError outside of the arena."""
        return np.ndarray(shape, dtype, self._map, at)

    def close(self) -> None:
        """Lets go of the memory; views that are still there keep their pages."""
        os.close(self.fileno)
        with contextlib.suppress(BufferError):
            self._map.close()


def slot_bytes(*arrays: tuple[int, int]) -> int:
    """Size of a slot for arrays of that many values and bytes a value."""
    return sum(-(-count * size // _LINE) * _LINE for count, size in arrays)


def _anonymous(size: int) -> int:
    sealed = hasattr(os, "memfd_create")
    if sealed:
        handle = os.memfd_create("seatrial", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as stream:
            handle = os.dup(stream.fileno())
    with disk_errors(Path("the memory that is shared with the engines")):
        os.ftruncate(handle, max(size, 1))
    if sealed:  # one that shares it could otherwise cut it short under the others
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return handle
