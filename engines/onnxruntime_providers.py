"""ONNX Runtime's execution providers: which one runs a device, with which options, and whether it starts here."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from seatrial.engines.base import BuildRequest
from seatrial.engines.device import device_index, device_kind
from seatrial.errors import BuildError, UnsupportedError
from seatrial.packages import need

CPU = "CPUExecutionProvider"
# An ONNX file of one Relu, x and y float32 ["batch", 4], of opset 17: no package need be there that writes one.
ONE_NODE = (
    b'\x08\x08:I\n\x0c\n\x01x\x12\x01y"\x04Relu\x12\x05probe'
    b"Z\x18\n\x01x\x12\x13\n\x11\x08\x01\x12\r\n\x07\x12\x05batch\n\x02\x08\x04"
    b"b\x18\n\x01y\x12\x13\n\x11\x08\x01\x12\r\n\x07\x12\x05batch\n\x02\x08\x04"
    b"B\x04\n\x00\x10\x11"
)
# ONNX Runtime gives nodes that no listed provider takes to the CPU's, without a word, unless this is set.
NO_CPU_NODES = ("session.disable_cpu_ep_fallback", "1")
_PIP_GPU = (
    "pip uninstall onnxruntime && pip install 'seatrial[gpu]' (onnxruntime-gpu is the same module: one of the two)"
)
_PIP_RTX = "pip install onnxruntime-ep-nv-tensorrt-rtx (beside onnxruntime 1.24 or newer, not onnxruntime-gpu)"
_PIP_CUDA = "pip install 'onnxruntime-gpu[cuda,cudnn]'"
_PIP_TENSORRT = f"{_PIP_CUDA} 'tensorrt<11'"


@dataclasses.dataclass(frozen=True)
class Provider:
    """What runs a graph on one kind of device.

    name: ONNX Runtime's own. precisions: that it has kernels for. recipe: whose recipes give its files. options: of
    the session, as ONNX Runtime takes them. install, libraries: the lines that give it and what it loads. compiles:
    it builds an engine of the whole graph, which can be kept. memory: where inputs and outputs are kept between
    queries, in OrtValue's words; None where ONNX Runtime copies them itself. plugin: the module of a provider that is a
    package of its own.
    """

    name: str
    precisions: tuple[str, ...]
    recipe: str
    options: Callable[[BuildRequest], dict[str, str]]
    install: str
    libraries: str = ""
    compiles: bool = False
    memory: str | None = None
    plugin: str | None = None


def _no_options(request: BuildRequest) -> dict[str, str]:
    return {}


def _cuda_options(request: BuildRequest) -> dict[str, str]:
    return {
        "device_id": str(device_index(request.device)),
        # fp32 means float32: the default rounds the factors of convolutions and matrix products to 10 bits.
        "use_tf32": "0",
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "do_copy_in_default_stream": "1",
        # A recorded graph answers every query with the buffers of the first: wrong for batches of another size.
        "enable_cuda_graph": "0",
    }


def _tensorrt_options(request: BuildRequest) -> dict[str, str]:
    builder = request.builder
    _refuse_what_has_no_option(request)
    options = {
        "device_id": str(device_index(request.device)),
        # Without a flag for a precision the network is strongly typed: the file's types are the precision.
        "trt_fp16_enable": "False",
        "trt_int8_enable": "False",
        # Its caches are named after the graph's structure, and served one engine to two models that differ only in
        # weights (onnxruntime#6455, #32254). Engines are kept by content instead: engines.onnxruntime_compiled.
        "trt_engine_cache_enable": "False",
        "trt_timing_cache_enable": "False",
        "trt_cuda_graph_enable": "False",
        "trt_engine_hw_compatible": str(builder.hardware_compatible),
    }
    if builder.level is not None:
        options["trt_builder_optimization_level"] = str(builder.level)
    if builder.workspace_mib is not None:
        options["trt_max_workspace_size"] = str(builder.workspace_mib << 20)
    return options | _profile_shapes(request, "trt_profile")


def _rtx_options(request: BuildRequest) -> dict[str, str]:
    builder = request.builder
    _refuse_what_has_no_option(request)
    options = {"enable_cuda_graph": "0"}
    if builder.level is not None or builder.hardware_compatible:
        raise UnsupportedError(
            "ONNX Runtime's TensorRT-RTX provider has neither a builder level nor hardware-compatible engines. Leave "
            "--builder-level and --hardware-compatible out, or take --engine tensorrt-rtx."
        )
    if builder.workspace_mib is not None:
        options["nv_max_workspace_size"] = str(builder.workspace_mib << 20)
    return options | _profile_shapes(request, "nv_profile")


def _refuse_what_has_no_option(request: BuildRequest) -> None:
    if request.builder.version_compatible or request.builder.compute_capability is not None:
        raise UnsupportedError(
            "ONNX Runtime's TensorRT providers build for the GPU and the version that run: leave --version-compatible "
            "and --compute-capability out, or take --engine tensorrt or tensorrt-rtx."
        )


def _profile_shapes(request: BuildRequest, prefix: str) -> dict[str, str]:
    """The optimisation profile: batches from 1 to the largest, tuned for a single query; none for a frozen batch."""
    if request.fixed_batch is not None:
        return {}
    sizes = {"min": 1, "opt": 1, "max": request.builder.max_batch}
    return {
        f"{prefix}_{which}_shapes": f"{request.input_name}:{'x'.join(map(str, (size, *request.input_shape)))}"
        for which, size in sizes.items()
    }


# The CUDA provider has no integer convolutions: it runs quantized files dequantized, in float (onnxruntime#12229).
PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "cpu": Provider(CPU, ("fp32", "int8", "int4"), "onnxruntime", _no_options, "pip install 'seatrial[cpu]'"),
        "cuda": Provider("CUDAExecutionProvider", ("fp32", "fp16"), "tensorrt", _cuda_options, _PIP_GPU, memory="cuda"),
        "tensorrt": Provider(
            "TensorrtExecutionProvider",
            ("fp32", "fp16", "int8"),
            "tensorrt",
            _tensorrt_options,
            _PIP_GPU,
            _PIP_TENSORRT,
            compiles=True,
            memory="cuda",
        ),
        "tensorrt-rtx": Provider(
            "NvTensorRTRTXExecutionProvider",
            ("fp32", "fp16", "int8"),
            "tensorrt-rtx",
            _rtx_options,
            _PIP_RTX,
            _PIP_RTX,
            compiles=True,
            plugin="onnxruntime_ep_nv_tensorrt_rtx",
        ),
    }
)


def provider_of(device: str) -> Provider:
    """The provider that runs a device that the manifest offers."""
    return PROVIDERS[device_kind(device)]


def open_session(ort: Any, onnx_bytes: bytes, options: Any, device: str, settings: Mapping[str, str]) -> Any:
    """An InferenceSession on the device's provider alone; BuildError where ONNX Runtime takes another.

    options: its SessionOptions. settings: the provider's own options. May raise whatever ONNX Runtime does.
    """
    provider = provider_of(device)
    # Without enable_fallback=0, Python's session prints an error and builds for the CPU instead.
    if provider.plugin is None:
        providers = [(provider.name, dict(settings))]
        session = ort.InferenceSession(onnx_bytes, options, providers=providers, enable_fallback=0)
    else:
        options.add_provider_for_devices([_plugin_device(ort, device)], dict(settings))
        session = ort.InferenceSession(onnx_bytes, options, enable_fallback=0)
    # ONNX Runtime lists the CPU's behind the others, also where it gets no node.
    found = session.get_providers()
    if found[:1] != [provider.name] or set(found) - {provider.name, CPU}:
        raise BuildError(f"ONNX Runtime built for {', '.join(found)} instead of {provider.name}.")
    return session


def check_provider(ort: Any, device: str) -> None:
    """UnsupportedError where the device's provider is not installed here, or does not start: it runs one node."""
    if device_kind(device) == "cpu":
        return
    provider = provider_of(device)
    if provider.plugin is not None:
        _plugin_device(ort, device)
    elif provider.name not in ort.get_available_providers():
        raise UnsupportedError(
            f"Engine 'onnxruntime' cannot use {device!r}: this build of ONNX Runtime, {ort.__version__}, is one for "
            f"the CPU, without {provider.name}. Install another: {provider.install}"
        )
    reason = _why_not(device)
    if reason is not None:
        raise UnsupportedError(
            f"Engine 'onnxruntime' cannot use {device!r}: {provider.name} of ONNX Runtime {ort.__version__} does not "
            f"start here. {reason} Install what is missing, an NVIDIA driver or libraries ({provider.libraries}), or "
            "take --device cpu."
        )


