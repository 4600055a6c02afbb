"""Engines in processes of their own: what a runtime does to its process, it does not do to the run."""

from __future__ import annotations

from engines.isolated.arena import Arena
from engines.isolated.engine import IsolatedEngine, build
from engines.isolated.limits import Limits
from engines.isolated.process import CompiledFile, EngineProcess

__all__ = ["Arena", "CompiledFile", "EngineProcess", "IsolatedEngine", "Limits", "build"]
