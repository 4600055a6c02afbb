"""CUDA through NVIDIA's cuda-python."""

from __future__ import annotations

import ctypes
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seatrial.engines.cuda.driver_api import checked, load_driver_api
from seatrial.engines.cuda.graphs import Graphs
from seatrial.engines.cuda.interface import Array, Cuda, DeviceInfo, byte_size


class CudaPython(Cuda):
    """A GPU by its number; ImportError where cuda-python is not installed, DeviceError where there is no such GPU."""

    library: ClassVar[str] = "cuda-python"

    def __init__(self, index: int) -> None:
        self._driver: Any = load_driver_api()
        self._graphs = Graphs(self._driver)
        driver = self._driver
        self._checked(driver.cuInit(0))
        self._device = self._checked(driver.cuDeviceGet(index))
        self._context = self._checked(driver.cuDevicePrimaryCtxRetain(self._device))
        self._pinned: dict[int, Array] = {}

    def info(self) -> DeviceInfo:
        """What the GPU is."""
        driver = self._driver
        kinds = driver.CUdevice_attribute
        major, minor = (
            self._checked(driver.cuDeviceGetAttribute(kind, self._device))
            for kind in (
                kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            )
        )
        name = self._checked(driver.cuDeviceGetName(256, self._device))
        version = int(self._checked(driver.cuDriverGetVersion()))
        return DeviceInfo(
            name=name.split(b"\0")[0].decode(),
            compute_capability=(int(major), int(minor)),
            memory=int(self._checked(driver.cuDeviceTotalMem(self._device))),
            driver=f"{version // 1000}.{version % 1000 // 10}",
        )

    def push(self) -> None:
        """Makes the primary context that of this thread."""
        self._checked(self._driver.cuCtxPushCurrent(self._context))

    def pop(self) -> None:
        """Makes that the thread's context which was it before `push`."""
        self._checked(self._driver.cuCtxPopCurrent())

    def allocate(self, size: int) -> int:
        """Address of `size` bytes of the GPU's memory."""
        return int(self._checked(self._driver.cuMemAlloc(size)))

    def free(self, address: int) -> None:
        """Gives back what `allocate` gave."""
        self._checked(self._driver.cuMemFree(address))

    def pinned(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array in page-locked memory."""
        size = byte_size(shape, dtype)
        address = int(self._checked(self._driver.cuMemHostAlloc(size, 0)))
        memory = memoryview((ctypes.c_ubyte * size).from_address(address))
        array: Array = np.ndarray(shape, dtype, buffer=memory)
        self._pinned[address] = array
        return array

    def unpin(self, array: Array) -> None:
        """Gives back what `pinned` gave."""
        address = array.ctypes.data
        del self._pinned[address]
        self._checked(self._driver.cuMemFreeHost(address))

    def stream(self) -> int:
        """A new stream that does not wait for the default one."""
        driver = self._driver
        return int(self._checked(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING)))

    def destroy_stream(self, stream: int) -> None:
        """Frees a stream."""
        self._checked(self._driver.cuStreamDestroy(stream))

    def wait(self, stream: int) -> None:
        """Returns when all that was queued in the stream is done."""
        self._checked(self._driver.cuStreamSynchronize(stream))

    def copy_in(self, address: int, array: Array, stream: int) -> None:
        """Queues the copy of a contiguous array to the GPU."""
        self._checked(self._driver.cuMemcpyHtoDAsync(address, array.ctypes.data, array.nbytes, stream))

    def copy_out(self, array: Array, address: int, stream: int) -> None:
        """Queues the copy from the GPU into a contiguous array."""
        self._checked(self._driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, stream))

    def event(self) -> int:
        """A new event that keeps the time."""
        driver = self._driver
        return int(self._checked(driver.cuEventCreate(driver.CUevent_flags.CU_EVENT_DEFAULT)))

    def destroy_event(self, event: int) -> None:
        """Frees an event."""
        self._checked(self._driver.cuEventDestroy(event))

    def record(self, event: int, stream: int) -> None:
        """Queues the event."""
        self._checked(self._driver.cuEventRecord(event, stream))

    def elapsed_ms(self, begin: int, end: int) -> float:
        """Milliseconds between two recorded events."""
        return float(self._checked(self._driver.cuEventElapsedTime(begin, end)))

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
        """Lets go of the primary context."""
        self._checked(self._driver.cuDevicePrimaryCtxRelease(self._device))

    def _checked(self, answer: tuple[Any, ...]) -> Any:
        return checked(self._driver, answer)
