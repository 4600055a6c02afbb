"""Energy counters of x86 processors (RAPL), through Linux's powercap."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.engines.machine.system import System
from seatrial.errors import DeviceError

_ZONES = "sys/class/powercap/intel-rapl:"


class Counter:
    """One zone's: it begins again at 0 once it has passed its range. To be asked more often than that takes: some
    20 minutes at 200 W.
    """

    def __init__(self, system: System, zone: str) -> None:
        self._system, self._zone = system, zone
        self._range = system.integer(f"{zone}/max_energy_range_uj")
        self._last: int | None = None
        self._passed = 0

    def microjoules(self) -> int:
        """Since the first question. DeviceError where the file cannot be read any more."""
        now = self._system.integer(f"{self._zone}/energy_uj")
        if now is None:
            raise DeviceError(f"/{self._zone}/energy_uj cannot be read any more.")
        if self._last is not None:
            step = now - self._last
            if step < 0:
                if self._range is None:
                    raise DeviceError(f"/{self._zone}/energy_uj fell, and its range is not known.")
                # From the last count over the range to this one.
                step += self._range + 1
            self._passed += step
        self._last = now
        return self._passed


class RaplMeter:
    """The sum of zones of one kind: a machine with several processors has one each."""

    def __init__(self, name: str, says: str, counters: Sequence[Counter]) -> None:
        self.name, self.says = name, says
        self._counters = counters

    def joules(self) -> float:
        """Since the first question. DeviceError where a zone cannot be read any more."""
        return sum(counter.microjoules() for counter in self._counters) / 1e6

    def close(self) -> None:
        """Holds nothing."""


def rapl_meters(system: System) -> tuple[list[RaplMeter], list[str]]:
    """(meters of the processors' packages, of their memory and of the whole platform, as far as there are; why others
    that are there cannot be read). Linux, Documentation/power/powercap/powercap.rst; microjoules.
    """
    zones: dict[str, list[str]] = {}
    refused = {}
    for path in system.find(f"{_ZONES}*/name"):
        zone, name = path.rpartition("/")[0], system.word(path) or ""
        kind = "package" if name.startswith("package") else name
        if kind not in _KINDS:
            continue
        if system.integer(f"{zone}/energy_uj") is None:
            why = system.reason(f"{zone}/energy_uj") or "no number"
            refused[kind] = f"{_KINDS[kind][1]} (RAPL): /{zone}/energy_uj cannot be read: {why}. {_HELP}"
        else:
            zones.setdefault(kind, []).append(zone)
    found = [
        RaplMeter(*_KINDS[kind], [Counter(system, zone) for zone in zones[kind]]) for kind in _KINDS if kind in zones
    ]
    return found, list(refused.values())


# Kind of a zone -> (name of the meter, what it is). Cores and graphics are parts of a package.
_KINDS = {
    "package": ("processor", "the processor's package"),
    "dram": ("memory", "the memory of a server's processor"),
    "psys": ("platform", "the whole platform, as its firmware counts it"),
}
_HELP = "Linux gives it to root alone; `sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj` until the next start"
