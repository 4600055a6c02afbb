"""ONNX Runtime: provider, threads and graph optimisation are explicit, nothing is left to defaults."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from seatrial.engines import tf32
from seatrial.engines.aided import AidedEngine
from seatrial.engines.audit import Audit
from seatrial.engines.base import Batch, BuildRequest, Logits
from seatrial.engines.build_cache import Entry
from seatrial.engines.cpu import processor
from seatrial.engines.device import device_index, device_kind
from seatrial.engines.evidence import Ask, Evidence
from seatrial.engines.graph import Shown, named_nodes
from seatrial.engines.onnxruntime_binding import DeviceBinding
from seatrial.engines.onnxruntime_compiled import kept_or_compiled
from seatrial.engines.onnxruntime_evidence import WEIGHTS_APART, profile_evidence
from seatrial.engines.onnxruntime_providers import NO_CPU_NODES, PROVIDERS, check_provider, open_session, provider_of
from seatrial.engines.registry import ENGINES
from seatrial.errors import BuildError, SeatrialError
from seatrial.scratch import scratch

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
# Types of values for which NumPy has floats.
_FLOATS = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})


@ENGINES.register("onnxruntime", "ort")
class OnnxRuntimeEngine(AidedEngine):
    """Runs the graph in an InferenceSession of one provider; the audit profiles one inference of a session with the
    same options.

    On the CPU, inputs are read where they are, and bound outputs save nothing (ResNet-20, one thread: 407 us for an
    image with and without); on a GPU, buffers on the device stay bound. No node runs elsewhere than on the provider
    asked for: a graph with such nodes is refused.
    """

    name: ClassVar[str] = "onnxruntime"
    module: ClassVar[str | None] = "onnxruntime"
    distributions: ClassVar[tuple[str, ...]] = ("onnxruntime", "onnxruntime-gpu")
    install: ClassVar[str] = "pip install 'seatrial[cpu]'"
    thread_safe: ClassVar[bool] = True
    simulates: ClassVar[tuple[str, ...]] = ("cpu",)  # elsewhere it may execute what is only simulated
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {
        device: provider.precisions for device, provider in PROVIDERS.items()
    }

    @classmethod
    def check_device(cls, device: str) -> None:
        """As for every engine; also UnsupportedError where the device's provider is missing or does not start."""
        if device_kind(device) != "cpu":
            tf32.switch_off()  # before the runtime is imported
        check_provider(cls.runtime(), device)

    @classmethod
    def _prepared(cls, request: BuildRequest) -> BuildRequest:
        """With a name for every node: by these the audit joins what ran and what was asked for."""
        return dataclasses.replace(request, onnx_bytes=named_nodes(request.onnx_bytes))

    @classmethod
    def recipe(cls, device: str) -> str:
        """As for every engine; on a GPU the forms of TensorRT, whose float16 files the CUDA provider takes, too."""
        return provider_of(device).recipe

    def _build(self) -> None:
        request = self.request
        self._provider = provider_of(request.device)
        self._settings = self._provider.options(request)
        self._outputs = [request.output_name]
        self._images = request.fixed_batch or 1
        self._entry: Entry | None = None
        self._binding: DeviceBinding | None = None
        self._most = request.builder.max_batch if self._provider.compiles and request.fixed_batch is None else None
        if self._provider.compiles:
            self._entry = kept_or_compiled(request, self._provider, self._versions(), self._open_compiling)
            self._session: Any = self._create(self._entry.compiled)
            self.engine_bytes, self.from_cache = len(self._entry.compiled), self._entry.from_cache
        else:
            self._session, optimized = self._create_and_save()
            self.engine_bytes = len(optimized)  # the optimized graph is what the session holds
        if self._provider.memory is not None:
            names = (request.input_name, request.output_name)
            index = device_index(request.device)
            self._binding = DeviceBinding(self.runtime(), self._session, names, self._provider.memory, index)

    def _infer(self, batch: Batch) -> Logits:
        most = self._most
        if most is None or len(batch) <= most:
            return self._answer(batch)
        return np.concatenate([self._answer(batch[start : start + most]) for start in range(0, len(batch), most)])

    def _answer(self, batch: Batch) -> Logits:
        if self._binding is not None:
            return self._binding.infer(batch)
        logits: Logits = self._session.run(self._outputs, {self.request.input_name: batch})[0]
        return logits

    def _at_once(self) -> int:
        # The buffers on a device are those of one query.
        return super()._at_once() if device_kind(self.request.device) == "cpu" else 1

    def _evidence(self, part: str) -> Evidence:
        """Of one inference: "executed", as built; "written", node by node on the CPU."""
        request, ort = self.request, cast("Any", self.runtime())
        node_by_node = {"graph_optimization_level": ort.GraphOptimizationLevel.ORT_DISABLE_ALL}
        parts: dict[str, tuple[str, dict[str, Any]]] = {
            "executed": (request.device, {}),
            "written": ("cpu", node_by_node),
        }
        if part not in parts:
            return super()._evidence(part)
        device, attributes = parts[part]
        with scratch() as folder:
            optimized = folder / "optimized.onnx"
            session = self._create(
                request.onnx_bytes,
                {
                    "optimized_model_filepath": str(optimized),
                    "enable_profiling": True,
                    "profile_file_prefix": str(folder / "profile"),
                    **attributes,
                },
                device=device,
                entries=WEIGHTS_APART,
            )
            batch = np.zeros((self._images, *request.input_shape), request.input_dtype)
            session.run(self._outputs, {request.input_name: batch})
            return profile_evidence(Path(session.end_profiling()), optimized)

    @classmethod
    def _judged(cls, request: BuildRequest, ask: Ask) -> Audit:
        from seatrial.engines.onnxruntime_audit import judge  # takes the onnx package, which the host has

        return judge(request, ask)

    def _show(self, batch: Batch, shown: Shown) -> dict[str, npt.NDArray[Any]]:
        assert shown.onnx_bytes is not None
        session = self._create(shown.onnx_bytes)
        # Of others it may not even be able to give an array: NumPy has no 4-bit integers.
        floats = {port.name for port in session.get_outputs() if port.type in _FLOATS}
        names = [name for name in shown.names if name in floats]
        return dict(zip(names, session.run(names, {self.request.input_name: batch}), strict=True))

    def save(self) -> bytes:
        """The graph as optimised for this processor, or the one that holds a compiled engine: ONNX files both."""
        return self._create_and_save()[1] if self._entry is None else self._entry.compiled

    def _release(self) -> None:
        self._session = self._binding = None

    def _create_and_save(self) -> tuple[Any, bytes]:
        with scratch() as folder:
            optimized = folder / "optimized.onnx"
            session = self._create(self.request.onnx_bytes, {"optimized_model_filepath": str(optimized)})
            return session, optimized.read_bytes()

    def _open_compiling(self, onnx_bytes: bytes, entries: Mapping[str, str], settings: Mapping[str, str]) -> Any:
        return self._create(onnx_bytes, entries=entries, provider_settings=settings)

    def _create(
        self,
        onnx_bytes: bytes,
        attributes: Mapping[str, object] | None = None,
        *,
        device: str | None = None,
        entries: Mapping[str, str] | None = None,
        provider_settings: Mapping[str, str] | None = None,
    ) -> Any:
        """A session; attributes and configuration entries are those of its options."""
        request = self.request
        device = device or request.device
        options = _session_options(self.runtime(), request, device)
        for name, value in (entries or {}).items():
            options.add_session_config_entry(name, value)
        for name, attribute in (attributes or {}).items():
            setattr(options, name, attribute)
        given = {**(self._settings if device == request.device else {}), **(provider_settings or {})}
        try:
            return open_session(self.runtime(), onnx_bytes, options, device, given)
        except SeatrialError:
            raise
        except Exception as error:  # pybind's Fail, InvalidGraph, NotImplemented, ... share no base but Exception
            raise BuildError(f"ONNX Runtime cannot build the {request.precision} model: {error}") from error

    @classmethod
    def cautions_of(cls, precision: str, device: str) -> tuple[str, ...]:
        """Wrong int8 kernels of old versions, on processors that take them."""
        version, on_cpu = str(cls.version()), device_kind(device) == "cpu"
        if precision == "int8" and on_cpu and processor().has_amx and _numbers(version) < _RIGHT_ON_AMX:
            return (
                f"ONNX Runtime {version} computes int8 wrongly on processors with AMX (MobileNet v1: 4 of 10 labels "
                "right that its own unfused graph gets right). Take 1.25 or newer, or --optimization disable.",
            )
        return ()

    def cautions(self) -> tuple[str, ...]:
        """Of TF32, on a GPU. None of versions: an engine that is built is compared with its file, which tells more."""
        return () if device_kind(self.request.device) == "cpu" else tf32.switch_off()

    def describe(self) -> dict[str, Any]:
        """Provider, its options and precision switches beside the common options."""
        described = {
            **super().describe(),
            "provider": self._provider.name,
            "qdq_matmulnbits_accuracy_level": _INT4_SUMS_IN_FLOAT,
        }
        return described if not self._settings else {**described, **self._versions()}

    def _versions(self) -> dict[str, Any]:
        """What shapes a build on a GPU beside the request: versions of runtime and libraries, options."""
        ort: Any = self.runtime()
        packages = ("tensorrt", self._provider.plugin or "") if self._provider.compiles else ()
        return {
            "onnxruntime": ort.__version__,
            "cuda": getattr(ort, "cuda_version", ""),
            "packages": {name: version for name in packages if name and (version := _package_version(name))},
            "provider_options": self._settings,
            tf32.VARIABLE: tf32.OFF,
        }


def _session_options(ort: Any, request: BuildRequest, device: str) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = request.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, _LEVELS[request.optimization])
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", _INT4_SUMS_IN_FLOAT)
    if device_kind(device) != "cpu":
        options.add_session_config_entry(*NO_CPU_NODES)
    options.log_severity_level = 3
    return options


def _package_version(module: str) -> str | None:
    try:
        return importlib.metadata.version(module.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
