"""What comes back from an engine's process is not trusted: it has parsed a model that nobody vouches for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

from seatrial.engines.audit import Audit, Layer
from seatrial.engines.base import BuildRequest
from seatrial.engines.evidence import Ask
from seatrial.engines.registry import ENGINES
from seatrial.errors import DeviceError
from seatrial.text import printable

# What reading an answer raises that is none.
_NO_ANSWER = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, MemoryError)
_LONGEST = 400
_MOST_LAYERS = 1 << 20
_MOST_MACS = 1 << 63


@contextlib.contextmanager
def well_formed(engine: str) -> Iterator[None]:
    """DeviceError where an answer that is read inside is not what it should be."""
    try:
        yield
    except _NO_ANSWER as error:
        says = printable(repr(error)[:_LONGEST])
        raise DeviceError(f"Engine {engine!r} sent what is no answer ({says}).") from error


def judged(engine: str, request: BuildRequest, ask: Ask) -> Audit:
    """The audit of what was built of a request, as prepared, by what its process tells; DeviceError where that tells
    what no model has.
    """
    with well_formed(engine):
        return _checked(ENGINES[engine].judge(request, ask))


def _checked(audit: Audit) -> Audit:
    """As it can be shown and written."""
    if len(audit.layers) + len(audit.other_ops) > _MOST_LAYERS:
        raise ValueError(f"an audit of {len(audit.layers)} layers")
    counts = [*(layer.macs for layer in audit.layers), *audit.other_ops.values()]
    if not all(0 <= count < _MOST_MACS for count in counts):
        raise ValueError("an audit of work that no model does")
    layers = tuple(_printable(layer) for layer in audit.layers)
    return Audit(layers, {printable(name): count for name, count in audit.other_ops.items()})


def _printable(layer: Layer) -> Layer:
    name, op, requested, realized = map(printable, (layer.name, layer.op, layer.requested, layer.realized))
    return dataclasses.replace(layer, name=name, op=op, requested=requested, realized=realized)
