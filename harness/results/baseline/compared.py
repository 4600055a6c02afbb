"""What changed from one run to another, target by target."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seatrial.errors import UsageError
from seatrial.harness.conditions import CLEAN
from seatrial.harness.conditions.kinds.registry import KINDS
from seatrial.harness.metrics.paired import Comparison, Differences, compare
from seatrial.harness.records.differences import differences
from seatrial.harness.results.baseline.pairing import Pairing, at, check_labels
from seatrial.harness.results.baseline.speed import SpeedChange, changes_of_speed
from seatrial.harness.results.baseline.stored import StoredRun
from seatrial.harness.results.evidence import Evidence, names_of
from seatrial.harness.results.unlabelled import likeness_values

CORRUPTION = "corruption"


@dataclasses.dataclass(frozen=True)
class Change:
    """Of one target under one condition. images: that both runs have. before, after: top-1, 0 to 1."""

    images: int
    before: float
    after: float
    change: Comparison

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**_values(self), **_values(self.change)}


@dataclasses.dataclass(frozen=True)
class MeanChange:
    """The same over several conditions or images, without flips."""

    images: int
    before: float
    after: float
    delta: float
    ci95: tuple[float, float]
    p: float

    @classmethod
    def of(cls, before: float, found: Differences) -> MeanChange:
        """before: the mean of the first run."""
        mean = found.mean
        return cls(found.images, before, before + mean, mean, found.interval(), found.p_value())


@dataclasses.dataclass(frozen=True)
class TargetChange:
    """conditions: by id, clean images first. corrupted: mean over the corruptions that both have, None for none.
    classes: by name. likeness: condition -> how alike the answers to images without labels are, of which the others
    tell nothing (`results.unlabelled`). evidence: what they were counted from. speed: None where not both were timed.
    """

    conditions: Mapping[str, Change]
    corrupted: MeanChange | None
    classes: Mapping[str, MeanChange]
    likeness: Mapping[str, Mapping[str, Any]]
    evidence: Evidence
    speed: SpeedChange | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "conditions": {name: one.to_dict() for name, one in self.conditions.items()},
            "corrupted": None if self.corrupted is None else _values(self.corrupted),
            "classes": {name: _values(one) for name, one in self.classes.items()},
            "likeness": dict(self.likeness),
            "speed": None if self.speed is None else self.speed.to_dict(),
        }


@dataclasses.dataclass(frozen=True)
class RunsCompared:
    """The second run against the first, by target. first, second: their directories' names. changed: what shaped or
    surrounded them otherwise, by path: (before, after). alone: trials that only one of them has, as a sentence for
    each. left_out: condition -> why it cannot be compared. class_names: by number.
    """

    first: str
    second: str
    targets: Mapping[str, TargetChange]
    changed: Mapping[str, tuple[Any, Any]]
    alone: Sequence[str]
    left_out: Mapping[str, str]
    class_names: Sequence[str] | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "first": self.first,
            "second": self.second,
            "targets": {name: one.to_dict() for name, one in self.targets.items()},
            "changed": {path: list(values) for path, values in self.changed.items()},
            "alone": list(self.alone),
            "left_out": dict(self.left_out),
        }


def compared(first: StoredRun, second: StoredRun) -> RunsCompared:
    """UsageError where the runs have no target, condition and image in common, or the images have changed."""
    names = second.class_names or first.class_names
    changed = dict(_changed(first, second))
    left_out = {
        name: f"it is made otherwise: {', '.join(found)}"
        for name in first.identity["conditions"].keys() & second.identity["conditions"].keys()
        if (found := differences(first.identity["conditions"][name], second.identity["conditions"][name]))
    }
    pairing, targets = Pairing(), {}
    for target in first.targets:
        counted = _target(first, second, target, left_out, pairing)
        if counted is not None:
            targets[target] = counted.result(names)
    for name, speed in changes_of_speed(first, second).items():
        if name in targets:
            targets[name] = dataclasses.replace(targets[name], speed=speed)
    if not targets:
        raise UsageError(
            f"{first.root} and {second.root} have no target, condition and image in common"
            f"{': ' + '; '.join(f'{name}: {why}' for name, why in left_out.items()) if left_out else ''}."
        )
    return RunsCompared(
        first.root.name, second.root.name, targets, changed, list(_alone(first, second)), left_out, names
    )


class _Target:
    """Adds up one target, condition by condition."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self.conditions: dict[str, Change] = {}
        self.likeness: dict[str, dict[str, Any]] = {}

    def result(self, names: Sequence[str] | None) -> TargetChange:
        """What was added up. names: of the classes."""
        means = self.evidence.means.get(CORRUPTION)
        corrupted = None if means is None else MeanChange.of(float(means.reference_top1.mean()), means.differences)
        named = names_of(names, self.evidence.classes)
        classes = {
            named[number]: MeanChange.of(self.evidence.class_top1[number] - found.mean, found)
            for number, found in self.evidence.classes.items()
        }
        return TargetChange(self.conditions, corrupted, classes, self.likeness, self.evidence)


