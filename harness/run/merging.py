"""The shards of a run put together: one run directory, as if the run had never been in parts."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from seatrial.engines.timing.loadgen_log import LOGS
from seatrial.errors import DamagedError, UsageError
from seatrial.harness.conditions.kinds.registry import kind_of
from seatrial.harness.plan.following import with_following
from seatrial.harness.plan.making import Held, make_plan
from seatrial.harness.plan.parts import shard_numbers
from seatrial.harness.plan.plan import Plan
from seatrial.harness.plan.reaching import Recorded, changed_here
from seatrial.harness.progress import Progress, Silent
from seatrial.harness.records.checked import is_table, read_table, read_values, write_values
from seatrial.harness.records.differences import differences
from seatrial.harness.records.nodes import Nodes
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.records.shards import Parts, check_no_shard, read_parts
from seatrial.harness.records.spec import spec_of_run
from seatrial.harness.records.timing import read_timing
from seatrial.harness.records.trials import is_finished, trial_path
from seatrial.harness.results.typed import Summary
from seatrial.harness.run.left import is_whole
from seatrial.harness.run.looking import unlooked
from seatrial.harness.run.reuse import copy_file, copy_table, take_over
from seatrial.harness.run.run import describe_run, finished, held_alone, summed_up
from seatrial.harness.run.trials import remaining
from seatrial.harness.spec.run import RunSpec
from seatrial.harness.spec.targets import Build

Change = Callable[[RunSpec], RunSpec]


def merge(
    roots: Sequence[Path], out: Path, progress: Progress | None = None, change: Change = lambda spec: spec
) -> tuple[Summary, Path]:
    """Puts the shards into `out`, a new or empty folder or one that holds what an earlier merge left; the summary of
    the whole run, and its directory. What hangs on the answers of all shards is run here.

    roots: of all shards of one run, in any order. change: what is said otherwise than in the first shard's spec: where
    model and images lie here, by which gate is judged. UsageError where shards are missing, doubled, unfinished, not of
    one run, or do not agree; where the model and the images here are others; and where something is left that this
    machine cannot run, with the command that does: `out` is then a run directory like any other. DamagedError for files
    that are not any more what was written. `out` has no description before it has all that the shards have: a merge
    that is killed leaves no run.
    """
    progress = progress or Silent()
    parts = read_parts(roots)
    if any(_same(out, directory.root) for directory in parts.directories):
        raise UsageError(f"--out {out} is one of the shards. Choose a new or empty folder.")
    spec = dataclasses.replace(change(spec_of_run(parts.directories[0].root, "merge")), out=out)
    first = parts.descriptions[0]
    held = Held.of({**first, "identity": {**first["identity"], "targets": parts.targets}})
    directory = RunDirectory(out)
    _tell_gates(parts, progress)
    with held_alone(directory, progress):
        stored = directory.description()
        check_no_shard("merge --out", out, stored)
        plan = make_plan(spec, progress, held, Recorded())
        directory.check(stored, plan.identity.to_dict())
        _check_here(plan, parts)
        _check_files(parts)
        failures = _failures(parts)
        _check_trials(plan, parts)
        for part in parts.directories:
            take_over(plan, directory, part)
        _take_records(directory, parts)
        directory.tell_failures(failures)
        directory.begin(describe_run(plan, stored or _begun(parts)))
        left = _left(plan, directory)
        if left is None:
            return summed_up(with_following(plan, directory.trials), directory, progress), out
    progress.tell(f"All {parts.of} shards are merged in {out}. {left}")
    _check_can_run(plan, out)
    return finished(spec, progress)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)


def _begun(parts: Parts) -> dict[str, object]:
    """When the first of them was begun, and where the first shard ran."""
    return {
        "started": min(str(stored["started"]) for stored in parts.descriptions),
        "environment": parts.descriptions[0]["environment"],
    }


def _tell_gates(parts: Parts, progress: Progress) -> None:
    """Where shards were given unlike gates: a shard judges nothing, so that nobody has noticed."""
    first, *others = (stored["spec"]["gate"] for stored in parts.descriptions)
    found = {name for gate in others for name in differences(first, gate)}
    if found:
        progress.tell(
            f"The shards were given gates that differ in: {', '.join(sorted(found))}. The first shard's judges, "
            "but for what is said here."
        )


def _check_here(plan: Plan, parts: Parts) -> None:
    """The plan is made of the model and the images that are here."""
    here, there = plan.identity.to_dict(), parts.descriptions[0]["identity"]
    found = differences(there["run"], here["run"])
    known = {**there, "targets": parts.targets}
    for what in ("targets", "conditions"):
        for name in known[what].keys() & here[what].keys():
            found.extend(differences(known[what][name], here[what][name], name))
    if found:
        raise UsageError(
            f"The shards were asked what cannot be judged here; it differs in: {', '.join(sorted(found))}. Give "
            "--model, --data and --calib as they lie here, and merge with the versions that the shards ran with."
        )


def _check_files(parts: Parts) -> None:
    """Every shard asked the same files of its targets."""
    known: dict[str, tuple[int, str]] = {}
    for number, directory in enumerate(parts.directories, start=1):
        if not directory.audit.exists():
            continue
        for name, built in read_values(directory.audit)["targets"].items():
            first, digest = known.setdefault(name, (number, built["model_digest"]))
            if digest != built["model_digest"]:
                raise UsageError(
                    f"{name} ran another file in {parts.name(number)} than in {parts.name(first)}: what they answered "
                    "does not belong together. Run one of them again on a machine like the other's."
                )


def _failures(parts: Parts) -> list[dict[str, str]]:
    """Of each target that came to no end, the first."""
    found: dict[str, dict[str, str]] = {}
    for directory in parts.directories:
        for failure in directory.told_failures():
            found.setdefault(failure["target"], dict(failure))
    return list(found.values())


def _check_trials(plan: Plan, parts: Parts) -> None:
    """Every trial that is there is whole and the same wherever it lies; and all are there."""
    numbers = shard_numbers(plan.conditions, plan.model.contract, plan.world, parts.of)
    failed = [{failure["target"] for failure in one.told_failures()} for one in parts.directories]
    missing: dict[int, list[str]] = {}
    for condition in plan.conditions:
        number = numbers[condition.id]
        made = kind_of(condition.id).answerable(condition, failed[number - 1], plan.world)
        for build in plan.builds:
            if not plan.answers(build, condition):
                continue
            there = _is_there(plan, parts, build, condition.id)
            if not there and made and build.id not in failed[number - 1]:
                missing.setdefault(number, []).append(f"{build.id} under {condition.id}")
    for number, trials in missing.items():
        raise UsageError(
            f"{parts.name(number).capitalize()} is not finished: {len(trials)} of its trials "
            f"{'is' if len(trials) == 1 else 'are'} missing, such as {trials[0]}. Repeat its command."
        )


def _is_there(plan: Plan, parts: Parts, build: Build, condition: str) -> bool:
    key = plan.key_of(condition, build)
    beside = kind_of(condition).beside(condition, build, plan.key_of)
    holders = [one for one in parts.directories if trial_path(one.trials, key).exists()]
    for one in holders:
        if not is_finished(one.trials, key):
            raise _damaged(trial_path(one.trials, key))
        for path in beside:
            if (one.root / path).exists() and not is_table(one.root / path):
                raise _damaged(one.root / path)
    holders = [one for one in holders if all((one.root / path).exists() for path in beside)]
    for one in holders[1:]:
        for path in (trial_path(one.trials, key).relative_to(one.root), *beside):
            if not read_table(one.root / path).equals(read_table(holders[0].root / path)):
                raise UsageError(
                    f"{build.id} under {condition} is not the same in {holders[0].root} and in {one.root} ({path}): "
                    "the answers are not reproducible, or a file was changed. Run both shards again."
                )
    return bool(holders)


def _damaged(path: Path) -> DamagedError:
    return DamagedError(f"{path} is damaged. Repeat the command of that shard, and it is made again.")


def _take_records(directory: RunDirectory, parts: Parts) -> None:
    """What lies beside the trials. Targets are timed and causes looked for in the first shard."""
    first, audits = parts.directories[0], [one.audit for one in parts.directories if one.audit.exists()]
    if first.latency.exists():
        copy_table(first.latency, directory.latency)
    if first.timing.exists() and not directory.timing.exists():
        read_timing(first.timing)
        write_values(directory.timing, read_values(first.timing))
    for log in _logs(first):
        copy_file(log, directory.root / log.relative_to(first.root))
    if first.findings.exists() and not directory.findings.exists():
        write_values(directory.findings, read_values(first.findings))
    if audits:
        found = [read_values(path) for path in (directory.audit, *audits) if path.exists()]
        targets = {name: built for one in reversed(found) for name, built in one["targets"].items()}
        ordered = dict.fromkeys(name for one in found for name in one["targets"])
        write_values(directory.audit, {**found[0], "targets": {name: targets[name] for name in ordered}})
    if not directory.nodes.exists():
        nodes = Nodes()
        for one in parts.directories:
            nodes.join(Nodes.read(one.nodes))
        nodes.write(directory.nodes)
    if not directory.spent.exists():
        for one in parts.directories:
            if one.spent.exists():
                directory.add_spent({name: float(value) for name, value in read_values(one.spent).items()})


def _logs(directory: RunDirectory) -> list[Path]:
    """The load generator's, as `keep_logs` files them; no link is followed."""
    found = [path for path in directory.loadgen.glob("*/*/*") if path.name in LOGS]
    return sorted(path for path in found if not any(one.is_symlink() for one in (path, *list(path.parents)[:3])))


