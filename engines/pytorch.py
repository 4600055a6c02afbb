"""PyTorch in eager mode: a float32 reference that shares no code with the other engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seatrial.engines.audit import Audit, Layer
from seatrial.engines.base import Batch, Engine, Logits
from seatrial.engines.device import device_index, device_kind
from seatrial.engines.registry import ENGINES
from seatrial.errors import BuildError, SeatrialError, UnsupportedError

_WORDS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}


@ENGINES.register("pytorch", "torch")
class PyTorchEngine(Engine):
    """Evaluates the graph node by node with `engines.torch_graph`, in the float types that it names.

    Q/DQ nodes are computed as such, in float32 like all that stands between them: a quantized file answers here what
    its Q/DQ form means, not what integer kernels make of it. So its own precision is always simulated here.

    The number of threads is set for the calling thread where another is set: that is OpenMP's scope, so engines that
    run at once in several threads do not change each other's. It is put back when the engine is closed, not after
    every inference, which would take longer than the rest of what surrounds one (20 us). TF32 and bfloat16 inside
    float32 products are switched off for the whole process, as fp32 would not be float32 otherwise.
    """

    name: ClassVar[str] = "pytorch"
    module: ClassVar[str | None] = "torch"
    install: ClassVar[str] = "pip install 'seatrial[torch]'"
    thread_safe: ClassVar[bool] = True
    simulates: ClassVar[tuple[str, ...]] = ("cpu", "cuda")
    as_written: ClassVar[bool] = True
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {"cpu": ("fp32",), "cuda": ("fp32",)}

    @classmethod
    def check_device(cls, device: str) -> None:
        """As for every engine; also UnsupportedError for a GPU that PyTorch does not see."""
        super().check_device(device)
        if device_kind(device) != "cuda":
            return
        torch: Any = cls.runtime()
        if not torch.cuda.is_available():
            raise UnsupportedError(
                f"Engine {cls.name!r} cannot use {device!r}: PyTorch {torch.__version__} sees no GPU here. It needs a "
                "CUDA build of PyTorch (https://pytorch.org/get-started) and an NVIDIA driver; else take --device cpu."
            )
        count = torch.cuda.device_count()
        if device_index(device) >= count:
            raise UnsupportedError(
                f"Engine {cls.name!r} cannot use {device!r}: PyTorch sees {count} GPU{'s'[: count != 1]} here, counted "
                "from cuda:0."
            )

    def _build(self) -> None:
        from seatrial.engines.torch_graph import TorchGraph  # imports PyTorch

        torch: Any = self.runtime()
        self._torch = torch
        self._threads_before = torch.get_num_threads()
        self._on_gpu = device_kind(self.request.device) == "cuda"
        self._device = torch.device(f"cuda:{device_index(self.request.device)}" if self._on_gpu else "cpu")
        try:
            graph: Any = TorchGraph(self.request.onnx_bytes, self.request.output_name)
            self._graph = graph.placed(self._device)
        except SeatrialError:
            raise
        except Exception as error:  # protobuf's and PyTorch's errors share no base but Exception
            raise BuildError(f"PyTorch cannot build the {self.request.precision} model: {error}") from error
        if self._graph.input_names != (self.request.input_name,):
            raise BuildError(
                f"PyTorch cannot build the model: it takes the inputs {', '.join(self._graph.input_names)}, "
                f"expected {self.request.input_name} alone."
            )
        self.engine_bytes = sum(buffer.numel() * buffer.element_size() for buffer in self._graph.buffers())

    def _infer(self, batch: Batch) -> Logits:
        with self._inference():
            return self._array(self._graph(self._tensor(batch)))

    def phases(self, batch: Batch) -> dict[str, float]:
        """As for every engine: CUDA events around the copy to the GPU, the graph and the copy back; empty on the CPU.

        Raises ValueError for another shape or dtype, or a closed engine.
        """
        self._check(batch)
        if not self._on_gpu:
            return {}
        cuda = self._torch.cuda
        with cuda.device(self._device), self._inference():
            marks = [cuda.Event(enable_timing=True) for _ in range(4)]
            marks[0].record()
            image = self._tensor(batch)
            marks[1].record()
            logits = self._graph(image)
            marks[2].record()
            self._array(logits)
            marks[3].record()
            marks[3].synchronize()
        return {
            name: float(marks[index].elapsed_time(marks[index + 1]))
            for index, name in enumerate(("h2d", "compute", "d2h"))
        }

    def _intermediates(self, batch: Batch, names: frozenset[str] | None) -> dict[str, npt.NDArray[Any]]:
        with self._inference():
            values = self._graph.values(self._tensor(batch))
            return {name: self._array(value) for name, value in values.items() if names is None or name in names}

    def _read_audit(self) -> Audit:
        from seatrial.engines.torch_graph.work import macs

        request = self.request
        images = request.fixed_batch or 1
        layers: list[Layer] = []
        others: Counter[str] = Counter()

        def note(step: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
            shapes = [None if value is None else tuple(value.shape) for value in inputs]
            count = macs(step.op, shapes, tuple(outputs[0].shape), step.attributes)
            if count is None:
                others[step.op] += 1
                return
            kind = str(outputs[0].dtype).removeprefix("torch.")
            layers.append(Layer(step.name, step.op, count // images, request.precision, _WORDS.get(kind, kind)))

        with self._inference():
            zeros = np.zeros((images, *request.input_shape), request.input_dtype)
            self._graph.observe(note, self._tensor(zeros))
        return Audit(tuple(layers), dict(sorted(others.items())))

    def _release(self) -> None:
        self._graph = None
        self._torch.set_num_threads(self._threads_before)

    def describe(self) -> dict[str, Any]:
        """Device and memory format beside the common options."""
        return {**super().describe(), "device": str(self._device), "memory_format": "channels_last"}

    def _inference(self) -> Any:
        """The context of one inference, with the threads and the arithmetic that this engine stands for."""
        torch, threads = self._torch, self.request.threads
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        # Somebody else in this process may have asked for less than float32: not for this engine.
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        return torch.inference_mode()

    def _tensor(self, batch: Batch) -> Any:
        torch = self._torch
        # PyTorch has no read-only tensors.
        tensor = torch.from_numpy(batch if batch.flags.writeable else batch.copy())
        if self._on_gpu:
            tensor = tensor.to(self._device)
        # An image whose channels come last lies in that order already.
        channels_first = tensor.ndim == 4 and tensor.shape[1] < tensor.shape[3]
        return tensor.contiguous(memory_format=torch.channels_last) if channels_first else tensor.contiguous()

    def _array(self, value: Any) -> npt.NDArray[Any]:
        if self._on_gpu:
            value = value.to("cpu")
        # NumPy has no bfloat16.
        array: npt.NDArray[Any] = (value.float() if value.dtype == self._torch.bfloat16 else value).numpy()
        return array
