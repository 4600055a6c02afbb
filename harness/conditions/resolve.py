"""From the ids that a run asks for to conditions: those that the model and its images give sense to."""

from __future__ import annotations

from collections.abc import Sequence

from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Resolved
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of


def resolve(ids: Sequence[str], named: Sequence[str], world: LoadedWorld) -> Resolved:
    """ids: as chosen by suite and globs. named: what the flags name. What each kind makes of its own, in order.

    UsageError, with the reason, for one that is named in full and has no sense here.
    """
    for name in ids:
        kind_of(name)
    found = [
        kind.resolve([name for name in ids if kind.owns(name)], [name for name in named if kind.owns(name)], world)
        for kind in KINDS.values()
    ]
    return Resolved(
        tuple(condition for one in found for condition in one.conditions),
        tuple(name for one in found for name in one.later),
        tuple(note for one in found for note in one.notes),
        {name: network for one in found for name, network in one.networks.items()},
    )
