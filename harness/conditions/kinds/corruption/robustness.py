"""A target's robustness figures, from its conditions' figures and the reference's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.corruptions import CORRUPTIONS, MCE_CORRUPTIONS, SEVERITIES
from seatrial.harness.conditions.kinds.corruption.ids import PREFIX, corruption_id, parse_corruption
from seatrial.harness.metrics.corruption_error import (
    ALEXNET,
    ALEXNET_CLEAN,
    mean_corruption_error,
    plain_mean_error,
    relative_mean_corruption_error,
)

# AlexNet's errors are those of 1000 ImageNet classes at 224 px; of other tasks they say nothing.
_IMAGENET_CLASSES = 1000

Figures = Mapping[str, Mapping[str, Any]]


def robustness(conditions: Figures, reference: Figures, classes: int) -> dict[str, Any]:
    """Means over the corruptions that were run, and the corruption errors (per cent) where all that they need was run.

    conditions, reference: condition id -> figures, of the target and of the fp32 reference.
    """
    corrupted = {name: values for name, values in conditions.items() if name.startswith(PREFIX)}
    return {
        "corruption_top1": _mean([values["top1"] for values in corrupted.values()]),
        "corruption_delta": _mean(_deltas(corrupted.values())),
        "families": _families(corrupted),
        **_corruption_errors(conditions, reference, classes),
    }


def _families(corrupted: Figures) -> dict[str, dict[str, float | None]]:
    # Of mCE's fifteen: the held-out four belong to none of the published families.
    members: dict[str, list[Mapping[str, Any]]] = {}
    for condition_id, values in corrupted.items():
        name, _ = parse_corruption(condition_id)
        if name in MCE_CORRUPTIONS:
            members.setdefault(CORRUPTIONS[name].family, []).append(values)
    return {
        family: {"top1": _mean([values["top1"] for values in found]), "delta": _mean(_deltas(found))}
        for family, found in members.items()
    }


def _corruption_errors(conditions: Figures, reference: Figures, classes: int) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(
        ("mean_corruption_error", "mce", "relative_mce", "mce_vs_reference", "relative_mce_vs_reference")
    )
    errors, reference_errors = _errors(conditions), _errors(reference)
    if errors is None or reference_errors is None:
        return found
    imagenet = classes == _IMAGENET_CLASSES
    found["mean_corruption_error"] = plain_mean_error(errors)
    found["mce_vs_reference"] = mean_corruption_error(errors, reference_errors)
    if imagenet:
        found["mce"] = mean_corruption_error(errors, ALEXNET)
    if CLEAN in conditions:
        clean, reference_clean = 1 - conditions[CLEAN]["top1"], 1 - reference[CLEAN]["top1"]
        found["relative_mce_vs_reference"] = relative_mean_corruption_error(
            errors, clean, reference_errors, reference_clean
        )
        if imagenet:
            found["relative_mce"] = relative_mean_corruption_error(errors, clean, ALEXNET, ALEXNET_CLEAN)
    return found


def _errors(conditions: Figures) -> dict[str, list[float]] | None:
    ids = {name: [corruption_id(name, severity) for severity in SEVERITIES] for name in MCE_CORRUPTIONS}
    if any(condition_id not in conditions for row in ids.values() for condition_id in row):
        return None
    return {name: [1 - conditions[condition_id]["top1"] for condition_id in row] for name, row in ids.items()}


def _deltas(figures: Iterable[Mapping[str, Any]]) -> list[float]:
    return [values["vs_reference"]["delta"] for values in figures if values["vs_reference"]]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
