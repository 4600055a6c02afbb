"""The spec that a run directory keeps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.errors import BadInputError, UsageError
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.spec.kept import from_dict
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import target_of


def spec_of_run(root: Path) -> RunSpec:
    """What that run was asked, with all that it has been extended by; without its directory, which is another's now.

    UsageError where there is no run, BadInputError where its description is damaged.
    """
    description = RunDirectory(root).description() if root.exists() else None
    if description is None:
        raise UsageError(f"--from {root} holds no run.")
    if "spec" not in description:
        raise BadInputError(f"{root / 'run.json'} does not hold the spec of its run. Give the flags again.")
    spec = from_dict(RunSpec, description["spec"])
    asked = description["asked"]
    targets = dataclasses.replace(spec.targets, asked=tuple(map(target_of, asked["targets"])))
    conditions = dataclasses.replace(spec.conditions, globs=tuple(asked["conditions"]), severities=())
    return dataclasses.replace(spec, targets=targets, conditions=conditions, out=None, reuse=None)
