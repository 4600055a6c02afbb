"""One adapter on the API that TensorRT 10.x, 11.x and TensorRT-RTX share."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.engines.aided import AidedEngine
from seatrial.engines.audit import Audit
from seatrial.engines.base import Batch, BuildRequest, Logits
from seatrial.engines.compiled import CompiledEngine
from seatrial.engines.cuda import DeviceInfo, open_cuda
from seatrial.engines.evidence import Ask, Evidence
from seatrial.engines.graph import Shown, named_nodes, names_of_values, parsed
from seatrial.engines.tensorrt.build import batch_range, build_plan
from seatrial.engines.tensorrt.capabilities import check_capability, parse_capability
from seatrial.engines.tensorrt.dialect import Dialect
from seatrial.engines.tensorrt.gpu import dla_core, find_gpu, gpu_index, gpu_words
from seatrial.engines.tensorrt.session import Loading, Session
from seatrial.engines.tensorrt.versions import installed_version, numbers
from seatrial.errors import UnsupportedError

_CHECKED_FROM = (10, 3)
_INSPECTOR = "inspector"
# Where the GPU has no memory of its own, TensorRT would take all of the system's for scratch. Kernels of image
# classifiers want some megabytes; a gibibyte is what Ultralytics gives them there, too.
_INTEGRATED_WORKSPACE_MIB = 1024


class TensorRtAdapter(AidedEngine, CompiledEngine):
    """Builds a strongly typed network, whose types are those of the file; runs it on a stream of its own.

    A plan is not refittable: other weights are another build. The batch of one (or the graph's own) is replayed as a
    CUDA graph; batches above the largest of the plan go in parts. Every inference copies its images into page-locked
    memory, from there to the GPU, and the logits back.
    """

    @classmethod
    def _prepared(cls, request: BuildRequest) -> BuildRequest:
        """With a name for every node: by these the audit finds them in the plan. UnsupportedError where its form of
        quantization is none that TensorRT takes.
        """
        from seatrial.engines.tensorrt.form import check_form  # takes the onnx package, which the host has

        model = parsed(request.onnx_bytes)
        if model is None:
            return request
        check_form(model, cls.name, request.precision)
        return dataclasses.replace(request, onnx_bytes=named_nodes(request.onnx_bytes))

    @classmethod
    @abc.abstractmethod
    def _dialect(cls) -> Dialect:
        """How the installed version is spoken to."""

    @classmethod
    def version(cls) -> str | None:
        """The installed version, without importing it where a package tells."""
        assert cls.module is not None
        return installed_version(cls.module)

    @classmethod
    def check_device(cls, device: str) -> None:
        """UnsupportedError that says what is missing: TensorRT, a package for CUDA, the driver, the GPU, or DLA."""
        cls.runtime()
        cls._dialect()
        find_gpu(device)

    @classmethod
    def check_support(cls, precision: str, device: str) -> None:
        """As for every engine; also UnsupportedError where the GPU's compute capability lacks the precision."""
        super().check_support(precision, device)
        check_capability(precision, find_gpu(device).compute_capability, cls.name)

    @classmethod
    def compiler(cls, request: BuildRequest) -> dict[str, Any]:
        """The version, and the GPU that it builds on or for."""
        told: dict[str, Any] = {"version": cls.version()}
        if request.builder.compute_capability is not None:
            return {**told, "compute_capability": request.builder.compute_capability}
        return {**told, **gpu_words(find_gpu(request.device))}

    @classmethod
    def _compile(cls, request: BuildRequest) -> bytes:
        cls.check_compile(request.precision, request.device, request.builder.compute_capability)
        trt: Any = cls.runtime()
        if request.builder.compute_capability is not None:
            return build_plan(trt, cls._dialect(), request)
        cuda = open_cuda(gpu_index(request.device))
        builder = dataclasses.replace(request.builder, workspace_mib=_workspace(request, cuda.info()))
        try:
            with cuda.current():
                return build_plan(
                    trt, cls._dialect(), dataclasses.replace(request, builder=builder), timing=cls._timing(request)
                )
        finally:
            cuda.close()

    @classmethod
    @abc.abstractmethod
    def _timing(cls, request: BuildRequest) -> Path | None:
        """The file of the timing cache; None without one."""

    def _load(self, compiled: bytes) -> None:
        request = self.request
        asked = request.builder.compute_capability
        self._gpu = find_gpu(request.device)
        if asked is not None and parse_capability(asked) != self._gpu.compute_capability:
            raise UnsupportedError(
                f"A plan for compute capability {asked} does not run here: {self._gpu.name} has "
                f"{'.'.join(map(str, self._gpu.compute_capability))}. Only build it (--build-only), or leave "
                "--compute-capability out."
            )
        self._cuda = open_cuda(gpu_index(request.device))
        _, _, self._largest = batch_range(request)
        core = dla_core(request.device)
        self._loading = Loading(
            largest=self._largest,
            single=(request.fixed_batch or 1) if request.builder.cuda_graph and core is None else None,
            host_code=request.builder.version_compatible,
            dla_core=core,
        )
        try:
            with self._cuda.current():
                before = self._cuda.free_memory()
            self._session = self._open(compiled, self._loading)
            with self._cuda.current():
                self._device_bytes = max(0, before - self._cuda.free_memory())
        except BaseException:
            self._cuda.close()
            raise

    def _open(self, plan: bytes, loading: Loading) -> Session:
        trt: Any = self.runtime()
        return Session(trt, self._dialect(), self._cuda, plan, loading)

    def _infer(self, batch: Batch) -> Logits:
        name = self.request.output_name
        parts = [self._session.run(part)[name] for part in self._parts(batch)]
        logits: Logits = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return logits

    def phases(self, batch: Batch) -> dict[str, float]:
        """Milliseconds of h2d, compute and d2h by CUDA events; of all parts, where the batch goes in several."""
        self._check(batch)
        parts = [self._session.phases(part) for part in self._parts(batch)]
        return {phase: sum(part[phase] for part in parts) for phase in parts[0]}

    def _parts(self, batch: Batch) -> list[Batch]:
        return [batch[start : start + self._largest] for start in range(0, len(batch), self._largest)]

    def _evidence(self, part: str) -> Evidence:
        """What the engine inspector tells, as it is."""
        return ({"inspector": self._session.inspect()}, []) if part == _INSPECTOR else super()._evidence(part)

    @classmethod
    def _judged(cls, request: BuildRequest, ask: Ask) -> Audit:
        from seatrial.engines.tensorrt.audit import judge  # takes the onnx package, which the host has

        told, _ = ask(_INSPECTOR)
        return judge(request, told["inspector"])

    @classmethod
    def _shown(cls, request: BuildRequest, names: Collection[str] | None) -> Shown:
        model = parsed(request.onnx_bytes)
        return Shown(None, () if model is None else names_of_values(model.graph, names))

    def _show(self, batch: Batch, shown: Shown) -> dict[str, npt.NDArray[Any]]:
        # An engine of its own, frozen at this batch, in which every float value is an output. What is an output is not
        # fused away: values between fused layers are those of an engine that fuses less.
        frozen = dataclasses.replace(self.request, fixed_batch=len(batch))
        trt: Any = self.runtime()
        with self._cuda.current():
            timing = self._timing(self.request)
            plan = build_plan(trt, self._dialect(), frozen, timing=timing, shown=frozenset(shown.names))
        session = self._open(plan, dataclasses.replace(self._loading, largest=len(batch), single=None))
        try:
            values = session.run(batch)
        finally:
            session.close()
        return {name: values[name] for name in shown.names if name in values}

    def _release(self) -> None:
        self._session.close()
        self._cuda.close()

    @classmethod
    def cautions_of(cls, precision: str, device: str) -> tuple[str, ...]:
        """A version older than those that the adapter is checked with."""
        version = str(cls.version())
        if cls.name == "tensorrt" and numbers(version) < _CHECKED_FROM:
            return (f"TensorRT {version} is older than what this adapter is checked with (10.3 to 11.4).",)
        return super().cautions_of(precision, device)

    def cautions(self) -> tuple[str, ...]:
        """Also a CUDA graph that was asked for and could not be had."""
        missing = self._session.graph_missing
        if missing is None:
            return super().cautions()
        return (*super().cautions(), f"Single queries are not replayed as a CUDA graph, so they are slower: {missing}.")

    def describe(self) -> dict[str, Any]:
        """Versions, GPU, profile and options beside the common ones."""
        options = self.request.builder
        least, chosen, largest = batch_range(self.request)
        return {
            **super().describe(),
            **self.compiler(self.request),
            **gpu_words(self._gpu),
            "cuda_library": self._cuda.library,
            "strongly_typed": True,
            "tf32": False,
            "profile": {"min": least, "opt": chosen, "max": largest},
            "level": options.level,
            "workspace_mib": _workspace(self.request, self._gpu),
            "integrated": self._gpu.integrated,
            # By the driver, while it was loaded: it lies outside what the system counts as the process's memory.
            "device_bytes": self._device_bytes,
            "timing_cache": self._timing(self.request) is not None,
            "version_compatible": options.version_compatible,
            "hardware_compatible": options.hardware_compatible,
            "cuda_graph": self._session.replays,
            "cuda_graph_missing": self._session.graph_missing,
            "plan_from_cache": self.from_cache,
        }


def _workspace(request: BuildRequest, gpu: DeviceInfo) -> int | None:
    """MiB of scratch memory for a layer; None for TensorRT's own limit, all of the GPU's memory."""
    asked = request.builder.workspace_mib
    return _INTEGRATED_WORKSPACE_MIB if asked is None and gpu.integrated else asked