def _target(
    first: StoredRun, second: StoredRun, target: str, left_out: Mapping[str, str], pairing: Pairing
) -> _Target | None:
    theirs = set(second.conditions(target))
    shared = [name for name in first.conditions(target) if name in theirs and name not in left_out]
    found = _Target()
    labels = None
    for condition in sorted(shared, key=lambda name: (name != CLEAN, name)):
        ids, before = first.read(target, condition)
        others, after = second.read(target, condition)
        places, other_places = pairing.places(ids, others)
        if not len(places):
            continue
        before, after = at(before, places), at(after, other_places)
        check_labels(before, after, (first.root, second.root))
        if len(places) == len(ids) == len(others):
            _check_images(first, second)
        if not before.labelled:
            found.likeness[condition] = likeness_values(after, before, second.class_names or first.class_names)
            continue
        change = compare(after.correct, before.correct, after.top1 == before.top1)
        found.conditions[condition] = Change(
            len(places), float(before.correct.mean()), float(after.correct.mean()), change
        )
        if labels is None:
            labels = before.label
            clean = (after.correct.astype(np.float64), before.correct.astype(np.float64))
        if len(labels) == len(before.label):  # a run that was extended has the same images under every condition
            found.evidence.add(condition, _kind(condition), after.correct, before.correct)
    if labels is None:
        return found if found.likeness else None
    if CLEAN in found.conditions:
        found.evidence.count_classes(labels, *clean)
    else:
        mean = found.evidence.mean()
        found.evidence.count_classes(labels, mean.top1, mean.reference_top1)
    return found


def _kind(condition: str) -> str:
    """Of another package's condition that is not installed any more, its first word."""
    return next((kind.name for kind in KINDS.values() if kind.owns(condition)), condition.partition("/")[0])


def _check_images(first: StoredRun, second: StoredRun) -> None:
    """UsageError where all images have the same names and are not the same."""
    digests = [one.identity["run"].get("images") for one in (first, second)]
    if None not in digests and digests[0] != digests[1]:
        raise UsageError(
            f"{first.root} and {second.root} ran on images of the same names that are not the same: they cannot be "
            "compared."
        )


def _changed(first: StoredRun, second: StoredRun) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for part in ("run", "targets"):
        held, now = first.identity[part], second.identity[part]
        if part == "targets":  # what only one of them has is told elsewhere
            shared = held.keys() & now.keys()
            held, now = ({name: one[name] for name in shared} for one in (held, now))
        yield from _paths(held, now)
    yield from _paths(first.environment, second.environment, skip=("clocks_mhz",))


def _paths(before: Any, after: Any, skip: Sequence[str] = (), path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after} - set(skip)):
            yield from _paths(before.get(key), after.get(key), skip, f"{path} {key}".strip())
    elif before != after:
        yield path, (before, after)


def _alone(first: StoredRun, second: StoredRun) -> Iterator[str]:
    for one, other in ((first, second), (second, first)):
        targets = [name for name in one.targets if name not in other.targets]
        if targets:
            yield f"only {one.root.name} has the targets {', '.join(targets)}"
        shared = set(one.targets) & set(other.targets)
        theirs = {key for key in other.trials if key[0] in shared}
        conditions = sorted({key[1] for key in one.trials if key[0] in shared and key not in theirs})
        if conditions:
            more = f" and {len(conditions) - 5} more" if len(conditions) > 5 else ""
            yield f"only {one.root.name} has the conditions {', '.join(conditions[:5])}{more}"


def _values(one: Any) -> dict[str, Any]:
    values = {field.name: getattr(one, field.name) for field in dataclasses.fields(one) if field.name != "change"}
    return {**values, "ci95": list(values["ci95"])} if "ci95" in values else values
