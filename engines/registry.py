"""The engines by name."""

from __future__ import annotations

from engines.base import Engine
from shipcheck.registry import Registry

ENGINES: Registry[type[Engine]] = Registry("engine")
