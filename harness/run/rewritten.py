"""Targets whose graph is changed as another device would run it: built beside the others, for a few conditions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from seatrial.engines.places import PlacedEngine
from seatrial.errors import UnsupportedError
from seatrial.exporters import DeployableModel
from seatrial.exporters.rewrites import REWRITES
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.processes import start
from seatrial.harness.run.session import Session


@contextlib.contextmanager
def rewritten(
    session: Session, targets: Sequence[BuiltTarget], rewrites: tuple[str, ...]
) -> Iterator[list[BuiltTarget]]:
    """The same targets with `rewrites` applied to their files, built; those that this ends are missing. Without
    rewrites, the targets themselves.
    """
    if not rewrites:
        yield list(targets)
        return
    built: list[BuiltTarget] = []
    stage = f"build with {', '.join(rewrites)}"
    with contextlib.ExitStack() as stack:
        with session.progress.stage(f"Building with {', '.join(rewrites)}", len(targets), "engines") as update:
            for done, target in enumerate(targets):
                update(done, target.id)
                with session.noting(target.id, stage):
                    model = rewrite(target.model, rewrites)
                    process = stack.enter_context(start(session.plan, target.build, session.arena))
                    engine = PlacedEngine(process, session.plan.request(target.build.target, model))
                    built.append(BuiltTarget(target.build, engine, model))
            update(len(targets))
        yield built


def rewrite(model: DeployableModel, rewrites: Sequence[str]) -> DeployableModel:
    """`model` with all of `rewrites` applied, one after the other; UnsupportedError where one finds nothing to do."""
    for name in rewrites:
        found = REWRITES[name](model)
        if isinstance(found, str):
            raise UnsupportedError(f"{name} does not apply to {model.name}: {found}.")
        model = found
    return model
