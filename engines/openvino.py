"""OpenVINO: precision, threads and streams are pinned, because its defaults choose by device, silently."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from seatrial.engines.aided import AidedEngine
from seatrial.engines.audit import Audit
from seatrial.engines.base import Batch, BuildRequest, Logits
from seatrial.engines.compiled import CompiledEngine
from seatrial.engines.cpu import processor
from seatrial.engines.device import device_index, device_kind
from seatrial.engines.graph import Shown
from seatrial.engines.openvino_audit import kernels, read_audit
from seatrial.engines.precision import is_simulated
from seatrial.engines.registry import ENGINES
from seatrial.errors import BuildError, SeatrialError, UnsupportedError

# Precision -> what float layers compute in. Without the hint, a CPU with bfloat16 instructions runs float32 files in
# bfloat16.
_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}
_DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}
_TELEMETRY = "openvino_telemetry"


@ENGINES.register("openvino", "ov")
class OpenVinoEngine(AidedEngine, CompiledEngine):
    """Runs the graph in a model compiled for one image (or the graph's own batch) and one stream.

    One image: static shapes answer a single query faster than a free batch (ResNet-20, one thread: 0.59 and 0.66 ms),
    batches gain nothing (MobileNet: 5.4 ms an image, against 8.9 in batches of 32), and the model that is timed is the
    one that is scored. One stream: queries of several threads take turns, as a second stream would make each of them
    slower (0.66 and 0.70 ms).

    What runs is always the imported blob, whether it was compiled now or kept. It is imported with the same settings:
    kernels are chosen at import, and without the hint a blob compiled for float32 runs in bfloat16.

    Simulated precisions run without OpenVINO's low-precision transformations (`--optimization disable`, the default for
    them), which move and merge Q/DQ nodes, so that values fall to the other side of a tie. The rest of its
    transformations keep what a graph computes.

    OpenVINO's Relu turns NaN into 0: NaN that arises inside a graph need not reach its logits.
    """

    name: ClassVar[str] = "openvino"
    module: ClassVar[str | None] = "openvino"
    install: ClassVar[str] = "pip install 'seatrial[openvino]'"
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cpu": ("fp32", "fp16", "bf16", "int8"),
        "gpu": ("fp32", "fp16", "int8"),
        "npu": ("fp16", "int8"),
    }
    simulates: ClassVar[tuple[str, ...]] = ("cpu",)  # elsewhere it may execute what is only simulated

    @classmethod
    def runtime(cls) -> ModuleType | None:
        """As for every engine; imported without its telemetry."""
        with without_telemetry():
            return super().runtime()

    @classmethod
    def check_device(cls, device: str) -> None:
        """As for every engine; also UnsupportedError for a device that OpenVINO does not see."""
        super().check_device(device)
        openvino_device(device, _core().available_devices)

    @classmethod
    def check_support(cls, precision: str, device: str) -> None:
        """As for every engine; also UnsupportedError for a 16-bit float that the device has no instructions for."""
        super().check_support(precision, device)
        hint = _hint(precision, device)
        if hint != "f32" and not _keeps_hint(_seen(device), hint):
            raise UnsupportedError(
                f"Engine {cls.name!r} does not compute in {precision} on this {device!r}: it has no instructions "
                "for it, and OpenVINO would take another type. Take --precision fp32."
            )

    @classmethod
    def compiler(cls, request: BuildRequest) -> dict[str, Any]:
        """Version, device, driver, what the device computes natively, and the settings."""
        device = _seen(request.device)
        return {
            "openvino": cls.version(),
            **{
                key: _property(device, key)
                for key in ("FULL_DEVICE_NAME", "DRIVER_VERSION", "OPTIMIZATION_CAPABILITIES")
            },
            "processor": processor().to_dict(),
            "settings": settings(request),
        }

    @classmethod
    def _compile(cls, request: BuildRequest) -> bytes:
        if request.optimization not in ("all", *(("disable",) if is_simulated(request.precision) else ())):
            raise UnsupportedError(
                f"Engine {cls.name!r} has no optimisation level {request.optimization!r}: OpenVINO optimises always, "
                "as with --optimization all; only simulated precisions have disable, too."
            )
        with _refusals(request):
            compiled = _compiled(request, _read(request, request.onnx_bytes, request.fixed_batch or 1))
            compiled.output(request.output_name)
            blob: bytes = compiled.export_model().getvalue()
            return blob

    def _load(self, compiled: bytes) -> None:
        request = self.request
        self._images = request.fixed_batch or 1
        with _refusals(request):
            self._model: Any = _core().import_model(compiled, _seen(request.device), settings(request))
            _check_pinned(request, self._model)
            self._output = self._model.output(request.output_name)
            self._query = self._model.create_infer_request()
        self._tensor = cast("Any", self.runtime()).Tensor

    def _infer(self, batch: Batch) -> Logits:
        count = self._images
        if len(batch) == count:
            return self._one(batch)
        return np.concatenate([self._one(batch[start : start + count]) for start in range(0, len(batch), count)])

    def _one(self, images: Batch) -> Logits:
        if not (images.flags.c_contiguous and images.flags.writeable):  # other arrays are not read where they are
            images = images.copy()
        self._query.set_input_tensor(self._tensor(images, shared_memory=True))
        self._query.infer(share_outputs=True)
        logits: Logits = self._query.get_tensor(self._output).data.copy()  # the next query writes there
        return logits

    def _read_audit(self) -> Audit:
        request = self.request
        with _refusals(request):
            graph = _read(request, request.onnx_bytes, self._images)
            compiled = _compiled(request, graph).get_runtime_model()
        # A blob forgets which operators a kernel was fused from: a model compiled anew tells, if its kernels are the
        # same.
        running = self._model.get_runtime_model()
        told = compiled if kernels(compiled) == kernels(running) else running
        return read_audit(graph, told, request.precision, self._images)

    def _show(self, batch: Batch, shown: Shown) -> dict[str, npt.NDArray[Any]]:
        request = self.request
        assert shown.onnx_bytes is not None
        with _refusals(request):
            compiled = _compiled(request, _read(request, shown.onnx_bytes, len(batch)))
        query = compiled.create_infer_request()
        query.infer({0: batch})
        values = {name: query.get_tensor(compiled.output(name)).data.copy() for name in shown.names}
        return {name: value for name, value in values.items() if value.dtype.kind == "f"}

    def _release(self) -> None:
        self._query = self._output = self._model = None

    def cautions(self) -> tuple[str, ...]:
        """Also a default of OpenVINO on this processor that is not what ran here."""
        request = self.request
        pinned = _hint(request.precision, request.device) == "f32" and device_kind(request.device) == "cpu"
        if not pinned or not _keeps_hint(_seen(request.device), "bf16"):
            return super().cautions()
        return (
            *super().cautions(),
            "OpenVINO computes what is float in bfloat16 on this processor unless it is told otherwise: compile with "
            "INFERENCE_PRECISION_HINT=f32, as here, for the same figures.",
        )

    def describe(self) -> dict[str, Any]:
        """Device and what was pinned beside the common options."""
        return {
            **super().describe(),
            "device": _property(_seen(self.request.device), "FULL_DEVICE_NAME"),
            "images_per_inference": self._images,
            "settings": settings(self.request),
        }


def settings(request: BuildRequest) -> dict[str, Any]:
    """What a model is compiled and imported with, by OpenVINO's names of properties."""
    pinned: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": _hint(request.precision, request.device),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "CACHE_DIR": "",
    }
    if is_simulated(request.precision) and request.optimization == "disable":
        pinned["LP_TRANSFORMS_MODE"] = "NO"
    if device_kind(request.device) == "cpu":
        pinned |= {
            "INFERENCE_NUM_THREADS": request.threads,
            # Several runs on one machine would be pinned to the same core.
            "ENABLE_CPU_PINNING": False,
            # Weights of 4 or 8 bits would have their float activations quantized on the way.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
    return pinned


def openvino_device(device: str, present: Sequence[str]) -> str:
    """OpenVINO's name of a device: `GPU.1` for `gpu:1`; UnsupportedError where it is not among those present.

    present: as OpenVINO lists them: `GPU` where there is one, else `GPU.0`, `GPU.1`, ...
    """
    kind, index = _DEVICES[device_kind(device)], device_index(device)
    numbered = f"{kind}.{index}"
    if numbered in present:
        return numbered
    if kind in present and index == 0:
        return kind
    raise UnsupportedError(
        f"Engine 'openvino' cannot use {device!r}: OpenVINO sees {', '.join(present) or 'no device'} here. "
        "Install the device's driver, or take one of these."
    )


def _seen(device: str) -> str:
    return openvino_device(device, _core().available_devices)


def _hint(precision: str, device: str) -> str:
    # NPUs compute in float16 what is not quantized: they have no float32.
    return "f16" if precision == "int8" and device_kind(device) == "npu" else _HINTS.get(precision, "f32")


def _property(device: str, key: str) -> str | None:
    try:
        value = _core().get_property(device, key)
    except RuntimeError:  # not every device has every property
        return None
    return ", ".join(sorted(map(str, value))) if isinstance(value, list) else str(value)


@contextlib.contextmanager
def _refusals(request: BuildRequest) -> Iterator[None]:
    try:
        yield
    except SeatrialError:
        raise
    except Exception as error:  # OpenVINO raises RuntimeError and its own exceptions
        raise BuildError(f"OpenVINO cannot build the {request.precision} model: {error}") from error


def _read(request: BuildRequest, onnx_bytes: bytes, images: int) -> Any:
    model = _core().read_model(onnx_bytes)
    inputs = [sorted(port.get_names()) for port in model.inputs]
    if len(inputs) != 1 or request.input_name not in inputs[0]:
        raise BuildError(
            f"OpenVINO cannot build the model: it takes the inputs {', '.join(map(' = '.join, inputs))}, "
            f"expected {request.input_name} alone."
        )
    model.reshape({model.inputs[0]: [images, *request.input_shape]})
    return model


def _compiled(request: BuildRequest, model: Any) -> Any:
    compiled = _core().compile_model(model, _seen(request.device), settings(request))
    _check_pinned(request, compiled)
    return compiled


def _check_pinned(request: BuildRequest, compiled: Any) -> None:
    """BuildError where the device or the precision is not the one asked for, UnsupportedError for the threads."""
    expected, device = _hint(request.precision, request.device), _seen(request.device)
    devices = compiled.get_property("EXECUTION_DEVICES")
    hint = _element(compiled, "INFERENCE_PRECISION_HINT")
    if [_numbered(name) for name in devices] != [_numbered(device)] or hint != expected:
        raise BuildError(f"OpenVINO built for {', '.join(devices)} in {hint} instead of {device} in {expected}.")
    threads = compiled.get_property("INFERENCE_NUM_THREADS") if device == "CPU" else request.threads
    if threads != request.threads:
        raise UnsupportedError(
            f"OpenVINO takes {threads} of the {request.threads} threads asked for: one for each core it may use. "
            f"Take --threads {threads}."
        )


def _numbered(device: str) -> str:
    return device if "." in device else f"{device}.0"


@contextlib.contextmanager
def without_telemetry() -> Iterator[None]:
    """Imports made inside send nothing: `import openvino`, and `nncf`, report themselves to Google Analytics otherwise
    and keep a client id in the user's home, unless the package that does this cannot be imported.
    """
    if _TELEMETRY in sys.modules:
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # documented: importing it is a ModuleNotFoundError
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]


@functools.cache
def _core() -> Any:
    openvino: Any = OpenVinoEngine.runtime()
    return openvino.Core()


@functools.cache
def _keeps_hint(device: str, hint: str) -> bool:
    """True where a model compiled with that hint keeps it: without the instructions, OpenVINO drops it silently, or
    fails.
    """
    openvino: Any = OpenVinoEngine.runtime()
    value = openvino.opset8.parameter([1], np.float32)
    model = openvino.Model(openvino.opset8.relu(value), [value])
    try:
        compiled = _core().compile_model(model, device, {"INFERENCE_PRECISION_HINT": hint, "CACHE_DIR": ""})
    except RuntimeError:
        return False
    return _element(compiled, "INFERENCE_PRECISION_HINT") == hint


def _element(compiled: Any, key: str) -> str:
    name: str = compiled.get_property(key).get_type_name()
    return name
