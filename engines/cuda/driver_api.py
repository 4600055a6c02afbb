"""The calls of CUDA's driver API that cuda-python offers, with its error codes turned into DeviceError."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from seatrial.errors import DeviceError, UnsupportedError

# cuda.bindings.driver since 12.6.1, the whole of 13 included; before that the same functions lay in cuda.cuda.
MODULES = ("cuda.bindings.driver", "cuda.cuda")
INSTALL = "pip install 'cuda-python>=12.6'"
INSTALL_12 = "pip install 'cuda-python>=12.6,<13'"
# cuda.bindings 13 asks the driver for cuEventElapsedTime as of CUDA 12.8, its newest of the functions that are called
# here. cuGetProcAddress refuses a version above the driver's own (CUDA Driver API, "Driver Entry Point Access").
LEAST_DRIVER_OF_13 = 12080


def load_driver_api() -> ModuleType:
    """cuda-python's module of the driver API; ImportError where there is none."""
    try:
        return importlib.import_module(MODULES[0])
    except ModuleNotFoundError:
        return importlib.import_module(MODULES[1])


def ask(driver: Any, name: str, *arguments: Any) -> Any:
    """What a call gives, as `checked` gives it; DeviceError also where the driver is too old for it, which the package
    finds out when the function is first called.
    """
    try:
        answer: tuple[Any, ...] = getattr(driver, name)(*arguments)
    except (RuntimeError, AttributeError) as error:
        raise DeviceError(f"CUDA failed: {name} cannot be called ({error}).") from error
    return checked(driver, answer)


def check_driver(driver: Any, package: str | None) -> None:
    """UnsupportedError where the package asks for functions that the driver does not have yet.

    package: version of cuda.bindings, as "13.4.4"; None where it is older than that it tells one.
    """
    version = int(ask(driver, "cuDriverGetVersion"))
    if package is not None and int(package.partition(".")[0]) >= 13 and version < LEAST_DRIVER_OF_13:
        raise UnsupportedError(
            f"cuda-python {package} needs a driver of CUDA {version_words(LEAST_DRIVER_OF_13)} or newer; this one is "
            f"of CUDA {version_words(version)}. Install the package of its time: {INSTALL_12}"
        )


def package_version() -> str | None:
    """Of cuda.bindings."""
    try:
        found = importlib.import_module("cuda.bindings").__version__
    except (ModuleNotFoundError, AttributeError):
        return None
    return str(found)


def version_words(version: int) -> str:
    """In words: "12.6" for 12060."""
    return f"{version // 1000}.{version % 1000 // 10}"


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
