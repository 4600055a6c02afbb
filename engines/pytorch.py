"""PyTorch in eager mode: a float32 reference that shares no code with the other engines."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from engines.audit import Audit, Layer
from engines.base import Batch, Engine, Logits
from engines.registry import ENGINES
from shipcheck.errors import BuildError, ShipcheckError, UnsupportedError

_WORDS = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64"}


@ENGINES.register("pytorch", "torch")
class PyTorchEngine(Engine):
    """Evaluates the graph node by node with `engines.torch_graph`, in the float types that it names.

    Q/DQ nodes are computed as such, in float32 like all that stands between them: a quantized file answers here what
    its Q/DQ form means, not what integer kernels make of it.

    The number of threads belongs to the calling thread for the time of one inference and is put back afterwards: that
    is OpenMP's scope, so engines that run at once in several threads do not change each other's. TF32 and
    bfloat16 inside float32 products are switched off for the whole process, as fp32 would not be float32 otherwise.
    """

    name: ClassVar[str] = "pytorch"
    module: ClassVar[str | None] = "torch"
    install: ClassVar[str] = "pip install 'shipcheck[torch]'"
    thread_safe: ClassVar[bool] = True
    simulates: ClassVar[bool] = True
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {"cpu": ("fp32",), "cuda": ("fp32",)}

    @classmethod
    def check_support(cls, precision: str, device: str) -> None:
        """As for every engine; also UnsupportedError for "cuda" where PyTorch sees no usable GPU."""
        super().check_support(precision, device)
        torch: Any = cls.runtime()
        if device == "cuda" and not torch.cuda.is_available():
            raise UnsupportedError(
                f"Engine {cls.name!r} cannot use 'cuda': PyTorch {torch.__version__} sees no GPU here. It needs a CUDA "
                "build of PyTorch (https://pytorch.org/get-started) and an NVIDIA driver; else take --device cpu."
            )

    def _build(self) -> None:
        from engines.torch_graph import TorchGraph  # imports PyTorch

        torch: Any = self.runtime()
        self._torch = torch
        try:
            graph: Any = TorchGraph(self.request.onnx_bytes, self.request.output_name)
            # Convolutions in the vector units' own order of values: no copies to and fro.
            self._graph = graph.to(device=self.request.device, memory_format=torch.channels_last)
        except ShipcheckError:
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
            logits = self._graph(self._tensor(batch))
            return self._array(logits)

    def _intermediates(self, batch: Batch) -> dict[str, npt.NDArray[Any]]:
        with self._inference():
            return {name: self._array(value) for name, value in self._graph.values(self._tensor(batch)).items()}

    def _read_audit(self) -> Audit:
        from engines.torch_graph.work import macs

        request = self.request
        images = request.fixed_batch or 1
        layers: list[Layer] = []
        others: Counter[str] = Counter()

        def note(step: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
            shapes = [tuple(value.shape) for value in inputs if value is not None]
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

    def describe(self) -> dict[str, Any]:
        """Device and memory format beside the common options."""
        return {**super().describe(), "device": self.request.device, "memory_format": "channels_last"}

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        torch = self._torch
        before = torch.get_num_threads()
        torch.set_num_threads(self.request.threads)
        # Somebody else in this process may have asked for less than float32: not for this engine.
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(before)

    def _tensor(self, batch: Batch) -> Any:
        torch = self._torch
        tensor = torch.from_numpy(np.ascontiguousarray(batch)).to(self.request.device)
        # An image whose channels come last lies in that order already.
        channels_first = tensor.ndim == 4 and tensor.shape[1] < tensor.shape[3]
        return tensor.contiguous(memory_format=torch.channels_last) if channels_first else tensor

    def _array(self, value: Any) -> npt.NDArray[Any]:
        value = value.to("cpu")
        # NumPy has no bfloat16.
        array: npt.NDArray[Any] = (value.float() if value.dtype == self._torch.bfloat16 else value).numpy()
        return array
