"""The engines by name."""

from __future__ import annotations

from seatrial.engines.base import Engine
from seatrial.registry import Registry

ENGINES: Registry[type[Engine]] = Registry("engine")


def default_device(engine: str) -> str:
    """The device that an engine is meant for: the first of its manifest."""
    return next(iter(ENGINES[engine].manifest))
