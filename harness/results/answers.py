"""The prediction rows of one target, by condition, from a run directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.trials import read_trial
from seatrial.harness.spec.targets import Build


class Answers(Mapping[str, Predictions]):
    """Condition id -> prediction rows of one target, read when they are asked for."""

    def __init__(self, folder: Path, build: Build, plan: Plan) -> None:
        self._folder, self._ids, self._classes = folder, plan.data.ids, plan.model.classes
        asked = [condition for condition in plan.conditions if plan.answers(build, condition)]
        self._keys = {condition.id: plan.key(build, condition) for condition in asked}

    def __getitem__(self, condition_id: str) -> Predictions:
        return read_trial(self._folder, self._keys[condition_id], self._ids, self._classes)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
