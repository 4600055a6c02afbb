"""The prediction rows of one target, by condition, from a run directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.predictions import Predictions
from seatrial.harness.records.trials import read_trial


class Answers(Mapping[str, Predictions]):
    """Condition id -> prediction rows of one target, read when they are asked for."""

    def __init__(self, folder: Path, target: str, plan: Plan) -> None:
        self._folder, self._target, self._plan = folder, target, plan
        self._names = [condition.id for condition in plan.conditions]

    def __getitem__(self, condition_id: str) -> Predictions:
        if condition_id not in self._names:
            raise KeyError(condition_id)
        return read_trial(self._folder, self._target, condition_id, self._plan.data.ids)

    def __contains__(self, condition_id: object) -> bool:
        return condition_id in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
