"""What the machine is like before, while and after targets are timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seatrial.engines.machine import Watch
from seatrial.engines.places import LOCAL, PlacedEngine
from seatrial.errors import DeviceError

# Seconds between two readings, while others are timed and while one is timed for minutes.
EVERY_S = 1.0

Reading = dict[str, Any]


class Machine:
    """Reads the machine that the targets run on, where no clock runs. engine: tells of another place than this one."""

    def __init__(self, engine: PlacedEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._clock = engine, clock
        self._watch = Watch() if engine.place is LOCAL else None
        self._begin = clock()
        self._last = self._begin
        self._latest: Reading | None = None
        self.before = self.read()
        self.during: list[Reading] = []

    def read(self) -> Reading | None:
        """Now; None where the place does not tell any more."""
        self._latest = self._read()
        self._last = self._clock()
        return self._latest

    def _read(self) -> Reading | None:
        if self._watch is not None:
            return self._watch.reading()
        try:
            return self._engine.machine()
        except DeviceError:
            return None

    def look(self, every_s: float = EVERY_S) -> Reading | None:
        """Reads it where the last reading is so long ago, and keeps that with `at_s`, seconds since the first."""
        if self._clock() - self._last < every_s:
            return None
        found = self.read()
        if found is None:
            return None
        self.during.append({"at_s": round(self._clock() - self._begin, 3), **found})
        return self.during[-1]

    def to_dict(self) -> dict[str, Any]:
        """`before`, `during` and `after`: as it is now, or was a moment ago."""
        recent = self._clock() - self._last < EVERY_S
        return {"before": self.before, "during": self.during, "after": self._latest if recent else self.read()}
