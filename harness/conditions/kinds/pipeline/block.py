"""The block `pipeline` of summary.json: what each step of the input pipeline costs each target."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seatrial.harness.conditions.condition import CLEAN
from seatrial.harness.conditions.kinds.pipeline.ids import COMBINED, PREFIX, factor_of, singles_of
from seatrial.harness.conditions.kinds.pipeline.stack import MISTAKES, stack_of
from seatrial.harness.metrics.accuracy import accuracy
from seatrial.harness.metrics.effect import Correct, effect, interaction, mean_and_max, setting_spread, worst
from seatrial.harness.metrics.paired import ALPHA, paired_interval
from seatrial.harness.records.predictions import Predictions

# What RobustART's ImageNet-S varies; clean images are the contract's before setting.
_SETTINGS = ("decode", "resize")

Answers = Mapping[str, Mapping[str, Predictions]]


@dataclasses.dataclass(frozen=True)
class _Clean:
    correct: Correct
    top1: npt.NDArray[np.int32]


def describe_pipeline(answers: Answers, reference: str) -> dict[str, Any] | None:
    """JSON values; None where there are no pipeline conditions, or no clean images to compare with.

    answers: target id -> condition id -> prediction rows, conditions in the order of the run; a condition that a target
    could not answer is missing. Each one's rows are asked for once, condition by condition, so that a mapping may read
    them on access. reference: the float target that the others are a quantized form of.
    """
    names = [name for name in answers[reference] if name.startswith(PREFIX)]
    if not names or CLEAN not in answers[reference]:
        return None
    clean = {target: _clean(rows[CLEAN]) for target, rows in answers.items() if CLEAN in rows}
    found: dict[str, dict[str, dict[str, Any]]] = {target: {} for target in clean}
    for name in names:
        base = answers[reference][name]
        for target, before in clean.items():
            if name not in answers[target]:
                continue
            rows = base if target == reference else answers[target][name]
            change = effect(rows.correct, before.correct, rows.top1 == before.top1)
            added = None
            if target != reference:
                added = interaction(rows.correct, before.correct, base.correct, clean[reference].correct)
            found[target][name] = {**_values(change), "interaction": None if added is None else _values(added)}
    return {
        "stack": _stack(found[reference]),
        "targets": {
            target: {
                "clean_top1": accuracy(before.correct),
                "conditions": found[target],
                "factors": _factors(found[target], len(before.correct)),
                "settings": _settings(accuracy(before.correct), found[target]),
            }
            for target, before in clean.items()
        },
    }


def _clean(rows: Predictions) -> _Clean:
    return _Clean(rows.correct, np.array(rows.top1))


def _stack(conditions: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The conditions in `pipeline/combined@1`, `@2`, ...; empty where they were not asked for."""
    singles = {name: (values["loss"], values["flips"]) for name, values in conditions.items() if factor_of(name)}
    chosen = stack_of(singles)
    return [chosen[:count] for count in range(1, len(chosen) + 1) if f"{COMBINED}@{count}" in conditions]


def _factors(conditions: Mapping[str, Mapping[str, Any]], images: int) -> dict[str, dict[str, Any]]:
    members: dict[str, dict[str, tuple[float, float]]] = {}
    for name, values in conditions.items():
        factor = factor_of(name)
        if factor is not None:
            row = "mistake" if name in MISTAKES else factor
            members.setdefault(row, {})[name] = (values["loss"], values["flips"])
    described = {}
    for factor, options in members.items():
        mean, largest = mean_and_max(loss for loss, _ in options.values())
        described[factor] = {
            "options": list(options),
            "mean_loss": mean,
            "max_loss": largest,
            "worst": worst(options),
            "worst_ci95": list(_family_wise(conditions[worst(options)], images, len(options))),
            "max_flips": max(flips for _, flips in options.values()),
        }
    return described


def _family_wise(values: Mapping[str, Any], images: int, options: int) -> tuple[float, float]:
    """Of the loss of the worst of so many options, which looks bad by being chosen: the intervals of all of them hold
    at once (Bonferroni).
    """
    lost, won = (round(values[key] * images) for key in ("negative_flips", "positive_flips"))
    return paired_interval(won, lost, images, ALPHA / options)


def _settings(clean: float, conditions: Mapping[str, Mapping[str, Any]]) -> dict[str, float | int] | None:
    varied = [
        values["top1"]
        for name, values in conditions.items()
        if factor_of(name) in _SETTINGS or singles_of(name) is not None
    ]
    return setting_spread([clean, *varied]) if varied else None


def _values(figures: Any) -> dict[str, Any]:
    values = dataclasses.asdict(figures)
    return {**values, "ci95": list(values["ci95"])}
