"""CUDA through NVIDIA's cuda-python."""

from __future__ import annotations

import ctypes
import threading
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seatrial.engines.cuda.driver_api import ask, check_driver, load_driver_api, package_version, version_words
from seatrial.engines.cuda.graphs import Graphs
from seatrial.engines.cuda.interface import Array, Cuda, DeviceInfo, byte_size

# A GPU's primary context, retained once for the life of the process: made anew it would take half a second each time a
# device is looked at, and what TensorRT keeps in it would die between building and loading.
_contexts: dict[int, Any] = {}
_lock = threading.Lock()


class CudaPython(Cuda):
    """A GPU by its number; ImportError where cuda-python is not installed, DeviceError where there is no such GPU."""

    library: ClassVar[str] = "cuda-python"

    def __init__(self, index: int) -> None:
        self._driver: Any = load_driver_api()
        self._graphs = Graphs(self._driver)
        driver = self._driver
        self._ask("cuInit", 0)
        check_driver(driver, package_version())
        self._device = self._ask("cuDeviceGet", index)
        self._context = self._primary_context(index)
        self._pinned: dict[int, Array] = {}

    def info(self) -> DeviceInfo:
        """What the GPU is."""
        driver = self._driver
        kinds = driver.CUdevice_attribute
        major, minor, integrated = (
            int(self._ask("cuDeviceGetAttribute", kind, self._device))
            for kind in (
                kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
                kinds.CU_DEVICE_ATTRIBUTE_INTEGRATED,
            )
        )
        name = self._ask("cuDeviceGetName", 256, self._device)
        version = int(self._ask("cuDriverGetVersion"))
        return DeviceInfo(
            name=name.split(b"\0")[0].decode(),
            compute_capability=(major, minor),
            memory=int(self._ask("cuDeviceTotalMem", self._device)),
            driver=version_words(version),
            integrated=bool(integrated),
        )

    def push(self) -> None:
        """Makes the primary context that of this thread."""
        self._ask("cuCtxPushCurrent", self._context)

    def pop(self) -> None:
        """Makes that the thread's context which was it before `push`."""
        self._ask("cuCtxPopCurrent")

    def free_memory(self) -> int:
        """Bytes that are free."""
        return int(self._ask("cuMemGetInfo")[0])

    def allocate(self, size: int) -> int:
        """Address of `size` bytes of the GPU's memory."""
        return int(self._ask("cuMemAlloc", size))

    def free(self, address: int) -> None:
        """Gives back what `allocate` gave."""
        self._ask("cuMemFree", address)

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array in page-locked memory."""
        size = byte_size(shape, dtype)
        address = int(self._ask("cuMemHostAlloc", size, 0))
        memory = memoryview((ctypes.c_ubyte * size).from_address(address))
        array: Array = np.ndarray(shape, dtype, buffer=memory)
        self._pinned[address] = array
        return array

    def unpin(self, array: Array) -> None:
        """Gives back what `pinned` gave."""
        address = array.ctypes.data
        del self._pinned[address]
        self._ask("cuMemFreeHost", address)

    def stream(self) -> int:
        """A new stream that does not wait for the default one."""
        driver = self._driver
        return int(self._ask("cuStreamCreate", driver.CUstream_flags.CU_STREAM_NON_BLOCKING))

    def destroy_stream(self, stream: int) -> None:
        """Frees a stream."""
        self._ask("cuStreamDestroy", stream)

    def wait(self, stream: int) -> None:
        """Returns when all that was queued in the stream is done."""
        self._ask("cuStreamSynchronize", stream)

    def copy_in(self, address: int, array: Array, stream: int) -> None:
        """Queues the copy of a contiguous array to the GPU."""
        self._ask("cuMemcpyHtoDAsync", address, array.ctypes.data, array.nbytes, stream)

    def copy_out(self, array: Array, address: int, stream: int) -> None:
        """Queues the copy from the GPU into a contiguous array."""
        self._ask("cuMemcpyDtoHAsync", array.ctypes.data, address, array.nbytes, stream)

    def event(self) -> int:
        """A new event that keeps the time."""
        driver = self._driver
        return int(self._ask("cuEventCreate", driver.CUevent_flags.CU_EVENT_DEFAULT))

    def destroy_event(self, event: int) -> None:
        """Frees an event."""
        self._ask("cuEventDestroy", event)

    def record(self, event: int, stream: int) -> None:
        """Queues the event."""
        self._ask("cuEventRecord", event, stream)

    def elapsed_ms(self, begin: int, end: int) -> float:
        """Milliseconds between two recorded events."""
        return float(self._ask("cuEventElapsedTime", begin, end))

    def graphs_missing(self) -> str | None:
        """cuda-python has graphs."""
        return None

    def begin_capture(self, stream: int) -> None:
        """Begins the capture of a stream."""
        self._graphs.begin(stream)

    def end_capture(self, stream: int) -> int:
        """Ends the capture."""
        return self._graphs.end(stream)

    def launch(self, graph: int, stream: int) -> None:
        """Queues a graph."""
        self._graphs.launch(graph, stream)

    def destroy_graph(self, graph: int) -> None:
        """Frees a graph."""
        self._graphs.destroy(graph)

    def close(self) -> None:
        """Forgets the arrays; the primary context stays, see `_primary_context`."""
        self._pinned.clear()

    def _primary_context(self, index: int) -> Any:
        with _lock:
            if index not in _contexts:
                _contexts[index] = self._ask("cuDevicePrimaryCtxRetain", self._device)
            return _contexts[index]

    def _ask(self, name: str, *arguments: Any) -> Any:
        return ask(self._driver, name, *arguments)
