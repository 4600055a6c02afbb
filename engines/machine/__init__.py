"""The machine beside an engine: its clocks, temperatures, load, limits, energy. The standard library is enough."""

from __future__ import annotations

from seatrial.engines.machine.device_memory import device_peak_bytes
from seatrial.engines.machine.meters import Meter, idle_watts, meters, read_meters
from seatrial.engines.machine.reading import Watch, reading

__all__ = ["Meter", "Watch", "device_peak_bytes", "idle_watts", "meters", "read_meters", "reading"]
