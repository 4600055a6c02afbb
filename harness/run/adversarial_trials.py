"""The trials of adversarial images: made first, told of, then answered by the targets like any others."""

from __future__ import annotations

import time
from collections.abc import Sequence

from seatrial.engines.places import Arena
from seatrial.harness.attacks.chunks import Made
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress
from seatrial.harness.records.attack_rows import EVERYONE, write_attack_rows
from seatrial.harness.records.failures import TARGET_ERRORS, Failure, failure
from seatrial.harness.records.rundir import RunDirectory
from seatrial.harness.run.adversarial import found_by_queries, made_on_surrogates, surrogate_models
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.images import RunImages
from seatrial.harness.run.trials import Trials, run_trials


def answer_attacks(
    plan: Plan,
    left: Sequence[Trials],
    directory: RunDirectory,
    images: RunImages,
    targets: Sequence[BuiltTarget],
    arena: Arena,
    progress: Progress,
) -> list[Failure]:
    """Runs what is left of the attack conditions for `targets`, the reference among them; the targets that failed.

    Images on a file that could not be made, since its target failed, are left out.
    """
    blackbox = [one for one in left if one.condition.attack is not None and one.condition.attack.kind.blackbox]
    failures = _transferred(
        plan, [one for one in left if one not in blackbox], directory, images, targets, arena, progress
    )
    lost = {found.target for found in failures}
    for target in targets:
        asked = [one for one in blackbox if target.id in one.targets]
        if not asked or target.id in lost:
            continue
        begin = time.perf_counter()
        try:
            found = found_by_queries(plan, [one.condition for one in asked], target, images, arena, progress)
            for condition, made in found:
                images.replace(condition.id, made.reader)
                _tell(plan, directory, target.id, condition.id, made)
        except TARGET_ERRORS as error:
            failures.append(failure(target.id, "attacks", error))
            continue
        finally:
            directory.add_spent({"attacks": time.perf_counter() - begin})
        own = [Trials(one.condition, (target.id,)) for one in asked]
        seconds, more = run_trials(plan, own, images, [target], arena, directory.trials, progress)
        directory.add_spent(seconds)
        failures.extend(more)
    return failures


def _transferred(
    plan: Plan,
    left: Sequence[Trials],
    directory: RunDirectory,
    images: RunImages,
    targets: Sequence[BuiltTarget],
    arena: Arena,
    progress: Progress,
) -> list[Failure]:
    if not left:
        return []
    models = surrogate_models(plan, targets)
    asked = [one for one in left if one.condition.attack is not None and one.condition.attack.surrogate in models]
    if not asked:
        return []
    begin = time.perf_counter()
    for condition, made in made_on_surrogates(plan, [one.condition for one in asked], models, images, progress):
        images.replace(condition.id, made.reader)
        _tell(plan, directory, EVERYONE, condition.id, made)
    directory.add_spent({"attacks": time.perf_counter() - begin})
    seconds, failures = run_trials(plan, asked, images, targets, arena, directory.trials, progress)
    directory.add_spent(seconds)
    return failures


def _tell(plan: Plan, directory: RunDirectory, target: str, condition: str, made: Made) -> None:
    write_attack_rows(
        directory.attacks,
        spec=plan.digest,
        target=target,
        condition=condition,
        ids=plan.data.ids,
        rows=made.rows,
        chunks=made.keys,
    )
