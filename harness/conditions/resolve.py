"""From the ids that a run asks for to conditions: those that the model and its images give sense to."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from seatrial.errors import UsageError
from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.protocol import LoadedWorld, Resolved
from seatrial.harness.conditions.kinds.registry import KINDS, kind_of

_NAMED = 5


def resolve(ids: Sequence[str], named: Sequence[str], world: LoadedWorld) -> Resolved:
    """ids: as chosen by suite and globs. named: what the flags name. What each kind makes of its own, in order.

    UsageError, with the reason, for one that is named in full and has no sense here, and where a pattern or the suite
    finds nothing but what needs labels that the images do not have.
    """
    for name in ids:
        kind_of(name)
    left_out = [] if world.data.labelled else [name for name in ids if kind_of(name).needs_labels(name)]
    _refuse_unlabelled(left_out, ids, named)
    ids = [name for name in ids if name not in left_out]
    found = [
        kind.resolve([name for name in ids if kind.owns(name)], [name for name in named if kind.owns(name)], world)
        for kind in KINDS.values()
    ]
    return Resolved(
        tuple(condition for one in found for condition in one.conditions),
        tuple(name for one in found for name in one.later),
        (*_without_labels(left_out), *(note for one in found for note in one.notes)),
        {name: network for one in found for name, network in one.networks.items()},
    )


def _refuse_unlabelled(left_out: Sequence[str], ids: Sequence[str], named: Sequence[str]) -> None:
    """UsageError where a pattern, or the suite, finds nothing else."""
    asked = [[name for name in ids if name != CLEAN], *(fnmatch.filter(ids, glob) for glob in named)]
    for names in asked:
        if names and set(names) <= set(left_out):
            raise UsageError(
                f"{names[0]} needs labels, and the images have none: give --data with class folders, or an .npz with "
                "labels."
            )


def _without_labels(left_out: Sequence[str]) -> list[str]:
    if not left_out:
        return []
    more = len(left_out) - _NAMED
    names = ", ".join(left_out[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return [f"Left out, as the images have no labels: {names}."]
