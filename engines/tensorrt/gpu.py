"""The GPU or DLA core behind a device word."""

from __future__ import annotations

from typing import Any

from seatrial.engines.cuda import DeviceInfo, open_cuda
from seatrial.engines.device import device_index, device_kind
from seatrial.engines.tensorrt.bindings import Bindings
from seatrial.engines.tensorrt.listener import Listener
from seatrial.errors import UnsupportedError


def gpu_index(device: str) -> int:
    """Number of the GPU: that of `cuda:1`; DLA cores lie beside GPU 0."""
    return device_index(device) if device_kind(device) == "cuda" else 0


def find_gpu(device: str) -> DeviceInfo:
    """What the device's GPU is; UnsupportedError that says what is missing."""
    cuda = open_cuda(gpu_index(device))
    try:
        return cuda.info()
    finally:
        cuda.close()


def gpu_words(gpu: DeviceInfo) -> dict[str, Any]:
    """What of it shapes a plan, as JSON values."""
    return {
        "gpu": gpu.name,
        "gpu_compute_capability": ".".join(map(str, gpu.compute_capability)),
        "driver": gpu.driver,
    }


def dla_core(device: str) -> int | None:
    """1 for `dla:1`, 0 for `dla`, None for a GPU."""
    return device_index(device) if device_kind(device) == "dla" else None


def check_dla(trt: Bindings, core: int) -> None:
    """UnsupportedError where TensorRT sees no such DLA core."""
    cuda = open_cuda()
    listener = Listener(trt)
    try:
        with cuda.current():
            cores = trt.Builder(listener.sink).num_DLA_cores
    finally:
        cuda.close()
    if core >= cores:
        raise UnsupportedError(
            f"Device 'dla:{core}' is not here: TensorRT {trt.__version__} sees {cores} DLA cores. Jetson Orin and "
            "DRIVE have them, with the TensorRT versions that NVIDIA names for it."
        )
