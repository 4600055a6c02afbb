"""What a run found out, typed: the content of summary.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.harness.metrics import Comparison

SCHEMA = 3


@dataclasses.dataclass(frozen=True)
class ConditionResult:
    """A target's answers under one condition: images, and shares of them, 0 to 1. top1_ci95: Wilson's 95 % interval.
    ties: images whose largest score two classes share. confidence: JSON values: `mean`, `ece` (expected calibration
    error) and, against the reference, `delta` with `ci95` and what falls `below` thresholds. vs_reference: None of the
    reference itself.
    """

    images: int
    top1: float
    top1_ci95: tuple[float, float]
    top5: float
    ties: float
    confidence: Mapping[str, Any]
    vs_reference: Comparison | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = {**dataclasses.asdict(self), "top1_ci95": list(self.top1_ci95)}
        if self.vs_reference is not None:
            values["vs_reference"] = {**values["vs_reference"], "ci95": list(self.vs_reference.ci95)}
        return values


@dataclasses.dataclass(frozen=True)
class ClassResult:
    """A target's answers to the images of one class. delta, ci95, p: against the reference, None of the reference."""

    images: int
    top1: float
    delta: float | None
    ci95: tuple[float, float] | None
    p: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**dataclasses.asdict(self), "ci95": None if self.ci95 is None else list(self.ci95)}


@dataclasses.dataclass(frozen=True)
class TargetResult:
    """A target as it was built, and what it answered. realized: precision -> share of the multiply-accumulates.
    conditions: by id; none for images without labels, of which `likeness` tells (`results.unlabelled`), by the same
    ids. classes: by name, under the first condition, or over all where the images came corrupted. metrics: over all
    conditions. latency: by scenario, times in milliseconds; percentiles that the samples do not carry are None.
    processors, guard, rebuilds: JSON values, None where there is nothing to say. timed: `marks` on how it was timed,
    the number of answers that were `checked` meanwhile, and energy, memory, sweeps. pace: `against` which target its
    speed is told, and why that is `unknown`.
    """

    id: str
    engine: str
    precision: str
    device: str
    board: str | None
    variant: str | None
    simulated: bool
    realized: Mapping[str, float]
    engine_bytes: int
    memory_bytes: int | None
    build_s: float
    processors: Mapping[str, Any] | None
    guard: Mapping[str, Any] | None
    conditions: Mapping[str, ConditionResult]
    classes: Mapping[str, ClassResult]
    likeness: Mapping[str, Mapping[str, Any]]
    decomposition: Sequence[Mapping[str, Any]] | None
    metrics: Mapping[str, Any]
    latency: Mapping[str, Any]
    rebuilds: Mapping[str, Any] | None
    timed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    pace: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("conditions", "classes"):
            values[name] = {key: one.to_dict() for key, one in values[name].items()}
        return values


@dataclasses.dataclass(frozen=True)
class Summary:
    """status: `complete` or `partial`. model, data: what was tested on what. alike: whether the model answers alike
    when it is asked again. notes: what a reader must know. timing: seconds. reference: id of the target that all others
    are compared with. targets: that one first. blocks: what the kinds of conditions say, by their key. agreement: of
    any two targets. baseline: what changed since another run, None where none was named. failed: those that came to no
    end. gate: the verdict. findings: what may be the matter, and what to do, the likeliest first. machine: this one,
    where targets were timed, and what happened to it; None where nothing was read. boards: the same of boards, by name.
    variants: other files that were tested beside the model, by name, described as it is.
    places: what the same question got as answers at two of them (`results.places`). study: what it says to the study
    that its suite repeats (`results.studies`), None for other suites.
    """

    status: str
    model: Mapping[str, Any]
    data: Mapping[str, Any]
    alike: Mapping[str, Any] | None
    notes: Sequence[str]
    timing: Mapping[str, Any] | None
    seed: int
    reference: str
    targets: Sequence[TargetResult]
    blocks: Mapping[str, Any]
    agreement: Mapping[str, Any]
    baseline: Mapping[str, Any] | None
    failed: Sequence[Mapping[str, Any]]
    gate: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]] = ()
    places: Sequence[Mapping[str, Any]] = ()
    variants: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    machine: Mapping[str, Any] | None = None
    boards: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    study: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in summary.json."""
        values: dict[str, Any] = {"schema": SCHEMA}
        for field in dataclasses.fields(self):
            if field.name == "blocks":
                values.update(self.blocks)
            elif field.name == "targets":
                values["targets"] = [target.to_dict() for target in self.targets]
            else:
                values[field.name] = getattr(self, field.name)
        return values
