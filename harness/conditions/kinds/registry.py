"""The kinds of conditions by name, in the order of reports."""

from __future__ import annotations

from typing import Any

from seatrial.errors import UsageError
from seatrial.harness.conditions.kinds.protocol import Kind
from seatrial.registry import Registry


def _accept(name: str, named: Any) -> Kind:
    kind = named() if isinstance(named, type) else named
    if not isinstance(kind, Kind):
        raise TypeError("a kind of conditions is a Kind of seatrial.harness.conditions.kinds.protocol")
    if kind.name != name:
        raise ValueError(f"the kind is named {kind.name!r}: it bears its entry point's name")
    return kind


KINDS: Registry[Kind] = Registry(
    "kind of conditions", modules=["seatrial.harness.conditions.kinds"], group="seatrial.kinds", accept=_accept
)


def kind_of(condition_id: str) -> Kind:
    """The kind that an id belongs to; UsageError where it looks like none."""
    for kind in KINDS.values():
        if kind.owns(condition_id):
            return kind
    raise UsageError(f"Unknown condition {condition_id!r}. Known: {spelled()}.")


def is_run_together(condition_id: str) -> bool:
    """True where the condition's images come from the condition alone, not from what its kind makes in a run."""
    return type(kind_of(condition_id)).run is Kind.run


def title_of(condition_id: str) -> str:
    """An id as people read it: "Gaussian noise, severity 3"; what looks like no kind's stays as it is."""
    return next((kind.title(condition_id) for kind in KINDS.values() if kind.owns(condition_id)), condition_id)


def spelled() -> str:
    """Every condition there is, in short."""
    return ", ".join(kind.spelled() for kind in KINDS.values())
