"""Joules from watts that were read now and then."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from seatrial.errors import DeviceError

# Readings one after the other without an answer after which a sensor is taken to be gone.
_MOST_MISSED = 10


class Integral:
    """Each reading of the power holds until the next: what is summed never falls. For one thread at a time."""

    def __init__(self) -> None:
        self._joules, self._watts = 0.0, 0.0
        self._at: float | None = None

    def add(self, at: float, watts: float) -> None:
        """A reading at `at` seconds of any clock that does not go back."""
        self.until(at)
        self._at, self._watts = at, watts

    def until(self, at: float) -> float:
        """Joules from the first reading to `at`; 0 before it."""
        if self._at is not None and at > self._at:
            self._joules += self._watts * (at - self._at)
            self._at = at
        return self._joules


class SampledMeter:
    """A sensor of power, read by a thread every `every_s` seconds from the first question on, and at each question.

    watts: reads the sensor; None where it does not answer.
    """

    def __init__(
        self,
        name: str,
        says: str,
        watts: Callable[[], float | None],
        *,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.says = name, f"{says}, read every {every_s:g} s"
        self._watts, self._every_s, self._clock = watts, every_s, clock
        self._integral, self._lock, self._end = Integral(), threading.Lock(), threading.Event()
        self._missed = 0
        self._thread: threading.Thread | None = None

    def joules(self) -> float:
        """Since the first question. DeviceError where the sensor has stopped answering."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_reading, name=f"meter {self.name}", daemon=True)
            self._thread.start()
        self._read()
        with self._lock:
            if self._missed >= _MOST_MISSED:
                raise DeviceError(f"The energy meter {self.name!r} does not answer any more.")
            return self._integral.until(self._clock())

    def close(self) -> None:
        """Ends the thread."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(1)

    def _keep_reading(self) -> None:
        while not self._end.wait(self._every_s):
            self._read()

    def _read(self) -> None:
        with self._lock:
            found = None
            with contextlib.suppress(OSError, ValueError):
                found = self._watts()
            if found is None or not 0 <= found < float("inf"):
                self._missed += 1
            else:
                self._missed = 0
                self._integral.add(self._clock(), found)
