"""The calls of CUDA's driver API that cuda-python offers, with its error codes turned into DeviceError."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from seatrial.errors import DeviceError

# cuda.bindings.driver since 12.6.1, the whole of 13 included; before that the same functions lay in cuda.cuda.
MODULES = ("cuda.bindings.driver", "cuda.cuda")


def load_driver_api() -> ModuleType:
    """cuda-python's module of the driver API; ImportError where there is none."""
    try:
        return importlib.import_module(MODULES[0])
    except ModuleNotFoundError:
        return importlib.import_module(MODULES[1])


def checked(driver: Any, answer: tuple[Any, ...]) -> Any:
    """What a call gave beside its error code: nothing, a value, or a tuple of them; DeviceError for a failure."""
    code, *values = answer
    if code != driver.CUresult.CUDA_SUCCESS:
        raise DeviceError(f"CUDA failed: {error_name(driver, code)}.")
    return values[0] if len(values) == 1 else tuple(values)


def error_name(driver: Any, code: Any) -> str:
    """CUDA's name for an error code, as CUDA_ERROR_OUT_OF_MEMORY."""
    found, name = driver.cuGetErrorName(code)
    return name.decode() if found == driver.CUresult.CUDA_SUCCESS and name else str(code)
