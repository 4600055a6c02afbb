"""The spec that a run directory keeps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from seatrial.errors import BadInputError, SeatrialError, UnreadableError, UsageError
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.spec.kept import from_dict
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import target_of


def check_run(flag: str, root: Path) -> None:
    """UsageError where `root`, which `flag` names, holds no run."""
    if not RunDirectory(root).run_json.is_file():
        raise UsageError(f"{flag} {root} holds no run.")


def spec_of_run(root: Path, flag: str = "--from") -> RunSpec:
    """What that run was asked, with all that it has been extended by; without its directory, which is another's now.

    flag: names the run in errors. UsageError where there is no run, BadInputError where its description is damaged or
    cannot be read.
    """
    check_run(flag, root)
    directory = RunDirectory(root)
    try:
        description = directory.description()
    except UnreadableError:
        raise
    except BadInputError as error:
        raise BadInputError(f"{directory.run_json} is damaged, or not a run's description. Give the flags.") from error
    assert description is not None
    asked = description["asked"]
    try:
        spec = from_dict(RunSpec, description.get("spec"))
        targets = dataclasses.replace(spec.targets, asked=tuple(map(target_of, asked["targets"])))
    except SeatrialError as error:
        raise BadInputError(f"{directory.run_json} does not hold the spec of its run. {error}") from error
    ids = tuple(asked["conditions"])
    conditions = dataclasses.replace(
        spec.conditions,
        globs=ids,
        severities=(),
        across=spec.conditions.for_all,
        own=tuple(name for name in ids if "+" in name),
    )
    return dataclasses.replace(
        spec, targets=targets, conditions=conditions, wait_s=0.0, out=None, reuse=None, baseline=None, shard=None
    )
