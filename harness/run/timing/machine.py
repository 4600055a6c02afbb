"""What a machine is like before, while and after targets are timed there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from seatrial.engines.machine import Watch
from seatrial.engines.places import LOCAL
from seatrial.errors import DeviceError, EngineDiedError
from seatrial.harness.run.session import Session
from seatrial.harness.run.timing.ready import STAGE

# Seconds between two readings, while others are timed and while one is timed for minutes.
EVERY_S = 1.0

Reading = dict[str, Any]


class Machine:
    """Reads the machine that targets run on, where no clock runs: this one itself, another by the process of any target
    there that lives; one that has died ends its target.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        """session: with targets of one place."""
        self._session, self._clock = session, clock
        here = all(target.engine.place is LOCAL for target in session.alive())
        self._watch = Watch() if here else None
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
        for target in self._session.alive():
            try:
                return target.engine.machine()
            except EngineDiedError as error:
                self._session.lose(target.id, STAGE, error)
            except DeviceError:
                return None
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
