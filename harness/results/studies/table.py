"""RobustMQ's table: method and bits with clean accuracy, AR, WCAR, NR and SR, each with its interval."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seatrial.harness.conditions.corruptions import MCE_CORRUPTIONS, SEVERITIES
from seatrial.harness.conditions.kinds.corruption.ids import corruption_id
from seatrial.harness.metrics.accuracy import accuracy, wilson_interval
from seatrial.harness.metrics.attack import conditional_accuracy, worst_case
from seatrial.harness.metrics.contrast import conditional_contrast
from seatrial.harness.metrics.setting_deviation import setting_deviation
from seatrial.harness.metrics.weighted import weighted_interval
from seatrial.harness.results.studies.readings import OWN, TRANSFER, keyed, levels_of
from seatrial.harness.results.studies.rows import Row

# In the order of tables.
CORRUPTED = tuple(corruption_id(name, severity) for name in MCE_CORRUPTIONS for severity in SEVERITIES)


def table(rows: Sequence[Row], settings: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """JSON values, a row for each target. settings: (decoder, filter) -> condition."""
    return [_row(row, settings) for row in rows]


def _row(row: Row, settings: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "target": row.target,
        "method": row.method,
        "bits": list(row.bits),
        "quantized": row.quantized,
        "images": len(row.clean),
        "masking": row.masking,
        "guesses": row.guesses,
        "clean": {
            "top1": accuracy(row.clean),
            "ci95": list(wilson_interval(int(np.count_nonzero(row.clean)), len(row.clean))),
        },
        "ar": _by_attack(row),
        "ar_mean": _mean_ar(row),
        "wcar": _worst(row),
        "nr": _mean(row, [name for name in CORRUPTED if name in row.right]),
        "sr": _spread(row, [name for name in settings.values() if name in row.right]),
    }


def _by_attack(row: Row) -> list[dict[str, Any]]:
    """AR of each attack and strength: with own gradients, and of what was made on the float model."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for (way, attack, level), condition in keyed(row).items():
        one = found.setdefault((attack, level), {"attack": attack, "level": level})
        one["eps"] = row.attacks[condition].eps
        one[way] = _rate(conditional_accuracy(row.clean, row.right[condition]))
    return list(found.values())


def _mean_ar(row: Row) -> dict[str, Any] | None:
    """Over the attacks and strengths with own gradients."""
    conditions = list(keyed(row, (OWN,)).values())
    if not conditions:
        return None
    hits = np.mean([row.right[name] for name in conditions], axis=0)
    found = conditional_contrast([1.0], [row.clean], [hits])
    if found is None:
        return None
    return {"rate": found.value, "ci95": list(found.interval()), "attacks": len(conditions)}


def _worst(row: Row) -> list[dict[str, Any]]:
    """WCAR at each strength: of own gradients, of the float model's, of all that was asked."""
    keys = keyed(row)
    return [
        {
            "level": level,
            OWN: _rate(_worst_of(row, [one for key, one in keys.items() if key[2] == level and key[0] == OWN])),
            TRANSFER: _rate(
                _worst_of(row, [one for key, one in keys.items() if key[2] == level and key[0] == TRANSFER])
            ),
            "all": _rate(_worst_of(row, [one for key, one in keys.items() if key[2] == level])),
        }
        for level in levels_of(keys)
    ]


def _worst_of(row: Row, conditions: Sequence[str]) -> Any:
    return worst_case(row.clean, [row.right[name] for name in conditions]) if conditions else None


def _rate(found: Any) -> dict[str, Any] | None:
    return None if found is None else {**dataclasses.asdict(found), "ci95": list(found.ci95)}


def _mean(row: Row, conditions: Sequence[str]) -> dict[str, Any] | None:
    if not conditions:
        return None
    return {
        "top1": float(np.mean([accuracy(row.right[name]) for name in conditions])),
        "ci95": list(weighted_interval((1 / len(conditions), row.right[name]) for name in conditions)),
        "conditions": len(conditions),
    }


def _spread(row: Row, conditions: Sequence[str]) -> dict[str, Any] | None:
    """Mean and deviation over decoders and filters."""
    mean = _mean(row, conditions)
    if mean is None or len(conditions) < 2:
        return None
    deviation, interval = setting_deviation([row.right[name] for name in conditions])
    return {**mean, "std": deviation, "std_ci95": None if interval is None else list(interval)}
