"""A target's robustness figures, from its conditions' figures and the reference's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.corruptions import CORRUPTIONS, MCE_CORRUPTIONS, SEVERITIES
from seatrial.harness.conditions.kinds.corruption.ids import PREFIX, corruption_id, parse_corruption
from seatrial.harness.conditions.kinds.corruption.intervals import delta_interval, error_intervals, top1_interval
from seatrial.harness.conditions.kinds.protocol import Figures, Measured
from seatrial.harness.metrics.corruption_error import (
    ALEXNET,
    ALEXNET_CLEAN,
    mean_corruption_error,
    plain_mean_error,
    relative_mean_corruption_error,
)

# AlexNet's errors are those of 1000 ImageNet classes at 224 px; of other tasks they say nothing.
_IMAGENET_CLASSES = 1000


def robustness(target: Measured, reference: Measured, classes: int) -> dict[str, Any]:
    """Means over the corruptions that were run, and the corruption errors (per cent) where all that they need was run,
    each with its 95 % interval under the name with `_ci95` behind it; no interval of no figure, and none against
    itself.
    """
    corrupted = [name for name in target.figures if name.startswith(PREFIX)]
    errors = _corruption_errors(target.figures, reference.figures, classes)
    means = _means(target, reference, corrupted)
    return {
        **{f"corruption_{name}": value for name, value in means.items()},
        "families": {name: _means(target, reference, ids) for name, ids in _families(corrupted).items()},
        **errors,
        **error_intervals(errors, target.right, reference.right),
    }


def _means(target: Measured, reference: Measured, ids: Sequence[str]) -> dict[str, Any]:
    figures = [target.figures[name] for name in ids]
    delta = _mean(_deltas(figures))
    return {
        "top1": _mean([values["top1"] for values in figures]),
        "top1_ci95": top1_interval(target.right, ids),
        "delta": delta,
        "delta_ci95": None if delta is None else delta_interval(target.right, reference.right, ids),
    }


def _families(corrupted: Sequence[str]) -> dict[str, list[str]]:
    # Of mCE's fifteen: the held-out four belong to none of the published families.
    members: dict[str, list[str]] = {}
    for condition_id in corrupted:
        name, _ = parse_corruption(condition_id)
        if name in MCE_CORRUPTIONS:
            members.setdefault(CORRUPTIONS[name].family, []).append(condition_id)
    return members


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
