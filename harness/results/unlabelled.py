"""What a run tells of images without labels: how often each target answers as the reference, and where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seatrial.harness.metrics.likeness import likeness
from seatrial.harness.records.predictions import Predictions

_FLIPS = 20
# Of fewer images, it may be that they show one thing.
_MANY = 10


def likeness_values(rows: Predictions, reference: Predictions, names: Sequence[str] | None) -> dict[str, Any]:
    """`metrics.likeness` as JSON values, with the classes' names and the most frequent flips alone. names: in the order
    of the model's outputs, where they are known.
    """
    found = likeness(rows, reference).to_dict()
    flips = [
        {**one, "reference_name": _name(one["reference"], names), "target_name": _name(one["target"], names)}
        for one in found["flips"][:_FLIPS]
    ]
    return {**found, "flips": flips, "kinds_of_flips": len(found["flips"])}


def notes_without_labels(reference: Predictions, names: Sequence[str] | None) -> list[str]:
    """What a reader must know where labels cannot tell that the reference is fed wrongly. names: as above."""
    classes = set(reference.top1.tolist())
    if reference.labelled or len(classes) > 1 or len(reference) < _MANY:
        return []
    return [
        f"The reference gives all {len(reference)} images one class, {_name(classes.pop(), names)}: agreement with it "
        "says little. If they show several things, check the input contract (colour order, mean, std, resize)."
    ]


def _name(index: int, names: Sequence[str] | None) -> str:
    return names[index] if names and index < len(names) else str(index)