@functools.cache
def _why_not(device: str) -> str | None:
    """Why a graph of one node does not run on the device's provider; None where it does."""
    ort = importlib.import_module("onnxruntime")
    said = _load_libraries(ort, device)
    request = BuildRequest(ONE_NODE, "x", "y", (4,), 4, device=device)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        open_session(ort, request.onnx_bytes, options, device, provider_of(device).options(request))
    except Exception as error:  # pybind's exceptions share no base but Exception
        return " ".join([*said, f"{error}".strip()])
    return None


def _load_libraries(ort: Any, device: str) -> list[str]:
    """Loads CUDA, cuDNN and TensorRT from Python packages, where they are; what ONNX Runtime says of those missing."""
    said = io.StringIO()
    if provider_of(device).plugin is None and hasattr(ort, "preload_dlls"):
        with contextlib.redirect_stdout(said):
            ort.preload_dlls()
    if device_kind(device) == "tensorrt" and importlib.util.find_spec("tensorrt") is not None:
        need("tensorrt", f"Engine 'onnxruntime' on {device!r}", "pip install 'seatrial[trt]'")  # for its libraries
    needs = getattr(ort, "cuda_version", "")
    built_for = [f"It is built for CUDA {needs}."] if needs else []
    return [*built_for, *(f"{line.rstrip('.')}." for line in said.getvalue().splitlines() if line)]


