"""The kinds of conditions by name, in the order of reports."""

from __future__ import annotations

from seatrial.errors import UsageError
from seatrial.harness.conditions.kinds.protocol import Kind
from seatrial.registry import Registry

KINDS: Registry[Kind] = Registry("kind of conditions")


def kind_of(condition_id: str) -> Kind:
    """The kind that an id belongs to; UsageError where it looks like none."""
    for kind in KINDS.values():
        if kind.owns(condition_id):
            return kind
    raise UsageError(f"Unknown condition {condition_id!r}. Known: {spelled()}.")


def spelled() -> str:
    """Every condition there is, in short."""
    return ", ".join(kind.spelled() for kind in KINDS.values())
