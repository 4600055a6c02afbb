"""Trials that another run directory has already: taken over, where they are named alike and whole."""

from __future__ import annotations

import shutil
from pathlib import Path

from seatrial.errors import DamagedError, UsageError
from seatrial.files import open_regular, replacing
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
                copy_table(other.root / path, directory.root / path)
            copy_table(trial_path(other.trials, key), trial_path(directory.trials, key))
            taken += 1
    return taken


def copy_table(source: Path, target: Path) -> None:
    """A table, which is looked at where it has arrived: what lies elsewhere may be another by now."""
    if target.exists():
        return
    with replacing(target) as temporary:
        with open_regular(source) as stream, temporary.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
        if not is_table(temporary):
            raise DamagedError(f"{source} is damaged. Repeat the run that it is of, and it is made again.")


def copy_file(source: Path, target: Path) -> None:
    """Any other file of a run, which nothing of ours reads; SpecialFileError for what is no regular one."""
    if not target.exists():
        with replacing(target) as temporary, open_regular(source) as stream, temporary.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
