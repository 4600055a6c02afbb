"""What an engine asks of CUDA, whichever Python package gives it."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class DeviceInfo:
    """A GPU: name, compute capability as in (8, 9), memory in bytes, the CUDA version of its driver ("13.1"), and
    whether it is integrated: its memory is then the processor's, too, as on Jetson.
    """

    name: str
    compute_capability: tuple[int, int]
    memory: int
    driver: str
    integrated: bool = False


class Cuda(abc.ABC):
    """One GPU by its primary context, which the CUDA runtime inside TensorRT and PyTorch uses, too.

    Addresses, streams, events and graphs are the driver's own handles, as integers; 0 is the default stream. Every
    method but `info` and `close` is called inside `with cuda.current():`, on any thread. All raise DeviceError with
    CUDA's name of the error, as CUDA_ERROR_OUT_OF_MEMORY.
    """

    library: ClassVar[str]

    @abc.abstractmethod
    def info(self) -> DeviceInfo:
        """What the GPU is."""

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Makes the GPU's primary context that of this thread, and what was there before afterwards."""
        self.push()
        try:
            yield
        finally:
            self.pop()

    @abc.abstractmethod
    def push(self) -> None:
        """Makes the primary context that of this thread."""

    @abc.abstractmethod
    def pop(self) -> None:
        """Makes that the thread's context which was it before `push`."""

    @abc.abstractmethod
    def free_memory(self) -> int:
        """Bytes of the GPU's memory that nobody has taken."""

    @abc.abstractmethod
    def allocate(self, size: int) -> int:
        """Address of `size` bytes of the GPU's memory."""

    @abc.abstractmethod
    def free(self, address: int) -> None:
        """Gives back what `allocate` gave."""

    @abc.abstractmethod
    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array in page-locked memory, which alone is copied while the CPU goes on; of undefined content."""

    @abc.abstractmethod
    def unpin(self, array: Array) -> None:
        """Gives back what `pinned` gave; the array must not be used any more."""

    @abc.abstractmethod
    def stream(self) -> int:
        """A new stream that does not wait for the default one."""

    @abc.abstractmethod
    def destroy_stream(self, stream: int) -> None:
        """Frees a stream."""

    @abc.abstractmethod
    def wait(self, stream: int) -> None:
        """Returns when all that was queued in the stream is done."""

    @abc.abstractmethod
    def copy_in(self, address: int, array: Array, stream: int) -> None:
        """Queues the copy of a contiguous array to the GPU."""

    @abc.abstractmethod
    def copy_out(self, array: Array, address: int, stream: int) -> None:
        """Queues the copy from the GPU into a contiguous array."""

    @abc.abstractmethod
    def event(self) -> int:
        """A new event that keeps the time."""

    @abc.abstractmethod
    def destroy_event(self, event: int) -> None:
        """Frees an event."""

    @abc.abstractmethod
    def record(self, event: int, stream: int) -> None:
        """Queues the event: it keeps the time at which the stream comes to it."""

    @abc.abstractmethod
    def elapsed_ms(self, begin: int, end: int) -> float:
        """Milliseconds between two recorded events, once both are over; CUDA resolves about 0.5 microseconds."""

    @abc.abstractmethod
    def graphs_missing(self) -> str | None:
        """None where graphs can be captured; else why not, and what installs it."""

    @abc.abstractmethod
    def begin_capture(self, stream: int) -> None:
        """From here on what this thread queues in the stream is noted and not done. UnsupportedError without graphs."""

    @abc.abstractmethod
    def end_capture(self, stream: int) -> int:
        """Ends the capture: a graph that can be launched. DeviceError where something in it cannot be captured."""

    @abc.abstractmethod
    def launch(self, graph: int, stream: int) -> None:
        """Queues all of a graph at once."""

    @abc.abstractmethod
    def destroy_graph(self, graph: int) -> None:
        """Frees a graph."""

    @abc.abstractmethod
    def close(self) -> None:
        """Forgets the handles; the GPU's primary context stays for the life of the process."""


def byte_size(shape: tuple[int, ...], dtype: npt.DTypeLike) -> int:
    """Bytes of an array, at least 1: CUDA allocates nothing for none."""
    return max(1, int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
