"""ONNX Runtime on the CPU: provider, threads and graph optimisation are explicit, nothing is left to defaults."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from engines.audit import Audit
from engines.base import Batch, Engine, Logits
from engines.cpu import has_amx, has_vnni, is_x86
from engines.graph import with_every_output
from engines.onnxruntime_profile import named_nodes, read_audit, weight_shapes
from engines.registry import ENGINES
from shipcheck.errors import BuildError

_PROVIDERS = {"cpu": "CPUExecutionProvider"}
_LEVELS = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
# 1.23.2, 1.24.1 and 1.24.4 are wrong, 1.25.0, 1.25.1, 1.26.0 and 1.31.1 right, on the same file and machine.
_RIGHT_ON_AMX = (1, 25)
# MatMulNBits' accuracy_level of fp32. The default, 4, would round the activations of int4 to 8 bits: w4a8, unasked.
_INT4_SUMS_IN_FLOAT = "1"


@ENGINES.register("onnxruntime", "ort")
class OnnxRuntimeEngine(Engine):
    """Runs the graph in an InferenceSession; the audit profiles one inference of a session with the same options."""

    name: ClassVar[str] = "onnxruntime"
    module: ClassVar[str | None] = "onnxruntime"
    install: ClassVar[str] = "pip install 'shipcheck[cpu]'"
    thread_safe: ClassVar[bool] = True
    simulates: ClassVar[bool] = True
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {"cpu": ("fp32", "int8", "int4")}

    def _build(self) -> None:
        with tempfile.TemporaryDirectory(prefix="shipcheck-") as folder:
            # The optimized graph is what the session holds: its size is the engine's.
            optimized = Path(folder) / "optimized.onnx"
            self._session: Any = self._create(self.request.onnx_bytes, optimized_model_filepath=str(optimized))
            self.engine_bytes = optimized.stat().st_size
        self._outputs = [self.request.output_name]

    def _infer(self, batch: Batch) -> Logits:
        logits: Logits = self._session.run(self._outputs, {self.request.input_name: batch})[0]
        return logits

    def _read_audit(self) -> Audit:
        request = self.request
        with tempfile.TemporaryDirectory(prefix="shipcheck-") as folder:
            optimized = Path(folder) / "optimized.onnx"
            session = self._create(
                named_nodes(request.onnx_bytes),
                optimized_model_filepath=str(optimized),
                enable_profiling=True,
                profile_file_prefix=str(Path(folder) / "profile"),
            )
            batch = np.zeros((request.fixed_batch or 1, *request.input_shape), request.input_dtype)
            session.run(self._outputs, {request.input_name: batch})
            profile = Path(session.end_profiling())
            return read_audit(profile, weight_shapes(optimized), request.precision)

    def _intermediates(self, batch: Batch) -> dict[str, npt.NDArray[Any]]:
        onnx_bytes, names = with_every_output(self.request.onnx_bytes)
        values = self._create(onnx_bytes).run(names, {self.request.input_name: batch})
        return {name: value for name, value in zip(names, values, strict=True) if value.dtype.kind == "f"}

    def _release(self) -> None:
        self._session = None

    def _create(self, onnx_bytes: bytes, **settings: object) -> Any:
        ort: Any = self.runtime()
        request = self.request
        options = ort.SessionOptions()
        options.intra_op_num_threads = request.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[request.optimization])
        if _needs_wide_sums():
            options.add_session_config_entry("session.x64quantprecision", "1")
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", _INT4_SUMS_IN_FLOAT)
        options.log_severity_level = 3
        for name, value in settings.items():
            setattr(options, name, value)
        provider = _PROVIDERS[request.device]
        try:
            session = ort.InferenceSession(onnx_bytes, options, providers=[provider])
        except Exception as error:  # pybind's Fail, InvalidGraph, NotImplemented, ... share no base but Exception
            raise BuildError(f"ONNX Runtime cannot build the {request.precision} model: {error}") from error
        if session.get_providers() != [provider]:
            raise BuildError(f"ONNX Runtime built for {session.get_providers()} instead of {provider}.")
        return session

    def cautions(self) -> tuple[str, ...]:
        """Wrong int8 kernels of old versions, on processors that take them."""
        version = str(self.version())
        if self.request.precision == "int8" and has_amx() and _numbers(version) < _RIGHT_ON_AMX:
            return (
                f"ONNX Runtime {version} computes int8 wrongly on processors with AMX (MobileNet v1: 4 of 10 labels "
                "right that its own unfused graph gets right). Take 1.25 or newer, or --optimization disable.",
            )
        return ()

    def describe(self) -> dict[str, Any]:
        """Provider and precision switch beside the common options."""
        return {
            **super().describe(),
            "provider": _PROVIDERS[self.request.device],
            "x64quantprecision": _needs_wide_sums(),
            "qdq_matmulnbits_accuracy_level": _INT4_SUMS_IN_FLOAT,
        }


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


def _needs_wide_sums() -> bool:
    # Without VNNI, u8 x s8 products overflow their 16-bit sums unless x64quantprecision asks for another kernel
    # (onnxruntime#14642). With VNNI that kernel is only slower: twice, for a ResNet-20.
    return is_x86() and not has_vnni()
