"""How the machine is, at one moment, as far as it tells."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from seatrial.engines.machine import nvidia_smi
from seatrial.engines.machine.container import describe_container
from seatrial.engines.machine.device_memory import note_use
from seatrial.engines.machine.heat import describe_heat
from seatrial.engines.machine.jetson import describe_jetson
from seatrial.engines.machine.memory import describe_memory
from seatrial.engines.machine.processes import Look, busiest, family, look
from seatrial.engines.machine.processor import describe_processor
from seatrial.engines.machine.raspberry_pi import describe_raspberry_pi
from seatrial.engines.machine.system import Run, System, run_command

# A look at processes that is shorter sees too few of the system's ticks of 10 ms.
LEAST_LOOK_S = 0.3


def reading(root: Path = Path("/"), run: Run = run_command) -> dict[str, Any]:
    """JSON values; None where the machine does not tell. Takes about LEAST_LOOK_S, in which it looks who is busy.

    Keys: those of `describe_processor` (processor, model, load, cores, affinity, threads, governor, driver, mhz,
    mhz_max, mhz_limit, turbo) and `describe_heat` (celsius, throttled, throttle_counts); container, memory, gpus,
    jetson and raspberry_pi as `describe_container`, `describe_memory`, `Nvml.readings`, `describe_jetson` and
    `describe_raspberry_pi` have them; busiest: the name and share of a core of other processes than this one and those
    that it started, over busiest_s seconds; others: the share of all of them. throttled holds what the board tells,
    too.
    """
    return Watch(System(root, run)).reading()


class Watch:
    """Readings one after the other: each tells who was busy since the last.

    run_by: number of a process that, with all that it started, is the run's own, as `os.getppid()` for an engine's
    process; None for this one. look_s: the shortest look; None for LEAST_LOOK_S. clock, sleep: seconds.
    """

    def __init__(
        self,
        system: System | None = None,
        *,
        run_by: int | None = None,
        look_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._system = system or System()
        self._run_by = os.getpid() if run_by is None else run_by
        self._look_s = LEAST_LOOK_S if look_s is None else look_s
        self._clock, self._sleep = clock, sleep
        self._last: Look | None = None

    def reading(self) -> dict[str, Any]:
        """As the function `reading`. Waits where the last one is less than `look_s` seconds ago."""
        first = self._last or look(self._system, self._clock())
        left = self._look_s - (self._clock() - first.at)
        if left > 0 and first.processes:
            self._sleep(left)
        second = look(self._system, self._clock())
        self._last = second
        ours: Collection[int] = family(self._run_by, {**first.processes, **second.processes})
        found = busiest(self._system, first, second, ours)
        named, together = (None, None) if found is None else found
        return {
            **describe(self._system),
            "busiest": named,
            "others": together,
            "busiest_s": None if found is None else round(second.at - first.at, 3),
        }


def describe(system: System) -> dict[str, Any]:
    """All but who is busy: at once."""
    found = {
        **describe_processor(system),
        **describe_heat(system),
        "container": describe_container(system),
        "memory": describe_memory(system),
        "gpus": _gpus(system),
        "jetson": describe_jetson(system),
        "raspberry_pi": describe_raspberry_pi(system),
    }
    board = (found["raspberry_pi"] or {}).get("throttled") or []
    found["throttled"] = [*found["throttled"], *board]
    return found


def _gpus(system: System) -> list[dict[str, Any]]:
    nvml = system.nvml
    if nvml is None:
        return nvidia_smi.readings(system)
    if system.is_this:
        note_use(nvml)
    return nvml.readings()
