"""The machine beside an engine: its clocks, temperatures, load, limits, energy. The standard library is enough."""

from __future__ import annotations

from seatrial.engines.machine.changes import changes
from seatrial.engines.machine.cooling import Waited, wait_for_celsius, wait_for_steady, warmest
from seatrial.engines.machine.device_memory import device_peak_bytes
from seatrial.engines.machine.meters import Meter, idle_watts, meters, read_meters
from seatrial.engines.machine.reading import Watch, reading
from seatrial.engines.machine.shape import as_reading

__all__ = [
    "Meter",
    "Waited",
    "Watch",
    "as_reading",
    "changes",
    "device_peak_bytes",
    "idle_watts",
    "meters",
    "read_meters",
    "reading",
    "wait_for_celsius",
    "wait_for_steady",
    "warmest",
]
