"""A plan that is ready to run: contexts, buffers on both sides, a stream, and a CUDA graph of the single query."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import numpy.typing as npt

from seatrial.engines.cuda import Cuda
from seatrial.engines.cuda.interface import Array, byte_size
from seatrial.engines.tensorrt.bindings import Bindings
from seatrial.engines.tensorrt.dialect import Dialect
from seatrial.engines.tensorrt.listener import Listener
from seatrial.errors import BuildError, DeviceError, SeatrialError


@dataclasses.dataclass(frozen=True)
class Loading:
    """How a plan is loaded.

    largest: images of its largest batch. single: the batch that is replayed as a CUDA graph, None for none. host_code:
    allow the plan's own host code, which version-compatible plans bring; for plans of our own making alone. dla_core:
    number of the DLA core that it runs on, None for the GPU.
    """

    largest: int
    single: int | None
    host_code: bool = False
    dla_core: int | None = None


@dataclasses.dataclass
class _Tensor:
    """An input or output: its address on the GPU, and page-locked memory of the same size."""

    name: str
    address: int
    host: Array
    shape: tuple[int, ...]  # as declared, with -1 for what is free
    bfloat16: bool


class Session:
    """Runs a plan, one batch at a time, on a stream and with buffers of its own; its callers take turns.

    Two execution contexts where a graph is replayed: a graph holds its context's memory and shapes, so that other
    batches need another.
    """

    def __init__(self, trt: Bindings, dialect: Dialect, cuda: Cuda, plan: bytes, loading: Loading) -> None:
        self._trt, self._dialect, self._cuda, self._loading = trt, dialect, cuda, loading
        self._listener = Listener(trt)
        self._turn = threading.Lock()
        self._graph: int | None = None
        self._tensors: list[_Tensor] = []
        self._events: list[int] = []
        self._stream: int | None = None
        self.graph_missing: str | None = None
        try:
            with cuda.current():
                self._open(plan)
        except BaseException:
            self.close()
            raise

    @property
    def replays(self) -> bool:
        """Whether the single query is replayed as a CUDA graph."""
        return self._graph is not None

    def run(self, images: Array) -> dict[str, Array]:
        """[N, ...] of at most the largest batch -> every output by its name; copies, which the caller owns."""
        with self._turn, self._cuda.current():
            self._copy_in(images)
            self._compute(len(images))
            self._copy_out(len(images))
            self._cuda.wait(self._require_stream())
            return {tensor.name: self._value(tensor, len(images)) for tensor in self._tensors[1:]}

    def phases(self, images: Array) -> dict[str, float]:
        """Milliseconds by the GPU's clock of the copy to it, the computing, and the copy of the outputs back."""
        cuda, stream = self._cuda, self._require_stream()
        with self._turn, cuda.current():
            while len(self._events) < 4:
                self._events.append(cuda.event())
            begin, copied, computed, end = self._events
            cuda.record(begin, stream)
            self._copy_in(images)
            cuda.record(copied, stream)
            self._compute(len(images))
            cuda.record(computed, stream)
            self._copy_out(len(images))
            cuda.record(end, stream)
            cuda.wait(stream)
            return {
                "h2d": cuda.elapsed_ms(begin, copied),
                "compute": cuda.elapsed_ms(copied, computed),
                "d2h": cuda.elapsed_ms(computed, end),
            }

    def inspect(self) -> str:
        """The engine inspector's JSON, at the shapes of the single query (or the frozen batch)."""
        trt = self._trt
        with self._turn, self._cuda.current():
            inspector = self._engine.create_engine_inspector()
            inspector.execution_context = self._single_context  # without shapes it tells no formats
            told: str = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
        return told

    def close(self) -> None:
        """Frees contexts, buffers, stream and graph."""
        cuda = self._cuda
        with cuda.current():
            if self._stream is not None:
                cuda.wait(self._stream)
            if self._graph is not None:
                cuda.destroy_graph(self._graph)
            for owner in ("_single_context", "_context", "_engine", "_runtime"):  # each lives by the next
                self.__dict__.pop(owner, None)
            for tensor in self._tensors:
                cuda.free(tensor.address)
                cuda.unpin(tensor.host)
            for event in self._events:
                cuda.destroy_event(event)
            if self._stream is not None:
                cuda.destroy_stream(self._stream)
        self._graph, self._stream, self._tensors, self._events = None, None, [], []

    def _open(self, plan: bytes) -> None:
        trt, loading = self._trt, self._loading
        self._runtime = trt.Runtime(self._listener.sink)
        if loading.host_code:
            self._runtime.engine_host_code_allowed = True
        if loading.dla_core is not None:
            self._runtime.DLA_core = loading.dla_core
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise BuildError(f"TensorRT cannot load the plan: {self._listener.said()}.")
        self._engine = engine
        self._stream = self._cuda.stream()
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        names.sort(key=lambda name: engine.get_tensor_mode(name) != trt.TensorIOMode.INPUT)
        self._input = names[0]
        self._context = self._new_context()
        self._batch = self._set_batch(self._context, loading.largest)
        for name in names:
            self._tensors.append(self._tensor(name))
        self._bind(self._context)
        self._single_context = self._context
        if loading.single is not None and loading.single != loading.largest:
            self._single_context = self._new_context()
            self._set_batch(self._single_context, loading.single)
            self._bind(self._single_context)
        if loading.single is not None:
            self._capture(loading.single)

    def _new_context(self) -> Bindings.IExecutionContext:
        context = self._dialect.create_context(self._trt, self._engine)
        if context is None:
            raise BuildError(f"TensorRT has no execution context for the plan: {self._listener.said()}.")
        return context

    def _set_batch(self, context: Bindings.IExecutionContext, batch: int) -> int:
        declared = self._declared(self._input)
        if not context.set_input_shape(self._input, (batch, *declared[1:])):
            raise DeviceError(f"TensorRT does not take a batch of {batch}: {self._listener.said()}.")
        return batch

    def _declared(self, name: str) -> tuple[int, ...]:
        shape = self._engine.get_tensor_shape(name)
        return tuple(shape[axis] for axis in range(len(shape)))

    def _tensor(self, name: str) -> _Tensor:
        trt, kind = self._trt, self._engine.get_tensor_dtype(name)
        bfloat16 = kind == trt.DataType.BF16
        dtype: npt.DTypeLike = np.uint16 if bfloat16 else trt.nptype(kind)
        shape = self._context.get_tensor_shape(name)
        largest = tuple(shape[axis] for axis in range(len(shape)))
        if -1 in largest:
            raise BuildError(f"TensorRT does not know the shape of {name!r} before it runs; the graph must fix it.")
        address = self._cuda.allocate(byte_size(largest, dtype))
        host = self._cuda.pinned(largest, dtype)
        host[...] = 0
        return _Tensor(name, address, host, self._declared(name), bfloat16)

    def _bind(self, context: Bindings.IExecutionContext) -> None:
        for tensor in self._tensors:
            if not context.set_tensor_address(tensor.name, tensor.address):
                raise BuildError(f"TensorRT does not take a buffer for {tensor.name!r}: {self._listener.said()}.")

    def _capture(self, batch: int) -> None:
        cuda, stream, context = self._cuda, self._require_stream(), self._single_context
        self.graph_missing = cuda.graphs_missing()
        if self.graph_missing:
            return
        self._copy_in(self._tensors[0].host[:batch])
        self._enqueue(context)  # the first run settles what a capture may not: lazy loading, compiling
        cuda.wait(stream)
        if not self._dialect.capturable(context, stream):
            self.graph_missing = "TensorRT says that this plan cannot be captured"
            return
        cuda.begin_capture(stream)
        refusal: SeatrialError | None = None
        try:
            self._enqueue(context)
        except SeatrialError as error:
            refusal = error
        try:
            self._graph = cuda.end_capture(stream)
        except SeatrialError as error:
            refusal = refusal or error
        if refusal is not None:
            self.graph_missing = str(refusal).rstrip(".")
            if self._graph is not None:
                cuda.destroy_graph(self._graph)
                self._graph = None

    def _copy_in(self, images: Array) -> None:
        tensor = self._tensors[0]
        host = tensor.host[: len(images)]
        if images.ctypes.data != host.ctypes.data:
            np.copyto(host, images, casting="no")
        self._cuda.copy_in(tensor.address, host, self._require_stream())

    def _compute(self, batch: int) -> None:
        if batch == self._loading.single:
            if self._graph is not None:
                self._cuda.launch(self._graph, self._require_stream())
            else:
                self._enqueue(self._single_context)
            return
        if batch != self._batch:
            self._batch = self._set_batch(self._context, batch)
        self._enqueue(self._context)

    def _enqueue(self, context: Bindings.IExecutionContext) -> None:
        if not context.execute_async_v3(self._require_stream()):
            raise DeviceError(f"TensorRT refused to run: {self._listener.said()}.")

    def _copy_out(self, batch: int) -> None:
        for tensor in self._tensors[1:]:
            self._cuda.copy_out(self._part(tensor, batch), tensor.address, self._require_stream())

    def _value(self, tensor: _Tensor, batch: int) -> Array:
        value = self._part(tensor, batch)
        if tensor.bfloat16:
            return (value.astype(np.uint32) << 16).view(np.float32)
        return value.copy()

    def _part(self, tensor: _Tensor, batch: int) -> Array:
        """What a batch fills of an output: all of it, or its first images."""
        whole = batch == self._loading.largest or tensor.shape[:1] != (-1,)
        return tensor.host if whole else tensor.host[:batch]

    def _require_stream(self) -> int:
        if self._stream is None:
            raise DeviceError("The TensorRT session is closed.")
        return self._stream
