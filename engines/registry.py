"""The engines by name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from seatrial.engines.base import Engine
from seatrial.registry import Registry

_OURS = ("null", "onnxruntime", "openvino", "pytorch", "tensorrt", "kserve.engine")


def _accept(name: str, named: Any) -> type[Engine]:
    """A class that an engine's own process finds again by its module and name."""
    if not (isinstance(named, type) and issubclass(named, Engine)):
        raise TypeError("an engine is a class derived from seatrial.engines.Engine")
    if inspect.isabstract(named):
        raise TypeError(f"it leaves out {', '.join(sorted(named.__abstractmethods__))}")
    if getattr(named, "name", None) != name:
        raise ValueError(f"the class is named {getattr(named, 'name', None)!r}: it bears its entry point's name")
    if vars(importlib.import_module(named.__module__)).get(named.__qualname__) != named:
        raise ValueError(f"there is no {named.__qualname__} in {named.__module__}: its process could not find it")
    return named


ENGINES: Registry[type[Engine]] = Registry(
    "engine",
    modules=[f"seatrial.engines.{name}" for name in _OURS],  # an adapter's module registers its class
    group="seatrial.engines",
    accept=_accept,
)


def default_device(engine: str) -> str:
    """The device that an engine is meant for: the first of its manifest."""
    return next(iter(ENGINES[engine].manifest))
