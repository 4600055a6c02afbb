"""A place that is asked what there is: by a process that is started there."""

from __future__ import annotations

import threading

from seatrial.engines.places.facts import EngineFacts, Facts
from seatrial.engines.places.place import Place
from seatrial.engines.places.process import EngineProcess
from seatrial.engines.registry import ENGINES


class AskedPlace(Place):
    """What it says once holds for the life of this object."""

    def __init__(self) -> None:
        self._facts: Facts | None = None
        self._engines: dict[str, EngineFacts] = {}
        self._lock = threading.Lock()

    def facts(self) -> Facts:
        """As it says them itself; starts a process the first time."""
        if self._facts is None:
            self.engine("null")
        assert self._facts is not None
        return self._facts

    def engine(self, name: str) -> EngineFacts:
        """As it says itself; starts a process the first time."""
        name = ENGINES.canonical(name)
        with self._lock:
            if name not in self._engines:
                with EngineProcess(name, place=self) as process:
                    self._engines[name] = process.about()
                    self._facts = process.there()
            return self._engines[name]
