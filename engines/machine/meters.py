"""What energy can be read here: meters, and why others cannot be read."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from seatrial.engines.machine.integral import SampledMeter
from seatrial.engines.machine.jetson import is_jetson
from seatrial.engines.machine.nvml import NO_DRIVER, device_names, why_not
from seatrial.engines.machine.rails import find_rails, total, whole
from seatrial.engines.machine.rapl import rapl_meters
from seatrial.engines.machine.system import Run, System, run_command
from seatrial.errors import DeviceError

# NVML's power is a mean over up to a second, and its own updates come every 25 to 100 ms.
_NVML_EVERY_S = 0.1
# A reading of a rail goes over the board's slow bus.
_RAILS_EVERY_S = 0.2


class Meter(Protocol):
    """name: its key in records. says: what it measures, for people.

    What is read is energy beside a run, not a measurement by MLPerf Power's rules.
    """

    name: str
    says: str

    def joules(self) -> float:
        """Drawn since some moment that stays the same: differences count. DeviceError where it stopped answering."""

    def close(self) -> None:
        """Ends what it runs."""


@dataclasses.dataclass(frozen=True)
class Meters:
    """found: those that can be read. refused: sentences on those that are there and cannot."""

    found: Sequence[Meter]
    refused: Sequence[str]


def meters(root: Path = Path("/"), run: Run = run_command) -> list[Meter]:
    """Those that this process can read. Some read their sensors in a thread once they were asked; `close` ends it."""
    return list(find_meters(System(root, run)).found)


def find_meters(system: System) -> Meters:
    """NVIDIA's GPUs by NVML, x86 processors by RAPL, a Jetson's rails."""
    found: list[Meter] = [*_nvml_meters(system)]
    counted, refused = rapl_meters(system)
    found += counted
    why = why_not() if system.is_this and system.library is None else None
    if why not in (None, NO_DRIVER):
        refused.append(f"the graphics card (NVML) cannot be read: {why}.")
    module = whole(find_rails(system)) if is_jetson(system) else []
    if total(system, module) is not None:
        says = f"the module's power sensors, {' + '.join(rail.name for rail in module)}"
        found.append(SampledMeter("Jetson", says, lambda: total(system, module), every_s=_RAILS_EVERY_S))
    return Meters(found, refused)


def read_meters(found: Sequence[Meter]) -> dict[str, float]:
    """Name -> joules, of those that answer."""
    joules = {}
    for meter in found:
        try:
            joules[meter.name] = meter.joules()
        except DeviceError:
            continue
    return joules


def idle_watts(
    found: Sequence[Meter],
    seconds: float = 2.0,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, float]:
    """Name -> mean watts over so many seconds in which this process does nothing. That nothing else runs meanwhile is
    the caller's part.
    """
    before, begin = read_meters(found), clock()
    sleep(seconds)
    after, spent = read_meters(found), clock() - begin
    return _watts(before, after, spent)


def _watts(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {name: (after[name] - before[name]) / seconds for name in before if name in after and seconds > 0}


class _NvmlMeter:
    def __init__(self, name: str, joules: Callable[[], float | None]) -> None:
        self.name, self.says = name, "the whole graphics card, its own counter (NVML)"
        self._joules = joules

    def joules(self) -> float:
        found = self._joules()
        if found is None:
            raise DeviceError(f"The energy counter of {self.name!r} does not answer any more.")
        return found

    def close(self) -> None:
        """Holds nothing."""


def _nvml_meters(system: System) -> list[Meter]:
    nvml = system.nvml
    if nvml is None:
        return []
    handles = nvml.devices()
    found: list[Meter] = []
    for name, handle in zip(device_names(handles), handles, strict=True):
        if nvml.joules(handle) is not None:
            found.append(_NvmlMeter(name, lambda handle=handle: nvml.joules(handle)))  # type: ignore[misc]
        elif nvml.watts(handle) is not None:
            found.append(
                SampledMeter(
                    name,
                    "the whole graphics card, its power (NVML)",
                    lambda handle=handle: nvml.watts(handle),  # type: ignore[misc]
                    every_s=_NVML_EVERY_S,
                )
            )
    return found
