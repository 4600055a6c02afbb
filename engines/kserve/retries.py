"""A query that did not arrive is asked again: a bounded number of times, later each time, and counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from seatrial.errors import DeviceError

_LOG = logging.getLogger("seatrial")
# Seconds before the second, third and fourth try.
PAUSES = (0.25, 0.5, 1.0)
_Found = TypeVar("_Found")


class UnavailableError(Exception):
    """The other side cannot answer now, and may later."""


class Retries:
    """Of one endpoint, named `where` in words; `count` of all that were asked again. Safe from several threads."""

    def __init__(self, where: str) -> None:
        self._where, self._pauses = where, PAUSES
        self._lock = threading.Lock()
        self.count = 0

    def run(self, ask: Callable[[], _Found]) -> _Found:
        """What it answers; DeviceError once there is no more try. ask: what may be asked twice; UnavailableError where
        it should be. The first is told.
        """
        for pause in self._pauses:
            try:
                return ask()
            except UnavailableError as error:
                with self._lock:
                    self.count += 1
                    first = self.count == 1
                if first:
                    _LOG.warning("%s did not answer, and is asked again: %s.", self._where, error)
                time.sleep(pause)
        try:
            return ask()
        except UnavailableError as error:
            raise DeviceError(f"{self._where} did not answer, asked {len(self._pauses) + 1} times: {error}.") from error
