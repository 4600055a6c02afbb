"""Places: where engines run, each in a process of its own. What a runtime does to its process, it does not do to the
run.
"""

from __future__ import annotations

from seatrial.engines.places.arena import Arena
from seatrial.engines.places.engine import PlacedEngine, build
from seatrial.engines.places.facts import EngineFacts, Facts
from seatrial.engines.places.limits import Limits
from seatrial.engines.places.local import LOCAL
from seatrial.engines.places.piped import PipedPlace
from seatrial.engines.places.pixels import Pixels
from seatrial.engines.places.place import Place
from seatrial.engines.places.process import CompiledFile, EngineProcess

__all__ = [
    "LOCAL",
    "Arena",
    "CompiledFile",
    "EngineFacts",
    "EngineProcess",
    "Facts",
    "Limits",
    "PipedPlace",
    "Pixels",
    "Place",
    "PlacedEngine",
    "build",
]
