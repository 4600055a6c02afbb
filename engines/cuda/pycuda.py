"""CUDA through PyCUDA, on the primary context."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seatrial.engines.cuda.driver_api import load_driver_api
from seatrial.engines.cuda.graphs import Graphs
from seatrial.engines.cuda.interface import Array, Cuda, DeviceInfo, byte_size
from seatrial.errors import DeviceError, UnsupportedError

_NO_GRAPHS = "PyCUDA has no CUDA graphs; beside cuda-python it takes them from there: pip install 'cuda-python>=12.6'"

# CU_STREAM_NON_BLOCKING, for which PyCUDA has no name.
_NON_BLOCKING = 1

_contexts: dict[int, Any] = {}


def _primary_context(device: Any, index: int) -> Any:
    """The GPU's primary context, one for the life of the process: PyCUDA 2026.1 leaves a context that it releases on
    the thread's stack, where a later call would find it dead. Without the release at the end it warns.
    """
    if index not in _contexts:
        _contexts[index] = device.retain_primary_context()
        atexit.register(_contexts[index].detach)
    return _contexts[index]


class PyCuda(Cuda):
    """A GPU by its number; ImportError where PyCUDA is not installed, DeviceError where there is no such GPU.

    PyCUDA frees what its objects hold when they are collected; they are kept here by their handles until then.
    """

    library: ClassVar[str] = "PyCUDA"

    def __init__(self, index: int) -> None:
        with warnings.catch_warnings():  # what it warns of is in the ImportError, too
            warnings.simplefilter("ignore")
            self._driver: Any = importlib.import_module("pycuda.driver")
        try:
            self._graphs: Graphs | None = Graphs(load_driver_api())
        except ImportError:
            self._graphs = None
        with self._errors():
            self._driver.init()
            self._device = self._driver.Device(index)
            self._context = _primary_context(self._device, index)
        self._memory: dict[int, Any] = {}
        self._streams: dict[int, Any] = {}
        self._events: dict[int, Any] = {}
        self._pinned: dict[int, Array] = {}

    def info(self) -> DeviceInfo:
        """What the GPU is."""
        with self._errors():
            major, minor = self._device.compute_capability()
            version = int(self._driver.get_driver_version())
            return DeviceInfo(
                name=str(self._device.name()),
                compute_capability=(int(major), int(minor)),
                memory=int(self._device.total_memory()),
                driver=f"{version // 1000}.{version % 1000 // 10}",
                integrated=bool(self._device.get_attribute(self._driver.device_attribute.INTEGRATED)),
            )

    def push(self) -> None:
        """Makes the primary context that of this thread."""
        with self._errors():
            self._context.push()

    def pop(self) -> None:
        """Makes that the thread's context which was it before `push`."""
        with self._errors():
            self._driver.Context.pop()

    def free_memory(self) -> int:
        """Bytes that are free."""
        with self._errors():
            return int(self._driver.mem_get_info()[0])

    def allocate(self, size: int) -> int:
        """Address of `size` bytes of the GPU's memory."""
        with self._errors():
            memory = self._driver.mem_alloc(size)
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, address: int) -> None:
        """Gives back what `allocate` gave."""
        with self._errors():
            self._memory.pop(address).free()

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array in page-locked memory."""
        with self._errors():
            raw: Array = self._driver.pagelocked_empty(byte_size(shape, dtype), "u1")
        array: Array = np.ndarray(shape, dtype, buffer=raw.data)
        self._pinned[array.ctypes.data] = raw
        return array

    def unpin(self, array: Array) -> None:
        """Gives back what `pinned` gave."""
        allocation: Any = self._pinned.pop(array.ctypes.data).base
        with self._errors():
            allocation.free()

    def stream(self) -> int:
        """A new stream that does not wait for the default one."""
        with self._errors():
            stream = self._driver.Stream(_NON_BLOCKING)
        self._streams[int(stream.handle)] = stream
        return int(stream.handle)

    def destroy_stream(self, stream: int) -> None:
        """Frees a stream."""
        del self._streams[stream]

    def wait(self, stream: int) -> None:
        """Returns when all that was queued in the stream is done."""
        with self._errors():
            self._streams[stream].synchronize()

    def copy_in(self, address: int, array: Array, stream: int) -> None:
        """Queues the copy of a contiguous array to the GPU."""
        with self._errors():
            self._driver.memcpy_htod_async(address, array, self._streams[stream])

    def copy_out(self, array: Array, address: int, stream: int) -> None:
        """Queues the copy from the GPU into a contiguous array."""
        with self._errors():
            self._driver.memcpy_dtoh_async(array, address, self._streams[stream])

    def event(self) -> int:
        """A new event that keeps the time."""
        with self._errors():
            event = self._driver.Event()
        self._events[id(event)] = event
        return id(event)

    def destroy_event(self, event: int) -> None:
        """Frees an event."""
        del self._events[event]

    def record(self, event: int, stream: int) -> None:
        """Queues the event."""
        with self._errors():
            self._events[event].record(self._streams[stream])

    def elapsed_ms(self, begin: int, end: int) -> float:
        """Milliseconds between two recorded events."""
        with self._errors():
            return float(self._events[begin].time_till(self._events[end]))

    def graphs_missing(self) -> str | None:
        """PyCUDA has no graphs; cuda-python has them for both."""
        return None if self._graphs else _NO_GRAPHS

    def begin_capture(self, stream: int) -> None:
        """Begins the capture of a stream."""
        self._with_graphs().begin(stream)

    def end_capture(self, stream: int) -> int:
        """Ends the capture."""
        return self._with_graphs().end(stream)

    def launch(self, graph: int, stream: int) -> None:
        """Queues a graph."""
        self._with_graphs().launch(graph, stream)

    def destroy_graph(self, graph: int) -> None:
        """Frees a graph."""
        self._with_graphs().destroy(graph)

    def close(self) -> None:
        """Forgets the handles; the primary context stays, see `_primary_context`."""
        for kept in (self._memory, self._streams, self._events, self._pinned):
            kept.clear()

    def _with_graphs(self) -> Graphs:
        if self._graphs is None:
            raise UnsupportedError(f"{_NO_GRAPHS}.")
        return self._graphs

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._driver.Error as error:
            raise DeviceError(f"CUDA failed: {error}.") from error
