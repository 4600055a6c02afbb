"""Trials that another run directory has already: taken over, where they are named alike and whole."""

from __future__ import annotations

import shutil
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.files import replacing
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.checked import is_table
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import is_finished, trial_path
from seatrial.harness.run.trials import remaining


def take_over(plan: Plan, directory: RunDirectory, other: RunDirectory) -> int:
    """Copies what the plan lacks and `other` has; how many trials that were. UsageError where `other` is no run."""
    if other.description() is None:
        raise UsageError(f"--reuse {other.root} holds no run.")
    builds = {build.id: build for build in plan.builds}
    taken = 0
    for pending in remaining(plan, directory):
        for build in map(builds.__getitem__, pending.targets):
            name = pending.condition.id
            key, beside = plan.key_of(name, build), kind_of(name).beside(name, build, plan.key_of)
            if not is_finished(other.trials, key) or not all(is_table(other.root / path) for path in beside):
                continue
            for path in beside:
                _copy(other.root / path, directory.root / path)
            _copy(trial_path(other.trials, key), trial_path(directory.trials, key))
            taken += 1
    return taken


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