def _left(plan: Plan, directory: RunDirectory) -> str | None:
    """What is left to run, as a sentence; None where nothing is. Targets that came to no end are not tried again."""
    failed = {failure["target"] for failure in directory.told_failures()}
    alive = [build for build in plan.builds if build.id not in failed]
    whole = with_following(plan, directory.trials)
    later = [one.condition.id for one in remaining(whole, directory) if one.condition not in plan.conditions]
    if later:
        return f"{', '.join(later)}: known now that all others are answered."
    if not is_whole(whole, directory, alive):
        return "The targets are built and timed."
    if not directory.findings.exists():
        return "What may be wrong is looked at."
    suspects = [one.id for one in unlooked(whole, directory, read_values(directory.findings)) if one.id not in failed]
    if suspects:
        directory.findings.unlink()
        return f"The layers of {', '.join(suspects)} are looked at."
    return None


def _check_can_run(plan: Plan, out: Path) -> None:
    """UsageError where the targets are not of this machine, or a command of the run directory would be run."""
    boards = sorted({target.board for target in plan.targets if target.board is not None})
    changed = changed_here(plan.there)
    if plan.spec.timing.power_command is not None:
        why = "it was timed with --power-command, which is given again"
    elif boards:
        why = f"targets are on the board {boards[0]}"
    elif changed:
        why = f"the targets ran elsewhere; what differs here: {', '.join(changed)}"
    else:
        return
    name = shlex.quote(str(out))
    raise UsageError(f"What is left is not run here: {why}. On such a machine: bench.py --from {name} --out {name}")
