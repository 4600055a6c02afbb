"""The power that a Jetson draws, by the sensors on its board (INA3221, INA238)."""

from __future__ import annotations

from seatrial.engines.machine.system import System, printable

_CHIPS = ("ina3221", "ina238")
# The rail that feeds all others, by board: Jetson Nano (POM_5V_IN, 5V_IN), TX1, TX2, Xavier NX, Orin Nano and NX.
# Jetson Linux Developer Guide, "Software-Based Power Consumption Modeling". Where there is none of them (AGX Xavier,
# AGX Orin) the rails stand side by side, and their sum is what the module draws.
_INPUTS = ("VDD_IN", "POM_5V_IN", "5V_IN", "VIN")
# Behind VIN_SYS_5V0 of AGX Orin: counted there.
_BEHIND = ("VDDQ_VDD2_1V8AO",)
# A channel that adds up others: Linux, Documentation/hwmon/ina3221.rst, in7_label.
_SUMS = "sum of shunt voltages"


def rails(system: System) -> dict[str, float]:
    """Rail -> watts now; empty where there are none."""
    return _by_hwmon(system) or _by_iio(system)


def total(watts: dict[str, float]) -> tuple[str, float] | None:
    """What the whole module draws: (which rails that is, watts); None for no rails."""
    for name in _INPUTS:
        if name in watts:
            return name, watts[name]
    side_by_side = {name: value for name, value in watts.items() if name not in _BEHIND}
    return ("the sum of " + ", ".join(side_by_side), sum(side_by_side.values())) if side_by_side else None


def _by_hwmon(system: System) -> dict[str, float]:
    """Since JetPack 5. Linux, Documentation/hwmon/ina3221.rst: millivolts, milliamperes; ina238.rst: microwatts."""
    found: dict[str, float] = {}
    folders = system.find("sys/class/hwmon/hwmon*")
    # In a container the class may be missing while the bus is there.
    folders = folders or system.find("sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*")
    for folder in folders:
        chip = system.word(f"{folder}/name")
        if chip not in _CHIPS:
            continue
        microwatts = system.integer(f"{folder}/power1_input")
        if chip == "ina238" and microwatts is not None:  # of AGX Thor, which tegrastats calls so
            found["VIN"] = microwatts / 1e6
        for number in (1, 2, 3):
            label = system.word(f"{folder}/in{number}_label")
            volts, amperes = (system.integer(f"{folder}/{kind}{number}_input") for kind in ("in", "curr"))
            if chip == "ina3221" and label and label != "NC" and _SUMS not in label and volts and amperes is not None:
                found[label] = volts * amperes / 1e6
    return found


def _by_iio(system: System) -> dict[str, float]:
    """Until JetPack 4, NVIDIA's own driver: drivers/staging/iio/meter/ina3221.c of Linux for Tegra; milliwatts."""
    found: dict[str, float] = {}
    for driver in ("ina3221x", "ina3221"):
        for path in system.find(f"sys/bus/i2c/drivers/{driver}/*/iio*device*/rail_name_[0-2]"):
            folder, _, number = path.rpartition("/rail_name_")
            name, milliwatts = system.word(path), system.integer(f"{folder}/in_power{number}_input")
            if name and name != "NC" and milliwatts is not None and milliwatts >= 0:
                found[printable(name)] = milliwatts / 1000
    return found
