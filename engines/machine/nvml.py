"""NVIDIA's GPUs through NVML's own bindings, `pynvml` of the package nvidia-ml-py: asked for when it is needed."""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

INSTALL = "pip install nvidia-ml-py"
NO_DRIVER = "no driver of NVIDIA's"
# As the bindings load it.
_LIBRARY = "libnvidia-ml.so.1"

# Why a clock is below its highest: name in the bindings behind `nvmlClocksEventReason`, or `nvmlClocksThrottleReason`
# before release 12.535 -> words. NVML API reference, "Clocks Event Reasons".
_REASONS = {
    "SwPowerCap": "the power limit holds its clock down",
    "HwSlowdown": "its hardware slows it down (too hot, or too little power)",
    "SwThermalSlowdown": "its driver slows it down: too hot",
    "HwThermalSlowdown": "its hardware slows it down: too hot",
    "HwPowerBrakeSlowdown": "its hardware slows it down: the power supply asks for it",
    "SyncBoost": "it keeps the clock of the slowest GPU of its group",
    "BoardLimit": "the board's voltage limit holds its clock down",
    "Reliability": "a reliability limit of its voltage holds its clock down",
}
# Those that slow nothing down that should be faster: it has nothing to do; someone chose the clock.
_CHOSEN = {
    "ApplicationsClocksSetting": "its clock is set by hand (application clocks)",
    "DisplayClockSetting": "its clock is set by the display",
}
_IDLE = ("GpuIdle",)
# Of functions that list processes: drivers since 510, since 460, before.
_VERSIONS = ("_v3", "_v2", "")
_PREFIXES = ("nvmlClocksEventReason", "nvmlClocksThrottleReason")


class Nvml:
    """bindings: the module `pynvml`, initialised. Whatever a GPU or its driver does not tell is None."""

    def __init__(self, bindings: Any, own: int | None = None) -> None:
        self._bindings = bindings
        self._own = os.getpid() if own is None else own
        # The second is none of the first.
        self._errors = (bindings.NVMLError, getattr(bindings, "NVMLLibraryMismatchError", bindings.NVMLError))

    def devices(self) -> list[Any]:
        """Handles of the GPUs, in NVML's order; of those that answer."""
        count = self._ask("nvmlDeviceGetCount")
        handles = (self._ask("nvmlDeviceGetHandleByIndex", index) for index in range(count or 0))
        return [handle for handle in handles if handle is not None]

    def gpus(self) -> list[dict[str, Any]]:
        """What they are: index, name, compute_capability, driver, memory_bytes."""
        driver = _text(self._ask("nvmlSystemGetDriverVersion"))
        found = []
        for index, handle in enumerate(self.devices()):
            capability = self._ask("nvmlDeviceGetCudaComputeCapability", handle)
            memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
            found.append(
                {
                    "index": index,
                    "name": self.name(handle),
                    "compute_capability": None if capability is None else ".".join(map(str, capability)),
                    "driver": driver,
                    "memory_bytes": None if memory is None else int(memory.total),
                }
            )
        return found

    def readings(self) -> list[dict[str, Any]]:
        """How they are now.

        mhz, memory_mhz, mhz_max: clocks of the multiprocessors and of the memory. watts: drawn now, or as a mean of the
        last second, as the GPU has it; power_limit_watts: what is granted. throttle: why its clock is held down;
        chosen: who set its clock; both in words. used_bytes: memory of this process; memory_used_bytes: of all. others:
        other processes that compute on it.
        """
        return [self._reading(handle) for handle in self.devices()]

    def name(self, handle: Any) -> str | None:
        """As NVIDIA sells it."""
        return _text(self._ask("nvmlDeviceGetName", handle))

    def joules(self, handle: Any) -> float | None:
        """Drawn since the driver was loaded; None before Volta."""
        millijoules = self._ask("nvmlDeviceGetTotalEnergyConsumption", handle)
        return None if millijoules is None else millijoules / 1000

    def watts(self, handle: Any) -> float | None:
        """Drawn now."""
        milliwatts = self._ask("nvmlDeviceGetPowerUsage", handle)
        return None if milliwatts is None else milliwatts / 1000

    def used_bytes(self, handle: Any) -> int | None:
        """Memory of this process on a GPU; None where the driver does not tell, as behind a container's numbers."""
        mine = [one.usedGpuMemory for one in self._processes(handle) if one.pid == self._own]
        known = [int(size) for size in mine if size is not None]
        return max(known, default=None)

    def most_used_bytes(self, handle: Any) -> int | None:
        """The most that this process has had there, where the driver keeps accounts (`nvidia-smi -am 1`)."""
        accounts = self._ask("nvmlDeviceGetAccountingStats", handle, self._own)
        most = None if accounts is None else accounts.maxMemoryUsage
        return int(most) if most else None

    def _reading(self, handle: Any) -> dict[str, Any]:
        memory = self._ask("nvmlDeviceGetMemoryInfo", handle)
        limit = self._ask("nvmlDeviceGetEnforcedPowerLimit", handle)
        slowed, chosen = self._held_down(handle)
        computing = self._listed("nvmlDeviceGetComputeRunningProcesses", handle)
        return {
            "name": self.name(handle),
            "mhz": self._ask("nvmlDeviceGetClockInfo", handle, self._constant("NVML_CLOCK_SM")),
            "memory_mhz": self._ask("nvmlDeviceGetClockInfo", handle, self._constant("NVML_CLOCK_MEM")),
            "mhz_max": self._ask("nvmlDeviceGetMaxClockInfo", handle, self._constant("NVML_CLOCK_SM")),
            "celsius": self._ask("nvmlDeviceGetTemperature", handle, self._constant("NVML_TEMPERATURE_GPU")),
            "watts": self.watts(handle),
            "power_limit_watts": None if limit is None else limit / 1000,
            "throttle": slowed,
            "chosen": chosen,
            "used_bytes": self.used_bytes(handle),
            "memory_used_bytes": None if memory is None else int(memory.used),
            "others": None if computing is None else len({one.pid for one in computing} - {self._own}),
        }

    def _held_down(self, handle: Any) -> tuple[list[str] | None, list[str] | None]:
        """Why its clock is held down, and by whose choice; None where the driver does not tell."""
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
        if bits is None:
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return (None, None) if bits is None else decode_reasons(bits, self._reason)

    def _reason(self, name: str) -> int | None:
        return next((bit for prefix in _PREFIXES if (bit := self._constant(prefix + name)) is not None), None)

    def _processes(self, handle: Any) -> list[Any]:
        kinds = ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses")
        return [one for kind in kinds for one in self._listed(kind, handle) or ()]

    def _listed(self, kind: str, handle: Any) -> list[Any] | None:
        """Without a version in its name, such a function fails where driver and bindings are not of one release."""
        for version in _VERSIONS:
            found: list[Any] | None = self._ask(kind + version, handle)
            if found is not None:
                return found
        return None

    def _constant(self, name: str) -> Any:
        return getattr(self._bindings, name, None)

    def _ask(self, name: str, *arguments: Any) -> Any:
        """A function of the bindings; None where these have none of that name, or the driver or the GPU no answer."""
        function = getattr(self._bindings, name, None)
        if function is None or None in arguments:
            return None
        try:
            return function(*arguments)
        except (*self._errors, OSError, ValueError, AttributeError):
            return None


