"""Trials that another run directory has already: taken over, where they are named alike and whole."""

from __future__ import annotations

import shutil
from pathlib import Path

from seatrial.errors import UsageError
from seatrial.files import replacing
from seatrial.harness.plan.plan import Plan
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import is_finished, trial_path
from seatrial.harness.run.trials import remaining


def take_over(plan: Plan, directory: RunDirectory, other: RunDirectory) -> int:
    """Copies what the plan lacks and `other` has; how many trials that were. UsageError where `other` is no run."""
    if other.description() is None:
        raise UsageError(f"--reuse {other.root} holds no run.")
    builds = {build.id: build for build in plan.builds}
    taken = 0
    for pending in remaining(plan, directory.trials):
        for build in map(builds.__getitem__, pending.targets):
            key, images = plan.key(build, pending.condition), plan.images_key(build, pending.condition)
            attacked = pending.condition.attack is not None
            if not is_finished(other.trials, key) or (attacked and not trial_path(other.attacks, images).exists()):
                continue
            if attacked:
                _copy(trial_path(other.attacks, images), trial_path(directory.attacks, images))
            _copy(trial_path(other.trials, key), trial_path(directory.trials, key))
            taken += 1
    return taken


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
