"""OpenVINO: precision, threads and streams are pinned, because its defaults choose by device, silently."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from engines.audit import Audit
from engines.base import Batch, Engine, Logits
from engines.graph import with_every_output
from engines.openvino_audit import read_audit
from engines.registry import ENGINES
from shipcheck.errors import BuildError, ShipcheckError, UnsupportedError

# Precision -> what float layers compute in. Without the hint, a CPU with bfloat16 instructions runs float32 files in
# bfloat16.
_HINTS = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "f32"}
_DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}
_TELEMETRY = "openvino_telemetry"


@ENGINES.register("openvino", "ov")
class OpenVinoEngine(Engine):
    """Runs the graph in a model compiled for one image (or the graph's own batch) and one stream.

    One image: static shapes answer a single query faster than a free batch (ResNet-20, one thread: 0.59 and 0.66 ms),
    batches gain nothing (MobileNet: 5.4 ms an image, against 8.9 in batches of 32), and the model that is timed is the
    one that is scored. One stream: queries of several threads take turns, as a second stream would make each of them
    slower (0.66 and 0.70 ms).

    OpenVINO's Relu turns NaN into 0: NaN that arises inside a graph need not reach its logits.
    """

    name: ClassVar[str] = "openvino"
    module: ClassVar[str | None] = "openvino"
    install: ClassVar[str] = "pip install 'shipcheck[openvino]'"
    manifest: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cpu": ("fp32", "fp16", "bf16", "int8"),
        "gpu": ("fp32", "fp16", "int8"),
        "npu": ("fp16", "int8"),
    }

    @classmethod
    def runtime(cls) -> ModuleType | None:
        """As for every engine; imported without its telemetry."""
        with without_telemetry():
            return super().runtime()

    @classmethod
    def check_support(cls, precision: str, device: str) -> None:
        """As for every engine; also UnsupportedError for a device that OpenVINO does not see, and for a 16-bit float
        that the processor has no instructions for.
        """
        super().check_support(precision, device)
        present = _core().available_devices
        if _DEVICES[device] not in {name.partition(".")[0] for name in present}:
            raise UnsupportedError(
                f"Engine {cls.name!r} cannot use {device!r}: OpenVINO sees {', '.join(present) or 'no device'} here. "
                "Install the device's driver, or take one of these."
            )
        hint = _HINTS[precision]
        if hint != "f32" and not _keeps_hint(_DEVICES[device], hint):
            raise UnsupportedError(
                f"Engine {cls.name!r} does not compute in {precision} on this {device!r}: it has no instructions "
                "for it, and OpenVINO would take another type. Take --precision fp32."
            )

    def _build(self) -> None:
        request = self.request
        if request.optimization != "all":
            raise UnsupportedError(
                f"Engine {self.name!r} has no optimisation level {request.optimization!r}: OpenVINO optimises always, "
                "as with --optimization all."
            )
        self._images = request.fixed_batch or 1
        self._model = self._read(request.onnx_bytes, self._images)
        self._compiled = self._compile(self._model)
        try:
            self._output = self._compiled.output(request.output_name)
            self._query = self._compiled.create_infer_request()
            # What OpenVINO would write for another process: graph as optimised, and weights.
            self.engine_bytes = len(self._compiled.export_model().getvalue())
        except Exception as error:
            raise BuildError(f"OpenVINO cannot build the {request.precision} model: {error}") from error

    def _infer(self, batch: Batch) -> Logits:
        logits = [self._one(batch[start : start + self._images]) for start in range(0, len(batch), self._images)]
        return logits[0] if len(logits) == 1 else np.concatenate(logits)

    def _one(self, images: Batch) -> Logits:
        self._query.infer({0: images}, share_inputs=True)
        logits: Logits = self._query.get_tensor(self._output).data.copy()  # the next query writes there
        return logits

    def _read_audit(self) -> Audit:
        return read_audit(self._model, self._compiled.get_runtime_model(), self.request.precision, self._images)

    def _intermediates(self, batch: Batch) -> dict[str, npt.NDArray[Any]]:
        onnx_bytes, names = with_every_output(self.request.onnx_bytes)
        compiled = self._compile(self._read(onnx_bytes, len(batch)))
        query = compiled.create_infer_request()
        query.infer({0: batch})
        values = {name: query.get_tensor(compiled.output(name)).data.copy() for name in names}
        return {name: value for name, value in values.items() if value.dtype.kind == "f"}

    def _release(self) -> None:
        self._query = self._output = self._compiled = self._model = None

    def describe(self) -> dict[str, Any]:
        """Device and what was pinned beside the common options."""
        device = _DEVICES[self.request.device]
        return {
            **super().describe(),
            "device": str(_core().get_property(device, "FULL_DEVICE_NAME")),
            "images_per_inference": self._images,
            "settings": self._settings(),
        }

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _HINTS[self.request.precision],
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "CACHE_DIR": "",
        }
        if self.request.device == "cpu":
            settings |= {
                "INFERENCE_NUM_THREADS": self.request.threads,
                # Several runs on one machine would be pinned to the same core.
                "ENABLE_CPU_PINNING": False,
                # Weights of 4 or 8 bits would have their float activations quantized on the way.
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            }
        return settings

    def _read(self, onnx_bytes: bytes, images: int) -> Any:
        request = self.request
        try:
            model = _core().read_model(onnx_bytes)
            inputs = [sorted(port.get_names()) for port in model.inputs]
            if len(inputs) != 1 or request.input_name not in inputs[0]:
                raise BuildError(
                    f"OpenVINO cannot build the model: it takes the inputs {', '.join(map(' = '.join, inputs))}, "
                    f"expected {request.input_name} alone."
                )
            model.reshape({model.inputs[0]: [images, *request.input_shape]})
        except ShipcheckError:
            raise
        except Exception as error:  # OpenVINO raises RuntimeError and its own exceptions
            raise BuildError(f"OpenVINO cannot build the {request.precision} model: {error}") from error
        return model

    def _compile(self, model: Any) -> Any:
        request, device, expected = self.request, _DEVICES[self.request.device], _HINTS[self.request.precision]
        try:
            compiled = _core().compile_model(model, device, self._settings())
            devices = [name.partition(".")[0] for name in compiled.get_property("EXECUTION_DEVICES")]
            hint = _element(compiled, "INFERENCE_PRECISION_HINT")
            threads = compiled.get_property("INFERENCE_NUM_THREADS") if request.device == "cpu" else request.threads
        except Exception as error:
            raise BuildError(f"OpenVINO cannot build the {request.precision} model: {error}") from error
        if devices != [device] or hint != expected:
            raise BuildError(f"OpenVINO built for {', '.join(devices)} in {hint} instead of {device} in {expected}.")
        if threads != request.threads:
            raise UnsupportedError(
                f"OpenVINO takes {threads} of the {request.threads} threads asked for: one for each core it may use. "
                f"Take --threads {threads}."
            )
        return compiled


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
