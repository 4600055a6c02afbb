"""One trial by its description alone: anywhere, at any time, the same answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seatrial.engines import ENGINES
from seatrial.engines.boards.places import Places
from seatrial.engines.kserve.endpoint import Endpoint
from seatrial.errors import BadInputError, UsageError
from seatrial.harness.conditions import Condition
from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.conditions.kinds.registry import is_run_together, kind_of
from seatrial.harness.plan.identity import with_conditions
from seatrial.harness.plan.making import make_plan
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress, Silent
from seatrial.harness.records.differences import differences
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.trials import is_finished, trial_path
from seatrial.harness.run.answer import answer
from seatrial.harness.run.building import build_targets
from seatrial.harness.run.images import run_images
from seatrial.harness.run.processes import started
from seatrial.harness.run.session import Session
from seatrial.harness.run.settling import settle_models
from seatrial.harness.spec.boards import described, read_boards
from seatrial.harness.spec.kept import anywhere, from_dict, to_dict
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import REFERENCE, Build, target_of
from seatrial.harness.spec.variants import named_variant

SCHEMA = 1


def describe_trial(plan: Plan, build: Build, condition: Condition) -> dict[str, Any]:
    """JSON values from which `run_trial` gives the same answers: the spec of the trial, and all that shapes them."""
    ids = dict.fromkeys([plan.conditions[0].id, *(condition.parts or [condition.id])])
    targets, source = plan.targets, plan.spec.source
    if not kind_of(condition.id).made_on(condition, plan.world):  # else the others name the file that it was made on
        targets = tuple(target for target in targets if target.board is None or target == build.target)
    if is_run_together(condition.id):  # of other conditions, images may be made on other files
        targets = tuple(target for target in targets if target.variant in (None, build.target.variant))
        needed = tuple(one for one in source.variants if named_variant(one)[0] == build.target.variant)
        source = dataclasses.replace(source, variants=needed)
    spec = dataclasses.replace(
        plan.spec,
        source=source,
        targets=dataclasses.replace(plan.spec.targets, asked=targets, rebuilds=build.number),
        conditions=dataclasses.replace(plan.spec.conditions, globs=tuple(ids), severities=()),
        out=None,
        reuse=None,
        shard=None,
    )
    return {
        "schema": SCHEMA,
        "key": plan.key(build, condition),
        "target": build.target.id,
        "build": build.number,
        "condition": condition.id,
        "parts": list(condition.parts),
        "spec": to_dict(anywhere(spec)),
        "material": plan.identity.material(build, condition.id),
    }


def run_trial(
    description: Any,
    out: Path,
    progress: Progress | None = None,
    boards: Path | None = None,
    endpoints: Mapping[str, Endpoint] = MappingProxyType({}),
) -> Path:
    """Answers one trial, and files it below `out` as a run does; returns its file. One that is there is not run again.

    description: as `describe_trial` gives it. boards: the file that says how boards are reached, as `read_boards` takes
    it, endpoints: where served models are: a description's word is not taken for that. BadInputError for anything
    else, UsageError where here and now something else would shape the answers, which it names: another file, version,
    processor. Raises what ends the target.
    """
    progress = progress or Silent()
    asked = _checked(description)
    directory = RunDirectory(out)
    path = trial_path(directory.trials, asked.key)
    if is_finished(directory.trials, asked.key):
        return path
    spec = from_dict(RunSpec, description["spec"])
    named = [
        target.board for target in spec.targets.asked if target.board is not None and not ENGINES[target.engine].served
    ]
    known = described(named, read_boards(boards) if named else {})
    spec = dataclasses.replace(spec, boards=known, endpoints=endpoints)
    with Places(spec.boards, spec.wait_s, spec.endpoints) as places:
        _run(description, asked, make_plan(spec, progress, places=places), directory, progress)
    return path


def _run(description: Any, asked: _Asked, plan: Plan, directory: RunDirectory, progress: Progress) -> None:
    if asked.build.target in plan.lost:
        raise plan.lost[asked.build.target]
    plan, condition = _with_condition(plan, asked)
    if asked.build.target not in plan.targets or plan.key(asked.build, condition) != asked.key:
        raise UsageError(_why_not(description, plan, asked, condition))
    plan = dataclasses.replace(plan, only=_needed(plan, asked.build, condition))
    with started(plan) as fleet, run_images(plan, progress) as (images, calibration):
        session = Session(plan, directory, images, calibration, fleet, progress)
        settle_models(session)
        build_targets(session)
        answer(session, [Pending(condition, (asked.build.id,))])
    if session.error is not None:
        raise session.error


@dataclasses.dataclass(frozen=True)
class _Asked:
    key: str
    build: Build
    condition: str
    parts: tuple[str, ...]


def _checked(description: Any) -> _Asked:
    kinds = {"key": str, "target": str, "build": int, "condition": str, "parts": list, "spec": dict, "material": dict}
    if not isinstance(description, Mapping) or description.get("schema") != SCHEMA:
        raise BadInputError(f"This is no trial's description of schema {SCHEMA}.")
    for name, kind in kinds.items():
        if not isinstance(description.get(name), kind):
            raise BadInputError(f"This is no trial's description: it has no {name}.")
    key, parts, number = description["key"], description["parts"], description["build"]
    if len(key) != 64 or set(key) - set("0123456789abcdef"):
        raise BadInputError("This is no trial's description: its key is no SHA-256.")
    if not all(isinstance(part, str) for part in parts) or number < 1:
        raise BadInputError("This is no trial's description: its parts are no ids, or its build is below 1.")
    return _Asked(key, Build(target_of(description["target"]), number), description["condition"], tuple(parts))


def _with_condition(plan: Plan, asked: _Asked) -> tuple[Plan, Condition]:
    known = {condition.id: condition for condition in plan.conditions}
    missing = [name for name in (asked.parts or (asked.condition,)) if name not in known]
    if missing:
        raise UsageError(f"{', '.join(missing)} cannot be asked of this model and these images here.")
    if not asked.parts:
        return plan, known[asked.condition]
    made = kind_of(asked.condition).composed(asked.condition, [known[part] for part in asked.parts])
    identity = with_conditions(plan, [made])
    return dataclasses.replace(plan, conditions=(*plan.conditions, made), identity=identity), made


def _why_not(description: Mapping[str, Any], plan: Plan, asked: _Asked, condition: Condition) -> str:
    found = plan.identity.material(asked.build, condition.id) if asked.build.target in plan.targets else {}
    other = differences(description["material"], found) or ["its own description"]
    return f"Trial {asked.key[:12]} cannot be run here: its answers would be shaped by another {', '.join(other)}."


def _needed(plan: Plan, build: Build, condition: Condition) -> tuple[Build, ...]:
    """The builds that take part: the reference, the one that is asked, and those whose files the images are made on."""
    beside = kind_of(condition.id).made_on(condition, plan.world)
    return tuple(dict.fromkeys([Build(REFERENCE), build, *map(Build, beside)]))
