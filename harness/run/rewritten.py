"""Targets whose graph is changed as another device would run it: built beside the others, for a few conditions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from seatrial.engines.places import Arena, PlacedEngine
from seatrial.errors import UnsupportedError
from seatrial.exporters import DeployableModel
from seatrial.exporters.rewrites import REWRITES
from seatrial.harness.plan.plan import Plan
from seatrial.harness.progress import Progress
from seatrial.harness.records.failures import TARGET_ERRORS, Failure, failure
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.processes import start


@contextlib.contextmanager
def rewritten(
    plan: Plan, targets: Sequence[BuiltTarget], rewrites: tuple[str, ...], arena: Arena, progress: Progress
) -> Iterator[tuple[list[BuiltTarget], list[Failure]]]:
    """The same targets with `rewrites` applied to their files, built; and those that this ended. Without rewrites, the
    targets themselves.
    """
    if not rewrites:
        yield list(targets), []
        return
    built: list[BuiltTarget] = []
    failures: list[Failure] = []
    with contextlib.ExitStack() as stack:
        with progress.stage(f"Building with {', '.join(rewrites)}", len(targets), "engines") as update:
            for done, target in enumerate(targets):
                update(done, target.id)
                try:
                    model = rewrite(target.model, rewrites)
                    process = stack.enter_context(start(plan, target.build, arena))
                    engine = PlacedEngine(process, plan.request(target.build.target, model))
                except TARGET_ERRORS as error:
                    failures.append(failure(target.id, f"build with {', '.join(rewrites)}", error))
                else:
                    built.append(BuiltTarget(target.build, engine, model))
            update(len(targets))
        yield built, failures


def rewrite(model: DeployableModel, rewrites: Sequence[str]) -> DeployableModel:
    """`model` with all of `rewrites` applied, one after the other; UnsupportedError where one finds nothing to do."""
    for name in rewrites:
        found = REWRITES[name](model)
        if isinstance(found, str):
            raise UnsupportedError(f"{name} does not apply to {model.name}: {found}.")
        model = found
    return model
