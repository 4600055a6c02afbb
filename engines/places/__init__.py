"""Engines in processes of their own: what a runtime does to its process, it does not do to the run."""

from __future__ import annotations

from seatrial.engines.places.arena import Arena
from seatrial.engines.places.engine import PlacedEngine, build
from seatrial.engines.places.limits import Limits
from seatrial.engines.places.process import CompiledFile, EngineProcess

__all__ = ["Arena", "CompiledFile", "EngineProcess", "Limits", "PlacedEngine", "build"]
