"""Trials in threads of this process: every condition's images computed once, fed to every target."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

import cv2

from seatrial.harness.conditions.kinds.protocol import Pending
from seatrial.harness.run.engines import BuiltTarget
from seatrial.harness.run.executors.batches import Batch, Pass, answered, batches_of, passes_of
from seatrial.harness.run.executors.filing import Filing
from seatrial.harness.run.rewritten import rewritten
from seatrial.harness.run.session import Session


def on_threads(session: Session, pending: Sequence[Pending]) -> None:
    """Runs these trials here. Targets whose graph a condition rewrites are built for it beside the others."""
    for rewrites in dict.fromkeys(one.condition.rewrites for one in pending):
        part = [one for one in pending if one.condition.rewrites == rewrites]
        asked = {name for one in part for name in one.targets}
        alive = [target for target in session.alive() if target.id in asked]
        if not alive:
            continue
        with rewritten(session, alive, rewrites) as built:
            _run(session, part, built)


def _run(session: Session, pending: Sequence[Pending], targets: Sequence[BuiltTarget]) -> None:
    cv2.setNumThreads(1)  # the workers are the parallelism
    plan, present = session.plan, [target.id for target in targets]
    left = [one.of(present) for one in pending]
    passes = passes_of([one for one in left if one.targets], plan.model.contract)
    count = len(plan.data.ids)

    def close() -> None:
        for target in targets:
            target.engine.close()

    begin, done = time.perf_counter(), 0
    spent = {"engines": 0.0, "conditions": 0.0}
    batches = (batch for one in passes for batch in batches_of(one, 0, count, plan.spec.work.batch_size))
    filing = Filing(session, [one.condition for one in left])
    with (
        session.progress.stage("Running trials", count * sum(map(len, passes))) as update,
        contextlib.closing(answered(session, targets, batches, close)) as answers,
    ):
        update(0)
        for found in answers:
            filing.add(found.batch.start, found.rows)
            spent["engines"] += found.engines_s
            spent["conditions"] += found.conditions_s
            done += (found.batch.stop - found.batch.start) * len(found.batch.together)
            update(done, _note(passes, found.batch))
    session.directory.add_spent({"wall": time.perf_counter() - begin, **spent})


def _note(passes: Sequence[Pass], batch: Batch) -> str:
    more = f" and {len(batch.together) - 1} more" if len(batch.together) > 1 else ""
    return f"{passes.index(batch.together) + 1}/{len(passes)} {batch.together[0].condition.id}{more}"
