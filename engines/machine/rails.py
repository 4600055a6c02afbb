"""The power that a Jetson draws, by the sensors on its board (INA3221, INA238)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from seatrial.engines.machine.system import System

# The rail that feeds all others, by board: Jetson Nano (POM_5V_IN, 5V_IN), TX1, TX2, Xavier NX, Orin Nano and NX.
# Jetson Linux Developer Guide, "Software-Based Power Consumption Modeling". Where there is none of them (AGX Xavier,
# AGX Orin) the rails stand side by side, and their sum is what the module draws.
_INPUTS = ("VDD_IN", "POM_5V_IN", "5V_IN", "VIN")
# Behind VIN_SYS_5V0 of AGX Orin: counted there.
_BEHIND = ("VDDQ_VDD2_1V8AO",)
# A channel that adds up others: Linux, Documentation/hwmon/ina3221.rst, in7_label; and one that nothing hangs on.
_NO_RAILS = ("sum of shunt voltages", "NC")


@dataclasses.dataclass(frozen=True)
class Rail:
    """files: what is multiplied, and by `unit` becomes watts."""

    name: str
    files: tuple[str, ...]
    unit: float

    def watts(self, system: System) -> float | None:
        """Now; None where a sensor does not answer."""
        found = self.unit
        for file in self.files:
            value = system.integer(file)
            if value is None or value < 0:
                return None
            found *= value
        return found


def find_rails(system: System) -> list[Rail]:
    """Those of the board; none where there is no such sensor."""
    return list(_by_hwmon(system)) or list(_by_iio(system))


def whole(rails: Sequence[Rail]) -> list[Rail]:
    """Those whose sum is what the whole module draws."""
    for name in _INPUTS:
        for rail in rails:
            if rail.name == name:
                return [rail]
    return [rail for rail in rails if rail.name not in _BEHIND]


def total(system: System, rails: Sequence[Rail]) -> float | None:
    """The sum of watts now; None where one does not answer, or there is none."""
    found = [rail.watts(system) for rail in rails]
    known = [watts for watts in found if watts is not None]
    return sum(known) if known and len(known) == len(found) else None


def watts_by_rail(system: System) -> dict[str, float]:
    """Rail -> watts now, of those that answer."""
    found = {rail.name: rail.watts(system) for rail in find_rails(system)}
    return {name: watts for name, watts in found.items() if watts is not None}


def _by_hwmon(system: System) -> Iterator[Rail]:
    """Since JetPack 5. Linux, Documentation/hwmon/ina3221.rst: millivolts, milliamperes; ina238.rst: microwatts."""
    folders = system.find("sys/class/hwmon/hwmon*")
    # In a container the class may be missing while the bus is there.
    for folder in folders or system.find("sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*"):
        chip = system.word(f"{folder}/name")
        if chip == "ina238":  # of AGX Thor, whose tegrastats calls it so
            yield Rail("VIN", (f"{folder}/power1_input",), 1e-6)
        for number in (1, 2, 3) if chip == "ina3221" else ():
            label = system.word(f"{folder}/in{number}_label")
            if label and label not in _NO_RAILS:
                yield Rail(label, (f"{folder}/in{number}_input", f"{folder}/curr{number}_input"), 1e-6)


def _by_iio(system: System) -> Iterator[Rail]:
    """Until JetPack 4, NVIDIA's own driver: drivers/staging/iio/meter/ina3221.c of Linux for Tegra; milliwatts."""
    for driver in ("ina3221x", "ina3221"):
        for path in system.find(f"sys/bus/i2c/drivers/{driver}/*/iio*device*/rail_name_[0-2]"):
            folder, _, number = path.rpartition("/rail_name_")
            name = system.word(path)
            if name and name not in _NO_RAILS:
                yield Rail(name, (f"{folder}/in_power{number}_input",), 1e-3)