def decode_reasons(bits: int, bit_of: Callable[[str], int | None]) -> tuple[list[str], list[str]]:
    """(what holds a clock down, who chose it), in words, from NVML's bits. bit_of: name of a reason -> its bit."""
    slowed, chosen = (
        [says for name, says in table.items() if bits & (bit_of(name) or 0)] for table in (_REASONS, _CHOSEN)
    )
    known = 0
    for name in (*_REASONS, *_CHOSEN, *_IDLE):
        known |= bit_of(name) or 0
    if bits & ~known:
        slowed.append(f"a reason that these bindings do not know (bits {bits & ~known:#x})")
    return slowed, chosen


def open_nvml() -> Nvml | None:
    """NVML of this machine, opened once in a process; None where there are no bindings, or no driver."""
    return _open()[0]


def why_not() -> str | None:
    """Why `open_nvml` has nothing, as a clause; None where it has."""
    return _open()[1]


@functools.cache
def _open() -> tuple[Nvml | None, str | None]:
    # The bindings are large: they are not loaded where there is no driver to talk to.
    if not _has_library():
        return None, NO_DRIVER
    try:
        bindings: Any = importlib.import_module("pynvml")
    except ImportError:
        return None, f"no module pynvml ({INSTALL})"
    try:
        bindings.nvmlInit()
    except (bindings.NVMLError, OSError) as error:
        return None, f"NVML: {str(error).rstrip('.') or type(error).__name__}"
    return Nvml(bindings), None


def _has_library() -> bool:
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


def _text(value: str | bytes | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def device_names(handles: Sequence[Any]) -> list[str]:
    """How meters name GPUs: `GPU`, or `GPU 0`, `GPU 1` where there are several."""
    return ["GPU"] if len(handles) == 1 else [f"GPU {index}" for index in range(len(handles))]