def _plugin_device(ort: Any, device: str) -> Any:
    provider, index = provider_of(device), device_index(device)
    assert provider.plugin is not None
    if importlib.util.find_spec(provider.plugin) is None:
        raise UnsupportedError(
            f"Engine 'onnxruntime' cannot use {device!r}: there is no module {provider.plugin!r}. Install it: "
            f"{provider.install}"
        )
    devices = _plugin_devices(provider.plugin, provider.name)
    if isinstance(devices, str):
        raise UnsupportedError(
            f"Engine 'onnxruntime' cannot use {device!r}: {provider.name} cannot be loaded: {devices}. It needs an "
            "NVIDIA driver and an RTX GPU; or take --device cpu."
        )
    if index >= len(devices):
        raise UnsupportedError(
            f"Engine 'onnxruntime' cannot use {device!r}: {provider.name} sees {len(devices)} GPUs here."
        )
    return devices[index]


@functools.cache
def _plugin_devices(module: str, name: str) -> list[Any] | str:
    """The devices that a plugin provider sees, registered with ONNX Runtime; its words where it cannot be loaded."""
    ort = importlib.import_module("onnxruntime")
    plugin: Any = need(module, f"{name} of engine 'onnxruntime'", _PIP_RTX)
    if not hasattr(ort, "register_execution_provider_library"):
        return f"ONNX Runtime {ort.__version__} takes no plugins; 1.24 and newer do"
    try:
        ort.register_execution_provider_library(name, plugin.get_library_path())
    except Exception as error:  # pybind's exceptions share no base but Exception
        return str(error).strip()
    return [device for device in ort.get_ep_devices() if device.ep_name == name]
